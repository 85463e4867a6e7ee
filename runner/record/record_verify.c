// SPDX-License-Identifier: Apache-2.0
/* record_verify.c - reads a record back and says whether its chain holds.
 *
 * Runs in the command line, and in the keeper before it continues a record. The file is foreign: a
 * line has a largest length, JSON a depth. An unkeyed chain shows edits, deletions, insertions and
 * reordering before its last line; a new end, recomputed with care, only shows against the head
 * that `run` printed. docs/record.md says so too.
 */
#include "base/digest.h"
#include "base/named_path.h"
#include "drydock/fd.h"
#include "event_fields.h"
#include "record.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

struct scan {
	struct record_state *state;
	struct digest *digest;
	record_line_fn fn;
	void *arg;
	struct dd_err *err;
};

static int bad_line(const struct scan *s, const char *what)
{
	return dd_err_say(s->err, EBADMSG, "line %llu: %s", (unsigned long long)s->state->lines + 1,
	                  what);
}

static const char *wrong_field(json_t *line)
{
	for (size_t i = 0; i < EVENT_COMMON; i++) {
		const struct event_common *c = &event_common[i];
		const json_t *v = json_object_get(line, c->name);
		if (v ? json_typeof(v) != c->type && !(json_is_null(v) && c->may_be_null)
		      : !c->may_be_absent)
			return c->name;
	}
	return NULL;
}

static int check_chain(const struct scan *s, json_t *line)
{
	const struct record_state *state = s->state;
	const char *field = wrong_field(line);
	char what[200];
	if (field) {
		(void)snprintf(what, sizeof(what), "the field %s is missing or of the wrong type",
		               field);
		return bad_line(s, what);
	}
	json_int_t seq = json_integer_value(json_object_get(line, "seq"));
	if (seq != (json_int_t)state->lines + 1) {
		(void)snprintf(what, sizeof(what),
		               "has seq %lld, expected %llu: a line was deleted, inserted or moved",
		               (long long)seq, (unsigned long long)state->lines + 1);
		return bad_line(s, what);
	}
	if (strcmp(json_string_value(json_object_get(line, "prev")), state->head) != 0)
		return bad_line(s, state->lines == 0 ? "a first line must have a prev of zeros"
		                                     : "prev is not the SHA-256 of the line "
		                                       "before: one of the two was edited");
	if (state->lines > 0 &&
	    (strcmp(json_string_value(json_object_get(line, "run")), state->run) != 0 ||
	     strcmp(json_string_value(json_object_get(line, "job")), state->job) != 0))
		return bad_line(s, "belongs to another run or job than the line before");
	return 0;
}

static int copy_name(const struct scan *s, json_t *line, const char *name, char *to, size_t room)
{
	const char *text = json_string_value(json_object_get(line, name));
	size_t len = strlen(text);
	if (len >= room)
		return bad_line(s, "run, job or event is longer than any that drydock writes");
	memcpy(to, text, len + 1);
	return 0;
}

static int check_object(struct scan *s, json_t *line, const char *bytes, size_t len)
{
	struct record_state *state = s->state;
	int r = check_chain(s, line);
	if (r == 0)
		r = copy_name(s, line, "run", state->run, sizeof(state->run));
	if (r == 0)
		r = copy_name(s, line, "job", state->job, sizeof(state->job));
	if (r == 0)
		r = copy_name(s, line, "event", state->last_event, sizeof(state->last_event));
	if (r == 0)
		r = digest_bytes(s->digest, bytes, len, state->head, s->err);
	if (r < 0)
		return r;
	state->lines++;
	state->good_bytes += len + 1;
	return s->fn ? s->fn(s->arg, line) : 0;
}

static int check_line(struct scan *s, const char *bytes, size_t len)
{
	json_error_t why;
	json_t *line = json_loadb(bytes, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	int r;
	if (!line)
		r = bad_line(s, "is not JSON (torn or edited)");
	else if (!json_is_object(line))
		r = bad_line(s, "is not a JSON object");
	else
		r = check_object(s, line, bytes, len);
	json_decref(line);
	return r;
}

/* Lines of a file through one growing buffer that never exceeds RECORD_LINE_MAX. */
struct line_reader {
	char *buf;
	size_t len, cap, start;
	bool eof;
};

static int reader_fill(struct line_reader *in, int fd, struct dd_err *err)
{
	if (in->start > 0) {
		memmove(in->buf, in->buf + in->start, in->len - in->start);
		in->len -= in->start;
		in->start = 0;
	}
	if (in->len == in->cap) {
		if (in->cap >= RECORD_LINE_MAX)
			return dd_err_say(err, EBADMSG,
			                  "a line is longer than any that drydock writes");
		size_t cap = in->cap ? in->cap * 2 : 65536;
		char *buf = realloc(in->buf, cap);
		if (!buf)
			return dd_err_set(err, ENOMEM, "read the record");
		in->buf = buf;
		in->cap = cap;
	}
	ssize_t n;
	do
		n = read(fd, in->buf + in->len, in->cap - in->len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return dd_err_set(err, errno, "read the record");
	in->len += (size_t)n;
	in->eof = n == 0;
	return 0;
}

static int scan_lines(struct scan *s, struct line_reader *in, int fd)
{
	/* of the current line, so that a long one is not searched again from its start */
	size_t searched = 0;
	while (!in->eof) {
		char *from = in->buf ? in->buf + in->start : NULL;
		size_t left = in->len - in->start;
		char *end = from && left > searched ? memchr(from + searched, '\n', left - searched)
		                                    : NULL;
		if (!end) {
			searched = left;
			int r = reader_fill(in, fd, s->err);
			if (r < 0)
				return r;
			continue;
		}
		int r = check_line(s, from, (size_t)(end - from));
		if (r != 0)
			return r;
		in->start += (size_t)(end - from) + 1;
		searched = 0;
	}
	s->state->torn_bytes = in->len - in->start;
	return 0;
}

static void digest_free_p(struct digest **d)
{
	digest_free(*d);
}

int record_scan(int fd, struct record_state *ret, record_line_fn fn, void *arg, struct dd_err *err)
{
	__attribute__((cleanup(digest_free_p))) struct digest *digest = NULL;
	struct stat st;
	memset(ret, 0, sizeof(*ret));
	memset(ret->head, '0', sizeof(ret->head) - 1);
	if (fstat(fd, &st) < 0)
		return dd_err_set(err, errno, "look at the record");
	if (!S_ISREG(st.st_mode))
		return dd_err_say(err, EINVAL, "a record is a regular file");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return dd_err_set(err, errno, "read the record from its start");
	int r = digest_new(&digest, err);
	if (r < 0)
		return r;
	struct scan s = { .state = ret, .digest = digest, .fn = fn, .arg = arg, .err = err };
	struct line_reader in = { 0 };
	r = scan_lines(&s, &in, fd);
	free(in.buf);
	return r;
}

int record_verify(const char *path, uint64_t *ret_lines, struct dd_err *err)
{
	dd_auto_fd int fd = -1;
	int opened = named_open(path, O_RDONLY | O_NONBLOCK, 0, &fd, NULL, err);
	if (opened < 0)
		return dd_err_ctx(err, opened, "the record");
	struct record_state state;
	int r = record_scan(fd, &state, NULL, NULL, err);
	if (r < 0 && r != -EBADMSG)
		return dd_err_ctx(err, r, "%s", path);
	if (ret_lines)
		*ret_lines = state.lines;
	if (r < 0)
		return dd_err_ctx(err, r, "%s", path);
	if (state.torn_bytes > 0)
		return dd_err_say(err, EBADMSG,
		                  "%s: line %llu: torn: %llu bytes without an end of line", path,
		                  (unsigned long long)state.lines + 1,
		                  (unsigned long long)state.torn_bytes);
	if (strcmp(state.last_event, "run.end") != 0)
		return dd_err_say(err, ENODATA,
		                  "%s: the run did not end: its last event is %s in line %llu",
		                  path, state.lines ? state.last_event : "none",
		                  (unsigned long long)state.lines);
	return 0;
}
