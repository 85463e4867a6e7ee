// SPDX-License-Identifier: Apache-2.0
/* github_fetch.c - see github_fetch.h.
 *
 * Runs in: job host; the conversation in a courier, which is lent one file without a name and
 * writes into that alone. What the servers say is foreign: names of files are made of what was
 * asked, and never of an answer. A token goes to the host that the server named it for, and a
 * redirect to another one does not have it. */
#include "github_fetch.h"

#include "courier/courier_process.h"
#include "drydock/fd.h"
#include "github_ask.h"
#include "github_runner.h"
#include "message_json.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HOPS_MAX = 5, TRIES = 3, FETCH_SEC = 20 * 60 };

/* from the courier; a: place in the list */
enum github_fetch_frame {
	FETCH_CAME = 1, /* b: length; the bytes are next in the file. bytes: commit, blank, name */
	FETCH_FAILED,   /* bytes: why */
	FETCH_DONE,
};

struct fetching {
	const struct github_fetch *how;
	const struct actions_wanted *list;
	size_t n;
	struct http *http;
	int sock, file;
	off_t at;    /* in the file: archives that are whole end there */
	size_t took; /* of the one at hand */
};

static void say(struct fetching *f, enum github_fetch_frame kind, size_t i, size_t len,
                const char *text)
{
	(void)frame_send(f->sock, &(struct frame){ .kind = kind,
	                                           .a = (int64_t)i,
	                                           .b = (int64_t)len,
	                                           .bytes = (char *)(uintptr_t)text,
	                                           .len = (uint32_t)strlen(text) });
}

static void pause_before(unsigned try)
{
	unsigned ms = github_pause_ms(try);
	const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	(void)nanosleep(&pause, NULL);
}

/* ---- one archive ---- */

static int take_bytes(void *arg, const char *bytes, size_t len)
{
	struct fetching *f = arg;
	if (f->took + len > FETCH_ARCHIVE_MAX || (size_t)f->at + f->took + len > FETCH_TOTAL_MAX)
		return -1;
	while (len > 0) {
		ssize_t n = write(f->file, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		f->took += (size_t)n;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static size_t origin_len(const char *url)
{
	return 8 + strcspn(url + 8, "/?#");
}

static bool same_origin(const char *a, const char *b)
{
	size_t n = origin_len(a);
	return n == origin_len(b) && strncasecmp(a, b, n) == 0;
}

static bool is_codeload(const char *url)
{
	return strncasecmp(url + 8, "codeload.", 9) == 0 || strstr(url, "/_codeload/");
}

/* malloc'ed; NULL: none goes along. */
static char *authorization_for(const struct fetching *f, const char *url, const char *token)
{
	dd_auto_free char *plain = NULL, *basic = NULL;
	char *line = NULL;

	if (!*token)
		return NULL;
	if (f->how->bearer && is_codeload(url))
		return asprintf(&line, "Authorization: Bearer %s", token) < 0 ? NULL : line;
	if (asprintf(&plain, "x-access-token:%s", token) < 0)
		plain = NULL;
	basic = plain ? github_base64(plain, strlen(plain)) : NULL;
	return basic && asprintf(&line, "Authorization: Basic %s", basic) >= 0 ? line : NULL;
}

/* One way from @url over redirects to bytes. The last status; 0: no answer, and @why says why. */
static long follow(struct fetching *f, const char *url, const char *authorization, char why[300])
{
	char at[GITHUB_URL_MAX], next[GITHUB_URL_MAX];

	(void)snprintf(at, sizeof(at), "%s", url);
	for (int hop = 0; hop < HOPS_MAX; hop++) {
		struct dd_err err = { 0 };
		struct http_answer answer;
		f->took = 0; /* what a try before left is written over */
		if (lseek(f->file, f->at, SEEK_SET) < 0) {
			(void)snprintf(why, 300, "there is no room for its archive");
			return -1;
		}
		const struct http_request request = {
			.method = "GET",
			.url = at,
			.headers = { same_origin(url, at) ? authorization : NULL },
			.tls_only = true,
			.tries = 1,
			.timeout_sec = FETCH_SEC,
			.answer_max = FETCH_ARCHIVE_MAX,
			.take = take_bytes,
			.take_arg = f,
		};
		if (http_ask(f->http, &request, &answer, &err) < 0) {
			(void)snprintf(why, 300, "its archive does not come: %.250s", err.msg);
			return 0;
		}
		long status = answer.status;
		bool moved = (status == 301 || status == 302 || status == 303 || status == 307 ||
		              status == 308) &&
		             http_header(&answer, "Location", next, sizeof(next));
		http_answer_done(&answer);
		if (!moved)
			return status;
		if (next[0] == '/' && next[1] != '/') /* on the same host */
			(void)snprintf(at + origin_len(at), sizeof(at) - origin_len(at), "%s",
			               next);
		else if (strncasecmp(next, "https://", 8) == 0)
			memcpy(at, next, sizeof(at));
		else {
			(void)snprintf(why, 300,
			               "its archive moved to a place that is not https://");
			return -1;
		}
	}
	(void)snprintf(why, 300, "its archive moves on and on");
	return -1;
}

static bool fetch_archive(struct fetching *f, const char *url, const char *token, char why[300])
{
	if (strncasecmp(url, "https://", 8) != 0 || strlen(url) >= GITHUB_URL_MAX) {
		(void)snprintf(why, 300, "its address is not https://");
		return false;
	}
	dd_auto_free char *authorization = authorization_for(f, url, token);
	for (unsigned try = 0; try < TRIES; try++) {
		pause_before(try);
		long status = follow(f, url, authorization, why);
		if (status == 200)
			return true;
		if (status > 0)
			(void)snprintf(why, 300, "its archive cannot be had: HTTP %ld", status);
		if (status < 0 || status == 401 || status == 403 || status == 404)
			break;
	}
	return false;
}

/* ---- which commits they are ---- */

static json_t *question(const struct fetching *f)
{
	json_t *list = json_array(), *body;
	for (size_t i = 0; i < f->n; i++)
		(void)json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "action",
		                                            f->list[i].repository, "version",
		                                            f->list[i].ref, "path", ""));
	body = json_pack("{s:o}", "actions", list);
	if (json_array_size(f->how->dependencies) > 0)
		(void)json_object_set(body, "actions_dependencies",
		                      (json_t *)(uintptr_t)f->how->dependencies);
	return body;
}

/* The path is absolute: what stands behind the host of the service is dropped. */
static bool resolve_url(const struct github_fetch *how, char ret[GITHUB_URL_MAX])
{
	int n = strncasecmp(how->launch, "https://", 8) != 0
	                ? 0
	                : snprintf(ret, GITHUB_URL_MAX,
	                           "%.*s/actions/build/%s/jobs/%s/runnerresolve/actions",
	                           (int)origin_len(how->launch), how->launch, how->plan_id,
	                           how->job_id);
	return n > 0 && n < GITHUB_URL_MAX;
}

static bool resolve(struct fetching *f, struct github_answer *ret, char why[300])
{
	char url[GITHUB_URL_MAX], text[200];

	if (!resolve_url(f->how, url)) {
		(void)snprintf(why, 300, "the job names no service that finds actions");
		return false;
	}
	for (unsigned try = 0; try < TRIES; try++) {
		struct dd_err err = { 0 };
		json_t *body = question(f);
		pause_before(try);
		int r = github_ask(f->http,
		                   &(struct github_ask){ .method = "POST",
		                                         .url = url,
		                                         .token = f->how->token,
		                                         .tries = 1,
		                                         .timeout_sec = 100,
		                                         .answer_max = 4UL * 1024 * 1024,
		                                         .body = body },
		                   ret, &err);
		json_decref(body);
		if (r < 0) {
			(void)snprintf(why, 300, "the server does not say where it is: %.250s",
			               err.msg);
			continue;
		}
		long status = ret->status;
		if ((status == 200 || status == 422) && ret->said)
			return true;
		(void)snprintf(why, 300, "the server does not say where it is: HTTP %ld%s%s",
		               status, status == 429 ? " (too many questions: later)" : "",
		               github_answer_text(ret, text));
		github_answer_done(ret);
		if (status == 429 || status == 422 || status == 401 || status == 403 ||
		    status == 404)
			break;
	}
	return false;
}

/* The key of an answer is the name as it was asked; case does not count in names. */
static const json_t *answer_of(const json_t *map, const struct actions_wanted *w)
{
	char name[600];
	(void)snprintf(name, sizeof(name), "%.300s@%.250s", w->repository, w->ref);
	return message_member(map, name);
}

static void fetch_one(struct fetching *f, size_t i, const struct github_answer *answer)
{
	const struct actions_wanted *w = &f->list[i];
	const json_t *one = answer_of(message_member(answer->said, "actions"), w);
	const json_t *error = answer_of(message_member(answer->said, "errors"), w);
	const char *url = message_text(one, "tar_url"), *commit = message_text(one, "resolved_sha"),
		   *name = message_text(one, "resolved_name"),
		   *token = message_text(one, "authentication.token");
	char why[300] = "the server does not know it", what[400];

	if (message_text(error, "message"))
		(void)snprintf(why, sizeof(why), "the server says: %.250s",
		               message_text(error, "message"));
	else if (answer->status == 422)
		(void)snprintf(why, sizeof(why), "the server names none while it refuses another");
	if (!token || !*token)
		token = f->how->fallback;
	if (!url || !fetch_archive(f, url, token, why)) {
		say(f, FETCH_FAILED, i, 0, why);
		return;
	}
	(void)snprintf(what, sizeof(what), "%.64s %.300s", commit ? commit : "",
	               name ? name : w->repository);
	say(f, FETCH_CAME, i, f->took, what);
	f->at += (off_t)f->took;
}

static int fetch_main(void *arg, int sock, const int *lent)
{
	struct fetching *f = arg;
	struct github_answer answer;
	struct dd_err err = { 0 };
	char why[300] = "";

	f->sock = sock;
	f->file = lent[0];
	if (http_new(&(struct http_tls){ .ca = f->how->ca }, &f->http, &err) < 0)
		(void)snprintf(why, sizeof(why), "%.290s", err.msg);
	else if (resolve(f, &answer, why)) {
		for (size_t i = 0; i < f->n; i++)
			fetch_one(f, i, &answer);
		github_answer_done(&answer);
		why[0] = '\0';
	}
	for (size_t i = 0; why[0] && i < f->n; i++)
		say(f, FETCH_FAILED, i, 0, why);
	say(f, FETCH_DONE, 0, 0, "");
	http_free(f->http);
	return 0;
}

/* ---- on this host ---- */

/* The directory that @path lies in, made where it is missing. Its parts are judged names
 * (store_is_repository, store_is_ref): no dot in front, no `..`. */
static int open_parent(int dir_fd, char *path, const char **ret_name, int *ret, struct dd_err *err)
{
	dd_auto_fd int dir = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	char *slash;

	for (; dir >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
		*slash = '\0';
		if (mkdirat(dir, path, 0700) < 0 && errno != EEXIST)
			break;
		int next = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		dd_close(dir);
		dir = next;
	}
	if (dir < 0 || strchr(path, '/'))
		return dd_err_set(err, errno, "make the job's mirror");
	*ret_name = path;
	*ret = dd_take_fd(&dir);
	return 0;
}

static int keep_archive(const struct github_fetch *how, const struct actions_wanted *w, int from,
                        off_t *at, size_t len, struct dd_err *err)
{
	char path[600];
	const char *name = "";
	dd_auto_fd int dir = -1;

	(void)snprintf(path, sizeof(path), "%.250s@%.250s.tar.gz", w->repository, w->ref);
	int r = open_parent(how->dir_fd, path, &name, &dir, err);
	if (r < 0)
		return r;
	dd_auto_fd int to = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	                           0600);
	if (to < 0)
		return dd_err_set(err, errno, "make the job's mirror");
	while (len > 0) {
		ssize_t n = sendfile(to, from, at, len);
		if (n <= 0)
			return dd_err_set(err, n < 0 ? errno : EIO, "write the job's mirror");
		len -= (size_t)n;
	}
	return 0;
}

static int hear_one(const struct github_fetch *how, struct actions_wanted *w,
                    const struct frame *frame, int file, off_t *at, struct dd_err *err)
{
	const char *text = frame->bytes ? frame->bytes : "", *blank = strchr(text, ' ');

	if (frame->kind != FETCH_CAME || !blank) {
		w->why = arena_strdup(how->arena, *text ? text : "nobody says why");
		return 0;
	}
	(void)snprintf(w->commit, sizeof(w->commit), "%.*s", (int)(blank - text), text);
	w->resolved = arena_strdup(how->arena, blank + 1);
	w->why = NULL;
	return keep_archive(how, w, file, at, (size_t)frame->b, err);
}

static int hear(const struct github_fetch *how, struct actions_wanted *list, size_t n,
                const struct courier_process *c, int file, struct dd_err *err)
{
	off_t at = 0;
	int r = 0;

	for (bool done = false; !done && r == 0;) {
		struct frame frame;
		if (!how->wait(how->wait_arg, c->sock))
			return dd_err_say(err, ECANCELED, "actions are not wanted any more");
		if (frame_recv(c->sock, &frame) <= 0)
			return dd_err_say(err, EPIPE,
			                  "the courier that fetches actions ended without a word");
		done = frame.kind == FETCH_DONE;
		if (!done && frame.a >= 0 && (size_t)frame.a < n)
			r = hear_one(how, &list[frame.a], &frame, file, &at, err);
		frame_done(&frame);
	}
	return r;
}

int github_fetch(const struct github_fetch *how, struct actions_wanted *list, size_t n,
                 struct dd_err *err)
{
	struct fetching f = { .how = how, .list = list, .n = n };
	struct courier_process c = COURIER_PROCESS_NONE;

	if (n > FETCH_ACTIONS_MAX)
		return dd_err_say(err, E2BIG, "more than %d actions at one time",
		                  FETCH_ACTIONS_MAX);
	for (size_t i = 0; i < n; i++)
		list[i].why = "it did not come";
	dd_auto_fd int file = openat(how->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (file < 0)
		return dd_err_set(err, errno, "make room for archives");
	int r = courier_process_start(&(struct courier_work){ .run = fetch_main,
	                                                      .arg = &f,
	                                                      .lent = { file },
	                                                      .n_lent = 1,
	                                                      .name = "dd-fetch" },
	                              &c, err);
	if (r == 0)
		r = hear(how, list, n, &c, file, err);
	(void)courier_process_end(&c, r < 0 ? 0 : 1000);
	return r;
}
