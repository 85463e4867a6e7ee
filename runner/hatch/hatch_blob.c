// SPDX-License-Identifier: Apache-2.0
/* hatch_blob.c - bytes of a cache or an artifact: put as a whole or in blocks, and got, whole or in
 * ranges, as clients of an Azure block blob do.
 *
 * Runs in: hatch, locked. Blocks come in any order over several connections; each goes to the end
 * of the file, and when the list that ends them has the order in which they came, that file is the
 * blob. Otherwise it is copied once, into a file that the storekeeper gives for it. Who knows an
 * address may use it: it holds what nobody can guess, and no token travels with it. */
#include "hatch_state.h"

#include "drydock/fd.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put_refuse(struct hatch_call *call, unsigned status, const char *why)
{
	call->status = status;
	call->why = why;
}

static struct hatch_upload *upload_at(struct hatch_state *h, const char *path)
{
	for (size_t i = 0; i < HATCH_UPLOADS_MAX; i++)
		if (h->uploads[i].sig[0] && strcmp(path + strlen("/blob/"), h->uploads[i].sig) == 0)
			return &h->uploads[i];
	return NULL;
}

void hatch_upload_free(struct hatch_upload *u)
{
	dd_close(u->fd);
	free(u->blocks);
	*u = (struct hatch_upload){ .fd = -1 };
}

/* ---- put ---- */

/* Another connection of the step may have ended the upload meanwhile, and its place may be that of
 * a new one. */
static bool upload_lives(const struct hatch_call *call)
{
	return call->upload->sig[0] && call->upload->id == call->upload_id &&
	       call->upload->fd >= 0 && !call->upload->whole;
}

static struct hatch_block *block_of(struct hatch_upload *u, const char *id)
{
	for (size_t i = u->n_blocks; i-- > 0;) /* the one that is spoken of is a late one */
		if (strcmp(u->blocks[i].id, id) == 0)
			return &u->blocks[i];
	return NULL;
}

/* A block that comes again replaces the one before it. */
static bool begin_block(struct hatch_call *call, const char *id)
{
	struct hatch_upload *u = call->upload;
	struct hatch_block *b = block_of(u, id);

	if (!b && u->n_blocks == HATCH_BLOCKS_MAX)
		return false;
	if (!b && (u->n_blocks & (u->n_blocks - 1)) == 0) {
		size_t room = u->n_blocks ? 2 * u->n_blocks : 1;
		void *more = reallocarray(u->blocks, room, sizeof(*u->blocks));
		if (!more)
			return false;
		u->blocks = more;
	}
	if (!b)
		b = &u->blocks[u->n_blocks++];
	*b = (struct hatch_block){ .at = u->end, .len = call->left };
	(void)snprintf(b->id, sizeof(b->id), "%s", id);
	call->block_index = (size_t)(b - u->blocks);
	call->is_block = true;
	return true;
}

/* Decimal digits alone. */
static bool content_length(struct MHD_Connection *c, uint64_t *ret)
{
	const char *text = mhd.lookup_connection_value(c, MHD_HEADER_KIND,
	                                               MHD_HTTP_HEADER_CONTENT_LENGTH);
	if (!text || !*text || strlen(text) > 18 || strspn(text, "0123456789") != strlen(text))
		return false;
	*ret = strtoull(text, NULL, 10);
	return true;
}

/* NULL: its bytes may come. Otherwise why not, and the status. */
static const char *put_begin(struct hatch_state *h, struct MHD_Connection *c, const char *path,
                             struct hatch_call *call, unsigned *status)
{
	const char *comp = mhd.lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "comp"),
		   *id = mhd.lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "blockid");
	const bool is_block = comp && strcmp(comp, "block") == 0;
	struct hatch_upload *u = upload_at(h, path);

	*status = MHD_HTTP_FORBIDDEN;
	if (!u || u->whole)
		return "nothing is put in at this address";
	*status = MHD_HTTP_LENGTH_REQUIRED;
	if (!content_length(c, &call->left))
		return "say how long it is";
	call->upload_id = u->id;
	if (comp && strcmp(comp, "blocklist") == 0) {
		call->is_list = true;
		call->upload = u;
		return NULL;
	}
	*status = MHD_HTTP_BAD_REQUEST;
	if (is_block ? !id || !*id || strlen(id) > HATCH_BLOCK_ID_MAX : comp != NULL)
		return "a block has a short id";
	*status = MHD_HTTP_CONTENT_TOO_LARGE;
	if (call->left > u->limit || u->end > 2 * u->limit - call->left) {
		hatch_tell(h, u->is_cache
		                      ? "a cache is larger than `cache.size` of the policy allows"
		                      : "an artifact is larger than `artifacts.size` of the policy "
		                        "allows");
		return u->is_cache ? "more than `cache.size` of the policy allows"
		                   : "more than `artifacts.size` of the policy allows";
	}
	call->begin = call->at = u->end;
	call->upload = u;
	if (is_block && !begin_block(call, id)) {
		call->upload = NULL;
		return "too many blocks";
	}
	u->end += call->left;
	return NULL;
}

void hatch_put_begin(struct hatch_state *h, struct MHD_Connection *c, const char *path,
                     struct hatch_call *call)
{
	unsigned status = 0;
	const char *why = put_begin(h, c, path, call, &status);
	if (why)
		put_refuse(call, status, why);
}

void hatch_put_bytes(struct hatch_state *h, struct hatch_call *call, const char *bytes, size_t len)
{
	(void)h;
	while (len > 0 && !call->status) {
		ssize_t n = !upload_lives(call) || len > call->left
		                    ? -1
		                    : pwrite(call->upload->fd, bytes, len, (off_t)call->at);
		if (n < 0) {
			put_refuse(call, MHD_HTTP_INSUFFICIENT_STORAGE,
			           "the store cannot take it: its disk is full, or a limit is "
			           "reached");
			return;
		}
		bytes += n;
		len -= (size_t)n;
		call->at += (uint64_t)n;
		call->left -= (uint64_t)n;
	}
}

void hatch_put_cut(struct hatch_call *call)
{
	struct hatch_upload *u = call->upload;
	/* the place at the end is free again: a client that tries once more needs it */
	if (u && !call->is_list && call->left > 0 && upload_lives(call) &&
	    u->end == call->at + call->left)
		u->end = call->begin;
}

/* ---- the list of blocks ---- */

struct ordering {
	struct hatch_upload *u;
	int to;        /* a file that the blocks are copied into; -1: only look */
	uint64_t size; /* so far */
	bool in_order; /* the file is the blob already */
};

static int copy_block(const struct ordering *o, const struct hatch_block *b)
{
	static char bytes[256 * 1024];
	off_t from = (off_t)b->at, to = (off_t)o->size;
	uint64_t left = b->len;
	while (left > 0) {
		ssize_t n = copy_file_range(o->u->fd, &from, o->to, &to, left, 0);
		if (n <= 0) { /* file systems that cannot */
			n = pread(o->u->fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes),
			          from);
			if (n <= 0 || pwrite(o->to, bytes, (size_t)n, to) != n)
				return -EIO;
			from += n;
			to += n;
		}
		left -= (uint64_t)n;
	}
	return 0;
}

static int order_block(void *arg, const char *id)
{
	struct ordering *o = arg;
	const struct hatch_block *b = block_of(o->u, id);
	if (!b || !b->whole || b->len > o->u->limit - o->size)
		return -EINVAL;
	int r = o->to >= 0 ? copy_block(o, b) : 0;
	o->in_order &= b->at == o->size;
	o->size += b->len;
	return r;
}

/* Into a new file, in the order of the list. */
static int order_again(struct hatch_state *h, struct hatch_call *call)
{
	struct hatch_upload *u = call->upload;
	struct store_ask ask = { .type = STORE_UPLOAD_AGAIN, .upload = u->id };
	struct store_answer a;
	int fd = -1;

	hatch_ask(h, &ask, &a, &fd);
	if (a.code != STORE_OK || fd < 0) {
		dd_close(fd);
		return -EIO;
	}
	struct ordering o = { .u = u, .to = fd };
	int r = hatch_block_list_read(call->body, call->len, order_block, &o, NULL);
	dd_close(u->fd);
	u->fd = fd;
	return r;
}

static enum MHD_Result end_list(struct hatch_state *h, struct MHD_Connection *c,
                                struct hatch_call *call)
{
	struct hatch_upload *u = call->upload;
	struct ordering o = { .u = u, .to = -1, .in_order = true };

	if (!upload_lives(call) || !call->body ||
	    hatch_block_list_read(call->body, call->len, order_block, &o, NULL) < 0)
		return hatch_answer(c, MHD_HTTP_BAD_REQUEST, "text/plain",
		                    "no list of blocks that were put in");
	if (!(o.in_order && o.size == u->end) && order_again(h, call) < 0)
		return hatch_answer(c, MHD_HTTP_INSUFFICIENT_STORAGE, "text/plain",
		                    "the blocks could not be put together");
	u->size = o.size;
	u->whole = true;
	return hatch_answer(c, MHD_HTTP_CREATED, "text/plain", "");
}

enum MHD_Result hatch_put_end(struct hatch_state *h, struct MHD_Connection *c,
                              struct hatch_call *call)
{
	struct hatch_upload *u = call->upload;
	if (call->is_list)
		return end_list(h, c, call);
	if (call->left > 0 || !upload_lives(call))
		return hatch_answer(c, MHD_HTTP_BAD_REQUEST, "text/plain",
		                    "it is shorter than was said");
	if (call->is_block) {
		u->blocks[call->block_index].whole = true;
	} else {
		if (u->n_blocks || u->end != call->at)
			return hatch_answer(c, MHD_HTTP_CONFLICT, "text/plain",
			                    "it was put in twice");
		u->size = call->at;
		u->whole = true;
	}
	return hatch_answer(c, MHD_HTTP_CREATED, "text/plain", "");
}

/* ---- get ---- */

static struct hatch_blob *blob_at(struct hatch_state *h, const char *path)
{
	const char *sig = strncmp(path, "/blob/", 6) == 0 ? path + 6 : "";
	for (size_t i = 0; *sig && i < HATCH_BLOBS_MAX; i++)
		if (h->blobs[i].sig[0] && strcmp(sig, h->blobs[i].sig) == 0)
			return &h->blobs[i];
	return NULL;
}

/* One answer: a part of a file. */
struct blob_part {
	int fd;
	uint64_t first, len;
};

static ssize_t part_read(void *arg, uint64_t at, char *into, size_t room)
{
	const struct blob_part *part = arg;
	size_t left = part->len - at < room ? (size_t)(part->len - at) : room;
	ssize_t n = pread(part->fd, into, left, (off_t)(part->first + at));
	return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void part_free(void *arg)
{
	struct blob_part *part = arg;
	dd_close(part->fd);
	free(part);
}

/* With a descriptor of its own: the address may end before the answer does. */
static struct MHD_Response *blob_response(const struct hatch_blob *b, uint64_t first, uint64_t len)
{
	struct blob_part *part = calloc(1, sizeof(*part));
	if (!part)
		return NULL;
	*part = (struct blob_part){ .fd = dup(b->fd), .first = first, .len = len };
	struct MHD_Response *answer =
		part->fd < 0 ? NULL
			     : mhd.create_response_from_callback(len, HATCH_SEND_BYTES, part_read,
	                                                         part, part_free);
	if (!answer)
		part_free(part);
	return answer;
}

static void add_blob_headers(struct MHD_Response *r, const struct hatch_blob *b)
{
	char text[HATCH_KEY_MAX + 60];
	bool zip = !b->mime[0] || strstr(b->mime, "zip");
	(void)mhd.add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE,
	                              b->mime[0]   ? b->mime
	                              : b->name[0] ? "application/zip"
	                                           : "application/octet-stream");
	(void)mhd.add_response_header(r, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
	(void)snprintf(text, sizeof(text), "attachment; filename=\"%s%s\"", b->name,
	               zip ? ".zip" : "");
	if (b->name[0])
		(void)mhd.add_response_header(r, MHD_HTTP_HEADER_CONTENT_DISPOSITION, text);
}

enum MHD_Result hatch_get(struct hatch_state *h, struct MHD_Connection *c, const char *path)
{
	const struct hatch_blob *b = blob_at(h, path);
	const char *range = mhd.lookup_connection_value(c, MHD_HEADER_KIND, "x-ms-range");
	uint64_t first = 0, len = b ? b->size : 0;
	unsigned status = MHD_HTTP_OK;
	char text[100];

	if (!b)
		return hatch_answer(c, MHD_HTTP_NOT_FOUND, "text/plain",
		                    "nothing is at this address");
	if (!range)
		range = mhd.lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_RANGE);
	int r = range ? hatch_range_read(range, b->size, &first, &len) : -EINVAL;
	if (r == -ERANGE)
		return hatch_answer(c, MHD_HTTP_RANGE_NOT_SATISFIABLE, "text/plain",
		                    "it is shorter");
	if (r == 0)
		status = MHD_HTTP_PARTIAL_CONTENT;
	struct MHD_Response *answer = blob_response(b, first, len);
	if (!answer)
		return MHD_NO;
	add_blob_headers(answer, b);
	(void)snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)first,
	               (unsigned long long)(first + len - 1), (unsigned long long)b->size);
	if (status == MHD_HTTP_PARTIAL_CONTENT)
		(void)mhd.add_response_header(answer, MHD_HTTP_HEADER_CONTENT_RANGE, text);
	enum MHD_Result queued = mhd.queue_response(c, status, answer);
	mhd.destroy_response(answer);
	return queued;
}
