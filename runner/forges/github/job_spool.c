// SPDX-License-Identifier: Apache-2.0
/* job_spool.c - see job_spool.h.
 *
 * Runs in: job host, keeper, supervisor; one of them writes at a time. Texts of steps arrive masked
 * and escaped. A disk that is full costs lines, which are counted, and never the job. */
#include "job_spool.h"

#include "drydock/fd.h"
#include "github_ask.h"
#include "job/job_voice.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { SAY_MAX = 8000, ANNOTATION_MAX = 4000 };

int spool_guid(char ret[SPOOL_ID], struct dd_err *err)
{
	unsigned char b[16];
	size_t at = 0;

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return dd_err_set(err, errno, "random numbers");
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof(b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			ret[at++] = '-';
		at += (size_t)snprintf(ret + at, 3, "%02x", b[i]);
	}
	return 0;
}

/* ---- writing ---- */

static bool write_whole(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return true;
}

static void put_event(struct job_spool *s, json_t *event)
{
	char *text = event ? json_dumps(event, JSON_COMPACT) : NULL, *line = NULL;
	char at[32];

	json_decref(event);
	github_time(github_now_ms(), at);
	if (text && asprintf(&line, "{\"at\":\"%s\",%s\n", at, text + 1) > 0)
		(void)write_whole(s->events_fd, line, strlen(line));
	free(text);
	free(line);
}

/* "2026-09-01T10:20:30.1234567Z " */
static size_t stamp(char ret[40])
{
	struct timespec t;
	struct tm tm;
	char whole[24];

	(void)clock_gettime(CLOCK_REALTIME, &t);
	(void)gmtime_r(&t.tv_sec, &tm);
	(void)strftime(whole, sizeof(whole), "%Y-%m-%dT%H:%M:%S", &tm);
	return (size_t)snprintf(ret, 40, "%s.%07ldZ ", whole, t.tv_nsec / 100);
}

static int open_file(const struct job_spool *s, const char *what)
{
	char name[40];
	(void)snprintf(name, sizeof(name), "%s-%u", what, s->record);
	return openat(s->dir_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void close_log(struct job_spool *s)
{
	if (s->log_owner == getpid())
		dd_close(s->log_fd);
	s->log_fd = -1;
	s->log_owner = 0;
}

/* The log of the record that is open, in this process. */
static int log_here(struct job_spool *s)
{
	if (s->log_owner == getpid())
		return s->log_fd;
	s->log_fd = open_file(s, "log");
	s->log_owner = getpid();
	return s->log_fd;
}

static void put_line(struct job_spool *s, const char *lead, const char *text, size_t len)
{
	char head[80];
	size_t n = stamp(head);
	dd_auto_free char *masked = spool_masks_apply(s->masks, text, len, &len);

	if (masked)
		text = masked;
	n += (size_t)snprintf(head + n, sizeof(head) - n, "%s", lead);
	int fd = s->ended ? -1 : log_here(s);
	if (s->bytes + n + len + 1 > SPOOL_BYTES_MAX || fd < 0) {
		s->left_out++;
		return;
	}
	dd_auto_free char *whole = malloc(n + len + 1);
	if (!whole)
		return;
	memcpy(whole, head, n);
	memcpy(whole + n, text, len);
	whole[n + len] = '\n';
	for (size_t i = n; i < n + len; i++)
		if (whole[i] == '\n' || whole[i] == '\r')
			whole[i] = ' ';
	if (!write_whole(fd, whole, n + len + 1)) {
		s->left_out++;
		return;
	}
	s->bytes += n + len + 1;
	s->lines++;
}

void job_spool_say(struct job_spool *s, const char *level, const char *fmt, ...)
{
	char text[SAY_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_line(s, level, text, strlen(text));
}

/* ---- records ---- */

static void end_record(struct job_spool *s, const char *conclusion)
{
	if (s->ended)
		return;
	if (s->left_out) {
		uint64_t n = s->left_out;
		s->left_out = 0;
		s->bytes = s->bytes > 400 ? s->bytes - 400 : 0; /* room for this one */
		job_spool_say(s, "##[warning]",
		              "drydock: %llu lines are left out here: the log of a job on its way "
		              "to the forge is at most 256 MiB, and the disk must have room for it",
		              (unsigned long long)n);
	}
	put_event(s, json_pack("{s:s, s:I, s:s, s:I}", "e", "end", "n", (json_int_t)s->record,
	                       "conclusion", conclusion, "lines", (json_int_t)s->lines));
	close_log(s);
	s->ended = true;
}

static void begin_record(struct job_spool *s, const char *id, const char *name, unsigned grant)
{
	char made[SPOOL_ID];
	size_t len = strlen(name);
	dd_auto_free char *masked = spool_masks_apply(s->masks, name, len, &len);

	if (s->record >= SPOOL_RECORDS_MAX || (!id && spool_guid(made, NULL) < 0))
		return;
	s->record++;
	s->grant = grant;
	s->lines = 0;
	s->ended = s->failed = s->cancelled = false;
	put_event(s, json_pack("{s:s, s:I, s:s, s:s%}", "e", "begin", "n", (json_int_t)s->record,
	                       "id", id ? id : made, "name", masked ? masked : name, len));
}

static void settle_record(struct job_spool *s)
{
	end_record(s, s->cancelled ? "canceled" : s->failed ? "failed" : "succeeded");
}

/* ---- the sink ---- */

static const char *id_of(const struct job_spool *s, unsigned grant)
{
	return grant > 0 && grant <= s->n_ids ? s->ids[grant - 1] : NULL;
}

static void hear_job(void *arg, const struct sink_job *job)
{
	struct job_spool *s = arg;
	const struct plan *plan = job->plan;

	job_spool_say(s, "", "drydock runs this job: every step in a sandbox of its own");
	job_spool_say(s, "", "policy: %.300s",
	              plan->policy_path ? plan->policy_path
	                                : "none: every "
	                                  "step is build, without network and without credentials");
	job_spool_say(s, "", "trust: %s: %.300s", plan->trusted ? "protected" : "untrusted",
	              plan->trust_why ? plan->trust_why : "");
	for (size_t i = 0; i < plan->n_grants; i++) {
		const struct grant *g = &plan->grants[i];
		job_spool_say(s, "", "step %u: %s, %zu credential%s", g->index,
		              dd_phase_name(g->phase), g->n_leases, g->n_leases == 1 ? "" : "s");
	}
	job_spool_say(s, "", "record: %.300s", job->record);
}

/* Does it go on with what is open? What a step brings belongs to it, but for what it leaves to be
 * done when the job is over. */
static bool belongs(const struct job_spool *s, const struct job_step *step)
{
	return !step->written && s->grant == step->grant->index && !s->ended &&
	       strncmp(step->shown, "Post ", 5) != 0;
}

static void hear_begin(void *arg, const struct job_step *step)
{
	struct job_spool *s = arg;
	if (belongs(s, step)) {
		job_spool_say(s, "", "%s", step->shown);
		return;
	}
	settle_record(s);
	begin_record(s, step->written ? id_of(s, step->grant->index) : NULL, step->shown,
	             step->grant->index);
}

static void hear_line(void *arg, const struct job_step *step, const struct step_line *line)
{
	(void)step;
	put_line(arg, "", line->text, line->len);
}

static void hear_note(void *arg, const struct job_step *step, enum sink_level level,
                      const char *text)
{
	static const char *const leads[] = { [SINK_NOTE] = "drydock: ",
		                             [SINK_WARN] = "##[warning]drydock: ",
		                             [SINK_ERROR] = "##[error]drydock: " };
	struct job_spool *s = arg;
	(void)step;
	put_line(s, leads[level], text, strlen(text));
	if (level == SINK_ERROR && !s->grant)
		job_spool_annotate(s, "failure", text);
}

static void hear_refusal(void *arg, const struct job_step *step, const char *line)
{
	(void)step;
	put_line(arg, "##[error]drydock: ", line, strlen(line));
}

static void hear_ended(void *arg, const struct job_step *step, const struct step_result *result)
{
	struct job_spool *s = arg;
	(void)step;

	if (result->outcome == STEP_FAILED && result->signal == 0)
		job_spool_say(s, "##[error]", "Process completed with exit code %d.",
		              result->exit_code);
	else if (result->outcome == STEP_FAILED)
		job_spool_say(s, "##[error]", "The process was ended by signal %d.",
		              result->signal);
	if (result->message[0])
		job_spool_say(s, step_outcome_is_failure(result->outcome) ? "##[error]" : "",
		              "drydock: %s", result->message);
	s->failed |= step_outcome_is_failure(result->outcome) && result->outcome != STEP_CANCELLED;
	s->cancelled |= result->outcome == STEP_CANCELLED;
}

static void hear_forgiven(void *arg, const struct grant *grant)
{
	struct job_spool *s = arg;
	if (s->grant == grant->index)
		s->failed = false;
}

static void hear_not_run(void *arg, const struct grant *grant, const char *name, bool failed,
                         const char *why)
{
	struct job_spool *s = arg;

	if (s->grant == grant->index && !s->ended) { /* inside of an action */
		s->failed |= failed;
		return;
	}
	settle_record(s);
	begin_record(s, id_of(s, grant->index), name, grant->index);
	if (failed)
		job_spool_say(s, "##[error]drydock: ", "%s", why);
	end_record(s, failed ? "failed" : "skipped");
}

static void hear_annotation(void *arg, const struct grant *grant,
                            const struct voice_annotation *what)
{
	struct job_spool *s = arg;
	const char *level = strcmp(what->level, "error") == 0 ? "failure" : what->level;
	/* where it names no line of a file, it is at the line of the log that said it */
	uint64_t line = what->line || what->file ? (uint64_t)what->line : s->lines + 1;
	size_t len = strlen(what->message), title_len = what->title ? strlen(what->title) : 0;
	dd_auto_free char *message = spool_masks_apply(s->masks, what->message, len, &len);
	dd_auto_free char *title = spool_masks_apply(s->masks, what->title ? what->title : "",
	                                             title_len, &title_len);
	const char *text = message ? message : what->message;
	(void)grant;
	put_event(s,
	          json_pack("{s:s, s:I, s:s, s:s%, s:s, s:s, s:I, s:I, s:I, s:I}", "e", "note", "n",
	                    (json_int_t)s->record, "level", level, "message", text,
	                    strnlen(text, ANNOTATION_MAX), "title",
	                    title         ? title
	                    : what->title ? what->title
	                                  : "",
	                    "path", what->file ? what->file : "", "line", (json_int_t)line,
	                    "end_line", (json_int_t)what->end_line, "column",
	                    (json_int_t)what->column, "end_column", (json_int_t)what->end_column));
}

static void hear_summary(void *arg, const struct grant *grant, const char *text, size_t len)
{
	struct job_spool *s = arg;
	(void)grant;
	dd_auto_fd int fd = open_file(s, "summary");
	dd_auto_free char *masked = spool_masks_apply(s->masks, text, len, &len);
	if (masked)
		text = masked;
	if (fd < 0 || !write_whole(fd, text, len))
		return;
	put_event(s, json_pack("{s:s, s:I}", "e", "summary", "n", (json_int_t)s->record));
}

static void hear_end(void *arg, const struct sink_end *end)
{
	struct job_spool *s = arg;
	settle_record(s);
	begin_record(s, NULL, "Complete job", 0);
	job_spool_say(s, "", "drydock: the job is over: %s", end->status);
	job_spool_say(s, "", "drydock: the record is %.400s, its head %.64s", end->record,
	              end->head);
}

/* ---- for the job host ---- */

int job_spool_new(int dir_fd, const char *const *ids, size_t n_ids, struct job_spool **ret,
                  struct dd_err *err)
{
	struct job_spool *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
	                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		return dd_err_set(err, errno, "memory for the spool of a job");
	*s = (struct job_spool){
		.dir_fd = dir_fd, .log_fd = -1, .ended = true, .ids = ids, .n_ids = n_ids
	};
	s->sink = (struct job_sink){ .arg = s,
		                     .job_begins = hear_job,
		                     .step_begins = hear_begin,
		                     .line = hear_line,
		                     .note = hear_note,
		                     .refusal = hear_refusal,
		                     .step_ended = hear_ended,
		                     .not_run = hear_not_run,
		                     .forgiven = hear_forgiven,
		                     .annotation = hear_annotation,
		                     .summary = hear_summary,
		                     .job_ended = hear_end };
	s->events_fd = openat(dir_fd, "events", O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC,
	                      0600);
	if (s->events_fd < 0) {
		int r = dd_err_set(err, errno, "make the spool of a job");
		(void)munmap(s, sizeof(*s));
		return r;
	}
	begin_record(s, NULL, "Set up job", 0);
	*ret = s;
	return 0;
}

void job_spool_free(struct job_spool *s)
{
	if (!s)
		return;
	dd_close(s->events_fd);
	(void)munmap(s, sizeof(*s));
}

void job_spool_annotate(struct job_spool *s, const char *level, const char *text)
{
	put_event(s, json_pack("{s:s, s:I, s:s, s:s%}", "e", "note", "n", (json_int_t)0, "level",
	                       level, "message", text, strnlen(text, ANNOTATION_MAX)));
}

void job_spool_over(struct job_spool *s, const char *conclusion, json_t *outputs)
{
	const bool good = strcmp(conclusion, "succeeded") == 0;
	/* whoever wrote may be dead: what it left open ended with it */
	if (!s->ended && (s->grant || s->record == 1))
		s->failed |= !good;
	settle_record(s);
	put_event(s, json_pack("{s:s, s:s, s:o*}", "e", "over", "conclusion", conclusion, "outputs",
	                       outputs));
	(void)fsync(s->events_fd);
}
