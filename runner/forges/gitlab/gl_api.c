// SPDX-License-Identifier: Apache-2.0
/* gl_api.c - see gl_api.h.
 *
 * Runs in: courier. Order of rows is order of judgement: the first that fits an answer counts. */
#include "gl_api.h"

#include "base/version.h"
#include "drydock/fd.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define BELOW "api/v4/"

enum { REQUEST_SEC = 600, CALL_SEC = 120 };

/* ---- who we are ---- */

/* Go's names. */
static const char *arch_name(void)
{
	static const char *const names[][2] = { { "x86_64", "amd64" },
		                                { "aarch64", "arm64" },
		                                { "riscv64", "riscv64" } };
	static struct utsname host;
	(void)uname(&host);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(host.machine, names[i][0]) == 0)
			return names[i][1];
	return host.machine;
}

const char *gl_agent_name(void)
{
	static char name[200];
	if (!*name)
		(void)snprintf(name, sizeof(name), "drydock %.80s (main; gcc%d; linux/%.20s)",
		               drydock_version(), __GNUC__, arch_name());
	return name;
}

/* All that the protocol knows, told one by one: a flag is a promise, and a job that needs one which
 * is not made is failed by the server. */
static const struct feature_row {
	const char *name;
	bool kept;
} features[] = {
	{ "variables", true },
	{ "image", false },
	{ "services", false },
	{ "artifacts", true },
	{ "cache", false },
	{ "fallback_cache_keys", false },
	{ "shared", false },
	{ "upload_multiple_artifacts", true },
	{ "upload_raw_artifacts", true },
	{ "session", false },
	{ "terminal", false },
	{ "refspecs", true },
	{ "masking", true },
	{ "proxy", false },
	{ "raw_variables", true },
	{ "artifacts_exclude", true },
	{ "multi_build_steps", true },
	{ "trace_reset", true },
	{ "trace_checksum", true },
	{ "trace_size", true },
	{ "vault_secrets", false },
	{ "cancelable", true },
	{ "return_exit_code", true },
	{ "service_variables", false },
	{ "service_multiple_aliases", false },
	{ "image_executor_opts", false },
	{ "service_executor_opts", false },
	{ "cancel_gracefully", true },
	{ "native_steps_integration", false },
	{ "two_phase_job_commit", true },
	{ "job_inputs", false },
};

json_t *gl_info(void)
{
	json_t *flags = json_object();
	for (size_t i = 0; flags && i < ARRAY_LEN(features); i++)
		(void)json_object_set_new(flags, features[i].name, json_boolean(features[i].kept));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:{s:s}}", "name", "drydock",
	                 "version", drydock_version(), "revision", drydock_version(), "platform",
	                 "linux", "architecture", arch_name(), "executor", "drydock", "shell",
	                 "bash", "features", flags, "config", "gpus", "");
}

int gl_wire(const struct gl_instance *instance, struct wire **ret, struct dd_err *err)
{
	static char base[WIRE_URL_MAX]; /* a courier has one forge */
	int r = wire_base(instance->url, BELOW, base, err);
	if (r < 0)
		return r;
	const struct wire_origin origin = { .base = base,
		                            .agent = gl_agent_name(),
		                            .tls = { .ca = instance->ca,
		                                     .certificate = instance->certificate,
		                                     .key = instance->key },
		                            .proxies = true };
	return wire_new(&origin, ret, err);
}

/* ---- small readings ---- */

enum gl_wish gl_wish_of(const char *job_status)
{
	if (strcmp(job_status, "canceled") == 0 || strcmp(job_status, "failed") == 0)
		return GL_ABORT;
	return strcmp(job_status, "canceling") == 0 ? GL_CANCEL : GL_GO_ON;
}

uint64_t gl_range_end(const char *range)
{
	char *end = NULL;
	if (strncmp(range, "0-", 2) != 0 || !isdigit((unsigned char)range[2]))
		return 0;
	unsigned long long n = strtoull(range + 2, &end, 10);
	return *end || n > INT64_MAX ? 0 : n;
}

unsigned gl_interval(const char *text)
{
	char *end = NULL;
	if (!isdigit((unsigned char)*text))
		return 0;
	unsigned long n = strtoul(text, &end, 10);
	if (*end)
		return 0;
	return n > GL_INTERVAL_MAX_SEC ? GL_INTERVAL_MAX_SEC : (unsigned)n;
}

long long gl_time(const char *text)
{
	struct tm at = { 0 };
	const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &at) : NULL;
	int hours = 0, minutes = 0;
	char sign = 0;
	if (!end)
		return 0;
	if (*end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	long long when = (long long)timegm(&at);
	if (sscanf(end, "%c%2d:%2d", &sign, &hours, &minutes) == 3 && (sign == '+' || sign == '-'))
		when -= (sign == '+' ? 1 : -1) * (hours * 3600LL + minutes * 60LL);
	else if (*end != 'Z')
		return 0;
	return when;
}

void gl_short_token(const char *token, char ret[16])
{
	const char *t = token;
	if (strncmp(t, "glrt-", 5) == 0)
		t += 5;
	if (t[0] == 't' && t[1] >= '1' && t[1] <= '3' && t[2] == '_')
		t += 3;
	if (strncmp(t, "glrtr-", 6) == 0)
		t += 6;
	if (strncmp(t, "glcbt-", 6) == 0)
		t += 6;
	if (strncmp(t, "GR", 2) == 0 && strspn(t + 2, "0123456789abcdef") >= 7)
		t += 9;
	size_t n = 0;
	for (; n < 9 && (isalnum((unsigned char)t[n]) || (t[n] && strchr("_-.", t[n]))); n++)
		ret[n] = t[n];
	ret[n] = '\0';
}

/* ---- calls with the runner's token ---- */

struct call {
	char *body;
	char header[RUNNER_TOKEN_MAX + 32];
};

static void call_done(struct call *c)
{
	if (c->body)
		explicit_bzero(c->body, strlen(c->body));
	free(c->body);
	explicit_bzero(c->header, sizeof(c->header));
}

/* Takes @o. False: no memory, or the token is too long to be one. */
static bool call_make(struct call *c, json_t *o, const char *header, const char *token)
{
	*c = (struct call){ .body = o ? json_dumps(o, JSON_COMPACT) : NULL };
	json_decref(o);
	return c->body && (size_t)snprintf(c->header, sizeof(c->header), "%s: %s", header, token) <
	                          sizeof(c->header);
}

static int call(struct wire *w, const struct call *c, const char *method, const char *path,
                size_t answer_max, unsigned total_sec, struct wire_answer *ret, struct dd_err *err)
{
	return wire_ask(w,
	                &(struct wire_ask){ .method = method,
	                                    .path = path,
	                                    .secret = c->header,
	                                    .type = "application/json",
	                                    .body = c->body,
	                                    .total_sec = total_sec,
	                                    .answer_max = answer_max },
	                ret, err);
}

static bool answer_is_json(const struct wire_answer *a)
{
	return strncasecmp(a->header[WIRE_CONTENT_TYPE], "application/json", 16) == 0;
}

enum gl_verdict gl_verify(struct wire *w, const struct gl_instance *instance,
                          struct gl_verified *ret)
{
	struct wire_answer a;
	struct dd_err err = { 0 };
	struct call c;
	enum gl_verdict verdict = GL_MAYBE;
	*ret = (struct gl_verified){ .id = 0 };
	if (!call_make(&c,
	               json_pack("{s:s, s:s, s:o}", "token", instance->token, "system_id",
	                         instance->system_id, "info", gl_info()),
	               "RUNNER-TOKEN", instance->token) ||
	    call(w, &c, "POST", "runners/verify", 0, CALL_SEC, &a, &err) < 0) {
		(void)snprintf(ret->said, sizeof(ret->said), "%.390s",
		               err.code ? err.msg : "the token is no text");
		call_done(&c);
		return GL_MAYBE;
	}
	wire_says(&a, ret->said, sizeof(ret->said));
	if (a.http.status == 403 || a.http.status == 422)
		verdict = GL_BAD_TOKEN;
	if (a.http.status == 200 && answer_is_json(&a)) {
		json_t *o = http_json(&a.http);
		ret->id = json_integer_value(json_object_get(o, "id"));
		ret->expires = gl_time(json_string_value(json_object_get(o, "token_expires_at")));
		verdict = GL_GOOD;
		json_decref(o);
	} else if (a.http.status == 200 &&
	           strspn(a.http.body, "\"0123456789OKok\r\n ") == a.http.len) {
		verdict = GL_GOOD; /* an old server says no more */
	} else if (a.http.status / 100 == 2) {
		(void)snprintf(ret->said, sizeof(ret->said),
		               "%ld, and not JSON: is this GitLab's address?", a.http.status);
	}
	wire_answer_done(&a);
	call_done(&c);
	return verdict;
}

int gl_reset_token(struct wire *w, const struct gl_instance *instance, char **ret_token,
                   long long *ret_expires, struct dd_err *err)
{
	struct wire_answer a;
	struct call c;
	char said[GL_SAID_MAX];
	int r = call_make(&c, json_pack("{s:s}", "token", instance->token), "RUNNER-TOKEN",
	                  instance->token)
	                ? call(w, &c, "POST", "runners/reset_authentication_token", 0, CALL_SEC, &a,
	                       err)
	                : dd_err_set(err, ENOMEM, "reset the runner's token");
	call_done(&c);
	if (r < 0)
		return r;
	json_t *o = a.http.status == 201 && answer_is_json(&a) ? http_json(&a.http) : NULL;
	const char *token = json_string_value(json_object_get(o, "token"));
	*ret_token = token && *token && strlen(token) < RUNNER_TOKEN_MAX ? strdup(token) : NULL;
	*ret_expires = gl_time(json_string_value(json_object_get(o, "token_expires_at")));
	wire_says(&a, said, sizeof(said));
	json_decref(o);
	wire_answer_done(&a);
	return *ret_token ? 0
	                  : dd_err_say(err, EACCES, "GitLab gave no new token for the runner (%s)",
	                               said);
}

int gl_unregister(struct wire *w, const struct gl_instance *instance, struct dd_err *err)
{
	struct wire_answer a;
	struct call c;
	char said[GL_SAID_MAX];
	/* the runner stays, it may have other hosts; an old token has no managers */
	bool manager = strncmp(instance->token, "glrt-", 5) == 0;
	int r = call_make(&c,
	                  json_pack("{s:s, s:s}", "token", instance->token, "system_id",
	                            instance->system_id),
	                  "RUNNER-TOKEN", instance->token)
	                ? call(w, &c, "DELETE", manager ? "runners/managers" : "runners", 0,
	                       CALL_SEC, &a, err)
	                : dd_err_set(err, ENOMEM, "unregister");
	call_done(&c);
	if (r < 0)
		return r;
	long status = a.http.status;
	wire_says(&a, said, sizeof(said));
	wire_answer_done(&a);
	if (status / 100 == 2 || status == 404)
		return 0;
	return dd_err_say(err, status == 403 ? EACCES : EIO, "GitLab does not unregister it (%s)",
	                  said);
}

/* ---- the question for a job ---- */

static void keep_last_update(const struct wire_answer *a, char last_update[WIRE_HEADER_MAX])
{
	const char *new = a->header[WIRE_LAST_UPDATE];
	if (*new &&strlen(new) < WIRE_HEADER_MAX)
		memcpy(last_update, new, strlen(new) + 1);
}

/* A message that cannot be read leaves a job that nobody runs: if it says which, it is failed. */
static void fail_unreadable(struct wire *w, const char *text)
{
	const char *id = strstr(text, "\"id\":"), *token = strstr(text, "\"token\":\"");
	char bearer[2048];
	struct gl_reply ignored;
	if (!id || !token)
		return;
	token += strlen("\"token\":\"");
	size_t len = strcspn(token, "\"\\");
	if (len == 0 || len >= sizeof(bearer) || token[len] != '"')
		return;
	memcpy(bearer, token, len);
	bearer[len] = '\0';
	const struct gl_job_ref job = { strtoll(id + 5, NULL, 10), bearer };
	(void)gl_put_state(
		w, &job, &(struct gl_state){ .state = "failed", .reason = "runner_system_failure" },
		&ignored);
}

static enum gl_asked take_job(struct wire *w, struct wire_answer *a, struct gl_job_asked *ret)
{
	json_error_t why;
	json_t *o = answer_is_json(a) ? json_loadb(a->http.body, a->http.len, 0, &why) : NULL;
	const json_t *id = json_object_get(o, "id");
	const char *token = json_string_value(json_object_get(o, "token"));
	bool fine = json_is_integer(id) && json_integer_value(id) > 0 && token && *token;
	ret->id = json_integer_value(id);
	json_decref(o);
	if (!fine) {
		(void)snprintf(ret->said, sizeof(ret->said),
		               "GitLab sent a job that cannot be read as JSON");
		fail_unreadable(w, a->http.body);
		return GL_ASK_TROUBLE;
	}
	ret->len = a->http.len;
	ret->message = malloc(ret->len + 1);
	if (!ret->message)
		return GL_ASK_TROUBLE;
	memcpy(ret->message, a->http.body, ret->len + 1);
	return GL_ASK_JOB;
}

enum gl_asked gl_request_job(struct wire *w, const struct gl_instance *instance,
                             char last_update[WIRE_HEADER_MAX], struct gl_job_asked *ret)
{
	struct wire_answer a;
	struct dd_err err = { 0 };
	struct call c;
	*ret = (struct gl_job_asked){ .message = NULL };
	json_t *o = json_pack("{s:o, s:s, s:s, s:s*}", "info", gl_info(), "token", instance->token,
	                      "system_id", instance->system_id, "last_update",
	                      *last_update ? last_update : NULL);
	if (!call_make(&c, o, "RUNNER-TOKEN", instance->token) ||
	    call(w, &c, "POST", "jobs/request", GL_JOB_MAX, REQUEST_SEC, &a, &err) < 0) {
		(void)snprintf(ret->said, sizeof(ret->said), "%.390s", err.msg);
		call_done(&c);
		return GL_ASK_TROUBLE;
	}
	call_done(&c);
	keep_last_update(&a, last_update);
	ret->retried = a.retried;
	enum gl_asked asked = a.http.status == 204   ? GL_ASK_NOTHING
	                      : a.http.status == 409 ? GL_ASK_AGAIN
	                      : a.http.status == 403 ? GL_ASK_BAD_TOKEN
	                                             : GL_ASK_TROUBLE;
	wire_says(&a, ret->said, sizeof(ret->said));
	if (a.http.status == 201)
		asked = take_job(w, &a, ret);
	wire_answer_done(&a);
	return asked;
}

/* ---- calls with the job's token ---- */

enum gl_put gl_put_means(long status, const char *job_status, bool first)
{
	bool gone = status == 403 || status == 404 || gl_wish_of(job_status) == GL_ABORT;
	if (first)
		return gone || status == 400 || status == 409 ? GL_PUT_DECLINED
		       : status / 100 == 2                    ? GL_PUT_DONE
		                                              : GL_PUT_TRY_AGAIN;
	if (status == 403 || gl_wish_of(job_status) == GL_ABORT)
		return GL_PUT_ABORT;
	switch (status) {
	case 200:
		return GL_PUT_DONE;
	case 202:
		return GL_PUT_LATER;
	case 412:
		return GL_PUT_RESEND;
	case 404:
		return GL_PUT_ABORT;
	default:
		return GL_PUT_TRY_AGAIN;
	}
}

enum gl_patch gl_patch_means(long status, const char *job_status)
{
	if (status == 403 || gl_wish_of(job_status) == GL_ABORT)
		return GL_PATCH_ABORT;
	switch (status) {
	case 202:
		return GL_PATCH_TAKEN;
	case 404:
		return GL_PATCH_GIVE_UP;
	case 416:
		return GL_PATCH_RANGE;
	default:
		return GL_PATCH_FAILED;
	}
}

static void read_reply(const struct wire_answer *a, struct gl_reply *ret)
{
	*ret = (struct gl_reply){ .wish = gl_wish_of(a->header[WIRE_JOB_STATUS]),
		                  .interval_sec = gl_interval(a->header[WIRE_TRACE_INTERVAL]),
		                  .offset = gl_range_end(a->header[WIRE_RANGE]) };
	wire_says(a, ret->said, sizeof(ret->said));
}

static json_t *state_body(const struct gl_job_ref *job, const struct gl_state *state)
{
	json_t *output = json_object();
	json_t *o = json_pack("{s:o, s:s, s:s, s:s*}", "info", gl_info(), "token", job->token,
	                      "state", state->state, "failure_reason", state->reason);
	if (o && state->exit_code)
		(void)json_object_set_new(o, "exit_code", json_integer(state->exit_code));
	if (o && state->bytes) {
		char checksum[20];
		(void)snprintf(checksum, sizeof(checksum), "crc32:%08x", state->crc);
		(void)json_object_set_new(o, "checksum", json_string(checksum));
		(void)json_object_set_new(output, "checksum", json_string(checksum));
		(void)json_object_set_new(output, "bytesize",
		                          json_integer((json_int_t)state->bytes));
	}
	if (o)
		(void)json_object_set_new(o, "output", output);
	else
		json_decref(output);
	return o;
}

enum gl_put gl_put_state(struct wire *w, const struct gl_job_ref *job, const struct gl_state *state,
                         struct gl_reply *ret)
{
	struct wire_answer a;
	struct dd_err err = { 0 };
	struct call c;
	char path[60];
	*ret = (struct gl_reply){ .wish = GL_GO_ON };
	(void)snprintf(path, sizeof(path), "jobs/%lld", job->id);
	int r = call_make(&c, state_body(job, state), "JOB-TOKEN", job->token)
	                ? call(w, &c, "PUT", path, 0, CALL_SEC, &a, &err)
	                : dd_err_set(&err, ENOMEM, "update the job");
	call_done(&c);
	if (r < 0) {
		(void)snprintf(ret->said, sizeof(ret->said), "%.390s", err.msg);
		return GL_PUT_TRY_AGAIN;
	}
	read_reply(&a, ret);
	enum gl_put put = gl_put_means(a.http.status, a.header[WIRE_JOB_STATUS], state->first);
	wire_answer_done(&a);
	return put;
}

enum gl_patch gl_patch_trace(struct wire *w, const struct gl_job_ref *job, uint64_t from,
                             const char *bytes, size_t len, bool debug, struct gl_reply *ret)
{
	struct wire_answer a;
	struct dd_err err = { 0 };
	char path[80], range[80], token[RUNNER_TOKEN_MAX + 32];
	*ret = (struct gl_reply){ .wish = GL_GO_ON };
	(void)snprintf(path, sizeof(path), "jobs/%lld/trace?debug_trace=%s", job->id,
	               debug ? "true" : "false");
	(void)snprintf(range, sizeof(range), "Content-Range: %llu-%llu", (unsigned long long)from,
	               (unsigned long long)(from + len - 1));
	(void)snprintf(token, sizeof(token), "JOB-TOKEN: %s", job->token);
	int r = wire_ask(w,
	                 &(struct wire_ask){ .method = "PATCH",
	                                     .path = path,
	                                     .secret = token,
	                                     .headers = { range },
	                                     .type = "text/plain",
	                                     .body = bytes,
	                                     .body_len = len,
	                                     .total_sec = CALL_SEC },
	                 &a, &err);
	explicit_bzero(token, sizeof(token));
	if (r < 0) {
		(void)snprintf(ret->said, sizeof(ret->said), "%.390s", err.msg);
		return GL_PATCH_FAILED;
	}
	read_reply(&a, ret);
	enum gl_patch patch = gl_patch_means(a.http.status, a.header[WIRE_JOB_STATUS]);
	if (patch == GL_PATCH_TAKEN)
		ret->offset = from + len;
	wire_answer_done(&a);
	return patch;
}

/* ---- artifacts ---- */

enum { UPLOAD_TRIES = 3, UPLOAD_TRIES_BUSY = 6, UPLOAD_SEC = 3600, UPLOAD_PAUSE_MS = 1000 };

#define BOUNDARY "drydock-7f3a1c5e9b2d48060af1"

/* One part of a form, around a file. */
struct form {
	char head[600];
	size_t head_len;
	int fd;
	uint64_t file_len;
};

static const char form_tail[] = "\r\n--" BOUNDARY "--\r\n";

static size_t copy_from(char *ret, size_t room, const char *from, size_t len, uint64_t at)
{
	size_t n = at < len ? len - (size_t)at : 0;
	n = n < room ? n : room;
	memcpy(ret, from + at, n);
	return n;
}

static long form_read(void *arg, uint64_t at, char *ret, size_t len)
{
	const struct form *f = arg;
	if (at < f->head_len)
		return (long)copy_from(ret, len, f->head, f->head_len, at);
	at -= f->head_len;
	if (at < f->file_len) {
		size_t want = f->file_len - at < len ? (size_t)(f->file_len - at) : len;
		ssize_t n = pread(f->fd, ret, want, (off_t)at);
		return n > 0 ? (long)n : -1; /* it became shorter */
	}
	at -= f->file_len;
	return at < sizeof(form_tail) - 1
	               ? (long)copy_from(ret, len, form_tail, sizeof(form_tail) - 1, at)
	               : 0;
}

static int form_open(const struct gl_upload *what, struct form *ret)
{
	struct stat st;
	int n = snprintf(ret->head, sizeof(ret->head),
	                 "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"file\"; "
	                 "filename=\"%s\"\r\nContent-Type: application/octet-stream\r\n\r\n",
	                 what->name);
	ret->head_len = n > 0 ? (size_t)n : 0;
	ret->fd = open(what->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (ret->fd < 0 || fstat(ret->fd, &st) < 0)
		return -errno;
	ret->file_len = (uint64_t)st.st_size;
	return 0;
}

static void upload_path(const struct gl_job_ref *job, const struct gl_upload *what, char ret[600])
{
	const char *const query[][2] = { { "artifact_format", what->format },
		                         { "artifact_type", what->type },
		                         { "expire_in", what->expire_in } };
	int n = snprintf(ret, 600, "jobs/%lld/artifacts", job->id);
	char between = '?';
	for (size_t i = 0; i < ARRAY_LEN(query); i++) {
		dd_auto_free char *value = *query[i][1] ? http_escape(query[i][1]) : NULL;
		if (!value)
			continue;
		n += snprintf(ret + n, 600 - (size_t)n, "%c%s=%s", between, query[i][0], value);
		between = '&';
	}
}

static enum gl_uploaded upload_once(struct wire *w, const struct gl_job_ref *job,
                                    const struct gl_upload *what, bool *ret_busy,
                                    char said[GL_SAID_MAX])
{
	struct form form = { .fd = -1 };
	struct wire_answer a;
	struct dd_err err = { 0 };
	char path[600], token[RUNNER_TOKEN_MAX + 32];
	int r = form_open(what, &form);
	*ret_busy = false;
	if (r < 0) {
		(void)snprintf(said, GL_SAID_MAX, "the file is gone");
		return GL_UPLOAD_REFUSED;
	}
	const struct http_source source = { &form, form_read,
		                            form.head_len + form.file_len + sizeof(form_tail) - 1 };
	upload_path(job, what, path);
	(void)snprintf(token, sizeof(token), "JOB-TOKEN: %s", job->token);
	r = wire_ask(w,
	             &(struct wire_ask){ .method = "POST",
	                                 .path = path,
	                                 .secret = token,
	                                 .type = "multipart/form-data; boundary=" BOUNDARY,
	                                 .source = &source,
	                                 .total_sec = UPLOAD_SEC,
	                                 .tries = 1 },
	             &a, &err);
	dd_close(form.fd);
	explicit_bzero(token, sizeof(token));
	if (r < 0) {
		(void)snprintf(said, GL_SAID_MAX, "%.390s", err.msg);
		return GL_UPLOAD_FAILED;
	}
	wire_says(&a, said, GL_SAID_MAX);
	*ret_busy = a.http.status == 503;
	enum gl_uploaded done = a.http.status == 201                           ? GL_UPLOAD_DONE
	                        : a.http.status == 403 || a.http.status == 413 ? GL_UPLOAD_REFUSED
	                                                                       : GL_UPLOAD_FAILED;
	wire_answer_done(&a);
	return done;
}

enum gl_uploaded gl_upload(struct wire *w, const struct gl_job_ref *job,
                           const struct gl_upload *what, char said[GL_SAID_MAX])
{
	enum gl_uploaded done = GL_UPLOAD_FAILED;
	bool busy = false;
	for (int try = 0;
	     done == GL_UPLOAD_FAILED && try < (busy ? UPLOAD_TRIES_BUSY : UPLOAD_TRIES); try++) {
		if (try > 0)
			(void)poll(NULL, 0, UPLOAD_PAUSE_MS * (try < 5 ? try : 5));
		done = upload_once(w, job, what, &busy, said);
	}
	return done;
}

/* ---- artifacts of other jobs ---- */

enum { DOWNLOAD_TRIES = 3, DOWNLOAD_SEC = 3600, DOWNLOAD_PAUSE_MS = 1000 };

struct spool {
	int fd;
	off_t from;
	uint64_t len, max;
	bool full;
};

static int spool_take(void *arg, const char *bytes, size_t len)
{
	struct spool *s = arg;
	if (len > s->max - s->len) {
		s->full = true;
		return -1;
	}
	for (size_t done = 0; done < len;) {
		ssize_t n = write(s->fd, bytes + done, len - done);
		if (n < 0 && errno != EINTR)
			return -1;
		done += n > 0 ? (size_t)n : 0;
	}
	s->len += len;
	return 0;
}

/* The first try may be sent to where the bytes lie, without the token; later ones go through the
 * server, where that does not help. */
static enum gl_uploaded download_once(struct wire *w, const struct gl_job_ref *job,
                                      long long dependency, bool direct, struct spool *s,
                                      char said[GL_SAID_MAX])
{
	struct wire_answer a;
	struct dd_err err = { 0 };
	char path[100], token[RUNNER_TOKEN_MAX + 32];
	s->len = 0;
	if (lseek(s->fd, s->from, SEEK_SET) < 0) {
		(void)snprintf(said, GL_SAID_MAX, "the file for it cannot be written");
		return GL_UPLOAD_REFUSED;
	}
	(void)snprintf(path, sizeof(path), "jobs/%lld/artifacts%s", dependency,
	               direct ? "?direct_download=true" : "");
	(void)snprintf(token, sizeof(token), "JOB-TOKEN: %s", job->token);
	int r = wire_ask(w,
	                 &(struct wire_ask){ .method = "GET",
	                                     .path = path,
	                                     .secret = token,
	                                     .total_sec = DOWNLOAD_SEC,
	                                     .tries = 1,
	                                     /* the spool says first that it is too much */
	                                     .answer_max = (size_t)s->max + 1024UL * 1024,
	                                     .take = spool_take,
	                                     .take_arg = s },
	                 &a, &err);
	explicit_bzero(token, sizeof(token));
	if (r < 0) {
		(void)snprintf(said, GL_SAID_MAX, "%.390s",
		               s->full ? "more bytes than `artifacts.size` of the policy"
		                       : err.msg);
		return s->full ? GL_UPLOAD_REFUSED : GL_UPLOAD_FAILED;
	}
	wire_says(&a, said, GL_SAID_MAX);
	long status = a.http.status;
	wire_answer_done(&a);
	return status == 200                                     ? GL_UPLOAD_DONE
	       : status == 401 || status == 403 || status == 404 ? GL_UPLOAD_REFUSED
	                                                         : GL_UPLOAD_FAILED;
}

enum gl_uploaded gl_download(struct wire *w, const struct gl_job_ref *job, long long dependency,
                             int fd, uint64_t max, uint64_t *ret_len, char said[GL_SAID_MAX])
{
	struct spool s = { .fd = fd, .from = lseek(fd, 0, SEEK_END), .max = max };
	enum gl_uploaded done = GL_UPLOAD_FAILED;
	for (int try = 0; done == GL_UPLOAD_FAILED && try < DOWNLOAD_TRIES; try++) {
		if (try > 0)
			(void)poll(NULL, 0, DOWNLOAD_PAUSE_MS);
		done = download_once(w, job, dependency, try == 0, &s, said);
	}
	*ret_len = s.len;
	return done;
}
