// SPDX-License-Identifier: Apache-2.0
/* gl_host.c - the process of one GitLab job: reads its message, has it accepted, runs it, tells how
 * it ended.
 *
 * Runs in: job's host, below the agent. Order: the courier is forked before the message is read, so
 * that no process which speaks TLS ever holds a variable of the job; the message is gone from the
 * disk before the job begins; what its end was is on disk before the forge is told, so that it is
 * told once whoever dies. The keeper is a child, and so the host can end it. */
#include "gl_agent.h"
#include "gl_artifacts.h"
#include "gl_front.h"
#include "gl_sender.h"

#include "base/exit_code.h"
#include "drydock/clock.h"
#include "drydock/fd.h"
#include "input/read_file.h"
#include "job/job_start.h"
#include "policy/policy.h"
#include "policy/policy_find.h"

#include <fcntl.h>
#include <jansson.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BETWEEN_WISHES_MS = 500, SENDER_END_MS = 5000, RESTARTS_MAX = 20, FILE_MAX = 64 * 1024 };

struct gl_host {
	const struct agent_runner *runner;
	struct ticket *ticket;
	struct gl_instance instance;
	struct plan_arena *arena;
	struct gl_job job;
	char *token; /* the job's, for a courier that must be started anew */
	bool debug, accepted;
	int trace_fd, signals;
	int go_fd;    /* to the job's front end: is it to run? -1: it has been told */
	int spool_fd; /* what the courier downloads; it has no name */
	sigset_t before;
	struct gl_trace *trace;
	struct courier_process sender;
	unsigned restarts;
	struct gl_outcome *outcome; /* shared */
	pid_t keeper;
	unsigned interrupts;
	bool declined, cancelled, aborted, interrupted, told, lost;
	bool uploaded; /* the answer is there, also of a download */
	enum gl_uploaded upload;
	uint64_t download_len;
	char upload_said[GL_SAID_MAX];
	int64_t began_ms, next_interrupt_ms;
	int code; /* exit code */
	struct sender_end end;
};

/* ---- memory of the job's message ---- */

/* jansson's: nothing of a message stays in memory that was freed. */
static void json_wipe(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

/* ---- what the courier is told ---- */

static int begin_sender(struct gl_host *h, struct dd_err *err)
{
	return gl_sender_start(&h->instance, h->trace_fd, h->spool_fd, &h->sender, err);
}

static int start_sending(struct gl_host *h)
{
	const struct sender_job job = { .id = h->job.id,
		                        .accepted = h->accepted,
		                        .debug = h->debug };
	return gl_sender_begin(&h->sender, &job, h->token);
}

/* It died, and the job has not: the file still says all. */
static void restart_sender(struct gl_host *h)
{
	struct dd_err err = { 0 };
	(void)courier_process_end(&h->sender, 0);
	h->sender = (struct courier_process)COURIER_PROCESS_NONE;
	if (++h->restarts > RESTARTS_MAX || begin_sender(h, &err) < 0 || start_sending(h) < 0) {
		h->lost = true;
		(void)fprintf(stderr, "drydock: job %lld cannot be told of to its forge: %s\n",
		              h->job.id, err.code ? err.msg : "its courier died too often");
		return;
	}
	if (*h->end.state)
		(void)gl_sender_end(&h->sender, &h->end);
}

static void hear_sender(struct gl_host *h)
{
	struct frame f = { .bytes = NULL };
	if (frame_recv(h->sender.sock, &f) != 1) {
		if (h->told || h->declined)
			dd_close_p(&h->sender.sock);
		else
			restart_sender(h);
		return;
	}
	switch ((enum sender_frame)f.kind) {
	case SENDER_ACCEPTED:
		h->accepted = true;
		break;
	case SENDER_DECLINED:
		h->declined = true;
		(void)fprintf(stderr, "drydock: job %lld is not ours any more (%.200s)\n",
		              h->job.id, f.bytes ? f.bytes : "");
		break;
	case SENDER_CANCEL:
		h->cancelled = true;
		break;
	case SENDER_ABORT:
		h->aborted = true;
		break;
	case SENDER_UPLOADED:
	case SENDER_DOWNLOADED:
		h->uploaded = true;
		h->download_len = f.b > 0 ? (uint64_t)f.b : 0;
		h->upload = (enum gl_uploaded)f.a;
		(void)snprintf(h->upload_said, sizeof(h->upload_said), "%.390s",
		               f.bytes ? f.bytes : "");
		break;
	case SENDER_DONE:
		h->told = true;
		break;
	case SENDER_LOST:
		h->lost = true;
		(void)fprintf(stderr,
		              "drydock: the forge was not told how job %lld ended (%.200s); it "
		              "stays in %s, and the next start of the agent tells it\n",
		              h->job.id, f.bytes ? f.bytes : "", h->ticket->dir);
		break;
	case SENDER_START:
	case SENDER_UPLOAD:
	case SENDER_DOWNLOAD:
	case SENDER_END:
	default:
		break;
	}
	frame_done(&f);
}

static void take_signals(struct gl_host *h)
{
	struct signalfd_siginfo info;
	while (read(h->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			h->interrupted = true;
}

/* Until something is heard, at most @ms. */
static void listen_once(struct gl_host *h, int ms)
{
	struct pollfd polls[2] = { { .fd = h->signals, .events = POLLIN },
		                   { .fd = h->sender.sock, .events = POLLIN } };
	if (poll(polls, 2, ms) <= 0)
		return;
	if (polls[1].revents)
		hear_sender(h);
	take_signals(h);
}

/* ---- the job ---- */

/* What the forge and the runner's own short name show of a job before anything of it. */
static void say_head(struct gl_host *h)
{
	char token[16];
	gl_short_token(h->runner->reg.token, token);
	gl_trace_say(h->trace, GL_SAY, "Running with %s", gl_agent_name());
	gl_trace_say(h->trace, GL_SAY, "  on %s %s, system ID: %s", h->runner->reg.name, token,
	             h->runner->setup->system_id);
}

static void refuse(struct gl_host *h, enum gl_result result, const char *why)
{
	h->outcome->result = result;
	(void)snprintf(h->outcome->why, sizeof(h->outcome->why), "%.290s", why);
}

/* Complaints about the policy, or about the job, as they are told at a terminal. */
static void tell_diags(struct gl_host *h, const struct diag_list *diags, const struct dd_err *err)
{
	for (size_t i = 0; i < diags->n && i < 20; i++) {
		const struct diag *d = &diags->items[i];
		gl_trace_say(h->trace, GL_SAY_ERROR, "%s:%u:%u: %s%s%s",
		             d->mark.file ? d->mark.file : "", d->mark.line, d->mark.column,
		             d->text, d->hint[0] ? "; " : "", d->hint);
	}
	if (err->code)
		gl_trace_say(h->trace, GL_SAY_ERROR, "%s", err->msg);
}

/* who: becomes the keeper; can do: what the host can; holds: the job's variables, the log. */
static _Noreturn void become_keeper(struct gl_host *h, struct gl_plan *plan, struct gl_vars *vars,
                                    struct gl_front *front, pid_t parent)
{
	const struct job_sink *const sinks[] = { gl_front_sink(front) };
	const struct lease_forge secrets = { vars->secrets, vars->n_secrets };
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_NAME, "drydock");
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigprocmask(SIG_SETMASK, &h->before, NULL);
	if (getppid() != parent)
		_exit(DRYDOCK_EXIT_INTERNAL);
	dd_close(h->sender.sock);
	dd_close(h->signals);
	int code = job_start(&(struct job_request){ .plan = plan->plan,
	                                            .id = h->runner->setup->id,
	                                            .script = gl_front_script(front),
	                                            .sinks = sinks,
	                                            .n_sinks = 1,
	                                            .secrets = &secrets,
	                                            .record_key = h->runner->config.record.key,
	                                            .record_to = h->runner->config.record.to,
	                                            .state_dir = h->runner->setup->state });
	(void)fflush(NULL);
	_exit(code);
}

/* The keeper passes one signal for each wish on to whoever runs the job. Two at one time would be
 * one: the second comes a moment later, for a step that outlives a cancel. */
static void pass_wishes(struct gl_host *h)
{
	bool stop = h->aborted || h->interrupted;
	unsigned want = stop ? 2 : h->cancelled ? 1 : 0;
	h->outcome->stop = stop;
	if (h->interrupts >= want || dd_now_ms() < h->next_interrupt_ms)
		return;
	h->interrupts++;
	h->next_interrupt_ms = dd_now_ms() + BETWEEN_WISHES_MS;
	(void)kill(h->keeper, SIGINT);
}

/* Once, as soon as it is known. */
static void pass_word(struct gl_host *h)
{
	bool wanted = h->accepted && !h->cancelled && !h->aborted && !h->interrupted;
	if (h->go_fd < 0 || !(h->accepted || h->declined || h->lost))
		return;
	if (write(h->go_fd, wanted ? "y" : "n", 1) != 1)
		(void)kill(h->keeper, SIGINT); /* it hears the end of the pipe */
	dd_close_p(&h->go_fd);
}

static int wait_keeper(struct gl_host *h)
{
	int status = 0;
	for (;;) {
		pid_t got = waitpid(h->keeper, &status, WNOHANG);
		if (got == h->keeper)
			break;
		if (got < 0)
			return DRYDOCK_EXIT_INTERNAL;
		pass_word(h);
		pass_wishes(h);
		listen_once(h, BETWEEN_WISHES_MS);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : DRYDOCK_EXIT_INTERNAL;
}

/* ---- artifacts ---- */

/* The courier sends it; one that died meanwhile is started anew, and asked again. */
static void upload(struct gl_host *h, const struct gl_artifact *a, const struct gl_upload *what)
{
	unsigned restarts;
	h->upload = GL_UPLOAD_FAILED;
	(void)snprintf(h->upload_said, sizeof(h->upload_said), "nobody sent it");
	do {
		restarts = h->restarts;
		h->uploaded = false;
		if (gl_sender_upload(&h->sender, what) < 0)
			restart_sender(h);
		while (!h->uploaded && !h->lost && !h->aborted && h->restarts == restarts)
			listen_once(h, 60000);
	} while (!h->uploaded && !h->lost && !h->aborted);
	const char *type = *a->type ? a->type : "archive";
	bool done = h->upload == GL_UPLOAD_DONE;
	gl_trace_say(h->trace, done ? GL_SAY : GL_SAY_ERROR,
	             "Uploading artifacts as \"%s\" to coordinator... %s (%s)", type,
	             h->upload_said, what->name);
	if (!done && h->outcome->result == GL_SUCCESS)
		refuse(h, GL_SCRIPT_FAILED, "the artifacts could not be uploaded");
}

static void upload_all(struct gl_host *h, const struct gl_plan *plan)
{
	bool succeeded = h->outcome->result == GL_SUCCESS;
	const struct env_layer *forges = &plan->layers[2];
	for (unsigned i = 0; i < h->job.n_artifacts; i++) {
		const struct gl_artifact *a = &h->job.artifacts[i];
		struct gl_upload what = { .type = "" };
		(void)snprintf(what.path, sizeof(what.path), "%.640s/artifact-%u", h->ticket->dir,
		               i);
		if (access(what.path, F_OK) < 0)
			continue;
		(void)snprintf(what.type, sizeof(what.type), "%s", a->type);
		(void)snprintf(what.format, sizeof(what.format), "%s", a->format);
		(void)snprintf(what.expire_in, sizeof(what.expire_in), "%s", a->expire_in);
		(void)snprintf(what.name, sizeof(what.name), "%s",
		               gl_artifact_name(h->arena, a, forges->vars, forges->n));
		if (!h->aborted && !h->interrupted)
			upload(h, a, &what);
		(void)unlink(what.path);
	}
	if (h->outcome->uploads)
		gl_trace_section(h->trace, false, gl_upload_section(succeeded), NULL);
}

/* ---- artifacts of other jobs ---- */

/* One after the other onto the spool, before anything of the job runs. What is asked of the courier
 * again after it died lies behind what it left. */
static bool download(struct gl_host *h, const struct gl_dependency *d, uint64_t most,
                     struct gl_region *ret)
{
	unsigned restarts;
	h->upload = GL_UPLOAD_FAILED;
	(void)snprintf(h->upload_said, sizeof(h->upload_said), "nobody fetched it");
	do {
		struct stat st;
		restarts = h->restarts;
		h->uploaded = false;
		if (fstat(h->spool_fd, &st) < 0)
			return false;
		ret->at = (uint64_t)st.st_size;
		if (gl_sender_download(&h->sender, d->id, most) < 0)
			restart_sender(h);
		while (!h->uploaded && !h->lost && !h->aborted && !h->interrupted &&
		       h->restarts == restarts)
			listen_once(h, 60000);
	} while (!h->uploaded && !h->lost && !h->aborted && !h->interrupted);
	ret->len = h->download_len;
	return h->uploaded && h->upload == GL_UPLOAD_DONE;
}

static bool wait_accepted(struct gl_host *h);
static bool download_all(struct gl_host *h, const struct plan *plan, struct gl_fetched *ret)
{
	struct gl_region *regions = arena_array(h->arena, h->job.n_dependencies + 1,
	                                        sizeof(*regions));
	uint64_t left = 0;
	for (size_t i = 0; i < plan->n_grants; i++)
		if (plan->grants[i].terms->store.artifact_bytes > left)
			left = plan->grants[i].terms->store.artifact_bytes;
	*ret = (struct gl_fetched){ .fd = -1, .regions = regions };
	for (size_t i = 0; i < h->job.n_dependencies; i++) {
		const struct gl_dependency *d = &h->job.dependencies[i];
		if (!download(h, d, left, &regions[i])) {
			gl_trace_section(h->trace, true, "download_artifacts", NULL);
			gl_trace_say(h->trace, GL_SAY_TITLE, "Downloading artifacts");
			gl_trace_say(h->trace, GL_SAY_ERROR,
			             "Downloading artifacts for %s (%lld)... %s", d->name, d->id,
			             h->upload_said);
			gl_trace_section(h->trace, false, "download_artifacts", NULL);
			refuse(h, h->aborted || h->interrupted ? GL_CANCELLED : GL_SCRIPT_FAILED,
			       "the artifacts of another job cannot be had");
			return false;
		}
		left -= regions[i].len < left ? regions[i].len : left;
		ret->n++;
	}
	char path[40];
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", h->spool_fd);
	ret->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (ret->fd < 0)
		refuse(h, GL_BROKEN, "what was downloaded cannot be read");
	return ret->fd >= 0;
}

/* A file that only we and the courier know, and the step that unpacks may read. */
static int open_spool(struct gl_host *h, struct dd_err *err)
{
	h->spool_fd = open(h->ticket->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (h->spool_fd >= 0)
		return 0;
	/* a file system without O_TMPFILE */
	char path[700];
	(void)snprintf(path, sizeof(path), "%s/spool", h->ticket->dir);
	h->spool_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (h->spool_fd < 0)
		return dd_err_set(err, errno, "make a file for downloads");
	(void)unlink(path);
	return 0;
}

static void run_fetched(struct gl_host *h, struct gl_plan *plan, struct gl_vars *vars,
                        struct gl_keep *keep, const struct gl_fetched *fetched)
{
	struct gl_front *front = NULL;
	struct dd_err err = { 0 };
	int go[2];
	if (pipe2(go, O_CLOEXEC) < 0) {
		refuse(h, GL_BROKEN, "no pipe can be made for the job");
		return;
	}
	const struct gl_front_spec spec = {
		.go_fd = go[0],
		.counts = h->ticket->counts,
		.job = &h->job,
		.vars = vars,
		.plan = plan,
		.keep = keep,
		.fetched = *fetched,
		.trace = h->trace,
		.outcome = h->outcome,
		.ticket = h->ticket->dir,
		.deadline_ms = h->began_ms + 1000LL * h->job.timeout_sec,
	};
	if (gl_front_new(&spec, &front, &err) < 0) {
		refuse(h, GL_BROKEN, err.msg);
		dd_close(go[0]);
		dd_close(go[1]);
		return;
	}
	for (size_t i = 0; i < plan->n_notes; i++)
		gl_trace_say(h->trace, GL_SAY_WARNING, "drydock: %s", plan->notes[i]);
	if (vars->n_secrets > 1) /* one is the job's token, by a name of our own */
		gl_trace_say(
			h->trace, GL_SAY,
			"drydock: secrets among the variables: %zu; each reaches a step only by "
			"a credential of the policy (from: { forge: NAME })",
			vars->n_secrets - 1);
	pid_t parent = getpid();
	(void)fflush(NULL);
	h->keeper = fork();
	if (h->keeper == 0) {
		dd_close(go[1]);
		become_keeper(h, plan, vars, front, parent);
	}
	dd_close(go[0]);
	h->go_fd = go[1];
	gl_vars_wipe(vars, h->keeper < 0);
	if (h->keeper < 0) {
		dd_close_p(&h->go_fd);
		refuse(h, GL_BROKEN, "no process can be started for the job");
		return;
	}
	int code = wait_keeper(h);
	dd_close_p(&h->go_fd);
	if (code == DRYDOCK_EXIT_REFUSED && h->outcome->result != GL_REFUSED) {
		h->outcome->result = GL_RESULT_NONE;
		refuse(h, GL_REFUSED, "refused by the policy");
	} else if (code == DRYDOCK_EXIT_HOST || code == DRYDOCK_EXIT_INTERNAL) {
		if (h->outcome->result != GL_BROKEN)
			refuse(h, GL_BROKEN,
			       "the sandbox could not be built, or a part of it died");
	} else if (code == DRYDOCK_EXIT_CANCELLED || h->outcome->result == GL_RESULT_NONE) {
		refuse(h, GL_CANCELLED, "canceled");
	}
	upload_all(h, plan);
}

static void run_plan(struct gl_host *h, struct gl_plan *plan, struct gl_vars *vars,
                     struct gl_keep *keep)
{
	struct gl_fetched fetched = { .fd = -1 };
	if (h->job.n_dependencies && !wait_accepted(h))
		return;
	if (h->job.n_dependencies && (h->cancelled || h->aborted)) {
		refuse(h, GL_CANCELLED, "canceled");
		return;
	}
	if (h->job.n_dependencies && !download_all(h, plan->plan, &fetched))
		return;
	run_fetched(h, plan, vars, keep, &fetched);
	dd_close(fetched.fd);
}

/* Everything between the message and the first step. Pure, but for reading the policy. */
static void run_job(struct gl_host *h)
{
	struct gl_vars vars = { .plain = NULL };
	struct gl_sources sources = { .strategy = GL_SOURCES_NONE };
	struct gl_keep keep = { .caches = NULL };
	char *authorities = NULL;
	size_t authorities_len = 0;
	struct gl_plan plan = { .plan = NULL };
	struct policy *policy = NULL;
	struct diag_list diags = { 0 }, notes = { 0 };
	struct dd_err err = { 0 };
	struct event_facts event;
	char token[16];
	const char *dir = h->runner->setup->policy_dir;
	const char *why = gl_unsupported(&h->job, h->runner->config.images,
	                                 h->runner->config.projects, h->arena);
	if (why) {
		gl_trace_say(h->trace, GL_SAY_ERROR, "%s", why);
		refuse(h, GL_UNSUPPORTED, why);
		return;
	}
	gl_short_token(h->runner->reg.token, token);
	gl_job_event(&h->job, &event);
	if (h->runner->authorities)
		(void)read_file_bounded(h->runner->authorities, 8 * READ_FILE_TEXT_MAX,
		                        &authorities, &authorities_len, NULL);
	if (gl_sources_make(&h->job, h->runner->reg.url, authorities, authorities_len, h->arena,
	                    &sources, &err) < 0) {
		gl_trace_say(h->trace, GL_SAY_ERROR, "%s", err.msg);
		refuse(h, GL_REFUSED, err.msg);
		h->code = DRYDOCK_EXIT_JOB_FAILED;
		free(authorities);
		return;
	}
	for (size_t i = 0; i < sources.n_notes; i++)
		gl_trace_say(h->trace, GL_SAY_WARNING, "drydock: %s", sources.notes[i]);
	int r = policy_find(dir ? dir : POLICY_DIR, &event, &policy, &diags, &err);
	if (r == 0)
		r = policy_check_host(policy, &diags, &notes, &err);
	if (r == 0)
		r = gl_vars_make(&h->job, &(struct gl_runner_facts){ .short_token = token },
		                 h->arena, &vars, &err);
	bool wrong = r == 0;
	if (r == 0)
		r = gl_keep_make(&h->job, h->runner->reg.url, vars.plain, vars.n_plain, h->arena,
		                 &keep, &err);
	wrong = wrong && r < 0; /* what the job says of its caches is no job for any runner */
	for (size_t i = 0; i < keep.n_notes; i++)
		gl_trace_say(h->trace, GL_SAY_WARNING, "drydock: %s", keep.notes[i]);
	if (r == 0)
		r = gl_plan_make(&h->job, &vars, &sources, &keep, &event, policy, h->arena, &plan,
		                 &diags, &err);
	if (wrong) {
		gl_trace_say(h->trace, GL_SAY_ERROR, "%s", err.msg);
		refuse(h, GL_REFUSED, err.msg);
		h->code = DRYDOCK_EXIT_JOB_FAILED;
	} else if (r < 0) {
		tell_diags(h, &diags, &err);
		refuse(h, r == -EACCES ? GL_REFUSED : GL_BROKEN,
		       r == -EACCES ? "refused by the policy"
		                    : "the job or the policy cannot be used");
	} else if (plan.spec.n_steps == 0) {
		h->outcome->result = GL_SUCCESS;
	} else {
		run_plan(h, &plan, &vars, &keep);
	}
	gl_vars_wipe(&vars, true);
	gl_plan_done(&plan);
	policy_free(policy);
	free(authorities);
	diag_list_done(&diags);
	diag_list_done(&notes);
}

/* ---- the end ---- */

static const struct end_row {
	enum gl_result result;
	const char *state, *reason, *otherwise; /* otherwise: where the server does not know it */
	int code;
	bool system;
} end_rows[] = {
	{ GL_SUCCESS, "success", "", "", DRYDOCK_EXIT_OK, false },
	{ GL_SCRIPT_FAILED, "failed", "script_failure", "script_failure", DRYDOCK_EXIT_JOB_FAILED,
	  false },
	{ GL_TIMED_OUT, "failed", "job_execution_timeout", "job_execution_timeout",
	  DRYDOCK_EXIT_JOB_FAILED, false },
	{ GL_CANCELLED, "failed", "job_canceled", "unknown_failure", DRYDOCK_EXIT_CANCELLED,
	  false },
	{ GL_REFUSED, "failed", "runner_configuration_error", "script_failure",
	  DRYDOCK_EXIT_REFUSED, false },
	{ GL_UNSUPPORTED, "failed", "runner_unsupported", "runner_configuration_error",
	  DRYDOCK_EXIT_JOB_FAILED, false },
	{ GL_BROKEN, "failed", "runner_system_failure", "runner_system_failure",
	  DRYDOCK_EXIT_INTERNAL, true },
};

static bool server_knows(const struct gl_host *h, const char *reason)
{
	static const char *const always[] = { "script_failure", "runner_system_failure",
		                              "job_execution_timeout", "unknown_failure" };
	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		if (strcmp(always[i], reason) == 0)
			return true;
	for (size_t i = 0; i < h->job.failure_reasons.n; i++)
		if (strcmp(h->job.failure_reasons.items[i], reason) == 0)
			return true;
	return false;
}

static void choose_end(struct gl_host *h)
{
	const struct end_row *row = &end_rows[ARRAY_LEN(end_rows) - 1];
	for (size_t i = 0; i < ARRAY_LEN(end_rows); i++)
		if (end_rows[i].result == h->outcome->result)
			row = &end_rows[i];
	const char *reason = server_knows(h, row->reason)      ? row->reason
	                     : server_knows(h, row->otherwise) ? row->otherwise
	                                                       : "script_failure";
	if (h->interrupted && row->result == GL_CANCELLED) {
		reason = server_knows(h, "runner_interrupted") ? "runner_interrupted"
		                                               : "unknown_failure";
		(void)snprintf(h->outcome->why, sizeof(h->outcome->why),
		               "the runner was asked to end");
	}
	h->code = h->code ? h->code : row->code;
	(void)snprintf(h->end.state, sizeof(h->end.state), "%s", row->state);
	(void)snprintf(h->end.reason, sizeof(h->end.reason), "%s",
	               row->result == GL_SUCCESS ? "" : reason);
	h->end.exit_code = row->result == GL_SCRIPT_FAILED ? h->outcome->exit_code : 0;
	if (row->result == GL_SUCCESS)
		gl_trace_say(h->trace, GL_SAY_GOOD, "Job succeeded");
	else
		gl_trace_say(h->trace, GL_SAY_ERROR, "Job failed%s: %s",
		             row->system ? " (system failure)" : "", h->outcome->why);
}

/* On disk first: from here on it has ended so, whoever dies. */
static void tell_end(struct gl_host *h)
{
	struct dd_err err = { 0 };
	json_t *o = json_pack("{s:s, s:s, s:i}", "state", h->end.state, "reason", h->end.reason,
	                      "exit_code", h->end.exit_code);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	if (!text || ticket_write(h->ticket, "end", text, strlen(text), &err) < 0)
		(void)fprintf(stderr, "drydock: %s\n", err.msg);
	json_decref(o);
	json_wipe(text);
	if (h->sender.sock >= 0 && gl_sender_end(&h->sender, &h->end) < 0)
		restart_sender(h);
	while (!h->told && !h->lost && !h->declined)
		listen_once(h, 60000);
}

/* ---- a ticket ---- */

static int write_job_file(struct gl_host *h, struct dd_err *err)
{
	json_t *o = json_pack("{s:I, s:s, s:b}", "id", (json_int_t)h->job.id, "token", h->token,
	                      "debug", h->debug);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	int r = text ? ticket_write(h->ticket, "job", text, strlen(text), err)
	             : dd_err_set(err, ENOMEM, "write down the job");
	json_decref(o);
	json_wipe(text);
	return r;
}

static int begin_trace(struct gl_host *h, struct dd_err *err)
{
	const char *stamps = gl_job_last(&h->job, "FF_TIMESTAMPS");
	return gl_trace_new(&(struct gl_trace_spec){ .fd = h->trace_fd,
	                                             .limit = h->runner->config.log_bytes,
	                                             .stamps = !stamps || gl_is_true(stamps),
	                                             .sections = h->job.trace_sections,
	                                             .prefixes = h->job.prefixes.items,
	                                             .n_prefixes = h->job.prefixes.n },
	                    &h->trace, err);
}

/* A message that cannot be used still names a job that somebody waits for. */
static int read_message(struct gl_host *h, struct dd_err *err)
{
	char *text = NULL;
	size_t len = 0;
	struct dd_err why = { 0 };
	int r = ticket_read(h->ticket, "message", GL_JOB_MAX + 1, &text, &len, err);
	if (r < 0)
		return r;
	r = gl_job_parse(h->arena, text, len, &h->job, &why);
	explicit_bzero(text, len);
	free(text);
	if (h->job.id <= 0 || !*h->job.token)
		return dd_err_say(err, EINVAL, "%s", why.msg);
	if (r < 0)
		refuse(h, GL_BROKEN, why.msg);
	h->token = strdup(h->job.token);
	h->debug = gl_is_true(gl_job_last(&h->job, "CI_DEBUG_TRACE")) ||
	           gl_is_true(gl_job_last(&h->job, "CI_DEBUG_SERVICES"));
	r = h->token ? write_job_file(h, err) : dd_err_set(err, ENOMEM, "read the job");
	if (r == 0)
		ticket_drop(h->ticket, "message");
	return r;
}

/* Until the forge has said whether the job is ours. */
static bool wait_accepted(struct gl_host *h)
{
	while (!h->accepted && !h->declined && !h->lost)
		listen_once(h, 60000);
	return h->accepted;
}

/* What can be got ready is while the forge is asked; no step begins before it has answered. */
static void run_ticket(struct gl_host *h, struct dd_err *err)
{
	if (open_spool(h, err) < 0 || begin_sender(h, err) < 0 || read_message(h, err) < 0 ||
	    begin_trace(h, err) < 0)
		return;
	if (h->ticket->counts && h->job.queued_sec >= 0) {
		h->ticket->counts->queued = true;
		h->ticket->counts->queued_sec = h->job.queued_sec;
	}
	if (start_sending(h) < 0)
		restart_sender(h);
	say_head(h);
	if (h->outcome->result != GL_RESULT_NONE)
		gl_trace_say(h->trace, GL_SAY_ERROR, "%s", h->outcome->why);
	else
		run_job(h);
	if (!wait_accepted(h))
		return;
	choose_end(h);
	tell_end(h);
}

/* An earlier host died: what it wrote down says how the job ended, or that nobody knows. */
static int read_rest(struct gl_host *h, struct dd_err *err)
{
	char *text = NULL;
	size_t len = 0;
	int r = ticket_read(h->ticket, "job", FILE_MAX, &text, &len, err);
	if (r < 0)
		return r;
	json_t *o = json_loadb(text, len, 0, NULL);
	const char *token = json_string_value(json_object_get(o, "token"));
	h->job.id = json_integer_value(json_object_get(o, "id"));
	h->debug = json_is_true(json_object_get(o, "debug"));
	h->token = token ? strdup(token) : NULL;
	json_decref(o);
	explicit_bzero(text, len);
	free(text);
	if (h->job.id <= 0 || !h->token)
		return dd_err_say(err, EINVAL, "what is left of the job cannot be read");
	if (ticket_read(h->ticket, "end", FILE_MAX, &text, &len, NULL) < 0)
		return 0;
	o = json_loadb(text, len, 0, NULL);
	const char *state = json_string_value(json_object_get(o, "state"));
	const char *reason = json_string_value(json_object_get(o, "reason"));
	(void)snprintf(h->end.state, sizeof(h->end.state), "%s", state ? state : "");
	(void)snprintf(h->end.reason, sizeof(h->end.reason), "%s", reason ? reason : "");
	h->end.exit_code = (int)json_integer_value(json_object_get(o, "exit_code"));
	json_decref(o);
	free(text);
	return 0;
}

static void finish_ticket(struct gl_host *h, struct dd_err *err)
{
	if (open_spool(h, err) < 0 || begin_sender(h, err) < 0 || read_rest(h, err) < 0 ||
	    begin_trace(h, err) < 0)
		return;
	h->accepted = true;
	if (start_sending(h) < 0)
		restart_sender(h);
	if (!*h->end.state) {
		refuse(h, GL_BROKEN, "the runner was restarted while the job ran");
		choose_end(h);
	}
	tell_end(h);
}

int gl_host(const struct agent_runner *runner, struct ticket *ticket)
{
	struct gl_host h = { .runner = runner,
		             .ticket = ticket,
		             .instance = { .url = runner->reg.url,
		                           .ca = runner->authorities,
		                           .certificate = runner->reg.cert,
		                           .key = runner->reg.key },
		             .arena = arena_new(),
		             .trace_fd = -1,
		             .go_fd = -1,
		             .spool_fd = -1,
		             .signals = -1,
		             .sender = COURIER_PROCESS_NONE,
		             .began_ms = dd_now_ms() };
	struct dd_err err = { 0 };
	char path[700];
	sigset_t set;
	json_set_alloc_funcs(malloc, json_wipe);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGQUIT);
	(void)sigprocmask(SIG_BLOCK, &set, &h.before);
	h.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	void *shared = mmap(NULL, sizeof(*h.outcome), PROT_READ | PROT_WRITE,
	                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (h.signals < 0 || shared == MAP_FAILED || ticket_trace(ticket, &h.trace_fd, &err) < 0) {
		(void)fprintf(stderr, "drydock: job %s: %s\n", ticket->name,
		              err.code ? err.msg : strerror(errno));
		return DRYDOCK_EXIT_INTERNAL;
	}
	h.outcome = shared;
	(void)snprintf(path, sizeof(path), "%s/message", ticket->dir);
	if (access(path, F_OK) == 0)
		run_ticket(&h, &err);
	else {
		gl_pack_sweep(ticket->dir);
		finish_ticket(&h, &err);
	}
	if (err.code)
		(void)fprintf(stderr, "drydock: job %s: %s\n", ticket->name, err.msg);
	(void)courier_process_end(&h.sender, SENDER_END_MS);
	gl_trace_free(h.trace);
	arena_free(h.arena);
	dd_close(h.trace_fd);
	dd_close(h.spool_fd);
	dd_close(h.signals);
	if (h.token) {
		explicit_bzero(h.token, strlen(h.token));
		free(h.token);
	}
	if ((h.told || h.declined) && !h.lost)
		ticket_remove(ticket);
	if (err.code || (!h.told && !h.declined))
		return DRYDOCK_EXIT_INTERNAL;
	return h.told ? h.code
	              : DRYDOCK_EXIT_CANCELLED; /* it was another's, or nobody's, by then */
}
