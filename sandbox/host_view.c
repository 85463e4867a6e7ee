// SPDX-License-Identifier: Apache-2.0
/* host_view.c - which parts of the host's file tree a step sees, expanded and, where they are small
 * files, read ahead of the launch.
 *
 * Runs in: supervisor, before clone3, so that a launch opens no directory and binds no single file:
 * each bind mount costs some ten system calls to make and more to tear down. Reads only what every
 * account of the host may read, since a copy no longer meets the kernel's check of the step's id.
 */
#include "host_view.h"

#include "inside.h"

#include "drydock/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>

enum { COPY_MAX = 512 * 1024 }; /* of one file; a larger one is left out */

/* What every account of a Debian may read, and programs of /usr look for elsewhere. Left out on
 * purpose: what an administrator puts passwords into (apt's auth.conf, gitconfig, npmrc, pip.conf,
 * wgetrc, client sections of databases), keys, accounts, and what only services read. */
const struct host_view_row host_view_rows[] = {
	{ "/usr", HOST_VIEW_TREE, false, "programs, libraries, headers" },
	{ "/bin", HOST_VIEW_ROOT, true, "programs" },
	{ "/sbin", HOST_VIEW_ROOT, true, "programs" },
	{ "/lib", HOST_VIEW_ROOT, true, "libraries" },
	{ "/lib64", HOST_VIEW_ROOT, true, "the dynamic loader" },
	{ "/lib32", HOST_VIEW_ROOT, true, "32-bit libraries to link against" },
	{ "/libx32", HOST_VIEW_ROOT, true, "x32 libraries to link against" },
	{ "/etc/ld.so.cache", HOST_VIEW_COPY, true, "where the loader finds libraries" },
	{ "/etc/ld.so.conf", HOST_VIEW_COPY, true, "linkers read it" },
	{ "/etc/ld.so.conf.d", HOST_VIEW_TREE, true, "linkers read it" },
	{ "/etc/alternatives", HOST_VIEW_TREE, true,
	  "cc, java, awk and others are links through it" },
	{ "/etc/ssl/certs", HOST_VIEW_TREE, true, "TLS trust anchors (not /etc/ssl/private)" },
	{ "/etc/ssl/openssl.cnf", HOST_VIEW_COPY, true,
	  "OpenSSL refuses to work without it in places" },
	{ "/etc/ca-certificates", HOST_VIEW_TREE, true, "trust anchors of the site" },
	{ "/etc/ca-certificates.conf", HOST_VIEW_COPY, true, "which anchors are active" },
	{ "/etc/mime.types", HOST_VIEW_COPY, true, "uploads guess content types" },
	{ "/etc/protocols", HOST_VIEW_COPY, true, "getprotobyname" },
	{ "/etc/services", HOST_VIEW_COPY, true, "getservbyname" },
	{ "/etc/rpc", HOST_VIEW_COPY, true, "getrpcbyname" },
	{ "/etc/netconfig", HOST_VIEW_COPY, true, "libtirpc: the transports there are" },
	{ "/etc/localtime", HOST_VIEW_COPY, true, "time zone" },
	{ "/etc/timezone", HOST_VIEW_COPY, true, "time zone" },
	{ "/etc/locale.alias", HOST_VIEW_COPY, true, "linked from /usr/share/locale" },
	{ "/etc/shells", HOST_VIEW_COPY, true, "which programs are shells" },
	{ "/etc/magic", HOST_VIEW_COPY, true, "what file(1) knows besides" },
	{ "/etc/papersize", HOST_VIEW_COPY, true, "groff, TeX and Ghostscript ask for it" },
	{ "/etc/debian_version", HOST_VIEW_COPY, true, "build scripts ask which system this is" },
	{ "/etc/os-release", HOST_VIEW_COPY, true, "build scripts ask which system this is" },
	{ "/etc/lsb-release", HOST_VIEW_COPY, true, "build scripts ask which system this is" },

	/* languages and their tools */
	{ "/etc/perl", HOST_VIEW_TREE, true, "perl's module path" },
	{ "java", HOST_VIEW_PREFIX, true,
	  "a JVM's security and properties files, linked from /usr/lib/jvm" },
	{ "python3", HOST_VIEW_PREFIX, true, "sitecustomize, linked from /usr/lib" },
	{ "/etc/maven/m2.conf", HOST_VIEW_COPY, true,
	  "Maven does not start without it; linked from /usr/share/maven" },
	{ "/etc/maven/toolchains.xml", HOST_VIEW_COPY, true, "the JDKs that Maven may choose" },
	{ "/etc/maven/settings.xml", HOST_VIEW_COPY_UNLESS_SECRET, true,
	  "the mirrors that Maven on this host uses; left out when it holds a password" },
	{ "/etc/maven/logging/simplelogger.properties", HOST_VIEW_COPY, true, "how Maven prints" },
	{ "/etc/groovy", HOST_VIEW_TREE, true, "Groovy's start-up files, linked from /usr/share" },
	{ "/var/lib/ghc", HOST_VIEW_TREE, true, "GHC's packages, linked from /usr/lib/ghc" },
	{ "/etc/R", HOST_VIEW_TREE, true, "R's start-up files, linked from /usr/lib/R" },
	{ "/etc/octaverc", HOST_VIEW_COPY, true, "Octave's start-up file, linked from /usr/share" },
	{ "/etc/php/*/cli", HOST_VIEW_GLOB, true, "which extensions PHP loads" },
	{ "/etc/php/*/mods-available", HOST_VIEW_GLOB, true, "the extensions of PHP" },
	{ "/etc/mono", HOST_VIEW_TREE, true, "Mono's settings, linked from /usr/share" },
	{ "/etc/fpc.cfg", HOST_VIEW_COPY, true, "where Free Pascal finds its units" },
	{ "/etc/ldc2.conf", HOST_VIEW_COPY, true, "where the D compiler finds its library" },
	{ "/etc/nim", HOST_VIEW_TREE, true, "the Nim compiler's settings" },
	{ "/etc/racket", HOST_VIEW_TREE, true, "where Racket finds its collections" },
	{ "/var/lib/chicken", HOST_VIEW_TREE, true, "CHICKEN's extensions" },
	{ "/etc/openmpi", HOST_VIEW_TREE, true, "Open MPI's parameters" },
	{ "/etc/OpenCL", HOST_VIEW_TREE, true, "which OpenCL implementations there are" },
	{ "/etc/emacs", HOST_VIEW_TREE, true, "how packages of Emacs are loaded" },

	/* documents and pictures */
	{ "/etc/fonts", HOST_VIEW_TREE, true, "fontconfig: text in pictures and documents" },
	{ "/etc/xml", HOST_VIEW_TREE, true, "XML catalogs: documents without the network" },
	{ "/etc/sgml", HOST_VIEW_TREE, true, "SGML catalogs, linked from /usr/share" },
	{ "/etc/texmf", HOST_VIEW_TREE, true, "TeX's settings" },
	{ "/var/lib/texmf", HOST_VIEW_TREE, true,
	  "TeX's formats and font maps, linked from /usr/share" },
	{ "/var/lib/ghostscript", HOST_VIEW_TREE, true, "Ghostscript's fonts, linked from /usr" },
	{ "ImageMagick-", HOST_VIEW_PREFIX, true, "ImageMagick's limits and types" },
	{ "/etc/asciidoc", HOST_VIEW_TREE, true, "AsciiDoc's back ends" },
	{ "/etc/manpath.config", HOST_VIEW_COPY, true, "where man(1) looks" },
	{ "/etc/lynx", HOST_VIEW_TREE, true, "Lynx does not start without it" },
	{ "/etc/groff", HOST_VIEW_TREE, true,
	  "groff's macros of the site, linked from /usr/share" },
	{ "/etc/X11/rgb.txt", HOST_VIEW_COPY, true, "names of colours, linked from /usr/share" },
	{ "/etc/matplotlibrc", HOST_VIEW_COPY, true, "how matplotlib draws" },
	{ "/etc/dictionaries-common", HOST_VIEW_TREE, true, "/usr/share/dict/words leads there" },
	{ "/var/lib/aspell", HOST_VIEW_TREE, true, "aspell's dictionaries" },
	{ "/var/lib/ieee-data", HOST_VIEW_TREE, true, "makers of network cards, linked from /usr" },

	/* browsers under test */
	{ "/etc/chromium.d", HOST_VIEW_TREE, true, "Chromium's starter reads it" },
	{ "/etc/firefox-esr", HOST_VIEW_TREE, true, "Firefox's defaults, linked from /usr/share" },

	/* apt without auth.conf and auth.conf.d: those hold passwords. */
	{ "/etc/apt/sources.list", HOST_VIEW_COPY, true, "apt-get download" },
	{ "/etc/apt/sources.list.d", HOST_VIEW_TREE, true, "apt-get download" },
	{ "/etc/apt/trusted.gpg.d", HOST_VIEW_TREE, true, "apt's trust anchors" },
	{ "/etc/apt/keyrings", HOST_VIEW_TREE, true, "apt's trust anchors" },
	{ "/etc/apt/apt.conf.d", HOST_VIEW_TREE, true, "apt-get download" },
	{ "/etc/dpkg", HOST_VIEW_TREE, true, "dpkg's own settings, used by package builds" },
	{ "/var/lib/dpkg", HOST_VIEW_TREE, true, "which packages are installed" },
	{ "/var/lib/apt/lists", HOST_VIEW_TREE, true, "package indexes" },
};
const size_t host_view_n = ARRAY_LEN(host_view_rows);

static struct view_item items[INSIDE_VIEW_MAX];
static size_t n_items;
static struct timespec etc_changed;

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static void forget_bytes(struct view_item *item)
{
	free(item->bytes);
	item->bytes = NULL;
	item->len = 0;
	item->as = (struct stat){ 0 };
}

static void view_add(const char *dir, const char *name, const struct host_view_row *row)
{
	if (n_items == INSIDE_VIEW_MAX)
		return;
	struct view_item *item = &items[n_items];
	int n = snprintf(item->path, sizeof(item->path), "%s%s", dir, name);
	if (n < 0 || (size_t)n >= sizeof(item->path))
		return;
	n_items++;
	item->kind = row->kind == HOST_VIEW_PREFIX || row->kind == HOST_VIEW_GLOB ? HOST_VIEW_TREE
	                                                                          : row->kind;
	item->try = row->try;
}

static void add_prefix(const struct host_view_row *row)
{
	DIR *etc = opendir("/etc");
	const struct dirent *e;

	while (etc && (e = readdir(etc)))
		if (e->d_type == DT_DIR && strncmp(e->d_name, row->path, strlen(row->path)) == 0)
			view_add("/etc/", e->d_name, row);
	if (etc)
		(void)closedir(etc);
}

static void add_glob(const struct host_view_row *row)
{
	glob_t found = { .gl_pathc = 0 };
	struct stat st;

	if (glob(row->path, GLOB_NOSORT | GLOB_NOESCAPE, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			if (lstat(found.gl_pathv[i], &st) == 0 && S_ISDIR(st.st_mode))
				view_add(found.gl_pathv[i], "", row);
	globfree(&found);
}

/* What is not there costs a launch nothing: it is looked for once, and again when /etc changes. */
static void expand(void)
{
	struct stat st;

	for (size_t i = 0; i < n_items; i++)
		forget_bytes(&items[i]);
	n_items = 0;
	for (size_t i = 0; i < host_view_n; i++) {
		const struct host_view_row *row = &host_view_rows[i];
		if (row->kind == HOST_VIEW_PREFIX)
			add_prefix(row);
		else if (row->kind == HOST_VIEW_GLOB)
			add_glob(row);
		else if (!row->try || lstat(row->path, &st) == 0)
			view_add(row->path, "", row);
	}
}

static bool is_for_everybody(const struct stat *st)
{
	return S_ISREG(st->st_mode) && (st->st_mode & S_IROTH) && st->st_size >= 0 &&
	       st->st_size <= COPY_MAX;
}

/* All of @fd, which fstat() said to be @st, or nothing. */
static void read_copy(struct view_item *item, int fd, const struct stat *st)
{
	size_t size = (size_t)st->st_size, len = 0;
	char *bytes = malloc(size + 1);
	ssize_t n = 1;

	while (bytes && n > 0 && len <= size) {
		n = read(fd, bytes + len, size + 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (!bytes || n < 0 ||
	    len != size) { /* it changed under our hands: the next launch looks again */
		free(bytes);
		return;
	}
	item->bytes = bytes;
	item->len = len;
	item->as = *st;
}

/* A password, passphrase or private key in an XML file, other than in its comments (the one that
 * Debian ships is all comment, with passwords for an example). */
static bool holds_secret(const struct view_item *item)
{
	static const char *const words[] = { "<password", "<passphrase", "<privateKey" };
	const char *at = item->bytes, *end = item->bytes + item->len;

	while (at < end) {
		const char *open = memmem(at, (size_t)(end - at), "<!--", 4);
		const char *to = open ? open : end;
		for (size_t i = 0; i < ARRAY_LEN(words); i++)
			if (memmem(at, (size_t)(to - at), words[i], strlen(words[i])))
				return true;
		const char *close = open ? memmem(open, (size_t)(end - open), "-->", 3) : NULL;
		at = close ? close + 3 : end;
	}
	return false;
}

static void refresh_copy(struct view_item *item)
{
	struct stat st;

	if (stat(item->path, &st) < 0 || !is_for_everybody(&st)) {
		forget_bytes(item);
		return;
	}
	if (item->bytes && st.st_ino == item->as.st_ino && st.st_dev == item->as.st_dev &&
	    st.st_size == item->as.st_size && same_time(st.st_mtim, item->as.st_mtim) &&
	    same_time(st.st_ctim, item->as.st_ctim))
		return;
	forget_bytes(item);
	dd_auto_fd int fd = open(item->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0 && fstat(fd, &st) == 0 && is_for_everybody(&st))
		read_copy(item, fd, &st);
	if (item->bytes && item->kind == HOST_VIEW_COPY_UNLESS_SECRET && holds_secret(item))
		forget_bytes(item);
}

bool view_leaves_out(const char *path)
{
	struct view_item item = { .kind = HOST_VIEW_COPY_UNLESS_SECRET };
	bool guarded = false;

	for (size_t i = 0; i < host_view_n; i++)
		guarded = guarded || (host_view_rows[i].kind == HOST_VIEW_COPY_UNLESS_SECRET &&
		                      strcmp(host_view_rows[i].path, path) == 0);
	if (!guarded || access(path, F_OK) < 0)
		return false;
	(void)snprintf(item.path, sizeof(item.path), "%s", path);
	refresh_copy(&item);
	bool left_out = !item.bytes;
	forget_bytes(&item);
	return left_out;
}

void view_refresh(void)
{
	struct stat st;

	if (stat("/etc", &st) < 0)
		return;
	if (n_items == 0 || !same_time(st.st_mtim, etc_changed)) {
		etc_changed = st.st_mtim;
		expand();
	}
	for (size_t i = 0; i < n_items; i++)
		if (view_is_copy(items[i].kind))
			refresh_copy(&items[i]);
}

const struct view_item *view_get(size_t *ret_n)
{
	*ret_n = n_items;
	return items;
}
