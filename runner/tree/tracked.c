// SPDX-License-Identifier: Apache-2.0
/* tracked.c - which files of a checkout git tracks, read from .git/index without running git.
 *
 * Runs in the supervisor on a file that a hostile step may have written: git itself would obey the
 * configuration beside it (F-11). Format: git's
 * Documentation/gitformat-index. Whether names are SHA-1 or SHA-256 is not asked of .git/config,
 * but seen: the trailer must be the hash of all before it, or, where index.skipHash left zeros, the
 * entries must add up. When in doubt more is tracked, never less: no repository, a .git file that
 * points elsewhere, a split index.
 */
#include "dir_stack.h"
#include "drydock/fd.h"
#include "workspace.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>

enum {
	INDEX_MAX = 256 * 1024 * 1024,
	NAME_MAX_BYTES = 4095, /* of one path: git's own limit on Linux */
	/* of all: version 4 stores a long common start in two bytes */
	NAMES_MAX_BYTES = 512 * 1024 * 1024,
	ENTRY_FIXED = 40, /* times, device, inode, mode, owner, size */
};

struct tracked {
	char **paths; /* sorted */
	size_t n, cap;
	size_t bytes;
	char **gitlinks; /* submodules: the index does not know what is inside */
	size_t n_gitlinks, cap_gitlinks;
	const char *note;
};

struct index {
	const unsigned char *bytes;
	size_t at, end; /* end: where the trailer starts */
	size_t hash_len;
	uint32_t version, count;
	char name[NAME_MAX_BYTES + 1]; /* of the last entry */
	size_t name_len;
	/* an entry without a name: only a split index has them, for what it replaces */
	bool nameless;
};

static void free_list(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void tracked_free(struct tracked *t)
{
	if (!t)
		return;
	free_list(t->paths, t->n);
	free_list(t->gitlinks, t->n_gitlinks);
	free(t);
}

static void tracked_free_p(struct tracked **t)
{
	tracked_free(*t);
}

static int append(char ***list, size_t *n, size_t *cap, const char *path, size_t len)
{
	if (*n == *cap) {
		size_t more = *cap ? *cap * 2 : 256;
		char **grown = realloc(*list, more * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		*list = grown;
		*cap = more;
	}
	char *copy = strndup(path, len);
	if (!copy)
		return -ENOMEM;
	(*list)[(*n)++] = copy;
	return 0;
}

static int add_path(struct tracked *t, const char *path, size_t len, struct dd_err *err)
{
	t->bytes += len + 1;
	if (t->bytes > NAMES_MAX_BYTES)
		return dd_err_say(err, E2BIG, "git index: its names add up to more than %d MiB",
		                  NAMES_MAX_BYTES >> 20);
	if (append(&t->paths, &t->n, &t->cap, path, len) < 0)
		return dd_err_set(err, ENOMEM, "git index");
	return 0;
}

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int malformed(const struct index *in, struct dd_err *err, const char *what)
{
	return dd_err_say(err, EBADMSG, "git index: byte %zu: %s", in->at, what);
}

/* Version 4: how many bytes of the name before are dropped, 7 bits a byte, most significant first,
 * each continuation adding one. */
static int read_strip(struct index *in, size_t *ret, struct dd_err *err)
{
	size_t value = 0;
	for (unsigned i = 0; i < 4; i++) {
		if (in->at >= in->end)
			break;
		unsigned char c = in->bytes[in->at++];
		value = (value << 7) | (c & 0x7f);
		if (!(c & 0x80)) {
			*ret = value;
			return 0;
		}
		value++;
	}
	return malformed(in, err, "a prefix length does not end");
}

static int read_name(struct index *in, size_t entry_start, struct dd_err *err)
{
	size_t keep = 0;
	if (in->version == 4) {
		size_t strip = 0;
		int r = read_strip(in, &strip, err);
		if (r < 0)
			return r;
		if (strip > in->name_len)
			return malformed(in, err, "a prefix is longer than the name before");
		keep = in->name_len - strip;
	}
	const unsigned char *from = in->bytes + in->at;
	const unsigned char *nul = in->at < in->end ? memchr(from, 0, in->end - in->at) : NULL;
	size_t len = nul ? (size_t)(nul - from) : 0;
	if (!nul || keep + len > NAME_MAX_BYTES)
		return malformed(in, err, "a name is too long or does not end");
	in->nameless |= keep + len == 0;
	memcpy(in->name + keep, from, len);
	in->name_len = keep + len;
	in->name[in->name_len] = '\0';
	in->at += len + 1;
	if (in->version < 4) /* 1 to 8 NULs up to a multiple of 8; the first is counted already */
		in->at = entry_start + ((in->at - 1 - entry_start + 8) & ~(size_t)7);
	return in->at <= in->end ? 0 : malformed(in, err, "an entry is cut off");
}

static int read_entry(struct index *in, struct tracked *t, struct dd_err *err)
{
	size_t start = in->at, fixed = ENTRY_FIXED + in->hash_len + 2;
	if (in->end - in->at < fixed)
		return malformed(in, err, "an entry is cut off");
	uint32_t mode = be32(in->bytes + start + 24);
	bool extended = in->bytes[start + ENTRY_FIXED + in->hash_len] & 0x40;
	if (extended && in->version < 3)
		return malformed(in, err, "extended flags in a version that has none");
	in->at += fixed + (extended ? 2 : 0);
	int r = read_name(in, start, err);
	if (r < 0)
		return r;
	switch (mode & 0170000) {
	case 0100000:
	case 0120000:
		return add_path(t, in->name, in->name_len, err);
	case 0160000:
		if (append(&t->gitlinks, &t->n_gitlinks, &t->cap_gitlinks, in->name, in->name_len) <
		    0)
			return dd_err_set(err, ENOMEM, "git index");
		return 0;
	case 0040000: /* a sparse directory: nothing of it is checked out */
		return 0;
	default:
		return malformed(in, err, "an entry is of no kind that git knows");
	}
}

static int read_extensions(struct index *in, struct tracked *t, struct dd_err *err)
{
	while (in->at < in->end) {
		if (in->end - in->at < 8)
			return malformed(in, err, "an extension is cut off");
		const unsigned char *name = in->bytes + in->at;
		size_t len = be32(name + 4);
		if (len > in->end - in->at - 8)
			return malformed(in, err, "an extension is longer than the file");
		if (memcmp(name, "link", 4) == 0)
			t->note = "the git index is split: every file counts as tracked";
		else if ((name[0] < 'A' || name[0] > 'Z') && memcmp(name, "sdir", 4) != 0)
			return malformed(in, err,
			                 "an extension that must be understood is unknown");
		in->at += 8 + len;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int parse_with(const unsigned char *bytes, size_t len, size_t hash_len, struct tracked **ret,
                      struct dd_err *err)
{
	struct index in = { .bytes = bytes, .at = 12, .end = len - hash_len, .hash_len = hash_len };
	__attribute__((cleanup(tracked_free_p))) struct tracked *t = calloc(1, sizeof(*t));
	if (!t)
		return dd_err_set(err, ENOMEM, "git index");
	in.version = be32(bytes + 4);
	in.count = be32(bytes + 8);
	int r = 0;
	for (uint32_t i = 0; i < in.count && r == 0; i++)
		r = read_entry(&in, t, err);
	if (r == 0)
		r = read_extensions(&in, t, err);
	if (r == 0 && in.nameless && !t->note)
		r = malformed(&in, err, "an entry has no name");
	if (r < 0)
		return r;
	if (t->n > 0)
		qsort(t->paths, t->n, sizeof(*t->paths), by_name);
	*ret = t;
	t = NULL;
	return 0;
}

static bool trailer_fits(const unsigned char *bytes, size_t len, const char *algorithm,
                         size_t hash_len)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	size_t got = 0;
	if (!EVP_Q_digest(NULL, algorithm, NULL, bytes, len - hash_len, sum, &got) ||
	    got != hash_len)
		return false;
	return memcmp(sum, bytes + len - hash_len, hash_len) == 0;
}

static bool all_zero(const unsigned char *bytes, size_t len)
{
	while (len > 0 && bytes[len - 1] == 0)
		len--;
	return len == 0;
}

static const struct {
	const char *algorithm;
	size_t len;
} hashes[] = { { "SHA1", 20 }, { "SHA256", 32 } };

int tracked_parse_index(const void *data, size_t len, struct tracked **ret, struct dd_err *err)
{
	const unsigned char *bytes = data;
	if (len > INDEX_MAX)
		return dd_err_say(err, E2BIG, "git index: larger than %d MiB", INDEX_MAX >> 20);
	if (len < 12 + 20 || memcmp(bytes, "DIRC", 4) != 0)
		return dd_err_say(err, EBADMSG, "git index: not an index");
	if (be32(bytes + 4) < 2 || be32(bytes + 4) > 4)
		return dd_err_say(err, EBADMSG, "git index: version %u is unknown",
		                  be32(bytes + 4));
	for (size_t i = 0; i < ARRAY_LEN(hashes); i++)
		if (len >= 12 + hashes[i].len &&
		    trailer_fits(bytes, len, hashes[i].algorithm, hashes[i].len))
			return parse_with(bytes, len, hashes[i].len, ret, err);
	int r = dd_err_say(err, EBADMSG,
	                   "git index: the checksum at its end does not fit: it was cut or edited");
	for (size_t i = 0; i < ARRAY_LEN(hashes) && r == -EBADMSG; i++)
		if (len >= 12 + hashes[i].len &&
		    all_zero(bytes + len - hashes[i].len, hashes[i].len))
			r = parse_with(bytes, len, hashes[i].len, ret, err);
	return r;
}

/* ---- the checkout around it ---- */

struct every {
	struct tracked *t;
	struct dd_err *err;
	bool only_submodules;
};

static bool in_submodule(const struct tracked *t, const char *path)
{
	for (size_t i = 0; i < t->n_gitlinks; i++) {
		size_t len = strlen(t->gitlinks[i]);
		if (strncmp(path, t->gitlinks[i], len) == 0 && path[len] == '/')
			return true;
	}
	return false;
}

static int add_every(void *arg, enum manifest_change what, const char *path, uint64_t size,
                     const char *sha256)
{
	struct every *e = arg;
	(void)what;
	(void)size;
	if (*sha256 == '\0' || strncmp(path, ".git/", 5) == 0 ||
	    (e->only_submodules && !in_submodule(e->t, path)))
		return 0;
	return add_path(e->t, path, strlen(path), e->err);
}

/* Every file (or every file of a submodule) of the manifest. Before anything was built, so what is
 * there is what was fetched. */
static int track_manifest(struct tracked *t, const struct manifest *initial, bool only_submodules,
                          struct dd_err *err)
{
	struct every e = { .t = t, .err = err, .only_submodules = only_submodules };
	if (!initial)
		return dd_err_say(err, EINVAL,
		                  "tracked files: there is neither a git index nor a list of what "
		                  "was fetched");
	int r = manifest_each(initial, add_every, &e);
	if (r == 0 && t->n > 0)
		qsort(t->paths, t->n, sizeof(*t->paths), by_name);
	return r;
}

static int track_everything(const struct manifest *initial, const char *note, struct tracked **ret,
                            struct dd_err *err)
{
	__attribute__((cleanup(tracked_free_p))) struct tracked *t = calloc(1, sizeof(*t));
	if (!t)
		return dd_err_set(err, ENOMEM, "tracked files");
	t->note = note;
	int r = track_manifest(t, initial, false, err);
	if (r < 0)
		return r;
	*ret = t;
	t = NULL;
	return 0;
}

static int read_index(int fd, struct tracked **ret, struct dd_err *err)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return dd_err_set(err, errno, "look at .git/index");
	if (!S_ISREG(st.st_mode) || st.st_size > INDEX_MAX)
		return dd_err_say(err, EBADMSG,
		                  ".git/index is not a regular file of at most %d MiB",
		                  INDEX_MAX >> 20);
	size_t size = (size_t)st.st_size, at = 0;
	dd_auto_free char *bytes = malloc(size + 1);
	if (!bytes)
		return dd_err_set(err, ENOMEM, "read .git/index");
	while (at < size) {
		ssize_t n = read(fd, bytes + at, size - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return dd_err_set(err, n < 0 ? errno : EBUSY, "read .git/index");
		at += (size_t)n;
	}
	return tracked_parse_index(bytes, size, ret, err);
}

int tracked_load(int dir_fd, const struct manifest *initial, struct tracked **ret,
                 struct dd_err *err)
{
	dd_auto_fd int fd = open_beneath(dir_fd, ".git/index", O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd == -ENOENT)
		return track_everything(
			initial, "there is no git index: every file counts as tracked", ret, err);
	if (fd == -ENOTDIR || fd == -ELOOP)
		return track_everything(initial,
		                        "the git repository lies outside the workspace: every file "
		                        "counts as tracked",
		                        ret, err);
	if (fd < 0)
		return dd_err_set(err, -fd, "open .git/index");
	__attribute__((cleanup(tracked_free_p))) struct tracked *t = NULL;
	int r = read_index(fd, &t, err);
	if (r == 0 && t->note)
		return track_everything(initial, t->note, ret, err);
	if (r == 0 && t->n_gitlinks > 0)
		r = track_manifest(t, initial, true, err);
	if (r < 0)
		return r;
	*ret = t;
	t = NULL;
	return 0;
}

bool tracked_has(const struct tracked *t, const char *path)
{
	return t->n > 0 && bsearch(&path, t->paths, t->n, sizeof(*t->paths), by_name) != NULL;
}

size_t tracked_count(const struct tracked *t)
{
	return t->n;
}

const char *tracked_note(const struct tracked *t)
{
	return t->note;
}
