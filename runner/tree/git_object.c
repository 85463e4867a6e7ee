// SPDX-License-Identifier: Apache-2.0
/* git_object.c - reads commits and annotated tags: loose, packed, and packed as a difference to
 * another one.
 *
 * Formats: git's Documentation/gitformat-pack. Runs in the supervisor and the command line.
 */
#include "git_object.h"

#include "dir_stack.h"
#include "drydock/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <zlib.h>

enum {
	COMMIT_MAX = 1024 * 1024, /* a commit is its message and a few lines */
	PACKS_MAX = 4096,
	CHAIN_MAX = 64, /* differences to differences */
	OBJ_COMMIT = GIT_COMMIT,
	OBJ_TAG = GIT_TAG,
	OBJ_OFS_DELTA = 6,
	OBJ_REF_DELTA = 7,
	IDX_HEAD = 8,
	IDX_FANOUT = 256 * 4,
};

const char *const git_type_names[] = {
	[GIT_COMMIT] = "commit",
	[GIT_TREE] = "tree",
	[GIT_BLOB] = "blob",
	[GIT_TAG] = "tag",
};

struct bytes {
	unsigned char *data;
	size_t len;
	unsigned type; /* enum git_type */
};

static void bytes_done(struct bytes *b)
{
	free(b->data);
	b->data = NULL;
}
#define auto_bytes __attribute__((cleanup(bytes_done))) struct bytes

struct store {
	int objects_fd;
	size_t oid_len;
	size_t max; /* of an object; 0: of a commit or a tag, and nothing else is read */
	struct dd_err *err;
};

static int too_large(const struct store *s, uint64_t size)
{
	const size_t max = s->max ? s->max : COMMIT_MAX;
	return size > max ? dd_err_say(s->err, E2BIG, "git object: larger than %zu bytes", max) : 0;
}

static int broken(const struct store *s, const char *what)
{
	return dd_err_say(s->err, EBADMSG, "git object: %s", what);
}

size_t git_oid_parse(const char *hex, unsigned char ret[GIT_OID_MAX])
{
	size_t n = strlen(hex);
	if (n != 40 && n != 64)
		return 0;
	for (size_t i = 0; i < n; i++) {
		const char *digits = "0123456789abcdef", *at = strchr(digits, hex[i]);
		if (!at)
			return 0;
		unsigned v = (unsigned)(at - digits);
		ret[i / 2] = (unsigned char)(i % 2 ? ret[i / 2] | v : v << 4);
	}
	return n / 2;
}

static void oid_hex(const unsigned char *oid, size_t len, char *ret)
{
	for (size_t i = 0; i < len; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", oid[i]);
}

static int read_at(int fd, uint64_t at, void *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(fd, (char *)buf + done, len - done, (off_t)(at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		done += (size_t)n;
	}
	return 0;
}

/* Inflate what stands at @at into at most @room bytes; *ret_len is what came. The stream may go on.
 */
static int inflate_at(const struct store *s, int fd, uint64_t at, unsigned char *out, size_t room,
                      size_t *ret_len)
{
	unsigned char in[4096];
	z_stream z = { .next_out = out, .avail_out = (uInt)room };
	int code = inflateInit(&z);
	if (code != Z_OK)
		return dd_err_set(s->err, ENOMEM, "git object");
	while (code == Z_OK && z.avail_out > 0) {
		ssize_t n = pread(fd, in, sizeof(in), (off_t)at);
		if (n <= 0)
			break;
		at += (uint64_t)n;
		z.next_in = in;
		z.avail_in = (uInt)n;
		while (code == Z_OK && z.avail_in > 0 && z.avail_out > 0)
			code = inflate(&z, Z_NO_FLUSH);
	}
	*ret_len = room - z.avail_out;
	(void)inflateEnd(&z);
	return code == Z_OK || code == Z_STREAM_END ? 0 : broken(s, "cannot be inflated");
}

/* Exactly @size bytes. */
static int inflate_whole(const struct store *s, int fd, uint64_t at, uint64_t size,
                         struct bytes *ret)
{
	int r = too_large(s, size);
	if (r < 0)
		return r;
	ret->data = malloc((size_t)size + 1);
	if (!ret->data)
		return dd_err_set(s->err, ENOMEM, "git object");
	r = inflate_at(s, fd, at, ret->data, (size_t)size, &ret->len);
	return r < 0 || ret->len == size ? r : broken(s, "shorter than it says");
}

/* ---- loose ---- */

static bool is_wanted(const struct store *s, unsigned type)
{
	return type == OBJ_COMMIT || type == OBJ_TAG ||
	       (s->max && (type == GIT_TREE || type == GIT_BLOB));
}

/* The length of "commit " and its kin; 0: it is none of them. */
static size_t type_of_word(const char *head, unsigned *ret)
{
	for (unsigned t = GIT_COMMIT; t <= GIT_TAG; t++) {
		size_t len = strlen(git_type_names[t]);
		if (strncmp(head, git_type_names[t], len) == 0 && head[len] == ' ') {
			*ret = t;
			return len + 1;
		}
	}
	return 0;
}

static int read_loose(const struct store *s, const unsigned char *oid, struct bytes *ret)
{
	char hex[2 * GIT_OID_MAX + 1], path[120];
	unsigned char head[64];
	size_t got = 0;
	oid_hex(oid, s->oid_len, hex);
	(void)snprintf(path, sizeof(path), "%.2s/%s", hex, hex + 2);
	dd_auto_fd int fd = open_beneath(s->objects_fd, path, O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0)
		return -ENOENT;
	int r = inflate_at(s, fd, 0, head, sizeof(head), &got);
	if (r < 0)
		return r;
	const unsigned char *nul = memchr(head, 0, got);
	size_t word = nul ? type_of_word((char *)head, &ret->type) : 0;
	if (word == 0 || !is_wanted(s, ret->type))
		return broken(s, "is no commit");
	uint64_t size = strtoull((char *)head + word, NULL, 10), skip = (uint64_t)(nul - head) + 1;
	if ((r = too_large(s, size)) < 0)
		return r;
	r = inflate_whole(s, fd, 0, size + skip, ret);
	if (r == 0) {
		memmove(ret->data, ret->data + skip, (size_t)size);
		ret->len = (size_t)size;
	}
	return r;
}

/* ---- packs ---- */

struct pack {
	int idx, pack;
};

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Where object @k of @n begins. What does not fit 31 bits stands in a second table, of 64. */
static int offset_in_pack(const struct store *s, int idx, uint64_t offsets, uint64_t n, uint64_t k,
                          uint64_t *ret_at)
{
	unsigned char off[8] = { 0 };
	int r = read_at(idx, offsets + k * 4, off + 4, 4);
	if (r == 0 && (off[4] & 0x80))
		r = read_at(idx, offsets + n * 4 + (be32(off + 4) & 0x7fffffffU) * 8ULL, off, 8);
	if (r < 0)
		return broken(s, "an index of a pack is cut off");
	*ret_at = (uint64_t)be32(off) << 32 | be32(off + 4);
	return 0;
}

/* Where the object is in the pack; -ENOENT. */
static int find_in_idx(const struct store *s, int idx, const unsigned char *oid, uint64_t *ret_at)
{
	static const unsigned char magic[] = { 0xff, 't', 'O', 'c', 0, 0, 0, 2 };
	unsigned char head[IDX_HEAD], fan[8] = { 0 }, last[4], name[GIT_OID_MAX];
	if (read_at(idx, 0, head, sizeof(head)) < 0 || memcmp(head, magic, sizeof(magic)) != 0 ||
	    read_at(idx, IDX_HEAD + IDX_FANOUT - 4, last, 4) < 0)
		return broken(s, "an index of a pack is of a version that is not known");
	int r = oid[0] ? read_at(idx, IDX_HEAD + (oid[0] - 1) * 4U, fan, 8)
	               : read_at(idx, IDX_HEAD, fan + 4, 4);
	if (r < 0)
		return broken(s, "an index of a pack is cut off");
	uint64_t n = be32(last), lo = be32(fan), hi = be32(fan + 4);
	const uint64_t names = IDX_HEAD + IDX_FANOUT, offsets = names + n * (s->oid_len + 4);
	while (lo < hi && hi <= n) {
		uint64_t mid = lo + (hi - lo) / 2;
		if (read_at(idx, names + mid * s->oid_len, name, s->oid_len) < 0)
			return broken(s, "an index of a pack is cut off");
		int c = memcmp(name, oid, s->oid_len);
		if (c < 0)
			lo = mid + 1;
		else if (c > 0)
			hi = mid;
		else
			return offset_in_pack(s, idx, offsets, n, mid, ret_at);
	}
	return -ENOENT;
}

/* Little-endian groups of 7 bits, as the sizes inside of a difference. */
static int delta_size(const struct bytes *d, size_t *at, uint64_t *ret)
{
	*ret = 0;
	for (unsigned shift = 0; *at < d->len && shift < 56; shift += 7) {
		unsigned char c = d->data[(*at)++];
		*ret |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80))
			return 0;
	}
	return -EBADMSG;
}

/* One copy instruction: which of four offset and three size bytes follow is in @c. */
static int delta_copy(const struct bytes *d, size_t *at, unsigned char c, uint64_t *ret_from,
                      uint64_t *ret_len)
{
	uint64_t from = 0, len = 0;
	for (unsigned i = 0; i < 7; i++) {
		if (!(c & (1U << i)))
			continue;
		if (*at >= d->len)
			return -EBADMSG;
		uint64_t v = d->data[(*at)++];
		if (i < 4)
			from |= v << (8 * i);
		else
			len |= v << (8 * (i - 4));
	}
	*ret_from = from;
	*ret_len = len ? len : 0x10000;
	return 0;
}

static int apply_delta(const struct store *s, const struct bytes *base, const struct bytes *d,
                       struct bytes *ret)
{
	size_t at = 0;
	uint64_t base_size, size;
	if (delta_size(d, &at, &base_size) < 0 || delta_size(d, &at, &size) < 0 ||
	    base_size != base->len || too_large(s, size) < 0)
		return broken(s, "a difference does not fit what it is to");
	ret->data = malloc((size_t)size + 1);
	if (!ret->data)
		return dd_err_set(s->err, ENOMEM, "git object");
	ret->len = 0;
	while (at < d->len) {
		unsigned char c = d->data[at++];
		uint64_t from = at, len = c;
		const unsigned char *source = d->data;
		uint64_t source_len = d->len;
		if (c & 0x80) {
			if (delta_copy(d, &at, c, &from, &len) < 0)
				return broken(s, "a difference is cut off");
			source = base->data;
			source_len = base->len;
		} else {
			at += c;
		}
		if (len == 0 || from > source_len || len > source_len - from ||
		    len > size - ret->len)
			return broken(s, "a difference takes what is not there");
		memcpy(ret->data + ret->len, source + from, (size_t)len);
		ret->len += (size_t)len;
	}
	return ret->len == size ? 0 : broken(s, "a difference is cut off");
}

static int read_packed(const struct store *s, const struct pack *p, uint64_t at, unsigned chain,
                       struct bytes *ret);

/* Where the base of the difference at @at is, and how many bytes say so. */
static int find_base(const struct store *s, const struct pack *p, uint64_t start, unsigned type,
                     uint64_t *at, uint64_t *ret_base)
{
	unsigned char b[GIT_OID_MAX];
	if (type == OBJ_REF_DELTA) {
		if (read_at(p->pack, *at, b, s->oid_len) < 0)
			return broken(s, "a pack is cut off");
		*at += s->oid_len;
		return find_in_idx(s, p->idx, b, ret_base);
	}
	uint64_t back = 0;
	for (unsigned i = 0; i < 9; i++) {
		if (read_at(p->pack, (*at)++, b, 1) < 0)
			return broken(s, "a pack is cut off");
		back = (i ? (back + 1) << 7 : 0) | (b[0] & 0x7f);
		if (!(b[0] & 0x80))
			break;
	}
	if (back == 0 || back >= start)
		return broken(s, "a difference to what is not in its pack");
	*ret_base = start - back;
	return 0;
}

static int read_delta(const struct store *s, const struct pack *p, uint64_t start, unsigned type,
                      uint64_t at, uint64_t size, unsigned chain, struct bytes *ret)
{
	auto_bytes base = { NULL, 0, 0 };
	auto_bytes delta = { NULL, 0, 0 };
	uint64_t base_at = 0;
	int r = find_base(s, p, start, type, &at, &base_at);
	if (r == 0)
		r = inflate_whole(s, p->pack, at, size, &delta);
	if (r == 0)
		r = read_packed(s, p, base_at, chain + 1, &base);
	ret->type = base.type;
	return r < 0 ? r : apply_delta(s, &base, &delta, ret);
}

static int read_packed(const struct store *s, const struct pack *p, uint64_t start, unsigned chain,
                       struct bytes *ret)
{
	unsigned char c = 0x80;
	uint64_t at = start, size = 0;
	unsigned type = 0;
	if (chain > CHAIN_MAX)
		return broken(s, "too many differences to differences");
	for (unsigned i = 0; (c & 0x80) && i < 8; i++) {
		if (read_at(p->pack, at++, &c, 1) < 0)
			return broken(s, "a pack is cut off");
		if (i == 0)
			type = (c >> 4) & 7;
		size |= i == 0 ? (uint64_t)(c & 15) : (uint64_t)(c & 0x7f) << (4 + 7 * (i - 1));
	}
	ret->type = type;
	if (is_wanted(s, type))
		return inflate_whole(s, p->pack, at, size, ret);
	if (type != OBJ_OFS_DELTA && type != OBJ_REF_DELTA)
		return broken(s, "is no commit");
	return read_delta(s, p, start, type, at, size, chain, ret);
}

static int try_pack(const struct store *s, int dir, const char *idx_name, const unsigned char *oid,
                    struct bytes *ret)
{
	char name[300];
	uint64_t at = 0;
	dd_auto_fd int idx = openat(dir, idx_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (idx < 0)
		return -ENOENT;
	int r = find_in_idx(s, idx, oid, &at);
	if (r < 0)
		return r;
	(void)snprintf(name, sizeof(name), "%.*spack", (int)strlen(idx_name) - 3, idx_name);
	dd_auto_fd int pack = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (pack < 0)
		return broken(s, "a pack is missing");
	const struct pack p = { idx, pack };
	return read_packed(s, &p, at, 0, ret);
}

static int read_from_packs(const struct store *s, const unsigned char *oid, struct bytes *ret)
{
	int fd = open_beneath(s->objects_fd, "pack", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int r = -ENOENT;
	if (!dir) {
		dd_close(fd);
		return r;
	}
	unsigned n = 0;
	for (const struct dirent *e = readdir(dir); e && r == -ENOENT; e = readdir(dir)) {
		size_t len = strlen(e->d_name);
		if (len < 5 || strcmp(e->d_name + len - 4, ".idx") != 0)
			continue;
		if (++n > PACKS_MAX)
			break;
		bytes_done(ret);
		r = try_pack(s, dirfd(dir), e->d_name, oid, ret);
	}
	(void)closedir(dir);
	return r;
}

static int read_object(const struct store *s, const unsigned char *oid, struct bytes *ret)
{
	int r = read_loose(s, oid, ret);
	if (r != -ENOENT)
		return r;
	r = read_from_packs(s, oid, ret);
	return r == -ENOENT ? dd_err_set(s->err, ENOENT, "git object") : r;
}

int git_commit_tree(int common_fd, const unsigned char *oid, size_t oid_len,
                    unsigned char ret_tree[GIT_OID_MAX], struct dd_err *err)
{
	dd_auto_fd int objects = open_beneath(common_fd, "objects", O_RDONLY | O_DIRECTORY, 0);
	const struct store s = { .objects_fd = objects, .oid_len = oid_len, .err = err };
	auto_bytes commit = { NULL, 0, 0 };
	char hex[2 * GIT_OID_MAX + 1];
	if (objects < 0)
		return dd_err_set(err, ENOENT, "git object");
	int r = read_object(&s, oid, &commit);
	if (r < 0)
		return r;
	if (commit.type != OBJ_COMMIT || commit.len < 5 + 2 * oid_len + 1 ||
	    memcmp(commit.data, "tree ", 5) != 0)
		return broken(&s, "a commit does not begin with its tree");
	(void)snprintf(hex, sizeof(hex), "%.*s", (int)(2 * oid_len), (char *)commit.data + 5);
	return git_oid_parse(hex, ret_tree) == oid_len
	               ? 0
	               : broken(&s, "a commit does not begin with its tree");
}

/* ---- from a name to a commit ---- */

int git_tag_target(int objects_fd, const unsigned char *oid, size_t oid_len,
                   unsigned char ret[GIT_OID_MAX], struct dd_err *err)
{
	const struct store s = { .objects_fd = objects_fd, .oid_len = oid_len, .err = err };
	auto_bytes object = { NULL, 0, 0 };
	char hex[2 * GIT_OID_MAX + 1];
	int r = read_object(&s, oid, &object);
	if (r < 0 || object.type == OBJ_COMMIT)
		return r;
	if (object.len < 7 + 2 * oid_len + 1 || memcmp(object.data, "object ", 7) != 0)
		return broken(&s, "a tag does not begin with what it is on");
	(void)snprintf(hex, sizeof(hex), "%.*s", (int)(2 * oid_len), (char *)object.data + 7);
	return git_oid_parse(hex, ret) == oid_len
	               ? 1
	               : broken(&s, "a tag does not begin with what it is on");
}

/* The names of @names that begin with @hex are told apart as far as two different ones. */
struct prefix {
	const char *hex;
	size_t len, oid_len;
	char found[2 * GIT_OID_MAX + 1];
	bool several;
};

static void note_name(struct prefix *p, const char *name)
{
	if (strncmp(name, p->hex, p->len) != 0)
		return;
	if (p->found[0] && strcmp(p->found, name) != 0)
		p->several = true;
	(void)snprintf(p->found, sizeof(p->found), "%s", name);
}

static void find_loose(int objects_fd, struct prefix *p)
{
	char sub[3], name[2 * GIT_OID_MAX + 1];
	(void)snprintf(sub, sizeof(sub), "%.2s", p->hex);
	int fd = open_beneath(objects_fd, sub, O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		dd_close(fd);
		return;
	}
	for (const struct dirent *e = readdir(dir); e && !p->several; e = readdir(dir)) {
		unsigned char oid[GIT_OID_MAX];
		(void)snprintf(name, sizeof(name), "%s%.62s", sub, e->d_name);
		if (git_oid_parse(name, oid) == p->oid_len)
			note_name(p, name);
	}
	(void)closedir(dir);
}

static void find_indexed(const struct store *s, int idx, struct prefix *p)
{
	unsigned char fan[8] = { 0 }, last[4], name[GIT_OID_MAX];
	char hex[2 * GIT_OID_MAX + 1], first[3];
	(void)snprintf(first, sizeof(first), "%.2s", p->hex);
	unsigned byte = (unsigned)strtoul(first, NULL, 16);
	if (read_at(idx, IDX_HEAD + IDX_FANOUT - 4, last, 4) < 0 ||
	    (byte ? read_at(idx, IDX_HEAD + (byte - 1) * 4U, fan, 8)
	          : read_at(idx, IDX_HEAD, fan + 4, 4)) < 0)
		return;
	uint64_t lo = be32(fan), hi = be32(fan + 4);
	while (lo < hi && hi <= be32(last)) { /* the first that is not before the prefix */
		uint64_t mid = lo + (hi - lo) / 2;
		if (read_at(idx, IDX_HEAD + IDX_FANOUT + mid * s->oid_len, name, s->oid_len) < 0)
			return;
		oid_hex(name, s->oid_len, hex);
		if (strncmp(hex, p->hex, p->len) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (int i = 0; i < 2 && lo < be32(last); i++, lo++) {
		if (read_at(idx, IDX_HEAD + IDX_FANOUT + lo * s->oid_len, name, s->oid_len) < 0)
			return;
		oid_hex(name, s->oid_len, hex);
		note_name(p, hex);
	}
}

static void find_packed_names(const struct store *s, struct prefix *p)
{
	int fd = open_beneath(s->objects_fd, "pack", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	unsigned n = 0;
	if (!dir) {
		dd_close(fd);
		return;
	}
	for (const struct dirent *e = readdir(dir); e && n < PACKS_MAX; e = readdir(dir)) {
		size_t len = strlen(e->d_name);
		if (len < 5 || strcmp(e->d_name + len - 4, ".idx") != 0)
			continue;
		n++;
		dd_auto_fd int idx = openat(dirfd(dir), e->d_name,
		                            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (idx >= 0)
			find_indexed(s, idx, p);
	}
	(void)closedir(dir);
}

int git_oid_complete(const int *objects, size_t n, const char *hex, size_t oid_len, char ret[65])
{
	struct prefix p = { .hex = hex, .len = strlen(hex), .oid_len = oid_len };
	for (size_t i = 0; i < n; i++) {
		const struct store s = { .objects_fd = objects[i], .oid_len = oid_len };
		find_loose(objects[i], &p);
		find_packed_names(&s, &p);
	}
	if (p.several)
		return -ENOTUNIQ;
	if (!p.found[0])
		return -ENOENT;
	(void)snprintf(ret, 65, "%s", p.found);
	return 0;
}

/* ---- any object, by what it holds ---- */

int git_object_read(int objects_fd, const unsigned char *oid, size_t oid_len, size_t max,
                    struct git_bytes *ret, struct dd_err *err)
{
	const struct store s = {
		.objects_fd = objects_fd, .oid_len = oid_len, .max = max, .err = err
	};
	auto_bytes object = { NULL, 0, 0 };
	unsigned char name[GIT_OID_MAX];
	int r = read_object(&s, oid, &object);
	if (r == 0)
		r = git_name(git_type_names[object.type], object.data, object.len, oid_len, name,
		             err);
	if (r == 0 && memcmp(name, oid, oid_len) != 0)
		r = broken(&s, "its bytes have another name than it");
	if (r < 0)
		return r;
	object.data[object.len] = '\0'; /* there is room: numbers in it end here */
	*ret = (struct git_bytes){ .data = object.data,
		                   .len = object.len,
		                   .type = (enum git_type)object.type };
	object.data = NULL;
	return 0;
}
