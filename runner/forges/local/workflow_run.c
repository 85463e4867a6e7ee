// SPDX-License-Identifier: Apache-2.0
/* workflow_run.c - hands out the turns of a workflow to processes, and gathers what came of them.
 *
 * Runs in: the process that the user started, which becomes no keeper itself but for a run of one
 * job. It holds no secret and reads of a turn an exit code and a bounded result. Each turn is in a
 * process group of its own: a terminal's ^C reaches this process alone, which passes it on once. */
#include "workflow_run.h"

#include "base/exit_code.h"
#include "base/named_path.h"
#include "drydock/fd.h"
#include "hatch/store_place.h"
#include "workflow_state.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct turn_process {
	pid_t pid;
	int result_fd;
	char *told_record; /* memory shared with the process */
	double began;
	bool stopped; /* it has been asked to end */
};

struct handing_out {
	const struct workflow_request *request;
	struct workflow_run run;
	sigset_t before; /* what was blocked when we came */
	unsigned running, most;
	unsigned asked; /* how often somebody wanted the end */
	int worst;      /* exit code so far */
	/* of the run's artifacts; held as long as this process lives */
	char artifacts[STORE_PLACE_MAX];
	int artifacts_fd;
};

static double now_sec(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- exit codes ---- */

static int weight(int code)
{
	static const int order[] = { DRYDOCK_EXIT_OK,        DRYDOCK_EXIT_JOB_FAILED,
		                     DRYDOCK_EXIT_CANCELLED, DRYDOCK_EXIT_USAGE,
		                     DRYDOCK_EXIT_REFUSED,   DRYDOCK_EXIT_HOST };
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if (order[i] == code)
			return (int)i;
	return (int)ARRAY_LEN(order);
}

static void count_code(struct handing_out *h, int code)
{
	if (weight(code) > weight(h->worst))
		h->worst = code;
}

/* ---- one turn ---- */

static const char *label_of(struct handing_out *h, const struct run_turn *turn)
{
	return job_spec_label(h->run.mem.arena, turn->number, turn->name);
}

/* "runs/ci.jsonl" for the turn "03-test-18" is "runs/ci.03-test-18.jsonl". */
static const char *record_of(struct handing_out *h, const struct run_turn *turn, bool alone)
{
	const char *path = h->request->args->record;
	if (!path || alone)
		return path;
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path,
		   *dot = strrchr(name, '.');
	size_t stem = dot && dot > name ? (size_t)(dot - path) : strlen(path);
	return arena_printf(h->run.mem.arena, "%.*s.%s%s", (int)stem, path, label_of(h, turn),
	                    path + stem);
}

static const char *out_of(struct handing_out *h, const struct run_turn *turn, bool alone)
{
	const char *path = h->request->args->out;
	return !path || alone ? path
	                      : arena_printf(h->run.mem.arena, "%s/%s", path, label_of(h, turn));
}

/* In the process that runs the turn: makes its engine, and runs it. */
static int run_turn(struct handing_out *h, struct run_turn *turn, int result_fd, char *told_record)
{
	const struct wf_flat_job *flat = turn->job->flat;
	const struct source_job *planned = turn->job->planned;
	const bool alone = result_fd < 0;
	struct job_engine *engine = NULL;
	struct actions_world world;
	struct dd_err err = { 0 };
	const struct actions_job what = {
		.job = flat->job,
		.file_env = flat->file_env,
		.file_defaults = flat->file_defaults,
		.id = flat->job->id->text,
		.name = turn->name,
		.timeout_sec = turn->one.timeout_sec,
		.result_fd = result_fd,
	};

	planned->spec->name = turn->name; /* this process's own copy, or the only turn */
	bool fits = workflow_world(&h->run, turn, &world);
	world.found = h->request->source->actions.found;
	world.n_found = h->request->source->actions.n_found;
	world.runtimes = h->request->source->actions.runtimes;
	world.n_runtimes = h->request->source->actions.n_runtimes;
	if (!fits || job_engine_new(&what, &world, planned->plan, &engine, &err) < 0) {
		(void)fprintf(h->run.errors, "drydock: %s\n",
		              err.code ? err.msg : "the contexts of a job take too much memory");
		return DRYDOCK_EXIT_INTERNAL;
	}
	int code = h->request->run(h->request->user,
	                           &(struct workflow_turn){
					   .plan = planned->plan,
					   .script = job_engine_script(engine),
					   .name = turn->name,
					   .prefix = h->most > 1 ? turn->name : NULL,
					   .out = out_of(h, turn, alone),
					   .artifacts = alone ? NULL : h->artifacts,
					   .record = record_of(h, turn, alone),
					   .told_record = told_record,
				   });
	job_engine_free(engine);
	return code;
}

/* who: the keeper-to-be of one job; can do: what the user's process can; holds: the result's file
 */
static void become_turn(struct handing_out *h, struct run_turn *turn, pid_t parent)
{
	const struct turn_process *p = turn->process;

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	(void)sigprocmask(SIG_SETMASK, &h->before, NULL);
	if (getppid() != parent) /* it died before that was asked for */
		_exit(DRYDOCK_EXIT_CANCELLED);
	int code = run_turn(h, turn, p->result_fd, p->told_record);
	(void)fflush(NULL);
	_exit(code);
}

static int start_turn(struct handing_out *h, struct run_turn *turn, struct dd_err *err)
{
	struct turn_process *p = arena_alloc(h->run.mem.arena, sizeof(*p));
	pid_t parent = getpid();

	*p = (struct turn_process){ .result_fd = job_result_open(err), .began = now_sec() };
	if (p->result_fd < 0)
		return p->result_fd;
	p->told_record = mmap(NULL, WORKFLOW_RECORD_MAX, PROT_READ | PROT_WRITE,
	                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	turn->process = p;
	(void)fflush(NULL);
	p->pid = p->told_record == MAP_FAILED ? -1 : fork();
	if (p->pid == 0)
		become_turn(h, turn, parent);
	if (p->pid < 0) {
		int r = dd_err_set(err, errno, "start a process for job %.100s", turn->name);
		(void)close(p->result_fd);
		turn->process = NULL;
		return r;
	}
	(void)setpgid(p->pid, p->pid);
	turn->state = TURN_RUNNING;
	h->running++;
	return 0;
}

/* ---- what came of it ---- */

static void keep_record_name(struct handing_out *h, struct run_turn *turn)
{
	char *told = turn->process->told_record;
	size_t len = strnlen(told, WORKFLOW_RECORD_MAX);
	if (len > 0)
		turn->record = arena_strndup(h->run.mem.arena, told, len);
	(void)munmap(told, WORKFLOW_RECORD_MAX);
}

static void end_turn(struct handing_out *h, struct run_turn *turn, int status)
{
	struct turn_process *p = turn->process;
	struct job_result result = { .is = JOB_RESULT_FAILURE };
	struct dd_err err = { 0 };

	turn->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : DRYDOCK_EXIT_INTERNAL;
	turn->sec = now_sec() - p->began;
	if (job_result_read(p->result_fd, &h->run.mem, &result, &err) < 0)
		(void)fprintf(h->run.errors, "drydock: the result of %s cannot be used: %s\n",
		              label_of(h, turn), err.msg);
	/* a job that ran out of its own time was cancelled, as it says */
	bool out_of_time = turn->exit_code == DRYDOCK_EXIT_JOB_FAILED &&
	                   result.is == JOB_RESULT_CANCELLED;
	if (turn->exit_code != 0 && !out_of_time)
		result.is = turn->exit_code == DRYDOCK_EXIT_CANCELLED ? JOB_RESULT_CANCELLED
		                                                      : JOB_RESULT_FAILURE;
	/* only a job that failed by itself can be forgiven, not a host or a policy that refused */
	if (turn->exit_code != 0 && turn->exit_code != DRYDOCK_EXIT_JOB_FAILED)
		turn->one.continue_on_error = false;
	keep_record_name(h, turn);
	(void)close(p->result_fd);
	turn->process = NULL;
	h->running--;
	workflow_turn_over(&h->run, turn, &result);
	bool forgiven = turn->failed && turn->result == JOB_RESULT_SUCCESS;
	/* what fail-fast ended is counted with the failure that ended it */
	if (!forgiven && !(turn->exit_code == DRYDOCK_EXIT_CANCELLED && h->asked == 0))
		count_code(h, turn->exit_code);
}

static void reap(struct handing_out *h)
{
	for (size_t i = 0; i < h->run.n_turns; i++) {
		struct run_turn *turn = h->run.turns[i];
		int status = 0;
		if (turn->process && waitpid(turn->process->pid, &status, WNOHANG) > 0)
			end_turn(h, turn, status);
	}
}

/* Passes the wish for an end on to turns that run: once for the first, again for each further one.
 */
static void stop_turns(struct handing_out *h, bool again)
{
	for (size_t i = 0; i < h->run.n_turns; i++) {
		struct run_turn *turn = h->run.turns[i];
		struct turn_process *p = turn->process;
		if (!p || !(again || (turn->stopped && !p->stopped)))
			continue;
		p->stopped = true;
		(void)kill(p->pid, SIGINT);
	}
}

/* ---- handing out ---- */

static void fail_turn(struct handing_out *h, struct run_turn *turn, const char *why)
{
	turn->why = why;
	workflow_turn_over(&h->run, turn, &(struct job_result){ .is = JOB_RESULT_FAILURE });
	count_code(h, DRYDOCK_EXIT_JOB_FAILED);
}

static void begin_call(struct handing_out *h, struct run_turn *turn)
{
	struct wf_errors errors = { .n = 0 };
	if (workflow_call(&h->run, turn, &errors))
		return;
	workflow_complain(&h->run, &errors);
	fail_turn(h, turn, "what it gives to the called workflow could not be computed");
}

/* True when something began or ended. */
static bool begin_turns(struct handing_out *h)
{
	bool changed = false;
	for (size_t i = 0; i < h->run.n_turns; i++) {
		struct run_turn *turn = h->run.turns[i];
		struct dd_err err = { 0 };
		if (!workflow_may_begin(&h->run, turn))
			continue;
		if (turn->job->flat->job->call) {
			begin_call(h, turn);
			changed = true;
		} else if (h->running < h->most) {
			if (start_turn(h, turn, &err) < 0) {
				(void)fprintf(h->run.errors, "drydock: %s\n", err.msg);
				count_code(h, DRYDOCK_EXIT_INTERNAL);
				fail_turn(h, turn, "no process could be started for it");
			}
			changed = true;
		}
	}
	return changed;
}

static void take_signals(struct handing_out *h, int fd)
{
	struct signalfd_siginfo info;
	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		if (h->asked++ == 0)
			workflow_cancel(&h->run, &h->run.root);
		else
			h->run.broken = true; /* nothing more begins */
		stop_turns(h, h->asked > 1);
	}
}

static int hand_out(struct handing_out *h)
{
	static const int signals[] = { SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		(void)sigaddset(&set, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &set, &h->before);
	dd_auto_fd int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return DRYDOCK_EXIT_INTERNAL;
	for (;;) {
		while (workflow_advance(&h->run) || begin_turns(h))
			;
		stop_turns(h, false);
		if (h->running == 0)
			break;
		struct pollfd p = { .fd = fd, .events = POLLIN };
		(void)poll(&p, 1, -1);
		take_signals(h, fd);
		reap(h);
	}
	(void)sigprocmask(SIG_SETMASK, &h->before, NULL);
	return 0;
}

/* ---- the end ---- */

static size_t count_rows(const struct run_file *file)
{
	size_t n = 0;
	for (size_t i = 0; i < file->n; i++) {
		n += file->jobs[i].n_turns ? file->jobs[i].n_turns : 1;
		for (size_t k = 0; k < file->jobs[i].n_turns; k++)
			if (file->jobs[i].turns[k].called)
				n += count_rows(file->jobs[i].turns[k].called);
	}
	return n;
}

static const char *row_name(struct handing_out *h, const struct run_job *job)
{
	const char *name = job->flat->job->id->text;
	return job->file->caller
	               ? arena_printf(h->run.mem.arena, "%s / %s", job->file->caller->name, name)
	               : name;
}

static void add_rows(struct handing_out *h, const struct run_file *file, struct workflow_row *rows,
                     size_t *n)
{
	for (size_t i = 0; i < file->n; i++) {
		const struct run_job *job = &file->jobs[i];
		if (job->why == workflow_not_asked)
			continue;
		if (job->n_turns == 0)
			rows[(*n)++] = (struct workflow_row){
				.name = row_name(h, job),
				.result = job->state == JOB_OVER ? job_result_name(job->result)
				                                 : "cancelled",
				.why = job->why ? job->why : "the run ended before it",
			};
		for (size_t k = 0; k < job->n_turns; k++) {
			const struct run_turn *turn = &job->turns[k];
			rows[(*n)++] = (struct workflow_row){
				.name = turn->name,
				.result = turn->failed               ? "failure"
				          : turn->state == TURN_OVER ? job_result_name(turn->result)
				                                     : "cancelled",
				.why = turn->why,
				.forgiven = turn->failed && turn->result == JOB_RESULT_SUCCESS,
				.sec = turn->sec,
				.record = turn->record,
			};
			if (turn->called)
				add_rows(h, turn->called, rows, n);
		}
	}
}

static void count_failures(struct handing_out *h, const struct run_file *file)
{
	for (size_t i = 0; i < file->n; i++)
		if (file->jobs[i].result == JOB_RESULT_FAILURE && file->jobs[i].state == JOB_OVER)
			count_code(h, DRYDOCK_EXIT_JOB_FAILED);
}

static int finish(struct handing_out *h, double began)
{
	struct workflow_row *rows = arena_array(h->run.mem.arena, count_rows(&h->run.root),
	                                        sizeof(*rows));
	size_t n = 0;

	add_rows(h, &h->run.root, rows, &n);
	h->request->tell(h->request->user, rows, n, now_sec() - began);
	count_failures(h, &h->run.root);
	if (h->run.broken && h->asked == 0)
		count_code(h, h->run.too_many ? DRYDOCK_EXIT_USAGE : DRYDOCK_EXIT_INTERNAL);
	if (h->request->args->n_picks && h->run.n_turns == 0) {
		(void)fprintf(h->run.errors, "drydock: no combination is what --matrix asks for\n");
		count_code(h, DRYDOCK_EXIT_USAGE);
	}
	if (h->asked > 0)
		count_code(h, DRYDOCK_EXIT_CANCELLED);
	return h->worst;
}

/* ---- a run of one job ---- */

/* The turn that is all there is; NULL: there is more to it. */
static struct run_turn *only_turn(struct handing_out *h)
{
	const struct run_job *job = NULL;

	if (h->request->source->n_planned != 1 || h->run.n_turns != 1)
		return NULL;
	job = h->run.turns[0]->job;
	return job->planned && job->file == &h->run.root && !job->flat->job->call &&
	                       h->run.turns[0]->state == TURN_PENDING
	               ? h->run.turns[0]
	               : NULL;
}

static int make_out(const struct run_args *args, struct dd_err *err)
{
	dd_auto_fd int fd = -1;
	return args->out ? named_make_dir(args->out, &fd, err) : 0;
}

/* What one job uploads, another downloads. */
static int make_artifacts(struct handing_out *h, struct dd_err *err)
{
	char place[STORE_PLACE_MAX];
	int r = store_place(h->request->args->state_dir, h->request->id->host_uid, place, err);
	return r < 0 ? r : store_make_run(place, h->artifacts, &h->artifacts_fd, err);
}

int workflow_run(const struct workflow_request *request)
{
	struct handing_out h = { .request = request,
		                 .artifacts_fd = -1,
		                 .most = request->args->at_once ? request->args->at_once : 1 };
	struct dd_err err = { 0 };
	double began = now_sec();
	int code;

	h.run.args = request->args;
	h.run.source = request->source;
	h.run.errors = stderr;
	workflow_state_init(&h.run);
	(void)workflow_advance(&h.run);
	struct run_turn *only = only_turn(&h);
	if (only) {
		h.most = 1;
		code = run_turn(&h, only, -1, NULL);
		if (code == DRYDOCK_EXIT_JOB_FAILED && only->one.continue_on_error)
			code = DRYDOCK_EXIT_OK;
	} else if (make_out(request->args, &err) < 0) {
		(void)fprintf(stderr, "drydock: --out: %s\n", err.msg);
		code = DRYDOCK_EXIT_USAGE;
	} else if (make_artifacts(&h, &err) < 0) {
		(void)fprintf(stderr, "drydock: %s\n", err.msg);
		code = DRYDOCK_EXIT_HOST;
	} else {
		code = hand_out(&h);
		code = code ? code : finish(&h, began);
		store_remove_run(h.artifacts);
		dd_close(h.artifacts_fd);
	}
	arena_free(h.run.mem.arena);
	return code;
}
