// SPDX-License-Identifier: Apache-2.0
/* record.c - appends events to the chained log of a run.
 *
 * Runs in the supervisor (and in the keeper after the supervisor's death: record_resume). Each line
 * names the SHA-256 of the line before it. Invariants: one line is one write(2); a line that did
 * not fit is taken back, so the file never ends in half a line while we live; after one failed line
 * nothing more is written and every further call fails, because the job must end.
 */
#include "record.h"

#include "base/digest.h"
#include "base/named_path.h"
#include "base/text_escape.h"
#include "drydock/fd.h"
#include "event_fields.h"
#include "record_mirror.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct record_clock {
	int64_t wall_ns, mono_ns, boot_ns;
};

struct record {
	int fd;
	char *path, *run, *job;
	uint64_t seq;
	uint64_t size; /* of the good part of the file */
	uint64_t torn; /* bytes that record_resume cut off, told in the next event */
	bool failed;
	uint64_t limit;            /* of the file; 0: none */
	uint64_t untold;           /* events that were counted and not written */
	bool full;                 /* an event that had to be written found no room */
	struct record_clock clock; /* at the last line; at first, when it was opened */
	char head[DIGEST_HEX];
	struct digest *digest;
	record_clean_fn clean;
	void *clean_arg;
	struct mirror *mirror; /* NULL: nobody else is told */
};

/* ---- clocks ---- */

static int64_t ns_of(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* How far the wall clock moved since @was, less the time that passed (CLOCK_BOOTTIME counts a
 * suspended machine too). An NTP daemon slews by at most 500 ppm: what is more, and more than a
 * second, was set. */
static int64_t clock_jump_ms(const struct record_clock *was, const struct record_clock *now)
{
	int64_t passed = now->boot_ns - was->boot_ns;
	int64_t ahead = now->wall_ns - was->wall_ns - passed;
	int64_t allowed = 1000000000 + passed / 1000;
	return ahead > allowed || -ahead > allowed ? ahead / 1000000 : 0;
}

static int clock_look(struct record_clock *ret)
{
	struct timespec wall, mono, boot;
	if (clock_gettime(CLOCK_REALTIME, &wall) < 0 || clock_gettime(CLOCK_MONOTONIC, &mono) < 0 ||
	    clock_gettime(CLOCK_BOOTTIME, &boot) < 0)
		return -errno;
	*ret = (struct record_clock){ ns_of(wall), ns_of(mono), ns_of(boot) };
	return 0;
}

/* ---- life ---- */

void record_free(struct record *rec)
{
	if (!rec)
		return;
	dd_close(rec->fd);
	free(rec->path);
	free(rec->run);
	free(rec->job);
	digest_free(rec->digest);
	free(rec);
}

static void record_free_p(struct record **rec)
{
	record_free(*rec);
}

static int record_new(const char *path, const char *run, const char *job, struct record **ret,
                      struct dd_err *err)
{
	__attribute__((cleanup(record_free_p))) struct record *rec = calloc(1, sizeof(*rec));
	if (!rec)
		return dd_err_set(err, ENOMEM, "record %s", path);
	rec->fd = -1;
	rec->path = strdup(path);
	rec->run = strdup(run);
	rec->job = strdup(job);
	if (!rec->path || !rec->run || !rec->job)
		return dd_err_set(err, ENOMEM, "record %s", path);
	int r = clock_look(&rec->clock);
	if (r < 0)
		return dd_err_set(err, -r, "record %s: look at the clock", path);
	if ((r = digest_new(&rec->digest, err)) < 0)
		return r;
	memset(rec->head, '0', sizeof(rec->head) - 1);
	*ret = rec;
	rec = NULL;
	return 0;
}

/* A file that was there before us: who else may write it may rewrite what we say. One that is
 * empty, as mktemp(1) leaves it, is as good as none. */
static int look_at_found(const char *path, const struct stat *st, struct dd_err *err)
{
	static const char another[] = "name another with --record";
	if (!S_ISREG(st->st_mode) || st->st_size > 0)
		return dd_err_say(err, EEXIST,
		                  "the record %s exists and is %s; a record is never overwritten: "
		                  "%s",
		                  path, S_ISREG(st->st_mode) ? "not empty" : "no regular file",
		                  another);
	if (st->st_uid != geteuid())
		return dd_err_say(err, EEXIST,
		                  "the record %s belongs to another user, who could change it: %s",
		                  path, another);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return dd_err_say(err, EEXIST,
		                  "the record %s may be written by others (mode %03o), who could "
		                  "change it: chmod go-w it, or %s",
		                  path, (unsigned)st->st_mode & 0777, another);
	if (st->st_nlink != 1)
		return dd_err_say(err, EEXIST,
		                  "the record %s has another name (%u links), and is written to "
		                  "under both: %s",
		                  path, (unsigned)st->st_nlink, another);
	return 0;
}

static int check_found(const char *path, const struct stat *st, struct dd_err *err)
{
	int r = look_at_found(path, st, err);
	return r < 0 ? dd_err_blame(err, DD_BLAME_CALLER, r) : 0;
}

/* Made by us, or found fit. A link at its end is not followed, one on the way only where the
 * operator put it (named_path.h). */
static int open_file(const char *path, int *ret_fd, struct dd_err *err)
{
	const int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK;
	dd_auto_fd int fd = -1;
	struct stat st;
	struct dd_err why = { 0 };
	int r = named_open(path, flags | O_CREAT | O_EXCL, 0600, &fd, NULL, &why);
	if (r == 0) {
		*ret_fd = dd_take_fd(&fd);
		return 0;
	}
	if (r == -EEXIST) {
		/* what cannot even be opened like that (a directory, a socket) is no record */
		r = named_open(path, flags, 0, &fd, NULL, &why);
		if (r == -EISDIR || r == -ENXIO || r == -EACCES)
			return dd_err_blame(
				err, DD_BLAME_CALLER,
				dd_err_say(
					err, EEXIST,
					"the record %s exists and %s: name another with --record",
					path,
					r == -EACCES ? "may not be written to"
						     : "is no regular file"));
	}
	if (r < 0)
		return dd_err_blame(err, why.blame, dd_err_say(err, -r, "the record: %s", why.msg));
	if (fstat(fd, &st) < 0)
		return dd_err_set(err, errno, "look at the record %s", path);
	if ((r = check_found(path, &st, err)) < 0)
		return r;
	*ret_fd = dd_take_fd(&fd);
	return 0;
}

int record_open(const char *path, const char *run, const char *job, struct record **ret,
                struct dd_err *err)
{
	__attribute__((cleanup(record_free_p))) struct record *rec = NULL;
	/* A byte that is not UTF-8 becomes four, and still fits struct record_state. */
	if (strlen(run) > RECORD_NAME_MAX || strlen(job) > RECORD_NAME_MAX)
		return dd_err_say(err, EINVAL, "record %s: a run or job id has at most %d bytes",
		                  path, RECORD_NAME_MAX);
	int r = record_new(path, run, job, &rec, err);
	if (r == 0)
		r = open_file(path, &rec->fd, err);
	if (r < 0)
		return r;
	*ret = rec;
	rec = NULL;
	return 0;
}

int record_resume(struct record *rec, struct dd_err *err)
{
	struct record_state state;
	int r = record_scan(rec->fd, &state, NULL, NULL, err);
	if (r < 0)
		return dd_err_ctx(err, r, "resume the record %s", rec->path);
	if (strcmp(state.last_event, "run.end") == 0)
		return dd_err_say(err, EALREADY, "the record %s has its end", rec->path);
	if (state.torn_bytes > 0 && ftruncate(rec->fd, (off_t)state.good_bytes) < 0)
		return dd_err_set(err, errno, "cut the torn last line off the record %s",
		                  rec->path);
	rec->seq = state.lines;
	rec->size = state.good_bytes;
	rec->torn = state.torn_bytes;
	rec->failed = false;
	memcpy(rec->head, state.head, sizeof(rec->head));
	return 0;
}

static int reopen_file(const char *path, int *ret_fd, struct dd_err *err)
{
	struct stat st;
	dd_auto_fd int fd = -1;
	int r = named_open(path, O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0, &fd, NULL, err);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    st.st_nlink != 1 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return dd_err_say(err, EPERM, "the record %s is not a file of this user alone",
		                  path);
	*ret_fd = dd_take_fd(&fd);
	return 0;
}

int record_reopen(const char *path, struct record **ret, struct dd_err *err)
{
	__attribute__((cleanup(record_free_p))) struct record *rec = NULL;
	struct record_state state;
	dd_auto_fd int fd = -1;
	int r = reopen_file(path, &fd, err);
	if (r == 0)
		r = record_scan(fd, &state, NULL, NULL, err);
	if (r == 0)
		r = record_new(path, state.run, state.job, &rec, err);
	if (r < 0 || !rec)
		return r;
	rec->fd = dd_take_fd(&fd);
	if ((r = record_resume(rec, err)) < 0)
		return r;
	*ret = rec;
	rec = NULL;
	return 0;
}

void record_limit(struct record *rec, uint64_t bytes)
{
	rec->limit = bytes;
}

uint64_t record_limit_bytes(const struct record *rec)
{
	return rec->limit;
}

bool record_is_full(const struct record *rec)
{
	return rec->full;
}

uint64_t record_untold(const struct record *rec)
{
	return rec->untold;
}

void record_mirror_to(struct record *rec, struct mirror *mirror)
{
	rec->mirror = mirror;
}

uint64_t record_undelivered(const struct record *rec, bool *ret_asked)
{
	*ret_asked = rec->mirror != NULL;
	return mirror_dropped(rec->mirror);
}

void record_clean_by(struct record *rec, record_clean_fn clean, void *arg)
{
	rec->clean = clean;
	rec->clean_arg = arg;
}

bool record_cleans(const struct record *rec)
{
	return rec->clean && rec->clean(rec->clean_arg, NULL, 0);
}

/* A digest stays readable when a value happens to be a part of it; a value that is a whole digest
 * does not. */
static bool is_digest(const char *text, size_t len)
{
	return len == DIGEST_HEX - 1 && strspn(text, "0123456789abcdef") == len;
}

int record_clean_text(const struct record *rec, const char *text, size_t len, char **ret)
{
	enum { ROOM = 8 }; /* behind it: the text is whole, and its end is no half of a value */
	dd_auto_free char *clean = malloc(len + ROOM);
	if (!clean)
		return -ENOMEM;
	memcpy(clean, text, len);
	clean[len] = '\0';
	(void)rec->clean(rec->clean_arg, clean, len + ROOM);
	bool same = strcmp(clean, text) == 0 || (is_digest(text, len) && strcmp(clean, "***") != 0);
	*ret = same ? NULL : clean;
	if (!same)
		clean = NULL;
	return 0;
}

const char *record_path(const struct record *rec)
{
	return rec->path;
}

const char *record_head(const struct record *rec)
{
	return rec->head;
}

uint64_t record_seq(const struct record *rec)
{
	return rec->seq;
}

json_t *record_text_n(const char *bytes, size_t len)
{
	json_t *as_is = json_stringn(bytes, len);
	if (as_is)
		return as_is;
	/* Not UTF-8. Only the bad bytes are spelled out: controls inside are the JSON encoder's
	 * business. */
	dd_auto_free char *out = malloc(len * TEXT_ESCAPE_MAX + 1);
	if (!out)
		return NULL;
	size_t o = 0;
	for (size_t i = 0; i < len;) {
		size_t n = utf8_char_len(bytes + i, len - i);
		if (n == 0)
			o += text_escape(out + o, bytes + i, 1);
		else
			memcpy(out + o, bytes + i, n);
		o += n;
		i += n ? n : 1;
	}
	return json_stringn(out, o);
}

json_t *record_text(const char *text)
{
	return record_text_n(text, strlen(text));
}

static json_t *time_text(int64_t wall_ns)
{
	time_t sec = (time_t)(wall_ns / 1000000000);
	struct tm tm;
	char text[64];
	if (!gmtime_r(&sec, &tm))
		return NULL;
	size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text + n, sizeof(text) - n, ".%06ldZ", (long)(wall_ns % 1000000000 / 1000));
	return json_string(text);
}

/* ---- lines ---- */

static const char *clashing_name(json_t *fields)
{
	for (size_t i = 0; i < EVENT_COMMON; i++)
		if (json_object_get(fields, event_common[i].name))
			return event_common[i].name;
	return NULL;
}

static int put_common(const struct record *rec, const struct record_clock *now, json_t *line,
                      const char *step, const char *phase, const char *event)
{
	int bad = json_object_set_new(line, "seq", json_integer((json_int_t)rec->seq + 1));
	bad |= json_object_set_new(line, "time", time_text(now->wall_ns));
	bad |= json_object_set_new(line, "mono_ns", json_integer(now->mono_ns));
	bad |= json_object_set_new(line, "run", record_text(rec->run));
	bad |= json_object_set_new(line, "job", record_text(rec->job));
	bad |= json_object_set_new(line, "step", step ? record_text(step) : json_null());
	bad |= json_object_set_new(line, "phase", phase ? record_text(phase) : json_null());
	bad |= json_object_set_new(line, "event", record_text(event));
	return bad;
}

/* The line as it is written, newline included. ASCII only: `cat` of a record shows nothing that a
 * terminal would obey. */
static int make_line(const struct record *rec, const struct record_clock *now, const char *step,
                     const char *phase, const char *event, json_t *fields, char **ret)
{
	json_t *line = json_object();
	int bad = line ? put_common(rec, now, line, step, phase, event) : -1;
	int64_t jump = clock_jump_ms(&rec->clock, now);
	if (!bad && fields)
		bad = json_object_update(line, fields);
	if (!bad && rec->torn > 0)
		bad = json_object_set_new(line, "cut_bytes", json_integer((json_int_t)rec->torn));
	if (!bad && jump != 0)
		bad = json_object_set_new(line, "clock_jump_ms", json_integer(jump));
	if (!bad)
		bad = json_object_set_new(line, "prev", json_string(rec->head));
	char *text = bad ? NULL
	                 : json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII |
	                                            JSON_REAL_PRECISION(12));
	json_decref(line);
	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}

static int write_line(struct record *rec, const char *bytes, size_t len, struct dd_err *err)
{
	ssize_t n;
	do
		n = write(rec->fd, bytes, len);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)len)
		return 0;
	int code = n < 0 ? errno : ENOSPC;
	rec->failed = true;
	int r = dd_err_set(err, code,
	                   "write to the record %s (there is no run without a record: free some "
	                   "space and run again)",
	                   rec->path);
	/* Take the part back that was written: what stays is a chain that holds, which lacks its
	 * end. */
	if (n > 0 && ftruncate(rec->fd, (off_t)rec->size) < 0)
		return dd_err_ctx(err, r, "half a line stays in it");
	return r;
}

static bool must_be_durable(const char *event)
{
	return strcmp(event, "run.end") == 0 || strncmp(event, "cred.", 5) == 0;
}

/* How much of the limit is there for an event of that weight. What a step can repeat leaves the
 * rest to what happens once, and that leaves enough to end with. */
static uint64_t room_for(const struct record *rec, enum record_weight weight)
{
	switch (weight) {
	case RECORD_REPEATS:
		return rec->limit / 4 * 3;
	case RECORD_BEGINS:
		return rec->limit / 16 * 15;
	case RECORD_ENDS:
		break;
	}
	return UINT64_MAX;
}

static int find_room(struct record *rec, enum record_weight weight, size_t len, struct dd_err *err)
{
	if (rec->limit == 0 || rec->size + len <= room_for(rec, weight))
		return 0;
	if (weight == RECORD_REPEATS) {
		rec->untold++;
		return RECORD_UNTOLD;
	}
	rec->full = true;
	return dd_err_say(err, EFBIG,
	                  "the record %s is full (limits.record: %llu bytes), and nothing runs "
	                  "that is not recorded: give it more, or the job less",
	                  rec->path, (unsigned long long)rec->limit);
}

static int add_line(struct record *rec, enum record_weight weight, const char *event, char *text,
                    struct dd_err *err)
{
	size_t len = strlen(text);
	if (len >= RECORD_LINE_MAX)
		return dd_err_say(
			err, E2BIG,
			"record %s: the event %s needs %zu bytes, more than a line may have",
			rec->path, event, len);
	char head[DIGEST_HEX];
	int r = find_room(rec, weight, len + 1, err);
	if (r == 0)
		r = digest_bytes(rec->digest, text, len, head, err);
	if (r != 0)
		return r;
	text[len] = '\n'; /* in the place of the NUL */
	r = write_line(rec, text, len + 1, err);
	if (r < 0)
		return r;
	mirror_line(rec->mirror, text, len);
	memcpy(rec->head, head, sizeof(head));
	rec->size += len + 1;
	rec->seq++;
	rec->torn = 0;
	if (must_be_durable(event) && fdatasync(rec->fd) < 0) {
		rec->failed = true;
		return dd_err_set(err, errno, "bring the record %s to the disk", rec->path);
	}
	return 0;
}

int record_add(struct record *rec, enum record_weight weight, const char *step, const char *phase,
               const char *event, json_t *fields, struct dd_err *err)
{
	dd_auto_free char *text = NULL;
	const char *clash = fields ? clashing_name(fields) : NULL;
	struct record_clock now = { 0 };
	int r = 0;
	if (rec->failed)
		r = dd_err_say(err, EIO, "record %s: an earlier line could not be written",
		               rec->path);
	else if (strlen(event) > RECORD_EVENT_MAX)
		r = dd_err_say(err, EINVAL, "record %s: the name of an event has at most %d bytes",
		               rec->path, RECORD_EVENT_MAX);
	else if (clash)
		r = dd_err_say(err, EINVAL, "record %s: the event %s has a field %s of its own",
		               rec->path, event, clash);
	else if ((r = clock_look(&now)) < 0)
		r = dd_err_set(err, -r, "record %s: look at the clock", rec->path);
	else if (make_line(rec, &now, step, phase, event, fields, &text) < 0)
		r = dd_err_set(err, ENOMEM, "record %s: encode the event %s", rec->path, event);
	json_decref(fields);
	if (r < 0)
		return r;
	r = add_line(rec, weight, event, text, err);
	if (r == 0)
		rec->clock = now;
	return r;
}
