// SPDX-License-Identifier: Apache-2.0
/* hatch_request.c - reads requests of a step: JSON of a method, a range, a list of blocks. Pure.
 *
 * Runs in: hatch. All bytes are hostile. jansson bounds the depth; a number may come as a string,
 * as 64-bit members of Protocol Buffers do in JSON, and a wrapped string as itself or as an object.
 */
#include "hatch_request.h"

#include "input/xml_leaves.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- methods ---- */

#define SERVICE "/twirp/github.actions.results.api.v1."

static const struct method_row {
	const char *path;
	enum hatch_method method;
} method_rows[] = {
	{ SERVICE "CacheService/CreateCacheEntry", HATCH_CREATE_CACHE },
	{ SERVICE "CacheService/FinalizeCacheEntryUpload", HATCH_FINALIZE_CACHE },
	{ SERVICE "CacheService/GetCacheEntryDownloadURL", HATCH_FIND_CACHE },
	{ SERVICE "ArtifactService/CreateArtifact", HATCH_CREATE_ARTIFACT },
	{ SERVICE "ArtifactService/FinalizeArtifact", HATCH_FINALIZE_ARTIFACT },
	{ SERVICE "ArtifactService/ListArtifacts", HATCH_LIST_ARTIFACTS },
	{ SERVICE "ArtifactService/GetSignedArtifactURL", HATCH_GET_ARTIFACT },
	{ SERVICE "ArtifactService/DeleteArtifact", HATCH_DELETE_ARTIFACT },
};

enum hatch_method hatch_method_of(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(method_rows); i++)
		if (strcmp(method_rows[i].path, path) == 0)
			return method_rows[i].method;
	return HATCH_METHOD_NONE;
}

/* ---- members ---- */

/* Either spelling of a member's name: Protocol Buffers allow both. */
static const json_t *member(const json_t *root, const char *snake, const char *camel)
{
	const json_t *v = json_object_get(root, snake);
	if (!v)
		v = json_object_get(root, camel);
	if (json_is_object(v)) /* a wrapped value */
		v = json_object_get(v, "value");
	return json_is_null(v) ? NULL : v;
}

static int copy_member(const json_t *v, const char *what, char *ret, size_t size,
                       struct dd_err *err)
{
	if (!v)
		return 0;
	if (!json_is_string(v))
		return dd_err_say(err, EINVAL, "%s is not a string", what);
	const char *text = json_string_value(v);
	size_t len = json_string_length(v);
	if (len >= size)
		return dd_err_say(err, EINVAL, "%s is longer than %zu bytes", what, size - 1);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return dd_err_say(err, EINVAL, "%s holds a control character", what);
	memcpy(ret, text, len + 1);
	return 0;
}

static int number_member(const json_t *v, const char *what, uint64_t *ret, struct dd_err *err)
{
	const char *text = json_string_value(v);
	char *end = NULL;
	if (!v)
		return 0;
	if (json_is_integer(v) && json_integer_value(v) >= 0) {
		*ret = (uint64_t)json_integer_value(v);
		return 0;
	}
	if (text && *text >= '0' && *text <= '9' && strlen(text) <= 18)
		*ret = strtoull(text, &end, 10);
	return end && !*end ? 0 : dd_err_say(err, EINVAL, "%s is no number", what);
}

static int need(const char *value, const char *what, struct dd_err *err)
{
	return value[0] ? 0 : dd_err_say(err, EINVAL, "%s is missing", what);
}

/* ---- caches ---- */

static int read_key(const json_t *root, struct hatch_request *q, struct dd_err *err)
{
	int r = copy_member(member(root, "key", "key"), "key", q->key, sizeof(q->key), err);
	if (r == 0)
		r = copy_member(member(root, "version", "version"), "version", q->version,
		                sizeof(q->version), err);
	if (r == 0)
		r = need(q->key, "key", err);
	if (r == 0)
		r = need(q->version, "version", err);
	if (r == 0 && strchr(q->key, ','))
		r = dd_err_say(err, EINVAL, "key holds a comma");
	return r;
}

static int read_restore(const json_t *root, struct hatch_request *q, struct dd_err *err)
{
	const json_t *list = member(root, "restore_keys", "restoreKeys");
	int r = 0;
	if (list && !json_is_array(list))
		return dd_err_say(err, EINVAL, "restore_keys is not a list");
	size_t n = json_array_size(list);
	if (n > STORE_RESTORE_MAX)
		return dd_err_say(err, EINVAL, "more than %d restore_keys", STORE_RESTORE_MAX);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = copy_member(json_array_get(list, i), "a restore key", q->restore[i],
		                sizeof(q->restore[i]), err);
	q->n_restore = n;
	return r;
}

static int read_find_cache(const json_t *root, struct hatch_request *q, struct dd_err *err)
{
	int r = read_key(root, q, err);
	return r < 0 ? r : read_restore(root, q, err);
}

static int read_finalize_cache(const json_t *root, struct hatch_request *q, struct dd_err *err)
{
	int r = read_key(root, q, err);
	return r < 0 ? r
	             : number_member(member(root, "size_bytes", "sizeBytes"), "size_bytes",
	                             &q->size, err);
}

/* ---- artifacts ---- */

/* It becomes the name of a file in --out, and clients refuse the same bytes. */
static int read_name(const json_t *root, struct hatch_request *q, struct dd_err *err)
{
	int r = copy_member(member(root, "name", "name"), "name", q->key, HATCH_NAME_MAX + 1, err);
	if (r == 0)
		r = need(q->key, "name", err);
	if (r == 0 && (strpbrk(q->key, "\":<>|*?\\/") || q->key[0] == '.'))
		r = dd_err_say(err, EINVAL, "an artifact cannot be called `%.60s`", q->key);
	return r;
}

static int read_create_artifact(const json_t *root, struct hatch_request *q, struct dd_err *err)
{
	int r = read_name(root, q, err);
	if (r == 0)
		r = copy_member(member(root, "mime_type", "mimeType"), "mime_type", q->mime,
		                sizeof(q->mime), err);
	return r;
}

static int read_finalize_artifact(const json_t *root, struct hatch_request *q, struct dd_err *err)
{
	static const char first[] = "sha256:";
	char hash[80] = "";
	int r = read_name(root, q, err);
	if (r == 0)
		r = number_member(member(root, "size", "size"), "size", &q->size, err);
	if (r == 0)
		r = copy_member(member(root, "hash", "hash"), "hash", hash, sizeof(hash), err);
	if (r < 0 || !hash[0])
		return r;
	const char *hex = hash + sizeof(first) - 1;
	if (strncmp(hash, first, sizeof(first) - 1) != 0 || strlen(hex) != 64 ||
	    strspn(hex, "0123456789abcdef") != 64)
		return dd_err_say(err, EINVAL, "hash is no sha256:...");
	memcpy(q->hash, hex, 65);
	return 0;
}

static int read_list_artifacts(const json_t *root, struct hatch_request *q, struct dd_err *err)
{
	int r = copy_member(member(root, "name_filter", "nameFilter"), "name_filter",
	                    q->name_filter, sizeof(q->name_filter), err);
	return r < 0 ? r
	             : number_member(member(root, "id_filter", "idFilter"), "id_filter",
	                             &q->id_filter, err);
}

static int (*const readers[HATCH_METHOD__COUNT])(const json_t *, struct hatch_request *,
                                                 struct dd_err *) = {
	[HATCH_CREATE_CACHE] = read_key,
	[HATCH_FINALIZE_CACHE] = read_finalize_cache,
	[HATCH_FIND_CACHE] = read_find_cache,
	[HATCH_CREATE_ARTIFACT] = read_create_artifact,
	[HATCH_FINALIZE_ARTIFACT] = read_finalize_artifact,
	[HATCH_LIST_ARTIFACTS] = read_list_artifacts,
	[HATCH_GET_ARTIFACT] = read_name,
	[HATCH_DELETE_ARTIFACT] = read_name,
};

int hatch_request_read(enum hatch_method method, const char *text, size_t len,
                       struct hatch_request *ret, struct dd_err *err)
{
	json_error_t why;
	struct hatch_request q = { .size = 0 };
	if (method <= HATCH_METHOD_NONE || method >= HATCH_METHOD__COUNT)
		return dd_err_say(err, EINVAL, "there is no such method");
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		return dd_err_say(err, EINVAL, "the request is no JSON: %.100s", why.text);
	int r = json_is_object(root) ? readers[method](root, &q, err)
	                             : dd_err_say(err, EINVAL, "the request is no JSON object");
	json_decref(root);
	if (r == 0)
		*ret = q;
	return r;
}

/* ---- a range ---- */

int hatch_range_read(const char *text, uint64_t size, uint64_t *ret_first, uint64_t *ret_len)
{
	static const char unit[] = "bytes=";
	char *end = NULL;
	if (strncmp(text, unit, sizeof(unit) - 1) != 0)
		return -EINVAL;
	const char *at = text + sizeof(unit) - 1;
	if (*at < '0' || *at > '9' || strlen(at) > 40)
		return -EINVAL;
	errno = 0;
	uint64_t first = strtoull(at, &end, 10), last = UINT64_MAX;
	if (errno || *end++ != '-')
		return -EINVAL;
	if (*end >= '0' && *end <= '9')
		last = strtoull(end, &end, 10);
	if (errno || *end || last < first)
		return -EINVAL;
	if (first >= size)
		return -ERANGE;
	*ret_first = first;
	*ret_len = last >= size ? size - first : last - first + 1;
	return 0;
}

/* ---- a list of blocks ---- */

struct block_reading {
	hatch_block_fn fn;
	void *arg;
	struct dd_err *err;
	size_t n;
	int r;
};

static void block_leaf(void *state, const char *path, const char *text)
{
	struct block_reading *b = state;
	static const char *const of[] = { "BlockList/Latest", "BlockList/Uncommitted" };
	if (!text || b->r < 0 || strchr(path, '@'))
		return;
	if (strcmp(path, of[0]) != 0 && strcmp(path, of[1]) != 0)
		b->r = dd_err_say(b->err, EINVAL, "a list of blocks holds a `%.40s`", path);
	else if (strlen(text) > HATCH_BLOCK_ID_MAX)
		b->r = dd_err_say(b->err, EINVAL, "the id of a block is too long");
	else if (++b->n > HATCH_BLOCKS_MAX)
		b->r = dd_err_say(b->err, EINVAL, "more than %d blocks", HATCH_BLOCKS_MAX);
	else
		b->r = b->fn(b->arg, text);
}

int hatch_block_list_read(const char *text, size_t len, hatch_block_fn fn, void *arg,
                          struct dd_err *err)
{
	struct block_reading b = { .fn = fn, .arg = arg, .err = err };
	struct dd_err why = { 0 };
	int r = xml_leaves("the list of blocks", text, len, block_leaf, &b, &why);
	if (b.r < 0)
		return b.r;
	return r < 0 ? dd_err_say(err, EINVAL, "%.200s", why.msg) : 0;
}
