// SPDX-License-Identifier: Apache-2.0
/* step_run.c - takes one step from its plan to its end.
 *
 * Runs in: supervisor. The order is the point: everything that can refuse comes before the first
 * byte of the step; the gate is closed and read back before the step's processes die; leases are
 * wiped when they are dead; the tree is read only then.
 */
#include "step_run.h"

#include "drydock/clock.h"
#include "drydock/fd.h"
#include "job_keep.h"
#include "job_tree.h"
#include "lease/lease.h"
#include "lease/lease_life.h"
#include "lease/mask_text.h"
#include "meter.h"
#include "step_asked.h"
#include "step_gate.h"
#include "step_hatch.h"
#include "grant/step_env.h"
#include "step_hint.h"
#include "grant/step_mounts.h"
#include "step_output.h"
#include "step_park.h"
#include "step_pids.h"
#include "step_secrets.h"
#include "step_shell.h"
#include "step_spec.h"
#include "step_who.h"
#include "base/interrupt.h"
#include "base/size_text.h"
#include "base/text_escape.h"
#include "base/url_strip.h"
#include "record/event_write.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>

enum {
	TERM_GRACE_MS = 5000,
	DRAIN_MS = 1000,
	CANCEL_LASTS_MS = 300 * 1000,
	/* for what the step's main process left, when its output is open, and when it is not */
	SETTLE_MS = 250,
	SETTLE_CLOSED_MS = 30,
	SETTLE_LOOK_MS = 5,
	READ_CHUNK = 65536,
	/* what a step left is read for at most this long, and this many times as long as it ran */
	ACCOUNT_MS = 60000,
	ACCOUNT_TIMES = 5,
	STEP_POLLS = 9, /* that every step has */
};

/* What every step needs and none keeps: large, so there is one for the job. After each fork the
 * first write to a page copies it, so nothing here is cleared as a whole. */
struct step_room {
	struct step_output *output;   /* NULL: no step has printed yet */
	const struct step_view *view; /* of the step at hand; NULL: there is none */
	const struct recipe *recipe;  /* likewise */
	struct step_asked asked;
	struct step_hint hint;
	char chunk[READ_CHUNK];
};

/* All that one running step holds. Everything in it is released by end(), in one order, however far
 * the start came. */
struct run {
	struct job *job;
	const struct job_step *step;
	struct step_result *result;
	struct step_left *left;
	struct step_view view;
	struct step_spec spec;
	struct lease_holder holder;
	struct lease_set leases;
	int log_fd;
	struct step_room *room;
	struct step_output *output;    /* of the room; NULL: nothing listens */
	const struct job_terms *terms; /* compiled; NULL: nothing is run */
	struct sandbox sb;
	struct step_gate gate;
	struct step_hatch hatch;
	bool main_ended;     /* and not because it was asked to */
	char left_names[80]; /* of processes that it left; hostile bytes */
	bool gate_is_started, gate_is_open, view_is_made;
	int streams[2];      /* read ends of the step's stdout and stderr */
	int64_t deadline_ms; /* of the step */
	int64_t kill_at_ms;  /* after TERM; 0: not asked to end yet */
	struct meter meter;
	struct process_look look;
	struct step_shell *shell; /* that it is instead of its script; NULL: none, or over */
	int shell_input;          /* where its input goes, until it is handed over */
	char kept[600];           /* where its trees were left; "": they are gone */
	const char *not_found;    /* the program that the step should have been run by */
};

/* ---- start ---- */

static int show_line(void *arg, const struct step_line *line)
{
	struct run *run = arg;

	step_hint_line(&run->room->hint, line->text, line->len);
	if (run->step->shell && run->step->shell->terminal && !line->own)
		return 0; /* the caller has seen it already, as it came */
	sink_line(&run->job->sinks, run->step, line);
	return 0;
}

static struct step_said hear_line(void *arg, enum step_stream stream, const char *text, size_t len)
{
	const struct run *run = arg;
	const struct job_script *script = run->job->script;
	return script->said(script->arg, stream, text, len);
}

static void hear_over(void *arg, enum step_stream stream, const char *text, size_t len)
{
	const struct run *run = arg;
	const struct job_script *script = run->job->script;
	script->over(script->arg, stream, text, len);
}

static void write_own(const struct run *run, const char *line)
{
	if (run->log_fd >= 0 && dprintf(run->log_fd, "%s\n", line) < 0)
		sink_note(&run->job->sinks, run->step, SINK_WARN,
		          "step %u: the log cannot be written: %s", run->step->number,
		          strerror(errno));
}

/* drydock's own line in the step's log, between those of the step. */
static void tell_step(void *arg, const char *line)
{
	const struct run *run = arg;
	const size_t len = strlen(line);
	const struct step_line own = {
		.text = line, .len = len, .coloured = line, .coloured_len = len, .own = true
	};
	sink_line(&run->job->sinks, run->step, &own);
	write_own(run, line);
}

/* The same for what was refused, and what would allow it. */
static void tell_refusal(void *arg, const char *line)
{
	const struct run *run = arg;
	sink_refusal(&run->job->sinks, run->step, line);
	write_own(run, line);
}

static int open_log(struct run *run, struct dd_err *err)
{
	char path[sizeof(run->job->dirs.logs) + JOB_STEP_NAME_MAX + 8];
	(void)snprintf(path, sizeof(path), "%s/%s.log", run->job->dirs.logs, run->step->label);
	run->log_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
	                   0600);
	if (run->log_fd < 0)
		return dd_err_set(err, errno, "create the step's log %s", path);
	const struct step_output_spec spec = { .mask = run->job->mask,
		                               .log_fd = run->log_fd,
		                               .log_bytes = run->step->terms->limits.log_bytes,
		                               .colour = sink_wants_colour(&run->job->sinks),
		                               .said = run->job->script->said ? hear_line : NULL,
		                               .over = run->job->script->over ? hear_over : NULL,
		                               .line = show_line,
		                               .arg = run };
	int r = run->room->output ? step_output_restart(run->room->output, &spec, err)
	                          : step_output_new(&spec, &run->room->output, err);
	run->output = r == 0 ? run->room->output : NULL;
	return r;
}

static int start_gate(struct run *run, struct dd_err *err)
{
	struct step_gate *sg = &run->gate; /* it may be running already */

	sg->job = run->job;
	sg->step = run->step;
	sg->result = run->result;
	sg->net = run->terms->net;
	sg->step_init = run->sb.pid;
	sg->look = &run->look;
	sg->mask = run->job->mask;
	sg->tell = tell_refusal;
	sg->tell_arg = run;
	run->gate_is_started = true;
	return step_gate_start(&run->gate, run->sb.net, err);
}

/* Beside the gate, and ready before the step is released. */
static int start_hatch(struct run *run, struct dd_err *err)
{
	run->hatch.job = run->job;
	run->hatch.step = run->step;
	run->hatch.tell = tell_refusal;
	run->hatch.tell_arg = run;
	return step_hatch_start(&run->hatch, dd_take_fd(&run->sb.net[NET_FD_HATCH]), err);
}

/* What a shell instead of the script reads and writes. */
static int make_input(struct run *run, int *ret, struct dd_err *err)
{
	int ends[2];

	if (!run->step->shell || run->step->shell->terminal)
		return 0;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return dd_err_set(err, errno, "make a pipe for the shell's input");
	*ret = ends[0];
	run->shell_input = ends[1];
	if (run->job->id->mode == IDENTITY_RANGE &&
	    fchown(ends[0], run->job->step_uid, run->job->step_uid) < 0)
		return dd_err_set(err, errno, "give the input pipe to the step's id");
	return fcntl(ends[1], F_SETFL, O_NONBLOCK) < 0
	               ? dd_err_set(err, errno, "make the input pipe non-blocking")
	               : 0;
}

static int shell_said(void *arg, const char *bytes, size_t len, struct dd_err *err)
{
	struct run *run = arg;

	run->result->output_bytes += len;
	return step_output_feed(run->output, STEP_STDOUT, bytes, len, err);
}

static void tell_shell(const struct run *run)
{
	const struct job_step *step = run->step;
	char argv[400] = "", shown[TEXT_ESCAPE_MAX * sizeof(argv) + 1];
	size_t n = 0;

	for (size_t i = 0; step->recipe->argv && step->recipe->argv[i] && n < sizeof(argv); i++)
		n += (size_t)snprintf(argv + n, sizeof(argv) - n, "%s%s", i ? " " : "",
		                      step->recipe->argv[i]);
	mask_text(run->job->mask, argv, sizeof(argv));
	(void)text_escape(shown, argv, strlen(argv));
	sink_note(&run->job->sinks, step, SINK_NOTE,
	          "step %u: a shell (%s) instead of its script, with the rights of the step; the "
	          "step would run: %s",
	          step->number, step->shell->argv[0], shown);
	const struct grant_lease *first = lease_life_first(&run->holder);
	if (first)
		sink_note(&run->job->sinks, step, SINK_NOTE,
		          "step %u: credential %s ends it after %u s, its limit after %u s",
		          step->number, first->name, first->ttl_sec, step->time_sec);
}

static int start_shell(struct run *run, struct dd_err *err)
{
	if (!run->step->shell)
		return 0;
	tell_shell(run);
	if (run->step->shell->terminal)
		sink_settle(&run->job->sinks);
	const struct step_shell_spec spec = { .what = run->step->shell,
		                              .mask = run->job->mask,
		                              .terminal = dd_take_fd(&run->sb.terminal),
		                              .input = dd_take_fd(&run->shell_input),
		                              .said = shell_said,
		                              .arg = run };
	return step_shell_new(&spec, &run->shell, err);
}

/* The sandbox of the step, whose network stands: the parked one, or built now. */
static int begin_sandbox(struct run *run, struct dd_err *err)
{
	struct sandbox_spec *spec = &run->spec.spec;
	struct step_taken parked;
	int writes[2];

	int r = step_park_take(run->job, spec, &parked, err);
	if (r < 0)
		return r;
	if (r == 1) {
		run->sb = parked.sb;
		run->gate = parked.gate;
		run->gate_is_started = parked.gate.parked;
		memcpy(run->streams, parked.read, sizeof(run->streams));
		return 0;
	}
	if ((r = step_streams_make(run->job, run->streams, writes, err)) < 0)
		return r;
	spec->stdout_fd = writes[0];
	spec->stderr_fd = writes[1];
	r = sandbox_begin(spec, &run->sb, err);
	dd_close(writes[0]);
	dd_close(writes[1]);
	return r;
}

/* What the step is told about itself, and what it runs: all from the plan. */
static int step_run_build(struct run *run, struct dd_err *err)
{
	const struct job_step *step = run->step;
	dd_auto_fd int input = -1;
	int r = make_input(run, &input, err);

	if (r < 0)
		return r;
	step_spec_make(run->job,
	               &(struct step_spec_of){ .terms = step->terms,
	                                       .compiled = run->terms,
	                                       .recipe = step->recipe,
	                                       .view = &run->view,
	                                       .shell = step->shell,
	                                       .label = step->label,
	                                       .secret_files = run->leases.n_files > 0,
	                                       .input = input },
	               &run->spec);
	/* the gate gets ready while the launcher mounts */
	if ((r = begin_sandbox(run, err)) == 0 && (r = start_hatch(run, err)) == 0 &&
	    (r = start_gate(run, err)) == 0)
		r = sandbox_built(&run->spec.spec, &run->sb, err);
	return r;
}

static int open_gate(struct run *run, struct dd_err *err)
{
	int r = step_gate_open(&run->gate, err);
	run->gate_is_open = r == 0;
	return r < 0 ? r : step_hatch_open(&run->hatch, err);
}

/* The environment of the recipe, then the leases: they win over a variable of the same name. */
static int step_run_release(struct run *run, struct dd_err *err)
{
	const struct job_step *step = run->step;
	struct step_env env;
	size_t n = 0;

	step_env_make(step->recipe, step->terms, step->leases, step->n_leases, &env);
	char **envp = arena_array(env.arena, env.n + run->leases.n_env + HATCH_VARIABLES + 2,
	                          sizeof(*envp)),
	     *hatch[HATCH_VARIABLES] = { NULL };
	int r = run->hatch.started ? hatch_variables(&run->hatch.hatch, hatch, err) : 0;
	const char *term = step->shell && step->shell->terminal ? step->shell->term : NULL;
	for (size_t i = 0; r == 0 && i < env.n; i++) {
		if (run->hatch.started && step_hatch_sets(env.rows[i].name))
			continue;
		char *filled = NULL;
		r = step_secrets_fill(step->recipe, step->leases, step->n_leases, &run->leases,
		                      env.rows[i].name, env.rows[i].value, &filled, err);
		envp[n++] = filled ? filled
		                   : arena_printf(env.arena, "%s=%s", env.rows[i].name,
		                                  env.rows[i].value);
		if (strcmp(env.rows[i].name, "TERM") == 0)
			term = NULL; /* the step's own wins */
	}
	if (term)
		envp[n++] = arena_printf(env.arena, "TERM=%s", term);
	for (size_t i = 0; i < run->leases.n_env; i++)
		envp[n++] = run->leases.env[i];
	for (size_t i = 0; i < HATCH_VARIABLES && hatch[i]; i++)
		envp[n++] = hatch[i];
	const struct sandbox_delivery what = { .envp = envp,
		                               .files = run->leases.files,
		                               .n_files = run->leases.n_files };
	if (r == 0)
		r = sandbox_release(&run->sb, &run->spec.spec, &what, err);
	for (size_t i = 0; i < HATCH_VARIABLES; i++)
		free(hatch[i]);
	step_env_done(&env);
	return r;
}

static int start_sandbox(struct run *run, struct dd_err *err)
{
	int r;

	if ((r = lease_record(&run->holder, &run->leases, err)) < 0 || (r = open_log(run, err)) < 0)
		return r;
	if ((r = step_run_build(run, err)) < 0 || (r = open_gate(run, err)) < 0 ||
	    (r = interrupt_check(err)) < 0)
		return r;
	r = step_run_release(run, err);
	return r == 0 ? start_shell(run, err) : r;
}

/* Everything up to exec. */
static int step_run_start(struct run *run, struct dd_err *err)
{
	int r = job_tree_view(run->job, run->step, &run->view, err);
	run->view_is_made = r == 0;
	/* The tree that a push is given is copied from drydock's own: what cannot be read there is
	 * no failure of a step, which a front end might forgive. */
	if (r < 0 && err->blame == DD_BLAME_STEP)
		err->blame = DD_BLAME_HOST;
	if (r == 0)
		r = interrupt_check(err); /* to copy can take long: nothing is granted now */
	return r == 0 ? start_sandbox(run, err) : r;
}

/* ---- run ---- */

static void decide(struct run *run, enum step_outcome outcome, const char *message)
{
	if (run->result->outcome != STEP_NOT_RUN)
		return; /* the first reason stands */
	run->result->outcome = outcome;
	(void)snprintf(run->result->message, sizeof(run->result->message), "%s", message);
}

/* Ask the step's processes to end; those that do not are dead TERM_GRACE_MS later. */
static void ask_to_end(struct run *run, enum step_outcome outcome, const char *message)
{
	struct dd_err ignored;

	decide(run, outcome, message);
	if (run->kill_at_ms)
		return;
	run->kill_at_ms = dd_now_ms() + TERM_GRACE_MS;
	sink_note(&run->job->sinks, run->step, SINK_NOTE,
	          "step %u: %s; its processes get SIGTERM, and %d s later SIGKILL",
	          run->step->number, message, TERM_GRACE_MS / 1000);
	if (sandbox_signal(&run->sb, SIGTERM, &ignored) < 0)
		run->kill_at_ms = dd_now_ms();
}

/* Read what @i holds now. Returns 1 while the stream is open, 0 at its end, -errno when the log
 * cannot be written. */
static int read_stream(struct run *run, int i, struct dd_err *err)
{
	char *buf = run->room->chunk;
	ssize_t n = read(run->streams[i], buf, sizeof(run->room->chunk));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR
		               ? 1
		               : dd_err_set(err, errno, "read the step's output");
	if (n == 0) {
		dd_close_p(&run->streams[i]);
		return 0;
	}
	run->result->output_bytes += (uint64_t)n;
	int r = step_output_feed(run->output, (enum step_stream)i, buf, (size_t)n, err);
	if (run->leases.n_granted) /* it may have been a secret, before it was masked */
		explicit_bzero(buf, (size_t)n);
	return r < 0 ? r : 1;
}

/* A step that cleans up after a cancelled job may end what it does, but not stay. */
static void shorten(struct run *run)
{
	int64_t until = dd_now_ms() + CANCEL_LASTS_MS;
	if (until < run->deadline_ms)
		run->deadline_ms = until;
}

static void read_cancel(struct run *run)
{
	enum job_cancel before = run->job->cancel, now = job_cancel_read(run->job);
	if (now == before)
		return;
	if (now == JOB_CANCELLED && run->step->outlives_cancel) {
		sink_note(&run->job->sinks, run->step, SINK_NOTE,
		          "step %u: cancelled; this step runs even so, %d s at most: ask again to "
		          "end it",
		          run->step->number, CANCEL_LASTS_MS / 1000);
		shorten(run);
		return;
	}
	ask_to_end(run, STEP_CANCELLED, "cancelled");
	if (run->job->cancel == JOB_KILLED) /* no grace (G-07) */
		run->kill_at_ms = dd_now_ms();
}

/* The kernel ends a group that has used up its memory as a whole, init with it (memory.oom.group):
 * half a step is worth nothing. That is the step's own end, and the job goes on to tell it. */
static bool memory_is_over(struct run *run)
{
	char text[160], most[16];
	if (!run->step->terms->limits.sandbox.memory_bytes || !sandbox_ran_out_of_memory(&run->sb))
		return false;
	(void)snprintf(text, sizeof(text),
	               "it used more memory than limits.memory = %s, and the kernel ended it",
	               size_text(run->step->terms->limits.sandbox.memory_bytes, most));
	run->kill_at_ms = dd_now_ms();
	decide(run, STEP_OVER_LIMIT, text);
	tell_step(run, text);
	return true;
}

/* 1: the step's main process has ended; 0: not yet; <0: init died without a word. */
static int read_status(struct run *run, struct dd_err *err)
{
	struct sandbox_status st;
	int r = sandbox_recv_status(&run->sb, &st, err);

	if (r == -EAGAIN)
		return 0;
	if (r == 0 && memory_is_over(run))
		return 1;
	if (r == 0)
		return dd_err_say(err, ECHILD, "the step's init was killed from outside");
	if (r < 0)
		return r;
	run->result->exit_code = st.code;
	run->result->signal = st.exited ? 0 : st.signal;
	run->result->cpu_usec = st.cpu_usec;
	run->result->peak_memory_bytes = st.peak_memory_bytes;
	run->main_ended = true;
	decide(run, st.exited && st.code == 0 ? STEP_SUCCEEDED : STEP_FAILED, "");
	return 1;
}

/* What a process has read nobody takes back, in whatever way it came. So a credential ends with the
 * step that holds it, at once and without grace: SIGTERM would leave it a few seconds more (C-18).
 */
static bool lease_is_over(struct run *run, int64_t now)
{
	char text[JOB_STEP_NAME_MAX + 260];
	unsigned sec = 0;
	bool theirs = false;
	const struct grant_lease *over = lease_life_over(&run->holder, &run->leases, now, &sec,
	                                                 &theirs);
	if (!over)
		return false;
	(void)snprintf(text, sizeof(text),
	               "credential %.100s has lived its ttl of %u s; the step that holds it ends "
	               "(%s%.60s%s)",
	               over->name, sec,
	               theirs ? "its issuer gives no more; the policy would: credentials."
	                      : "credentials.",
	               over->name, theirs ? ".ttl" : ".ttl in the policy");
	decide(run, STEP_OVER_LIMIT, text);
	tell_step(run, text);
	return true;
}

/* Deadline, grace and measured limits. Returns how long poll may sleep, 0: the step must be killed
 * now. */
static int step_run_check_clock(struct run *run)
{
	int64_t now = dd_now_ms();
	char text[160];

	if ((run->kill_at_ms && now >= run->kill_at_ms) || lease_is_over(run, now))
		return 0;
	if (!run->kill_at_ms && now >= run->deadline_ms) {
		(void)snprintf(text, sizeof(text), "it ran longer than its limit of %u s",
		               run->step->time_sec);
		ask_to_end(run, STEP_TIMED_OUT, text);
	}
	int64_t next_measure = meter_check(&run->meter, now, text, sizeof(text));
	if (next_measure < 0) {
		ask_to_end(run, STEP_OVER_LIMIT, text);
		next_measure = TERM_GRACE_MS;
	}
	int64_t wake = run->kill_at_ms ? run->kill_at_ms : run->deadline_ms;
	int64_t lease_wake = lease_life_wake(&run->leases);
	if (lease_wake < wake)
		wake = lease_wake;
	int64_t sleep = wake - now < next_measure ? wake - now : next_measure;
	return sleep < 1 ? 1 : sleep > 60000 ? 60000 : (int)sleep;
}

/* A caller who went away cancelled: nobody is left to type "exit". */
static int serve_shell(struct run *run, const struct pollfd *p, struct dd_err *err)
{
	int r = step_shell_serve(run->shell, p, err);

	if (r == -EPIPE) {
		step_shell_free(run->shell);
		run->shell = NULL;
		ask_to_end(run, STEP_CANCELLED, err->msg);
		r = 0;
	}
	return r;
}

/* Until the main process ends, the step is to be killed, or something of drydock breaks (<0). */
static int run_loop(struct run *run, struct dd_err *err)
{
	for (;;) {
		int timeout = step_run_check_clock(run);
		if (timeout == 0)
			return 0;
		int pause = run->room->asked.over ? 0
		                                  : step_asked_wait(&run->room->asked, dd_now_ms());
		if (pause > 0 && pause < timeout)
			timeout = pause;
		struct pollfd p[STEP_POLLS + STEP_SHELL_POLLS] = {
			{ .fd = run->streams[0], .events = POLLIN },
			{ .fd = run->streams[1], .events = POLLIN },
			{ .fd = run->gate.gate.ctl, .events = POLLIN },
			{ .fd = run->sb.ctl, .events = POLLIN },
			{ .fd = run->job->signal_fd, .events = POLLIN },
			{ .fd = run->room->asked.over || pause ? -1 : run->sb.asked_fd,
			  .events = POLLIN },
			{ .fd = step_hatch_fd(&run->hatch), .events = POLLIN },
			{ .fd = lease_life_fd(&run->leases), .events = POLLIN },
			{ .fd = step_park_fd(run->job), .events = POLLIN },
		};
		if (run->shell)
			step_shell_poll(run->shell, p + STEP_POLLS);
		if (poll(p, run->shell ? ARRAY_LEN(p) : STEP_POLLS, timeout) < 0 && errno != EINTR)
			return dd_err_set(err, errno, "wait for the step");
		int r = 0;
		for (int i = 0; i < 2 && r >= 0; i++)
			if (run->streams[i] >= 0 && p[i].revents)
				r = read_stream(run, i, err);
		if (r >= 0 && run->shell)
			r = serve_shell(run, p + STEP_POLLS, err);
		if (r >= 0 && p[2].revents)
			r = step_gate_serve(&run->gate, err);
		if (r >= 0 && p[6].revents)
			r = step_hatch_serve(&run->hatch, err);
		if (r >= 0 && p[5].revents)
			r = step_asked_serve(&run->room->asked, &run->sb, run->terms->seccomp,
			                     run->step, run->job->mask, err);
		if (r >= 0)
			r = lease_life_serve(&run->holder, &run->leases, dd_now_ms(), err);
		if (r < 0)
			return r;
		if (p[4].revents)
			read_cancel(run);
		if (p[8].revents)
			step_park_serve(run->job);
		if (p[3].revents && (r = read_status(run, err)) != 0)
			return r < 0 ? r : 0;
	}
}

/* ---- end ---- */

static int64_t min_ms(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The main process has ended, and its gate is closed. What it started may be just about to end as
 * well (`exec > >(tee log)`), and its last lines are the step's: so there is a moment for that,
 * longer while somebody can still write to the step's output. Whoever lives after it is ended, and
 * told. */
static int step_run_settle(struct run *run, struct dd_err *err)
{
	const int64_t began = dd_now_ms();
	int64_t closed = 0; /* since when nobody can write any more */
	int r = 0;

	if (!run->main_ended || run->kill_at_ms)
		return 0;
	while (r >= 0 && (run->result->left = step_pids_alive(run->sb.pid, run->left_names,
	                                                      sizeof(run->left_names))) > 0) {
		struct pollfd p[] = { { .fd = run->streams[0], .events = POLLIN },
			              { .fd = run->streams[1], .events = POLLIN } };
		int64_t now = dd_now_ms(), until = began + SETTLE_MS;
		if (run->streams[0] < 0 && run->streams[1] < 0 && !closed)
			closed = now;
		if (closed)
			until = min_ms(until, closed + SETTLE_CLOSED_MS);
		if (now >= until ||
		    (poll(p, ARRAY_LEN(p), (int)min_ms(until - now, SETTLE_LOOK_MS)) < 0 &&
		     errno != EINTR))
			return 0;
		for (int i = 0; i < 2 && r >= 0; i++)
			if (run->streams[i] >= 0 && p[i].revents)
				r = read_stream(run, i, err);
	}
	return r < 0 ? r : 0;
}

/* What step_run_settle() has seen, once all that the step printed is in the log. */
static void tell_ended(struct run *run)
{
	const uint64_t left = run->result->left;
	char *names = run->left_names;
	char shown[sizeof(run->left_names) * TEXT_ESCAPE_MAX + 1], text[sizeof(shown) + 200];

	if (left == 0)
		return;
	mask_text(run->job->mask, names, sizeof(run->left_names));
	(void)text_escape(shown, names, strlen(names));
	(void)snprintf(
		text, sizeof(text),
		STEP_OUTPUT_MARK
		" %llu %s still running when the step's main process had ended, and %s ended: "
		"%s%s; nothing that a step starts outlives it",
		(unsigned long long)left, left == 1 ? "process was" : "processes were",
		left == 1 ? "was" : "were", shown, left > 4 ? ", ..." : "");
	tell_step(run, text);
}

/* All writers are dead: what is left in the pipes is bounded by their size. */
static int step_run_drain(struct run *run, struct dd_err *err)
{
	int64_t until = dd_now_ms() + DRAIN_MS;
	int r = 1;

	for (int i = 0; i < 2; i++)
		for (r = 1; run->streams[i] >= 0 && r > 0 && dd_now_ms() < until;)
			r = read_stream(run, i, err);
	return r < 0 ? r : step_output_end(run->output, err);
}

/* What the step came to does not count when its gate did not close as it must, or its receipt is
 * missing. */
static void break_off(struct run *run, const char *message)
{
	if (run->result->outcome == STEP_BROKEN)
		return;
	run->result->outcome = STEP_NOT_RUN;
	decide(run, STEP_BROKEN, message);
	sink_note(&run->job->sinks, run->step, SINK_WARN, "step %u: %s", run->step->number,
	          message);
}

static void keep_first(int *first, int r)
{
	if (*first >= 0 && r < 0)
		*first = r;
}

/* What the last lines of a step that failed have to do with the sandbox. */
static void hint(const struct run *run)
{
	const struct job_step *step = run->step;
	struct step_hint_about about = { .path = "",
		                         .read = step->terms->read,
		                         .policy = run->job->plan->policy_path,
		                         .trusted = run->job->plan->trusted,
		                         .tell = tell_step,
		                         .arg = (void *)(uintptr_t)run };
	struct step_env env;
	struct statvfs disk;

	if (run->result->outcome != STEP_FAILED || run->log_fd < 0)
		return;
	step_env_make(step->recipe, step->terms, step->leases, step->n_leases, &env);
	for (size_t i = 0; i < env.n; i++)
		if (strcmp(env.rows[i].name, "PATH") == 0)
			about.path = env.rows[i].value;
	about.limits = &step->terms->limits;
	if (fstatvfs(run->job->dirs.root_fd, &disk) == 0)
		about.free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
	step_hint_tell(&run->room->hint, run->not_found, &about);
	step_env_done(&env);
}

/* What the step left and its front end does not get. */
static void tell_left(const struct run *run)
{
	for (size_t i = 0; i < run->left->n; i++) {
		const struct step_file *file = &run->left->files[i];
		if (!file->bytes)
			sink_note(&run->job->sinks, run->step, SINK_WARN,
			          "step %u: what it left in `%s` is not taken: %s",
			          run->step->number, file->name, file->why);
	}
}

static void tell_cut(const struct run *run)
{
	char most[16];

	if (!run->output || !step_output_was_cut(run->output))
		return;
	run->result->log_cut = true;
	sink_note(&run->job->sinks, run->step, SINK_WARN,
	          "step %u printed more than limits.log = %s; what came after that is in no log",
	          run->step->number, size_text(run->step->terms->limits.log_bytes, most));
}

/* Close the gate, kill, drain, account, wipe, remove. Every part is tried even if one before it
 * failed; the first error is returned. */
static int end(struct run *run, struct dd_err *err)
{
	struct dd_err later = { 0 };
	int first = 0;

	if (run->gate_is_open && step_gate_close(&run->gate, &later) < 0)
		break_off(run, later.msg);
	keep_first(&first, step_run_settle(run, err));
	keep_first(&first, sandbox_destroy(&run->sb, first < 0 ? NULL : err));
	keep_first(&first, step_hatch_finish(&run->hatch, first < 0 ? NULL : err));
	process_look_end(&run->look);
	keep_first(&first, step_shell_end(run->shell, first < 0 ? NULL : err));
	step_shell_free(run->shell);
	dd_close_p(&run->shell_input);
	if (run->output)
		keep_first(&first, step_run_drain(run, first < 0 ? NULL : err));
	tell_ended(run);
	hint(run);
	if (run->gate_is_open && step_gate_finish(&run->gate, &later) < 0)
		break_off(run, later.msg);
	if (run->gate_is_started)
		step_gate_destroy(&run->gate);
	keep_first(&first, step_asked_record(&run->room->asked, run->job->rec, run->step,
	                                     run->result, first < 0 ? NULL : err));
	if (run->meter.always) /* the processes are dead: what a short step has written was never
	                          measured */
		keep_first(&first, meter_last(&run->meter, first < 0 ? NULL : err));
	if (run->view_is_made)
		step_channel_read(run->job, run->step, run->left);
	tell_left(run);
	tell_cut(run);
	keep_first(&first, lease_revoke(&run->holder, &run->leases, first < 0 ? NULL : err));
	if (run->output)
		step_output_stop(run->output);
	dd_close_p(&run->log_fd);
	dd_close_p(&run->streams[0]);
	dd_close_p(&run->streams[1]);
	job_keep_step(run->job, run->step, run->view_is_made ? &run->view : NULL, run->result,
	              run->kept);
	keep_first(&first, job_tree_drop_view(run->job, run->step, first < 0 ? NULL : err));
	return first;
}

static const char *const no_texts[] = { NULL };

static const char *const *texts_or_none(const char *const *texts)
{
	return texts ? texts : no_texts;
}

static int record_start(struct run *run, struct dd_err *err)
{
	const struct job_step *step = run->step;
	struct mask *mask = run->job->mask;
	struct step_mounts mounts;
	char digest[65];
	bool exact = false;

	step_mounts_make(step->terms, step->recipe, &run->view, &mounts);
	int r = step_mounts_digest(step->terms, &mounts, digest, err);
	if (r < 0)
		return r;
	const char *written = step->grant->written->facts.run, *runs = step->recipe->script;
	bool differs = runs && (!written || strcmp(runs, written) != 0), whole = false;
	/* the default name is a line of the script */
	dd_auto_free char *name = url_strip_dup(step->name);
	dd_auto_free char *script = written ? step_match_run(written, mask, &exact) : NULL;
	dd_auto_free char *evaluated = differs ? step_match_run(runs, mask, &whole) : NULL;
	if (!name || (written && !script) || (differs && !evaluated))
		return dd_err_set(err, ENOMEM, "record the step");
	bool push = step->phase == DD_PHASE_PUSH;
	const char *vars[STEP_VARIABLES_MAX + 2];
	const struct facts_step facts = {
		.index = (unsigned)run->job->n_ran + 1,
		.id = step->grant->id,
		.name = name,
		.argv0 = step->shell                                   ? step->shell->argv[0]
		         : step->recipe->argv && step->recipe->argv[0] ? step->recipe->argv[0]
		                                                       : "",
		.interactive = !step->shell            ? NULL
		               : step->shell->terminal ? "terminal"
		                                       : "pipe",
		.gate_state = step->terms->egress.n ? "open" : "closed",
		.seccomp = step->terms->seccomp,
		.filter = run->terms ? seccomp_program_digest(run->terms->seccomp) : NULL,
		.evaluated = evaluated,
		.brought_by = step->written ? NULL : step->grant->ref,
		.action = step->recipe->action,
		.action_sha256 = step->recipe->action_sha256,
		.action_commit = step->recipe->action_commit,
		.action_named = step->recipe->action_named,
		.action_from = step->recipe->action_from,
		.stage = step->recipe->stage,
		.phase_why = step->grant->phase_why,
		.mounts = digest,
		.nothing = step->recipe->nothing,
		.read = texts_or_none(step->terms->read),
		.syscalls = texts_or_none(step->terms->syscalls),
		/* what a rule of a policy can match this step by, as far as the step has it */
		.match = { .known = true,
		           .id = step->grant->id[0] ? step->grant->id : NULL,
		           .name = step->grant->is_named ? name : NULL,
		           .job = run->job->plan->spec->id,
		           .uses = step->grant->written->facts.uses,
		           .run = script,
		           .run_sha256 = step->grant->run_sha256,
		           .run_exact = exact,
		           .shell = written ? step->grant->written->shell : NULL,
		           .workdir = written ? job_spec_workdir(step->grant->written) : NULL,
		           .vars = grant_deciding_vars(step->grant, vars) ? vars : NULL },
		.workspace = push ? workspace_view_names[step->terms->view] : NULL,
		.artifacts = push ? texts_or_none(step->terms->artifacts) : NULL,
	};
	return record_step_start(run->job->rec, step->ref, step->phase, &facts, err);
}

static int record_end(struct run *run, struct dd_err *err)
{
	const struct step_result *res = run->result;
	const struct facts_step facts = {
		.outcome = step_outcome_names[res->outcome],
		.exit = res->exit_code,
		.signal = res->signal,
		.wall_sec = res->wall_sec,
		.cpu_usec = (int64_t)res->cpu_usec,
		.peak_memory_bytes = (int64_t)res->peak_memory_bytes,
		.output_bytes = (int64_t)res->output_bytes,
		.refused = (int64_t)res->refused,
		.message = res->message,
		.kept = run->kept[0] ? run->kept : NULL,
		.left = (int64_t)res->left,
		.log_cut = res->log_cut,
		.files = run->meter.measured ? (int64_t)run->meter.files : FACTS_ABSENT,
		.disk_bytes = run->meter.measured ? (int64_t)run->meter.bytes : FACTS_ABSENT,
	};
	return record_step_end(run->job->rec, run->step->ref, run->step->phase, &facts, err);
}

static void execute(struct run *run, int r, struct dd_err *leases)
{
	struct dd_err err = *leases;

	if (r == 0)
		r = step_run_start(run, &err);

	/* The sandbox stood; its program or its working directory is not there. As a shell would
	 * say it. */
	if (r < 0 && err.blame == DD_BLAME_STEP) {
		run->result->exit_code = r == -ENOEXEC ? 127 : 1;
		run->not_found = r == -ENOEXEC ? run->step->recipe->argv[0] : NULL;
		decide(run, STEP_FAILED, err.msg);
		return;
	}
	if (r == -ECANCELED) {
		if (job_cancel_read(run->job) == JOB_GOES_ON)
			run->job->cancel = JOB_CANCELLED;
		decide(run, STEP_CANCELLED, "cancelled before it began");
		return;
	}
	if (r < 0) {
		decide(run,
		       record_is_full(run->job->rec) ? STEP_OVER_LIMIT
		                                     : blame_rows[err.blame].outcome,
		       err.msg);
		return;
	}
	run->room->asked.look = &run->look;
	run->room->asked.tell = tell_refusal;
	run->room->asked.tell_arg = run;
	run->room->asked.policy = run->job->plan->policy_path;
	run->deadline_ms = dd_now_ms() + (int64_t)run->step->time_sec * 1000;
	meter_start(&run->meter, &run->step->terms->limits, run->job->dirs.root_fd,
	            run->job->observe, dd_now_ms());
	run->meter.init = run->sb.pid;
	step_park_next(run->job, run->step, &run->view);
	int64_t began = dd_now_ms();
	r = run_loop(run, &err);
	run->result->wall_sec = (double)(dd_now_ms() - began) / 1000;
	if (r < 0)
		decide(run, STEP_BROKEN, err.msg);
}

/* What the step left must be known before anything else runs. It is the step's doing when it cannot
 * be: that ends the job, and drydock goes on. */
static int account(struct job *job, const struct job_step *step, struct step_result *result,
                   struct dd_err *err)
{
	struct dd_err why = { 0 };

	/* What cost the step little may not cost the job much. */
	interrupt_within(ACCOUNT_MS + (int64_t)(result->wall_sec * 1000) * ACCOUNT_TIMES);
	int r = job_tree_after_step(job, step, &why);
	interrupt_within(0);

	if (r < 0 && why.blame == DD_BLAME_STEP) {
		result->outcome = STEP_OVER_LIMIT;
		result->unaccounted = true;
		(void)snprintf(result->message, sizeof(result->message),
		               "what it left cannot be accounted for: %.400s%s", why.msg,
		               r == -EACCES ? " (identity single has no more rights than the step)"
		                            : "");
		return 0;
	}
	return r < 0 ? dd_err_say(err, -r, "%s", why.msg) : 0;
}

/* Why it ended as it did may quote what the step did. */
static void clean_message(struct run *run)
{
	char text[sizeof(run->result->message)];
	char shown[TEXT_ESCAPE_MAX * sizeof(text) + 1];

	(void)snprintf(text, sizeof(text), "%s", run->result->message);
	mask_text(run->job->mask, text, sizeof(text));
	(void)text_escape(shown, text, strlen(text));
	(void)snprintf(run->result->message, sizeof(run->result->message), "%.*s",
	               (int)sizeof(run->result->message) - 1, shown);
}

static void show_name(const struct job *job, struct job_step *step)
{
	char text[JOB_STEP_SHOWN_MAX + 1];

	(void)snprintf(text, sizeof(text), "%s", step->name);
	mask_text(job->mask, text, sizeof(text));
	(void)text_escape(step->shown, text, strlen(text));
}

static int run_it(struct run *run, int leases, struct dd_err *why, struct dd_err *err)
{
	const struct job_step *step = run->step;

	if (!step->recipe->nothing) {
		execute(run, leases, why);
		int r = end(run, err);
		return r < 0 ? r : account(run->job, step, run->result, err);
	}
	/* no process, so no sandbox, and nothing that could have changed the tree */
	sink_note(&run->job->sinks, step, SINK_NOTE, "step %u: nothing is run: %s", step->number,
	          step->recipe->nothing);
	decide(run, STEP_SUCCEEDED, "");
	return 0;
}

static void tell_left_lease(void *arg, const char *text)
{
	const struct run *run = arg;
	sink_note(&run->job->sinks, run->step, SINK_WARN, "step %u: %s", run->step->number, text);
}

static struct step_room *room_of(struct job *job)
{
	if (!job->room)
		job->room = calloc(1, sizeof(*job->room));
	return job->room;
}

int step_run_mask(struct job *job, const char *value, size_t len, struct dd_err *err)
{
	return step_output_mask(job->room->output, value, len, err);
}

/* Beneath the place, whatever links say: the step writes there while we look. */
static int open_in_place(const char *place, const char *rest, struct dd_err *err)
{
	const struct open_how how = { .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		                      .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
		                                 RESOLVE_NO_XDEV };
	dd_auto_fd int dir = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
	dd_auto_fd int fd = dir < 0 ? -1 : (int)syscall(SYS_openat2, dir, rest, &how, sizeof(how));
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return dd_err_say(err, errno, "%s", strerrordesc_np(errno));
	return S_ISREG(st.st_mode) ? dd_take_fd(&fd)
	                           : dd_err_say(err, EINVAL, "it is no regular file");
}

int step_run_open(const struct job *job, const char *path, struct dd_err *err)
{
	const struct step_view *view = job->room ? job->room->view : NULL;

	for (size_t i = 0; view && i < STEP_PLACE__COUNT; i++) {
		size_t len = strlen(step_places[i].target);
		if (strncmp(path, step_places[i].target, len) == 0 && path[len] == '/' &&
		    path[len + 1])
			return open_in_place(view->place[i], path + len + 1, err);
	}
	for (size_t i = 0; view && i < job->room->recipe->n_shown; i++) {
		const struct recipe_shown *s = &job->room->recipe->shown[i];
		size_t len = strlen(s->target);
		if (strncmp(path, s->target, len) == 0 && path[len] == '/' && path[len + 1])
			return open_in_place(s->source, path + len + 1, err);
	}
	return dd_err_say(err, ENXIO, "it lies in none of the job's directories");
}

void step_room_free(struct step_room *room)
{
	if (room)
		step_output_free(room->output);
	free(room);
}

int step_run(struct job *job, struct job_step *step, struct step_result *result,
             struct step_left *left, struct dd_err *err)
{
	struct run *run = calloc(1, sizeof(*run));
	struct dd_err why = { 0 };
	int r, leases;

	if (!run || !room_of(job)) {
		free(run);
		return dd_err_set(err, ENOMEM, "start the step");
	}
	step_asked_begin(&job->room->asked);
	job->room->hint.n = 0;
	job->room->view = &run->view;
	job->room->recipe = step->recipe;
	*run = (struct run){ .job = job,
		             .room = job->room,
		             .step = step,
		             .result = result,
		             .left = left,
		             .holder = { .job = &job->leasing,
		                         .tell = tell_left_lease,
		                         .tell_arg = run,
		                         .rec = job->rec,
		                         .step = step->ref,
		                         .phase = step->phase,
		                         .leases = step->leases,
		                         .n = step->n_leases },
		             .sb = SANDBOX_NONE,
		             .hatch = STEP_HATCH_NONE,
		             .terms = job_terms_of(&job->terms, step->terms),
		             .log_fd = -1,
		             .look = PROCESS_LOOK_NONE,
		             .shell_input = -1,
		             .streams = { -1, -1 } };
	/* before anything is written down or told: neither must hold the step's own secrets */
	leases = lease_grant(&run->holder, job->mask, &run->leases, &why);
	/* from now on: to build the sandbox is a part of it */
	lease_life_begin(&run->holder, &run->leases, dd_now_ms());
	show_name(job, step);
	sink_step_begins(&job->sinks, step);
	if ((r = record_start(run, err)) == 0) {
		r = run_it(run, leases, &why, err);
		clean_message(run);
		int written = record_end(run, r < 0 ? NULL : err);
		r = r < 0 ? r : written;
		sink_step_ended(&job->sinks, step, result);
	} else {
		(void)lease_revoke(&run->holder, &run->leases, NULL);
	}
	job->room->view = NULL;
	free(run);
	return r;
}
