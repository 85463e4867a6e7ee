// SPDX-License-Identifier: Apache-2.0
/* hatch_serve.c - the methods of caches and artifacts: a request in, a question to the
 * storekeeper, an answer in the words of GitHub's results service.
 *
 * Runs in: hatch, locked. One question at a time: while the storekeeper takes the digest of what
 * was put in, other connections of the step wait. */
#include "hatch_state.h"

#include "drydock/fd.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- answers ---- */

/* @root is given away. */
static enum MHD_Result answer_json(struct MHD_Connection *c, unsigned status, json_t *root)
{
	dd_auto_free char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return text ? hatch_answer(c, status, "application/json", text) : MHD_NO;
}

static enum MHD_Result answer_error(struct MHD_Connection *c, unsigned status, const char *code,
                                    const char *why)
{
	return answer_json(c, status, json_pack("{s:s,s:s}", "code", code, "msg", why));
}

static const struct code_row {
	unsigned status;
	const char *code;
} code_rows[STORE_CODE__COUNT] = {
	[STORE_INVALID] = { MHD_HTTP_INTERNAL_SERVER_ERROR, "internal" },
	[STORE_OK] = { MHD_HTTP_OK, "" },
	[STORE_NONE] = { MHD_HTTP_NOT_FOUND, "not_found" },
	[STORE_EXISTS] = { MHD_HTTP_CONFLICT, "already_exists" },
	[STORE_REFUSED] = { MHD_HTTP_FORBIDDEN, "permission_denied" },
	[STORE_BROKEN] = { MHD_HTTP_INSUFFICIENT_STORAGE, "resource_exhausted" },
};

static enum MHD_Result answer_store(struct MHD_Connection *c, const struct store_answer *a)
{
	const struct code_row *row =
		&code_rows[a->code < STORE_CODE__COUNT ? a->code : STORE_INVALID];
	return answer_error(c, row->status, row->code, a->why[0] ? a->why : "not here");
}

/* ---- addresses of blobs ---- */

static void blob_url(const struct hatch_state *h, const char *sig, char *ret, size_t size)
{
	/* with a question mark: clients add parameters to it. What `sig` says is masked by them in
	 * every log, so it is what is worth that, and long enough for it */
	(void)snprintf(ret, size, "http://127.0.0.1:%u/blob/%s?sig=%s", h->port, sig, sig);
}

static struct hatch_upload *new_upload(struct hatch_state *h)
{
	for (size_t i = 0; i < HATCH_UPLOADS_MAX; i++)
		if (!h->uploads[i].sig[0])
			return &h->uploads[i];
	return NULL;
}

static struct hatch_upload *find_upload(struct hatch_state *h, bool is_cache,
                                        const struct hatch_request *q)
{
	for (size_t i = 0; i < HATCH_UPLOADS_MAX; i++) {
		struct hatch_upload *u = &h->uploads[i];
		if (u->sig[0] && u->is_cache == is_cache && strcmp(u->key, q->key) == 0 &&
		    (!is_cache || strcmp(u->version, q->version) == 0))
			return u;
	}
	return NULL;
}

/* The oldest address ends when there are too many. */
static struct hatch_blob *new_blob(struct hatch_state *h, const struct store_answer *a, int fd,
                                   const char *name)
{
	struct hatch_blob *b = &h->blobs[h->next_blob++ % HATCH_BLOBS_MAX];
	dd_close(b->fd);
	*b = (struct hatch_blob){ .fd = fd, .size = a->size };
	hatch_sig_make(b->sig);
	(void)snprintf(b->mime, sizeof(b->mime), "%s", a->mime);
	(void)snprintf(b->name, sizeof(b->name), "%s", name);
	return b;
}

/* ---- putting in ---- */

static enum MHD_Result create(struct hatch_state *h, struct MHD_Connection *c,
                              const struct hatch_request *q, bool is_cache)
{
	struct store_ask ask = { .type = is_cache ? STORE_CACHE_CREATE : STORE_ARTIFACT_CREATE };
	struct hatch_upload *u = new_upload(h);
	struct store_answer a;
	char url[160];
	int fd = -1;

	if (!u)
		return answer_error(c, MHD_HTTP_TOO_MANY_REQUESTS, "resource_exhausted",
		                    "too many uploads at once");
	(void)snprintf(ask.key, sizeof(ask.key), "%s", q->key);
	(void)snprintf(ask.version, sizeof(ask.version), "%s", q->version);
	(void)snprintf(ask.mime, sizeof(ask.mime), "%s", q->mime);
	hatch_ask(h, &ask, &a, &fd);
	if (a.code == STORE_EXISTS && is_cache) /* as GitHub says it; clients go on */
		return answer_json(c, MHD_HTTP_OK,
		                   json_pack("{s:b,s:s,s:s}", "ok", 0, "signed_upload_url", "",
		                             "message", a.why));
	if (a.code != STORE_OK || fd < 0) {
		dd_close(fd);
		return answer_store(c, &a);
	}
	*u = (struct hatch_upload){
		.is_cache = is_cache, .id = a.upload, .fd = fd, .limit = a.limit
	};
	hatch_sig_make(u->sig);
	(void)snprintf(u->key, sizeof(u->key), "%s", q->key);
	(void)snprintf(u->version, sizeof(u->version), "%s", q->version);
	blob_url(h, u->sig, url, sizeof(url));
	return answer_json(c, MHD_HTTP_OK,
	                   json_pack("{s:b,s:s}", "ok", 1, "signed_upload_url", url));
}

static enum MHD_Result finalize(struct hatch_state *h, struct MHD_Connection *c,
                                const struct hatch_request *q, bool is_cache)
{
	struct hatch_upload *u = find_upload(h, is_cache, q);
	struct store_ask ask = { .type = STORE_UPLOAD_DONE };
	struct store_answer a;
	char id[24];
	int fd = -1;

	if (!u)
		return answer_error(c, MHD_HTTP_NOT_FOUND, "not_found", "nothing was begun for it");
	if (!u->whole || (q->size && q->size != u->size))
		return answer_error(c, MHD_HTTP_PRECONDITION_FAILED, "failed_precondition",
		                    u->whole ? "it is not of the size that was put in"
		                             : "not all of it was put in");
	ask.upload = u->id;
	ask.size = u->size;
	memcpy(ask.hash, q->hash, sizeof(ask.hash));
	dd_close_p(&u->fd); /* what is taken a digest of has no writer any more */
	hatch_ask(h, &ask, &a, &fd);
	dd_close(fd);
	hatch_upload_free(u);
	if (a.code != STORE_OK)
		return answer_store(c, &a);
	(void)snprintf(id, sizeof(id), "%llu", (unsigned long long)a.id);
	return answer_json(
		c, MHD_HTTP_OK,
		json_pack("{s:b,s:s}", "ok", 1, is_cache ? "entry_id" : "artifact_id", id));
}

/* ---- finding ---- */

static enum MHD_Result find_cache(struct hatch_state *h, struct MHD_Connection *c,
                                  const struct hatch_request *q)
{
	struct store_ask ask = { .type = STORE_CACHE_FIND, .n_restore = (uint32_t)q->n_restore };
	struct store_answer a;
	char url[160];
	int fd = -1;

	(void)snprintf(ask.key, sizeof(ask.key), "%s", q->key);
	(void)snprintf(ask.version, sizeof(ask.version), "%s", q->version);
	memcpy(ask.restore, q->restore, sizeof(ask.restore));
	hatch_ask(h, &ask, &a, &fd);
	if (a.code == STORE_NONE) /* a miss is no error */
		return answer_json(c, MHD_HTTP_OK,
		                   json_pack("{s:b,s:s,s:s}", "ok", 0, "signed_download_url", "",
		                             "matched_key", ""));
	if (a.code != STORE_OK || fd < 0) {
		dd_close(fd);
		return answer_store(c, &a);
	}
	blob_url(h, new_blob(h, &a, fd, "")->sig, url, sizeof(url));
	return answer_json(c, MHD_HTTP_OK,
	                   json_pack("{s:b,s:s,s:s}", "ok", 1, "signed_download_url", url,
	                             "matched_key", a.key));
}

static json_t *artifact_row(const struct store_answer *a)
{
	char id[24], size[24], created[40] = "", digest[80];
	time_t at = (time_t)a->created;
	struct tm tm;
	(void)snprintf(id, sizeof(id), "%llu", (unsigned long long)a->id);
	(void)snprintf(size, sizeof(size), "%llu", (unsigned long long)a->size);
	(void)snprintf(digest, sizeof(digest), "sha256:%s", a->sha256);
	if (gmtime_r(&at, &tm))
		(void)strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "workflow_run_backend_id", "run",
	                 "workflow_job_run_backend_id", "job", "database_id", id, "name", a->key,
	                 "size", size, "created_at", created, "digest", digest);
}

static enum MHD_Result list_artifacts(struct hatch_state *h, struct MHD_Connection *c,
                                      const struct hatch_request *q)
{
	struct store_ask ask = { .type = STORE_ARTIFACT_LIST };
	struct store_answer a;
	json_t *rows = json_array();
	int fd = -1;

	for (;; ask.index++) {
		hatch_ask(h, &ask, &a, &fd);
		dd_close(fd);
		if (a.code != STORE_OK)
			break;
		if ((q->name_filter[0] && strcmp(q->name_filter, a.key) != 0) ||
		    (q->id_filter && q->id_filter != a.id))
			continue;
		(void)json_array_append_new(rows, artifact_row(&a));
	}
	if (a.code != STORE_NONE) {
		json_decref(rows);
		return answer_store(c, &a);
	}
	return answer_json(c, MHD_HTTP_OK, json_pack("{s:o}", "artifacts", rows));
}

static enum MHD_Result get_artifact(struct hatch_state *h, struct MHD_Connection *c,
                                    const struct hatch_request *q)
{
	struct store_ask ask = { .type = STORE_ARTIFACT_GET };
	struct store_answer a;
	char url[160];
	int fd = -1;

	(void)snprintf(ask.key, sizeof(ask.key), "%s", q->key);
	hatch_ask(h, &ask, &a, &fd);
	if (a.code != STORE_OK || fd < 0) {
		dd_close(fd);
		return answer_store(c, &a);
	}
	blob_url(h, new_blob(h, &a, fd, a.key)->sig, url, sizeof(url));
	return answer_json(c, MHD_HTTP_OK,
	                   json_pack("{s:s,s:s}", "name", a.key, "signed_url", url));
}

static enum MHD_Result delete_artifact(struct hatch_state *h, struct MHD_Connection *c,
                                       const struct hatch_request *q)
{
	struct store_ask ask = { .type = STORE_ARTIFACT_DELETE };
	struct store_answer a;
	char id[24];
	int fd = -1;

	(void)snprintf(ask.key, sizeof(ask.key), "%s", q->key);
	hatch_ask(h, &ask, &a, &fd);
	dd_close(fd);
	if (a.code != STORE_OK)
		return answer_store(c, &a);
	(void)snprintf(id, sizeof(id), "%llu", (unsigned long long)a.id);
	return answer_json(c, MHD_HTTP_OK, json_pack("{s:b,s:s}", "ok", 1, "artifact_id", id));
}

enum MHD_Result hatch_serve_method(struct hatch_state *h, struct MHD_Connection *c,
                                   struct hatch_call *call)
{
	static struct hatch_request q;
	struct dd_err err = { 0 };

	if (hatch_request_read(call->method, call->body ? call->body : "", call->len, &q, &err) < 0)
		return answer_error(c, MHD_HTTP_BAD_REQUEST, "invalid_argument", err.msg);
	switch (call->method) {
	case HATCH_CREATE_CACHE:
	case HATCH_CREATE_ARTIFACT:
		return create(h, c, &q, call->method == HATCH_CREATE_CACHE);
	case HATCH_FINALIZE_CACHE:
	case HATCH_FINALIZE_ARTIFACT:
		return finalize(h, c, &q, call->method == HATCH_FINALIZE_CACHE);
	case HATCH_FIND_CACHE:
		return find_cache(h, c, &q);
	case HATCH_LIST_ARTIFACTS:
		return list_artifacts(h, c, &q);
	case HATCH_GET_ARTIFACT:
		return get_artifact(h, c, &q);
	case HATCH_DELETE_ARTIFACT:
		return delete_artifact(h, c, &q);
	case HATCH_METHOD_NONE:
	case HATCH_METHOD__COUNT:
		break;
	}
	return MHD_NO;
}
