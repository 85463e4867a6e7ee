// SPDX-License-Identifier: Apache-2.0
/* gl_executor.c - see gl_executor.h.
 *
 * Runs in: command line, below gitlab-runner and with its environment; `prepare` forks what becomes
 * the job's keeper. Of that environment nothing reaches a step: a job's variables come from its
 * message. */
#include "gl_executor.h"

#include "base/digest.h"
#include "base/exit_code.h"
#include "base/version.h"
#include "drydock/clock.h"
#include "drydock/fd.h"
#include "gl_stages.h"
#include "input/read_file.h"
#include "job/job_dirs.h"
#include "job/job_start.h"
#include "policy/policy.h"
#include "policy/policy_find.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGE_MAX = 32 << 20, PATH_BYTES = 700, ANCESTORS_MAX = 8, END_MS = 60000 };

#define RUNNER_PROCESS "gitlab-runner"

struct executor_job {
	struct plan_arena *arena;
	struct gl_job job;
	char name[80];        /* of its directory */
	char dir[PATH_BYTES]; /* STATE/executor/NAME */
};

/* ---- what the runner says ---- */

/* The numbers are the runner's to choose; without them this is no call of a runner. */
static int status_of(const char *name, int fallback)
{
	const char *text = getenv(name);
	int n = text ? atoi(text) : 0;
	return n > 0 && n < 256 ? n : fallback;
}

static int build_failed(void)
{
	return status_of("BUILD_FAILURE_EXIT_CODE", 1);
}

static int system_failed(void)
{
	return status_of("SYSTEM_FAILURE_EXIT_CODE", 2);
}

static int complain(const struct dd_err *err, int status)
{
	(void)fprintf(stderr, "drydock: %s\n", err->msg);
	return status;
}

static int read_job(const struct gl_executor *x, struct executor_job *ret, struct dd_err *err)
{
	const char *path = getenv("JOB_RESPONSE_FILE");
	char digest[DIGEST_HEX];
	char *text = NULL;
	size_t len = 0;
	*ret = (struct executor_job){ .arena = arena_new() };
	if (!path || !*path)
		return dd_err_blame(err, DD_BLAME_CALLER,
		                    dd_err_say(err, EINVAL,
		                               "JOB_RESPONSE_FILE is not set: this is a call of "
		                               "GitLab's own runner (17.0 or newer), as its "
		                               "custom executor"));
	int r = read_file_bounded(path, MESSAGE_MAX, &text, &len, err);
	if (r < 0)
		return r;
	r = gl_job_parse(ret->arena, text, len, &ret->job, err);
	explicit_bzero(text, len);
	free(text);
	if (r < 0)
		return r;
	/* older runners drop what they do not know of the message; the server's own variable comes
	 * before any of the job file's */
	if (!*ret->job.project) {
		const char *project = gl_job_first(&ret->job, "CI_PROJECT_PATH");
		ret->job.project = project ? project : "";
	}
	struct digest *sha = NULL;
	r = digest_new(&sha, err);
	if (r == 0)
		r = digest_bytes(sha, ret->job.token, strlen(ret->job.token), digest, err);
	digest_free(sha);
	if (r < 0)
		return r;
	(void)snprintf(ret->name, sizeof(ret->name), "%lld-%.16s", ret->job.id, digest);
	(void)snprintf(ret->dir, sizeof(ret->dir), "%.500s/executor/%s", x->state, ret->name);
	return 0;
}

/* ---- directories of jobs ---- */

/* The lock of a job's directory, or -1: somebody has it. */
static int take_lock(const char *dir)
{
	char path[PATH_BYTES + 8];
	(void)snprintf(path, sizeof(path), "%s/lock", dir);
	dd_auto_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 ? dd_take_fd(&fd) : -1;
}

static void remove_dir(const char *dir)
{
	static const char *const files[] = { "socket", "log", "lock" };
	char path[PATH_BYTES + 16];
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(dir);
}

/* What jobs left whose processes are dead. Trees, cgroups and leases of theirs are known to the
 * start of any job, which removes them. */
static void reap(const struct gl_executor *x)
{
	char all[PATH_BYTES], dir[PATH_BYTES + 300];
	struct dd_err ignored = { 0 };
	(void)snprintf(all, sizeof(all), "%.500s/executor", x->state);
	DIR *d = opendir(all);
	for (struct dirent *e; d && (e = readdir(d));) {
		(void)snprintf(dir, sizeof(dir), "%s/%s", all, e->d_name);
		dd_auto_fd int lock = e->d_name[0] == '.' ? -1 : take_lock(dir);
		if (lock >= 0)
			remove_dir(dir);
	}
	if (d)
		(void)closedir(d);
	(void)job_dirs_reap(x->state, x->id, NULL, &ignored);
}

static int make_dir(const struct gl_executor *x, const struct executor_job *j, int *ret_lock,
                    struct dd_err *err)
{
	char all[PATH_BYTES];
	(void)snprintf(all, sizeof(all), "%.500s/executor", x->state);
	if ((mkdir(x->state, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(all, 0700) < 0 && errno != EEXIST))
		return dd_err_set(err, errno, "make directory %s", all);
	if (mkdir(j->dir, 0700) < 0 && errno != EEXIST)
		return dd_err_set(err, errno, "make directory %s", j->dir);
	*ret_lock = take_lock(j->dir);
	return *ret_lock < 0 ? dd_err_say(err, EBUSY, "job %lld is prepared already, and lives",
	                                  j->job.id)
	                     : 0;
}

/* A path of any length, by the directory's descriptor. */
static int socket_at(const char *dir, bool listens, struct dd_err *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	dd_auto_fd int there = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	dd_auto_fd int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (there < 0 || sock < 0)
		return dd_err_set(err, errno, "open %s", dir);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/socket", there);
	if (listens)
		(void)unlink(at.sun_path);
	/* it is the keeper that listens: whom a peer takes for the other end is who called that */
	if (listens ? bind(sock, (const struct sockaddr *)&at, sizeof(at)) < 0
	            : connect(sock, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return dd_err_set(err, errno, "%s/socket", dir);
	return dd_take_fd(&sock);
}

/* ---- config ---- */

int gl_executor_config(const struct gl_executor *x)
{
	reap(x);
	json_t *o = json_pack("{s:{s:s, s:s}, s:s, s:s, s:b, s:s}", "driver", "name", "drydock",
	                      "version", drydock_version(), "builds_dir", "/work", "cache_dir",
	                      "/work", "builds_dir_is_shared", false, "shell", "bash");
	int r = o ? json_dumpf(o, stdout, JSON_COMPACT) : -1;
	json_decref(o);
	(void)fputc('\n', stdout);
	return r == 0 && fflush(stdout) == 0 ? 0 : system_failed();
}

/* ---- prepare ---- */

/* The runner's own process, so that a job does not outlive one that was killed: the nearest
 * ancestor of that name. -1: it has another one, and only the job's time ends what it leaves. */
static int find_runner(void)
{
	pid_t pid = getppid();
	for (int i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
		char path[64], line[512], name[32] = "";
		int parent = 0;
		(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
		FILE *f = fopen(path, "re");
		bool got = f && fgets(line, sizeof(line), f) &&
		           sscanf(line, "%*d (%31[^)]) %*c %d", name, &parent) == 2;
		if (f)
			(void)fclose(f);
		if (!got)
			return -1;
		if (strcmp(name, RUNNER_PROCESS) == 0)
			return pidfd_open(pid, 0);
		pid = parent;
	}
	return -1;
}

/* All that the keeper takes along. */
struct preparing {
	const struct gl_executor *x;
	struct executor_job *j;
	struct gl_vars vars;
	struct gl_sources sources;
	struct gl_keep keep;
	struct gl_plan plan;
	struct policy *policy;
	struct gl_trace *trace;
	struct gl_outcome *outcome; /* shared */
	struct gl_front *front;
	struct gl_front_spec front_spec;
	struct gl_stages *stages;
	int lock, listener, runner, log_fd, trace_fd, ready[2], go[2];
};

static const char *unsupported(const struct preparing *p)
{
	const struct gl_job *job = &p->j->job;
	if (job->n_dependencies)
		return "artifacts of other jobs are not downloaded below the custom executor: say "
		       "`dependencies: []`, or run the job with `drydock agent`";
	if (job->n_artifacts)
		return "artifacts are not uploaded below the custom executor: a step would have to "
		       "run gitlab-runner with the job's token; `drydock agent` uploads them";
	return gl_unsupported(job, p->x->images, NULL, p->j->arena);
}

static int make_plan(struct preparing *p, struct diag_list *diags, struct dd_err *err)
{
	struct gl_job *job = &p->j->job;
	struct diag_list notes = { 0 };
	struct event_facts event;
	const char *url = gl_job_first(job, "CI_SERVER_URL"),
		   *ca = getenv("CUSTOM_ENV_CI_SERVER_TLS_CA_FILE"),
		   *token = getenv("CUSTOM_ENV_CI_RUNNER_SHORT_TOKEN"),
		   *dir = p->x->policy_dir ? p->x->policy_dir : POLICY_DIR, *why = unsupported(p);
	if (why)
		return dd_err_blame(err, DD_BLAME_POLICY, dd_err_say(err, ENOTSUP, "%s", why));
	gl_job_event(job, &event);
	int r = gl_sources_make(job, url ? url : "", ca, ca ? strlen(ca) : 0, p->j->arena,
	                        &p->sources, err);
	if (r == 0)
		r = policy_find(dir, &event, &p->policy, diags, err);
	if (r == 0)
		r = policy_check_host(p->policy, diags, &notes, err);
	if (r == 0)
		r = gl_vars_make(job,
		                 &(struct gl_runner_facts){ .short_token = token ? token : "" },
		                 p->j->arena, &p->vars, err);
	if (r == 0)
		r = gl_keep_make(job, url ? url : "", p->vars.plain, p->vars.n_plain, p->j->arena,
		                 &p->keep, err);
	if (r == 0)
		r = gl_plan_make(job, &p->vars, &p->sources, &p->keep, &event, p->policy,
		                 p->j->arena, &p->plan, diags, err);
	diag_list_done(&notes);
	if (r == 0 && p->plan.spec.n_steps == 0)
		r = dd_err_say(err, EINVAL, "the job has no script");
	return r;
}

static int make_world(struct preparing *p, struct dd_err *err)
{
	char path[PATH_BYTES + 8];
	void *shared = mmap(NULL, sizeof(*p->outcome), PROT_READ | PROT_WRITE,
	                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)snprintf(path, sizeof(path), "%s/log", p->j->dir);
	p->log_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
	                 0600);
	p->trace_fd = p->log_fd < 0 ? -1 : fcntl(p->log_fd, F_DUPFD_CLOEXEC, 10);
	/* the runner has accepted the job, so the front's question is answered beforehand */
	if (shared == MAP_FAILED || p->trace_fd < 0 || pipe2(p->ready, O_CLOEXEC) < 0 ||
	    pipe2(p->go, O_CLOEXEC) < 0 || write(p->go[1], "y", 1) != 1)
		return dd_err_set(err, errno, "prepare the job");
	p->outcome = shared;
	p->listener = socket_at(p->j->dir, true, err);
	if (p->listener < 0)
		return p->listener;
	p->runner = find_runner();
	int r = gl_trace_new(&(struct gl_trace_spec){ .fd = p->trace_fd,
	                                              .limit = UINT64_MAX / 2,
	                                              .prefixes = p->j->job.prefixes.items,
	                                              .n_prefixes = p->j->job.prefixes.n },
	                     &p->trace, err);
	p->front_spec = (struct gl_front_spec){ .job = &p->j->job,
		                                .vars = &p->vars,
		                                .plan = &p->plan,
		                                .keep = &p->keep,
		                                .fetched = { .fd = -1 },
		                                .go_fd = p->go[0],
		                                .trace = p->trace,
		                                .outcome = p->outcome,
		                                .ticket = p->j->dir,
		                                .deadline_ms = dd_now_ms() +
		                                               1000LL * p->j->job.timeout_sec };
	if (r == 0)
		r = gl_front_new(&p->front_spec, &p->front, err);
	if (r == 0)
		r = gl_stages_new(&(struct gl_stages_spec){ .front = &p->front_spec,
		                                            .inner = gl_front_script(p->front),
		                                            .listener = p->listener,
		                                            .runner = p->runner,
		                                            .ready = p->ready[1],
		                                            .trace_fd = p->trace_fd,
		                                            .log_fd = p->log_fd },
		                  &p->stages, err);
	return r;
}

/* who: becomes the keeper, of a session of its own, so that a signal to the runner's group is none
 * to it; can do: what the caller can; holds: the job's variables, its lock and socket. */
static _Noreturn void become_holder(struct preparing *p)
{
	const struct job_sink *const sinks[] = { gl_front_sink(p->front) };
	const struct lease_forge secrets = { p->vars.secrets, p->vars.n_secrets };
	dd_auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	(void)setsid();
	(void)signal(SIGPIPE, SIG_IGN);
	(void)dup2(null, 0);
	(void)dup2(p->log_fd, 1);
	(void)dup2(p->log_fd, 2);
	dd_close(p->ready[0]);
	if (listen(p->listener, 4) < 0)
		_exit(DRYDOCK_EXIT_INTERNAL);
	int code = job_start(&(struct job_request){ .plan = p->plan.plan,
	                                            .id = p->x->id,
	                                            .script = gl_stages_script(p->stages),
	                                            .sinks = sinks,
	                                            .n_sinks = 1,
	                                            .secrets = &secrets,
	                                            .state_dir = p->x->state });
	remove_dir(p->j->dir); /* still under its lock */
	(void)fflush(NULL);
	_exit(code);
}

static void show_log(const struct preparing *p)
{
	char bytes[4096];
	off_t at = 0;
	for (ssize_t n; (n = pread(p->log_fd, bytes, sizeof(bytes), at)) > 0; at += n)
		(void)fwrite(bytes, 1, (size_t)n, stdout);
}

/* True: it waits for stages. */
static bool start_holder(struct preparing *p, struct dd_err *err)
{
	char byte = 0;
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		become_holder(p);
	dd_close_p(&p->ready[1]);
	if (pid < 0) {
		(void)dd_err_set(err, errno, "start a process for the job");
		return false;
	}
	bool waits = read(p->ready[0], &byte, 1) == 1;
	show_log(p);
	if (!waits)
		(void)dd_err_say(err, EIO, "the sandbox could not be built, or a part of it died");
	return waits;
}

static int tell_diags(const struct diag_list *diags, const struct dd_err *err)
{
	for (size_t i = 0; i < diags->n && i < 20; i++) {
		const struct diag *d = &diags->items[i];
		(void)fprintf(stderr, "drydock: %s:%u:%u: %s%s%s\n",
		              d->mark.file ? d->mark.file : "", d->mark.line, d->mark.column,
		              d->text, d->hint[0] ? "; " : "", d->hint);
	}
	if (err->code)
		(void)fprintf(stderr, "drydock: %s\n", err->msg);
	/* what the job or the policy says is so at the next attempt too */
	return build_failed();
}

int gl_executor_prepare(const struct gl_executor *x)
{
	struct executor_job j;
	struct diag_list diags = { 0 };
	struct dd_err err = { 0 };
	struct preparing p = { .x = x,
		               .j = &j,
		               .lock = -1,
		               .listener = -1,
		               .runner = -1,
		               .log_fd = -1,
		               .trace_fd = -1,
		               .ready = { -1, -1 },
		               .go = { -1, -1 } };
	int status = 0;
	if (read_job(x, &j, &err) < 0) {
		status = complain(&err,
		                  err.blame == DD_BLAME_CALLER ? system_failed() : build_failed());
	} else if (make_plan(&p, &diags, &err) < 0) {
		status = tell_diags(&diags, &err);
	} else {
		for (size_t i = 0; i < p.sources.n_notes; i++)
			printf("drydock: %s\n", p.sources.notes[i]);
		for (size_t i = 0; i < p.keep.n_notes; i++)
			printf("drydock: %s\n", p.keep.notes[i]);
		for (size_t i = 0; i < p.plan.n_notes; i++)
			printf("drydock: %s\n", p.plan.notes[i]);
		if (make_dir(x, &j, &p.lock, &err) < 0 || make_world(&p, &err) < 0 ||
		    !start_holder(&p, &err))
			status = complain(&err, system_failed());
	}
	gl_vars_wipe(&p.vars, false); /* what is masked is the job's */
	diag_list_done(&diags);
	(void)fflush(NULL);
	return status;
}

/* ---- run ---- */

static volatile sig_atomic_t told_to_end;

static void note_signal(int number)
{
	(void)number;
	told_to_end = 1;
}

static pid_t holder_of(int sock)
{
	struct ucred who;
	socklen_t len = sizeof(who);
	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 ? who.pid : -1;
}

/* Everything that is in the pipe now; false: nobody can write to it any more. */
static bool pass_on(int log_fd)
{
	char bytes[8192];
	ssize_t n = read(log_fd, bytes, sizeof(bytes));
	if (n > 0) {
		(void)fwrite(bytes, 1, (size_t)n, stdout);
		(void)fflush(stdout);
	}
	return n != 0;
}

/* 1: @ret came. */
static int follow(int sock, int log_fd, struct gl_stage_answer *ret)
{
	bool open_log = true, passed = false;
	for (;;) {
		struct pollfd polls[2] = { { .fd = open_log ? log_fd : -1, .events = POLLIN },
			                   { .fd = sock, .events = POLLIN } };
		if (poll(polls, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (told_to_end && !passed) { /* the runner cancels: one signal is a wish */
			pid_t holder = holder_of(sock);
			passed = true;
			if (holder > 0)
				(void)kill(holder, SIGINT);
			continue;
		}
		if (polls[0].revents)
			open_log = pass_on(log_fd);
		else if (polls[1].revents) /* only when the pipe is empty: it comes first */
			return dd_recv_msg(sock, ret, sizeof(*ret), NULL, 0);
	}
}

/* For `allow_failure: exit_codes`; a number of an earlier stage must not stay. */
static void write_exit_code(const struct gl_stage_answer *a)
{
	const char *path = getenv("BUILD_EXIT_CODE_FILE");
	if (!path || !*path)
		return;
	(void)unlink(path);
	if (a->result != GL_SCRIPT_FAILED || a->exit_code == 0)
		return;
	FILE *f = fopen(path, "wxe");
	if (f) {
		(void)fprintf(f, "%d\n", a->exit_code);
		(void)fclose(f);
	}
}

/* Stages that are the runner's own, and what is said of them; the others are of the job. */
static const struct own_row {
	const char *stage, *says;
} own_rows[] = {
	{ "prepare_script", "drydock: each command runs in a sandbox of its phase" },
	{ "clear_worktree", NULL }, /* every job has a fresh one */
	{ "cleanup_file_variables", NULL },
};

static int run_stage(const struct executor_job *j, const char *stage, struct dd_err *err)
{
	struct gl_stage_ask ask = { .stage = "" };
	struct gl_stage_answer a = { .result = GL_BROKEN };
	const struct sigaction note = { .sa_handler = note_signal };
	int pipes[2];
	dd_auto_fd int sock = socket_at(j->dir, false, err);
	if (sock < 0) {
		(void)dd_err_say(err, ENOENT,
		                 "job %lld was not prepared in this state directory (%s), or its "
		                 "process is gone",
		                 j->job.id, j->dir);
		return complain(err, system_failed());
	}
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return complain(err, system_failed());
	(void)sigaction(SIGTERM, &note, NULL);
	(void)sigaction(SIGINT, &note, NULL);
	(void)snprintf(ask.stage, sizeof(ask.stage), "%.100s", stage);
	int r = dd_send_msg(sock, &ask, sizeof(ask), &pipes[1], 1);
	dd_close(pipes[1]);
	if (r == 0)
		r = follow(sock, pipes[0], &a);
	dd_close(pipes[0]);
	if (r != 1) {
		(void)dd_err_say(err, EIO, "the process that holds job %lld is gone", j->job.id);
		return complain(err, system_failed());
	}
	write_exit_code(&a);
	if (a.result == GL_SUCCESS)
		return 0;
	if (a.result == GL_RESULT_NONE && gl_stage_may_be_empty(stage))
		return 0;
	if (a.result == GL_RESULT_NONE)
		(void)snprintf(a.why, sizeof(a.why), "nothing of this job is stage %.80s", stage);
	(void)fprintf(stderr, "drydock: %s\n", a.why);
	return a.result == GL_BROKEN ? system_failed() : build_failed();
}

int gl_executor_run(const struct gl_executor *x, const char *stage)
{
	struct executor_job j;
	struct dd_err err = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(own_rows); i++) {
		if (strcmp(own_rows[i].stage, stage) != 0)
			continue;
		if (own_rows[i].says)
			(void)puts(own_rows[i].says);
		return 0;
	}
	if (!gl_stage_is_known(stage)) {
		(void)fprintf(stderr, "drydock: stage %.80s is not run below the custom executor\n",
		              stage);
		return build_failed();
	}
	if (read_job(x, &j, &err) < 0)
		return complain(&err, system_failed());
	return run_stage(&j, stage, &err);
}

/* ---- cleanup ---- */

/* One signal is a wish, two are an order, and after that it is the kernel's. */
static bool end_holder(const char *dir, int sock)
{
	static const int signals[] = { SIGINT, SIGINT, SIGTERM, SIGKILL };
	const struct timespec tick = { .tv_nsec = 20L * 1000 * 1000 };
	pid_t holder = holder_of(sock);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		int64_t until = dd_now_ms() + (i == 0 ? 300 : END_MS / 3);
		if (holder > 0)
			(void)kill(holder, signals[i]);
		while (dd_now_ms() < until) {
			dd_auto_fd int lock = access(dir, F_OK) == 0 ? take_lock(dir) : -1;
			if (lock >= 0 || access(dir, F_OK) < 0)
				return true;
			(void)nanosleep(&tick, NULL);
		}
	}
	return false;
}

int gl_executor_cleanup(const struct gl_executor *x)
{
	struct executor_job j;
	struct dd_err err = { 0 };
	if (read_job(x, &j, &err) < 0)
		return complain(&err, system_failed());
	if (access(j.dir, F_OK) < 0)
		return 0; /* it was never prepared, or is cleaned up */
	dd_auto_fd int sock = socket_at(j.dir, false, NULL);
	bool ended = sock < 0 || end_holder(j.dir, sock);
	dd_auto_fd int lock = ended && access(j.dir, F_OK) == 0 ? take_lock(j.dir) : -1;
	if (lock >= 0)
		remove_dir(j.dir);
	reap(x);
	if (!ended)
		(void)fprintf(stderr, "drydock: job %lld does not end; its process holds %s\n",
		              j.job.id, j.dir);
	return ended ? 0 : system_failed();
}
