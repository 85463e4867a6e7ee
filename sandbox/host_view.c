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

enum { COPY_MAX = 512 * 1024 }; /* of one file; a larger one is left out */

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
	{ "/etc/localtime", HOST_VIEW_COPY, true, "time zone" },
	{ "/etc/timezone", HOST_VIEW_COPY, true, "time zone" },
	{ "/etc/debian_version", HOST_VIEW_COPY, true, "build scripts ask which system this is" },
	{ "/etc/os-release", HOST_VIEW_COPY, true, "build scripts ask which system this is" },
	{ "/etc/lsb-release", HOST_VIEW_COPY, true, "build scripts ask which system this is" },
	{ "/etc/perl", HOST_VIEW_TREE, true, "perl's module path" },
	{ "java", HOST_VIEW_PREFIX, true,
	  "a JVM's security and properties files, linked from /usr/lib/jvm" },
	{ "python3", HOST_VIEW_PREFIX, true, "sitecustomize, linked from /usr/lib" },
	/* apt without auth.conf and auth.conf.d: those hold passwords. */
	{ "/etc/apt/sources.list", HOST_VIEW_COPY, true, "apt-get download" },
	{ "/etc/apt/sources.list.d", HOST_VIEW_TREE, true, "apt-get download" },
	{ "/etc/apt/trusted.gpg.d", HOST_VIEW_TREE, true, "apt's trust anchors" },
	{ "/etc/apt/keyrings", HOST_VIEW_TREE, true, "apt's trust anchors" },
	{ "/etc/apt/apt.conf.d", HOST_VIEW_TREE, true, "apt-get download" },
	{ "/etc/dpkg/origins", HOST_VIEW_TREE, true, "dpkg-vendor, used by package builds" },
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

static void add(const char *dir, const char *name, const struct host_view_row *row)
{
	if (n_items == INSIDE_VIEW_MAX)
		return;
	struct view_item *item = &items[n_items];
	int n = snprintf(item->path, sizeof(item->path), "%s%s", dir, name);
	if (n < 0 || (size_t)n >= sizeof(item->path))
		return;
	n_items++;
	item->kind = row->kind == HOST_VIEW_PREFIX ? HOST_VIEW_TREE : row->kind;
	item->try = row->try;
}

static void add_prefix(const struct host_view_row *row)
{
	DIR *etc = opendir("/etc");
	const struct dirent *e;

	while (etc && (e = readdir(etc)))
		if (e->d_type == DT_DIR && strncmp(e->d_name, row->path, strlen(row->path)) == 0)
			add("/etc/", e->d_name, row);
	if (etc)
		(void)closedir(etc);
}

static void expand(void)
{
	for (size_t i = 0; i < n_items; i++)
		forget_bytes(&items[i]);
	n_items = 0;
	for (size_t i = 0; i < host_view_n; i++) {
		if (host_view_rows[i].kind == HOST_VIEW_PREFIX)
			add_prefix(&host_view_rows[i]);
		else
			add(host_view_rows[i].path, "", &host_view_rows[i]);
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
		if (items[i].kind == HOST_VIEW_COPY)
			refresh_copy(&items[i]);
}

const struct view_item *view_get(size_t *ret_n)
{
	*ret_n = n_items;
	return items;
}
