// SPDX-License-Identifier: Apache-2.0
/* git_index.c - reads versions 2 to 4 of git's index.
 *
 * Format: git's Documentation/gitformat-index. Whether object names are SHA-1 or SHA-256 is not
 * asked of .git/config, but seen: the trailer must be the hash of all before it, or, where
 * index.skipHash left zeros, the entries must add up.
 */
#include "git_index.h"

#include "drydock/fd.h"

#include <openssl/evp.h>
#include <sys/stat.h>

enum {
	INDEX_MAX = 256 * 1024 * 1024,
	NAME_MAX_BYTES = 4095, /* of one path: git's own limit on Linux */
	/* of all: version 4 stores a long common start in two bytes */
	NAMES_MAX_BYTES = 512 * 1024 * 1024,
	DEPTH_MAX = NAME_MAX_BYTES / 2,
	ENTRY_FIXED = 40, /* times, device, inode, mode, owner, size */
	FLAG_EXTENDED = 0x4000,
	FLAG_SKIP_WORKTREE = 0x4000, /* of the extended flags */
	FLAG_INTENT_TO_ADD = 0x2000,
};

struct index_reader {
	const unsigned char *bytes;
	size_t at, end; /* end: where the trailer starts */
	size_t hash_len;
	uint32_t version, count;
	char name[NAME_MAX_BYTES + 1]; /* of the last entry */
	size_t name_len;
	/* an entry without a name: only a split index has them, for what it replaces */
	bool nameless;
	struct git_index *index;
};

void git_index_done(struct git_index *index)
{
	free(index->entries);
	free(index->names);
	*index = (struct git_index){ .n = 0 };
}

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int malformed(const struct index_reader *in, struct dd_err *err, const char *what)
{
	return dd_err_say(err, EBADMSG, "git index: byte %zu: %s", in->at, what);
}

/* Version 4: how many bytes of the name before are dropped, 7 bits a byte, most significant first,
 * each continuation adding one. */
static int read_strip(struct index_reader *in, size_t *ret, struct dd_err *err)
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

static int read_name(struct index_reader *in, size_t entry_start, struct dd_err *err)
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

/* Names are kept one after the other; entries hold offsets until all are read. */
static int add_entry(struct index_reader *in, struct git_entry entry, struct dd_err *err)
{
	struct git_index *x = in->index;
	size_t len = in->name_len + 1;
	if (x->names_len + len > NAMES_MAX_BYTES)
		return dd_err_say(err, E2BIG, "git index: its names add up to more than %d MiB",
		                  NAMES_MAX_BYTES >> 20);
	if (x->n == x->cap) {
		size_t cap = x->cap ? x->cap * 2 : 256;
		struct git_entry *grown = realloc(x->entries, cap * sizeof(*grown));
		if (!grown)
			return dd_err_set(err, ENOMEM, "git index");
		x->entries = grown;
		x->cap = cap;
	}
	if (x->names_len + len > x->names_cap) {
		size_t cap = (x->names_len + len) * 2;
		char *grown = realloc(x->names, cap);
		if (!grown)
			return dd_err_set(err, ENOMEM, "git index");
		x->names = grown;
		x->names_cap = cap;
	}
	memcpy(x->names + x->names_len, in->name, len);
	entry.path = (const char *)(uintptr_t)x->names_len;
	x->names_len += len;
	x->entries[x->n++] = entry;
	return 0;
}

static int read_entry(struct index_reader *in, struct dd_err *err)
{
	size_t start = in->at, fixed = ENTRY_FIXED + in->hash_len + 2;
	if (in->end - in->at < fixed + 2)
		return malformed(in, err, "an entry is cut off");
	const unsigned char *p = in->bytes + start, *flags = p + ENTRY_FIXED + in->hash_len;
	unsigned extended = 0;
	struct git_entry e = {
		.ctime_sec = be32(p),
		.ctime_nsec = be32(p + 4),
		.mtime_sec = be32(p + 8),
		.mtime_nsec = be32(p + 12),
		.ino = be32(p + 20),
		.mode = be32(p + 24),
		.size = be32(p + 36),
		.stage = (flags[0] >> 4) & 3,
	};
	memcpy(e.oid, p + ENTRY_FIXED, in->hash_len);
	if (flags[0] & (FLAG_EXTENDED >> 8)) {
		if (in->version < 3)
			return malformed(in, err, "extended flags in a version that has none");
		extended = (unsigned)(flags[2] << 8 | flags[3]);
		fixed += 2;
	}
	e.unwritten = extended & FLAG_SKIP_WORKTREE;
	e.intended = extended & FLAG_INTENT_TO_ADD;
	in->at += fixed;
	int r = read_name(in, start, err);
	if (r < 0)
		return r;
	switch (e.mode & 0170000) {
	case 0100000:
	case 0120000:
	case 0160000:
		return add_entry(in, e, err);
	case 0040000: /* a sparse directory: nothing of it is checked out */
		in->index->sparse = true;
		return 0;
	default:
		return malformed(in, err, "an entry is of no kind that git knows");
	}
}

static int read_extensions(struct index_reader *in, struct dd_err *err)
{
	while (in->at < in->end) {
		if (in->end - in->at < 8)
			return malformed(in, err, "an extension is cut off");
		const unsigned char *name = in->bytes + in->at;
		size_t len = be32(name + 4);
		if (len > in->end - in->at - 8)
			return malformed(in, err, "an extension is longer than the file");
		if (memcmp(name, "link", 4) == 0)
			in->index->split = true;
		else if ((name[0] < 'A' || name[0] > 'Z') && memcmp(name, "sdir", 4) != 0)
			return malformed(in, err,
			                 "an extension that must be understood is unknown");
		in->at += 8 + len;
	}
	return 0;
}

static int by_path(const void *a, const void *b)
{
	const struct git_entry *x = a, *y = b;
	int c = strcmp(x->path, y->path);
	return c ? c : x->stage - y->stage;
}

/* git sorts them; a stranger need not. */
static void sort(struct git_index *x)
{
	bool sorted = true;
	for (size_t i = 0; i < x->n; i++) {
		x->entries[i].path = x->names + (uintptr_t)x->entries[i].path;
		sorted = sorted && (i == 0 || by_path(&x->entries[i - 1], &x->entries[i]) < 0);
	}
	if (!sorted)
		qsort(x->entries, x->n, sizeof(*x->entries), by_path);
}

static int parse_with(const unsigned char *bytes, size_t len, size_t hash_len,
                      struct git_index *ret, struct dd_err *err)
{
	struct git_index index = { .oid_len = hash_len };
	dd_auto_free struct index_reader *in = calloc(1, sizeof(*in));
	if (!in)
		return dd_err_set(err, ENOMEM, "git index");
	*in = (struct index_reader){ .bytes = bytes,
		                     .at = 12,
		                     .end = len - hash_len,
		                     .hash_len = hash_len,
		                     .version = be32(bytes + 4),
		                     .count = be32(bytes + 8),
		                     .index = &index };
	int r = 0;
	for (uint32_t i = 0; i < in->count && r == 0; i++)
		r = read_entry(in, err);
	if (r == 0)
		r = read_extensions(in, err);
	if (r == 0 && in->nameless && !index.split)
		r = malformed(in, err, "an entry has no name");
	if (r < 0) {
		git_index_done(&index);
		return r;
	}
	sort(&index);
	*ret = index;
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

int git_index_parse(const void *data, size_t len, struct git_index *ret, struct dd_err *err)
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

int git_index_read(int fd, struct git_index *ret, struct dd_err *err)
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
	int r = git_index_parse(bytes, size, ret, err);
	if (r == 0) {
		ret->mtime_sec = (uint32_t)st.st_mtim.tv_sec;
		ret->mtime_nsec = (uint32_t)st.st_mtim.tv_nsec;
	}
	return r;
}

size_t git_index_find(const struct git_index *index, const char *path)
{
	size_t lo = 0, hi = index->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (strcmp(index->entries[mid].path, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* ---- names of objects ---- */

static int fault(struct dd_err *err)
{
	return dd_err_say(err, EIO, "the digest of a git object cannot be computed");
}

static EVP_MD_CTX *name_start(const char *kind, uint64_t size, size_t oid_len)
{
	char head[64];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int n = snprintf(head, sizeof(head), "%s %llu", kind, (unsigned long long)size) + 1;
	if (md && EVP_DigestInit_ex(md, oid_len == 20 ? EVP_sha1() : EVP_sha256(), NULL) &&
	    EVP_DigestUpdate(md, head, (size_t)n))
		return md;
	EVP_MD_CTX_free(md);
	return NULL;
}

static int name_end(EVP_MD_CTX *md, bool fine, unsigned char ret[GIT_OID_MAX], struct dd_err *err)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	fine = fine && EVP_DigestFinal_ex(md, sum, &len) && len <= GIT_OID_MAX;
	EVP_MD_CTX_free(md);
	if (!fine)
		return fault(err);
	memcpy(ret, sum, len);
	return 0;
}

int git_name(const char *type, const void *bytes, size_t len, size_t oid_len,
             unsigned char ret[GIT_OID_MAX], struct dd_err *err)
{
	EVP_MD_CTX *md = name_start(type, len, oid_len);
	return md ? name_end(md, EVP_DigestUpdate(md, bytes, len), ret, err) : fault(err);
}

int git_bytes_name(const void *bytes, size_t len, size_t oid_len, unsigned char ret[GIT_OID_MAX],
                   struct dd_err *err)
{
	return git_name("blob", bytes, len, oid_len, ret, err);
}

int git_blob_name(int fd, uint64_t size, size_t oid_len, unsigned char ret[GIT_OID_MAX],
                  struct dd_err *err)
{
	char buf[12288];
	EVP_MD_CTX *md = name_start("blob", size, oid_len);
	uint64_t at = 0;
	int r = md ? 0 : fault(err);
	while (r == 0 && at < size) {
		ssize_t n = pread(fd, buf,
		                  size - at < sizeof(buf) ? (size_t)(size - at) : sizeof(buf),
		                  (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			r = dd_err_set(err, n < 0 ? errno : EBUSY, "read a tracked file");
		else if (!EVP_DigestUpdate(md, buf, (size_t)n))
			r = fault(err);
		at += n > 0 ? (uint64_t)n : 0;
	}
	if (r == 0)
		return name_end(md, true, ret, err);
	EVP_MD_CTX_free(md);
	return r;
}

/* One tree object as it grows: "MODE NAME\0" and the name of what it is, for each row. */
struct tree_text {
	unsigned char *data;
	size_t len, cap;
};

static int add_row(struct tree_text *t, uint32_t mode, const char *name, size_t name_len,
                   const unsigned char *oid, size_t oid_len)
{
	size_t need = t->len + 16 + name_len + oid_len;
	if (!t->data || need > t->cap) {
		unsigned char *grown = realloc(t->data, need * 2);
		if (!grown)
			return -ENOMEM;
		t->data = grown;
		t->cap = need * 2;
	}
	t->len += (size_t)snprintf((char *)t->data + t->len, 16, "%o ", mode);
	memcpy(t->data + t->len, name, name_len);
	t->len += name_len;
	t->data[t->len++] = '\0';
	memcpy(t->data + t->len, oid, oid_len);
	t->len += oid_len;
	return 0;
}

/* The tree of the entries from *@i on that begin with the first @skip bytes of the entry there.
 * Sorted by whole paths they are in a tree's own order: there a directory counts as if its name
 * ended in a slash. */
static int name_tree(const struct git_index *x, size_t *i, size_t skip, unsigned depth,
                     unsigned char ret[GIT_OID_MAX], struct dd_err *err)
{
	struct tree_text t = { NULL, 0, 0 };
	const char *dir = x->entries[*i].path;
	int r = depth > DEPTH_MAX ? -E2BIG : 0;
	while (r == 0 && *i < x->n && strncmp(x->entries[*i].path, dir, skip) == 0) {
		const struct git_entry *e = &x->entries[*i];
		const char *name = e->path + skip;
		size_t len = strcspn(name, "/");
		unsigned char oid[GIT_OID_MAX];
		if (e->intended) {
			++*i;
		} else if (name[len] == '\0') {
			r = add_row(&t, e->mode, name, len, e->oid, x->oid_len);
			++*i;
		} else if ((r = name_tree(x, i, skip + len + 1, depth + 1, oid, err)) == 0) {
			r = add_row(&t, 040000, name, len, oid, x->oid_len);
		}
	}
	EVP_MD_CTX *md = r == 0 ? name_start("tree", t.len, x->oid_len) : NULL;
	if (r == 0)
		r = md ? name_end(md, EVP_DigestUpdate(md, t.data, t.len), ret, err) : fault(err);
	free(t.data);
	return r;
}

int git_index_tree(const struct git_index *index, unsigned char ret[GIT_OID_MAX],
                   struct dd_err *err)
{
	size_t i = 0;
	if (index->split || index->sparse || index->n == 0)
		return dd_err_say(err, ENODATA, "the git index does not list every file");
	for (size_t k = 0; k < index->n; k++)
		if (index->entries[k].stage)
			return dd_err_say(err, EBUSY, "a merge is not resolved");
	int r = name_tree(index, &i, 0, 0, ret, err);
	return r == -ENOMEM || r == -E2BIG ? dd_err_set(err, -r, "name the tree of the index") : r;
}
