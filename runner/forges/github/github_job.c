// SPDX-License-Identifier: Apache-2.0
/* github_job.c - see github_job.h.
 *
 * Runs in: job host; the keeper below the line where it is forked. Order: the message is read and
 * its secrets are taken out of it; the courier is started with the little that it needs, and renews
 * the lease; meanwhile policy and plan are made and the keeper begins; the first step waits for the
 * lease. */
#include "github_job.h"

#include "base/exit_code.h"
#include "base/text_escape.h"
#include "drydock/egress.h"
#include "drydock/clock.h"
#include "drydock/fd.h"
#include "forges/actions/wf_spec.h"
#include "forges/engine/actions_find.h"
#include "forges/engine/job_engine.h"
#include "forges/engine/job_result.h"
#include "github_courier.h"
#include "github_feed.h"
#include "github_fetch.h"
#include "input/read_file.h"
#include "job/job_dirs.h"
#include "job/job_start.h"
#include "job_message.h"
#include "job_spool.h"
#include "spool_left.h"
#include "policy/policy_find.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	COURIERS_MAX = 4,
	COURIER_END_MS = 10 * 60 * 1000,
	FORCE_EARLIER_SEC = 15,
	ORPHAN_MS = 10 * 1000,
};

struct job_host {
	const struct github_job_args *args;
	struct job_message message;
	struct diag_list diags;
	struct dd_err err;
	/* the spool */
	int jobs_fd, dir_fd, state_fd;
	char name[80]; /* of its directory */
	struct job_spool *spool;
	struct spool_masks *masks;
	/* the courier */
	char *address; /* the message with nothing but what a courier needs */
	struct courier_process courier, feed;
	unsigned couriers;
	bool go, lost, complete, left;
	/* what runs */
	struct policy *policy;
	struct job_spec *spec;
	struct plan *plan;
	struct actions_world world;
	struct actions_sources sources;
	struct actions_finding actions;
	int mirror_fd; /* of actions that the server gave */
	char mirror[700];
	char *authorities; /* heap */
	struct job_engine *engine;
	struct job_script script; /* the engine's, whose first step waits for the lease */
	int lease_fd[2];          /* what it waits at; who renews */
	bool leased;              /* in the supervisor */
	int result_fd, signal_fd;
	pid_t keeper;
	bool cancelled, agent_gone;
	int64_t force_ms; /* 0: nobody asked */
};

static void told(const char *text)
{
	char shown[TEXT_ESCAPE_MAX * 1000 + 1];
	size_t len = strlen(text);
	(void)text_escape(shown, text, len < 1000 ? len : 1000);
	(void)fprintf(stderr, "drydock: %s\n", shown);
}

/* ---- the spool ---- */

static int open_below(int at, const char *name, int *ret, struct dd_err *err)
{
	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return dd_err_set(err, errno, "make %s", name);
	*ret = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return *ret < 0 ? dd_err_set(err, errno, "open %s", name) : 0;
}

static void tell_mask(void *arg, const char *pattern, const char *why)
{
	job_spool_say(arg, "##[warning]drydock: ",
	              "a mask of %zu characters is no regular expression here (%s): its text alone "
	              "is masked",
	              strlen(pattern), why);
}

static int make_spool(struct job_host *h, struct dd_err *err)
{
	char where[600];
	int r;

	(void)snprintf(where, sizeof(where), "%s/github", h->args->state);
	(void)snprintf(h->name, sizeof(h->name), "%.64s", h->message.job_id);
	if ((r = open_below(AT_FDCWD, where, &h->jobs_fd, err)) < 0 ||
	    (r = job_dirs_remove(h->jobs_fd, h->name, err)) < 0 ||
	    (r = open_below(h->jobs_fd, h->name, &h->dir_fd, err)) < 0)
		return r;
	spool_hold(h->dir_fd);
	h->state_fd = openat(h->dir_fd, "state", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (h->state_fd < 0)
		return dd_err_set(err, errno, "make the spool of a job");
	r = job_spool_new(h->dir_fd, h->message.workflow.records, h->message.workflow.n_steps,
	                  &h->spool, err);
	if (r == 0)
		h->spool->masks = h->masks = spool_masks_new(h->message.mask, tell_mask, h->spool);
	return r;
}

/* ---- the courier ---- */

/* A message that holds no step, no context, no secret but the token of the job. */
static char *address_of(const struct job_message *m)
{
	json_t *all = json_pack("{s:{s:s}, s:s, s:s, s:{s:[{s:s, s:s, s:{s:{s:s}}}]}, "
	                        "s:{s:{s:s}, s:{s:s}}}",
	                        "plan", "planId", m->plan_id, "jobId", m->job_id, "billingOwnerId",
	                        m->billing_owner, "resources", "endpoints", "name",
	                        "SystemVssConnection", "url", m->run_service, "authorization",
	                        "parameters", "AccessToken", m->token, "variables",
	                        "system.github.results_endpoint", "value", m->results,
	                        "actions_send_job_level_annotations", "value",
	                        m->wants_annotations ? "true" : "false");
	char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;
	json_decref(all);
	return text;
}

static int start_courier(struct job_host *h, struct dd_err *err)
{
	static struct github_courier_work work;
	work = (struct github_courier_work){ .message = h->address,
		                             .len = strlen(h->address),
		                             .ca = h->args->ca };
	const struct courier_work what = {
		.run = github_courier_main,
		.arg = &work,
		.lent = { [COURIER_LENT_DIR] = h->dir_fd, [COURIER_LENT_STATE] = h->state_fd },
		.n_lent = COURIER_LENT,
		.name = "dd-courier",
	};
	h->couriers++;
	return courier_process_start(&what, &h->courier, err);
}

static void hear_courier(struct job_host *h)
{
	struct frame frame;

	if (frame_recv(h->courier.sock, &frame) <= 0) {
		(void)courier_process_end(&h->courier, 100);
		h->courier = (struct courier_process)COURIER_PROCESS_NONE;
		if (h->complete || h->left || h->lost)
			return;
		if (h->couriers >= COURIERS_MAX || start_courier(h, &h->err) < 0) {
			told("the courier of the job cannot be kept alive: the server is not told "
			     "what becomes of it");
			h->left = true;
		}
		return;
	}
	h->go |= frame.kind == COURIER_GO;
	h->lost |= frame.kind == COURIER_LOST;
	h->complete |= frame.kind == COURIER_COMPLETE;
	h->left |= frame.kind == COURIER_LEFT;
	if (frame.bytes)
		told(frame.bytes);
	frame_done(&frame);
}

/* ---- the live log ---- */

/* Nothing depends on it. */
static void start_feed(struct job_host *h)
{
	static struct github_feed_work work;
	struct dd_err err = { 0 };

	if (!*h->message.feed)
		return;
	work = (struct github_feed_work){ .url = h->message.feed,
		                          .token = h->message.token,
		                          .ca = h->args->ca };
	const struct courier_work what = { .run = github_feed_main,
		                           .arg = &work,
		                           .lent = { [FEED_LENT_DIR] = h->dir_fd },
		                           .n_lent = FEED_LENT,
		                           .name = "dd-feed" };
	if (courier_process_start(&what, &h->feed, &err) < 0)
		told(err.msg);
}

static void hear_feed(struct job_host *h)
{
	struct frame frame;
	if (frame_recv(h->feed.sock, &frame) <= 0) {
		(void)courier_process_end(&h->feed, 100);
		h->feed = (struct courier_process)COURIER_PROCESS_NONE;
		return;
	}
	if (frame.bytes)
		told(frame.bytes);
	frame_done(&frame);
}

/* ---- what becomes of a job that does not run ---- */

/* Each complaint in the log of "Set up job", and the first as an annotation. */
static int refuse(struct job_host *h, int code)
{
	bool annotated = false;
	char line[800];

	for (size_t i = 0; i < h->diags.n; i++) {
		const struct diag *d = &h->diags.items[i];
		(void)snprintf(line, sizeof(line), "%s:%u:%u: %s%s%s%s",
		               d->mark.file ? d->mark.file : "", d->mark.line, d->mark.column,
		               d->text, d->hint[0] ? " (" : "", d->hint, d->hint[0] ? ")" : "");
		job_spool_say(h->spool, "##[error]drydock: ", "%s", line);
		told(line);
		if (!annotated)
			job_spool_annotate(h->spool, "failure", line);
		annotated = true;
	}
	if (h->err.code) {
		job_spool_say(h->spool, "##[error]drydock: ", "%s", h->err.msg);
		told(h->err.msg);
		if (!annotated)
			job_spool_annotate(h->spool, "failure", h->err.msg);
	}
	return code;
}

/* What cannot be done for the job is said before its first step. */
static int refuse_notes(struct job_host *h)
{
	bool by_policy = false;

	for (size_t i = 0; i < h->spec->n_notes; i++) {
		const struct spec_note *note = &h->spec->notes[i];
		by_policy |= note->kind == SPEC_NOTE_REFUSED;
		diag_add(&h->diags, note->mark, note->hint, "%s", note->text);
	}
	return h->diags.n == 0
	               ? 0
	               : refuse(h, by_policy ? DRYDOCK_EXIT_REFUSED : DRYDOCK_EXIT_JOB_FAILED);
}

/* ---- sources ---- */

/* A checkout of the job's own repository, as far as its text says so. */
static bool is_own_checkout(const struct job_host *h, const struct wf_step *step)
{
	static const char checkout[] = "actions/checkout@";
	const struct template_node *repository = template_get(step->with, "repository");

	if (!step->uses || strncasecmp(step->uses->text, checkout, sizeof(checkout) - 1) != 0 ||
	    (step->with && step->with->kind != TEMPLATE_MAP))
		return false;
	return !repository || (repository->kind == TEMPLATE_STRING &&
	                       strcasecmp(repository->text, h->message.event.repository) == 0);
}

static bool is_sent(const struct job_host *h, const char *name)
{
	for (size_t i = 0; i < h->message.secrets.n; i++)
		if (strcmp(h->message.secrets.secrets[i].name, name) == 0)
			return true;
	return false;
}

/* The server that the job's repository is at, by the forge's own word. NULL: the gate knows no such
 * place, so a checkout has what the policy gives it. */
static const struct spec_forge *find_forge(struct job_host *h)
{
	const struct expr_value *server = expr_object_get(h->message.world.github.object,
	                                                  "server_url", strlen("server_url"));
	const char *url = server && server->kind == EXPR_STRING ? server->text : "";
	struct plan_arena *arena = h->message.arena;
	char host[EGRESS_HOST_MAX + 1];
	struct dd_err err = { 0 };
	bool wildcard = false;

	if (strncasecmp(url, "https://", 8) != 0 || !is_sent(h, "GITHUB_TOKEN"))
		return NULL;
	const char *target = arena_strndup(arena, url + 8, strcspn(url + 8, "/?#"));
	const char *colon = strchr(target, ':');
	long port = colon ? strtol(colon + 1, NULL, 10) : 443;
	const char *name = arena_strndup(arena, target, strcspn(target, ":"));
	if (strchr(target, '@') || *name == '[' || port <= 0 || port > 65535 ||
	    egress_host_parse(name, host, &wildcard, &err) < 0 || wildcard)
		return NULL;
	struct spec_forge *forge = arena_alloc(arena, sizeof(*forge));
	*forge = (struct spec_forge){ .host = arena_strdup(arena, host),
		                      .port = (unsigned short)port,
		                      .target = target,
		                      .user = "x-access-token",
		                      .secret = "GITHUB_TOKEN",
		                      .origin = "the job message" };
	return forge;
}

/* Nothing was copied in, so a checkout is git's work, in a step that reaches that one place. */
static void prepare_checkouts(struct job_host *h)
{
	const struct wf_job *job = h->message.flat.jobs[0].job;
	const struct spec_forge *forge = find_forge(h);

	for (size_t i = 0; i < job->n_steps; i++) {
		struct spec_step *step = (struct spec_step *)(uintptr_t)&h->spec->steps[i];
		if (step->recipe.nothing)
			step->recipe.nothing = NULL;
		if (is_own_checkout(h, &job->steps[i]))
			step->forge = forge;
	}
	if (h->args->ca)
		(void)read_file_bounded(h->args->ca, 8 * READ_FILE_TEXT_MAX, &h->authorities,
		                        &h->sources.ca_len, &h->err);
	h->err.code = 0; /* git says it when it trusts nobody */
	h->sources.ca = h->authorities;
}

/* ---- cancelling ---- */

static void cancel(struct job_host *h, int64_t sec)
{
	if (h->keeper > 0)
		(void)kill(h->keeper, SIGINT);
	if (!h->cancelled && sec > 0)
		h->force_ms = dd_now_ms() +
		              (sec > 2L * FORCE_EARLIER_SEC ? sec - FORCE_EARLIER_SEC : sec) * 1000;
	h->cancelled = true;
}

static void hear_agent(struct job_host *h)
{
	struct frame frame;
	if (frame_recv(h->args->sock, &frame) <= 0) {
		h->agent_gone = true;
		return;
	}
	if (frame.kind == GITHUB_JOB_CANCEL)
		cancel(h, frame.a);
	frame_done(&frame);
}

static void hear_signals(struct job_host *h)
{
	struct signalfd_siginfo info;
	while (read(h->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			cancel(h, 0);
}

/* Waits for a word of anybody, at most @ms; true: @fd (-1: none) can be read. */
static bool listen_with(struct job_host *h, int fd, int ms)
{
	struct pollfd p[] = {
		{ .fd = h->signal_fd, .events = POLLIN },
		{ .fd = h->courier.sock, .events = POLLIN },
		{ .fd = h->agent_gone ? -1 : h->args->sock, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
		{ .fd = h->feed.sock, .events = POLLIN },
	};
	if (poll(p, ARRAY_LEN(p), ms) <= 0)
		return false;
	if (p[0].revents)
		hear_signals(h);
	if (p[1].revents)
		hear_courier(h);
	if (p[2].revents)
		hear_agent(h);
	if (p[4].revents)
		hear_feed(h);
	return p[3].revents != 0;
}

static void listen_once(struct job_host *h, int ms)
{
	(void)listen_with(h, -1, ms);
}

/* ---- actions of other repositories ---- */

static bool wait_for_actions(void *arg, int fd)
{
	struct job_host *h = arg;
	while (!h->cancelled && !h->lost && !h->left)
		if (listen_with(h, fd, -1))
			return true;
	return false;
}

static const char *secret_of(const struct job_host *h, const char *name)
{
	const struct lease_forge *s = &h->message.secrets;
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->secrets[i].name, name) == 0)
			return s->secrets[i].value;
	return "";
}

static int bring_actions(void *arg, struct actions_wanted *list, size_t n, struct dd_err *err)
{
	struct job_host *h = arg;
	const struct job_message *m = &h->message;

	if (h->mirror_fd < 0) {
		int r = open_below(h->dir_fd, "mirror", &h->mirror_fd, err);
		if (r < 0)
			return r;
	}
	return github_fetch(&(struct github_fetch){ .launch = m->launch,
	                                            .token = m->token,
	                                            .plan_id = m->plan_id,
	                                            .job_id = m->job_id,
	                                            .fallback = secret_of(h, "GITHUB_TOKEN"),
	                                            .bearer = m->bearer_for_codeload,
	                                            .dependencies = m->dependencies,
	                                            .ca = h->args->ca,
	                                            .dir_fd = h->mirror_fd,
	                                            .arena = m->arena,
	                                            .wait = wait_for_actions,
	                                            .wait_arg = h },
	                    list, n, err);
}

/* 0, or the exit code of a job that does not run. */
static int find_actions(struct job_host *h)
{
	(void)snprintf(h->mirror, sizeof(h->mirror), "%s/github/%s/mirror", h->args->state,
	               h->name);
	h->actions = (struct actions_finding){ .policy = h->policy,
		                               .arena = h->message.arena,
		                               .state_dir = h->args->state,
		                               .id = h->args->id,
		                               .workspace_fd = -1,
		                               .bring = bring_actions,
		                               .bring_arg = h,
		                               .mirror = h->mirror };
	int r = actions_find_job(&h->actions, h->message.flat.jobs[0].job, h->spec, &h->err);
	actions_find_end(&h->actions);
	if (r < 0 && (h->cancelled || h->lost))
		return DRYDOCK_EXIT_CANCELLED;
	if (r < 0)
		return refuse(h, blame_rows[h->err.blame].exit_code);
	for (size_t i = 0; i < h->actions.n_found; i++) {
		const struct actions_found *f = &h->actions.found[i];
		job_spool_say(h->spool, "drydock: ", "%s is commit %s, files sha256 %s", f->uses,
		              f->commit ? f->commit : "(nobody says which)", f->sha256);
	}
	return refuse_notes(h);
}

/* ---- what runs ---- */

static void make_world(struct job_host *h)
{
	struct job_message *m = &h->message;
	h->world = (struct actions_world){ .mem = &m->mem,
		                           .github = m->world.github,
		                           .inputs = m->world.inputs,
		                           .vars = m->world.vars,
		                           .needs = m->needs,
		                           .matrix = m->matrix,
		                           .strategy = m->strategy,
		                           .secrets_all = true,
		                           .secrets_sent = true,
		                           .forge_lines = true,
		                           .found = h->actions.found,
		                           .n_found = h->actions.n_found,
		                           .runtimes = h->actions.runtimes,
		                           .n_runtimes = h->actions.n_runtimes,
		                           .sources = &h->sources };
}

static int make_engine(struct job_host *h)
{
	const struct wf_flat_job *job = &h->message.flat.jobs[0];
	const struct actions_job what = {
		.job = job->job,
		.file_env = job->file_env,
		.file_defaults = job->file_defaults,
		.id = job->job->id->text,
		.name = h->message.name,
		.result_fd = h->result_fd,
	};
	make_world(h);
	return job_engine_new(&what, &h->world, h->plan, &h->engine, &h->err);
}

/* 0, or the exit code of a job that does not run. */
static int prepare(struct job_host *h)
{
	struct job_message *m = &h->message;
	struct diag_list notes = { 0 };
	int r = policy_find(h->args->policy_dir ? h->args->policy_dir : POLICY_DIR, &m->event,
	                    &h->policy, &h->diags, &h->err);

	if (r == 0)
		r = policy_check_host(h->policy, &h->diags, &notes, &h->err);
	for (size_t i = 0; i < notes.n; i++)
		job_spool_say(h->spool, "drydock: ", "%s:%u: %s", notes.items[i].mark.file,
		              notes.items[i].mark.line, notes.items[i].text);
	diag_list_done(&notes);
	if (r < 0)
		return refuse(h, blame_rows[h->err.blame].exit_code);
	r = wf_job_spec(&m->flat, &m->flat.jobs[0], &m->event, &m->world, &h->spec, &h->diags);
	if (r < 0)
		return refuse(h, DRYDOCK_EXIT_JOB_FAILED);
	if ((r = refuse_notes(h)) != 0)
		return r;
	prepare_checkouts(h);
	if ((r = plan_make(h->spec, h->policy, &h->plan, &h->diags)) < 0)
		return refuse(h, r == -EACCES ? DRYDOCK_EXIT_REFUSED : DRYDOCK_EXIT_JOB_FAILED);
	if ((r = find_actions(h)) != 0)
		return r;
	h->result_fd = job_result_open(&h->err);
	if (h->result_fd < 0 || make_engine(h) < 0)
		return refuse(h, DRYDOCK_EXIT_INTERNAL);
	return 0;
}

/* In the supervisor: everything else of the job's beginning happens while the lease is asked for.
 */
static int next_when_leased(void *arg, const struct job_so_far *so_far, struct step_order *ret,
                            enum job_conclusion *ret_conclusion, struct dd_err *err)
{
	struct job_host *h = arg;
	const struct job_script *script = job_engine_script(h->engine);
	char byte = 0;

	while (!h->leased) {
		ssize_t n = read(h->lease_fd[0], &byte, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return dd_err_say(err, ECANCELED,
			                  "the job ended before its lease was there");
		h->leased = true;
	}
	return script->next(script->arg, so_far, ret, ret_conclusion, err);
}

static int begin_when_leased(void *arg, struct job *job, struct dd_err *err)
{
	const struct job_host *h = arg;
	const struct job_script *script = job_engine_script(h->engine);
	return script->begins ? script->begins(script->arg, job, err) : 0;
}

static struct step_said said_by_engine(void *arg, enum step_stream stream, const char *text,
                                       size_t len)
{
	const struct job_host *h = arg;
	const struct job_script *script = job_engine_script(h->engine);
	return script->said(script->arg, stream, text, len);
}

static int ended_in_engine(void *arg, const struct step_order *order,
                           const struct step_result *result, const struct step_left *left,
                           struct dd_err *err)
{
	const struct job_host *h = arg;
	const struct job_script *script = job_engine_script(h->engine);
	return script->ended(script->arg, order, result, left, err);
}

/* who: keeper of the job; can do: what the agent can; holds: the secrets of the job until its
 * supervisor has taken them, no token and no message */
static _Noreturn void become_keeper(struct job_host *h, pid_t parent)
{
	const struct job_sink *const sinks[] = { &h->spool->sink };
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(DRYDOCK_EXIT_CANCELLED);
	(void)close(h->signal_fd);
	dd_close_p(&h->lease_fd[1]);
	dd_close_p(&h->courier.sock);
	dd_close(h->feed.sock);
	(void)close(h->args->sock);
	explicit_bzero(h->address, strlen(h->address));
	job_message_forget(&h->message);
	_exit(job_start(&(struct job_request){ .plan = h->plan,
	                                       .id = h->args->id,
	                                       .script = &h->script,
	                                       .sinks = sinks,
	                                       .n_sinks = 1,
	                                       .secrets = &h->message.secrets,
	                                       .record_key = h->args->record.key,
	                                       .record_to = h->args->record.to,
	                                       .state_dir = h->args->state }));
}

static int start_keeper(struct job_host *h)
{
	pid_t parent = getpid();

	if (pipe2(h->lease_fd, O_CLOEXEC) < 0)
		return dd_err_set(&h->err, errno, "start the keeper of a job");
	h->script = (struct job_script){ .arg = h,
		                         .begins = begin_when_leased,
		                         .next = next_when_leased,
		                         .said = said_by_engine,
		                         .ended = ended_in_engine };
	(void)fflush(NULL);
	h->keeper = fork();
	if (h->keeper == 0)
		become_keeper(h, parent);
	if (h->keeper < 0)
		return dd_err_set(&h->err, errno, "start the keeper of a job");
	dd_close_p(&h->lease_fd[0]);
	for (size_t i = 0; i < h->message.secrets.n; i++)
		explicit_bzero(h->message.secrets.secrets[i].value,
		               h->message.secrets.secrets[i].len);
	return 0;
}

/* The supervisor dies, and with it every process of a step; the keeper cleans up behind it. */
static void end_at_once(const struct job_host *h)
{
	char path[64];
	int pid;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)h->keeper,
	               (int)h->keeper);
	FILE *f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1)
		(void)kill((pid_t)pid, SIGKILL);
	if (f)
		(void)fclose(f);
}

/* ---- the life of a job ---- */

static int wait_for_lease(struct job_host *h)
{
	while (!h->go && !h->lost && !h->left && !h->cancelled)
		listen_once(h, -1);
	return h->go ? 0 : -1;
}

/* Is anybody below us but the courier? Those who have ended are reaped. */
static bool somebody_lives(const struct job_host *h, int sig)
{
	char path[64];
	bool lives = false;
	int pid;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	FILE *f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1) {
		if (pid == h->courier.pid || pid == h->feed.pid ||
		    waitpid((pid_t)pid, NULL, WNOHANG) != 0)
			continue;
		lives = true;
		if (sig)
			(void)kill((pid_t)pid, sig);
	}
	if (f)
		(void)fclose(f);
	return lives;
}

/* The keeper was killed: its supervisor ends by itself, and falls to us; what they leave on the
 * disk the next start would take away, and here there may be none. */
static void clear_up(struct job_host *h)
{
	const struct timespec tick = { .tv_nsec = 20L * 1000 * 1000 };
	const struct job_sink *const sinks[] = { &h->spool->sink };
	const struct job_sinks all = { .items = sinks, .n = 1 };

	for (int waited = 0; somebody_lives(h, waited >= ORPHAN_MS ? SIGKILL : 0); waited += 20)
		(void)nanosleep(&tick, NULL);
	if (job_dirs_reap(h->args->state, h->args->id, &all, &h->err) < 0)
		told(h->err.msg);
}

/* The exit code of the keeper. */
static int attend(struct job_host *h)
{
	bool forced = false;
	int status = 0;

	while (waitpid(h->keeper, &status, WNOHANG) != h->keeper) {
		int ms = -1;
		if ((h->lost || (h->force_ms && dd_now_ms() >= h->force_ms)) && !forced) {
			end_at_once(h);
			forced = true;
		}
		if (h->force_ms && !forced)
			ms = (int)(h->force_ms - dd_now_ms() + 1);
		listen_once(h, ms);
	}
	h->keeper = 0;
	if (!WIFEXITED(status))
		clear_up(h);
	if (forced && !h->lost)
		return DRYDOCK_EXIT_CANCELLED;
	return WIFEXITED(status) ? WEXITSTATUS(status) : DRYDOCK_EXIT_INTERNAL;
}

static json_t *outputs_of(struct job_host *h)
{
	struct expr_memory mem = { .arena = h->message.arena, .limit = 256UL * 1024 * 1024 };
	struct job_result result;
	struct dd_err err = { 0 };
	json_t *all = json_object();

	if (h->result_fd < 0 || job_result_read(h->result_fd, &mem, &result, &err) < 0)
		return all;
	for (size_t i = 0; result.outputs.kind == EXPR_OBJECT && i < result.outputs.object->n;
	     i++) {
		const struct expr_member *m = &result.outputs.object->members[i];
		size_t len = m->value.len;
		dd_auto_free char *masked = spool_masks_apply(h->masks, m->value.text, len, &len);
		if (masked) {
			job_spool_say(h->spool, "##[warning]",
			              "Skip output '%.100s' since it may contain secret.", m->key);
			continue;
		}
		(void)json_object_setn_new(all, m->key, m->key_len,
		                           json_stringn(m->value.text, m->value.len));
	}
	return all;
}

static const char *conclusion_of(const struct job_host *h, int code)
{
	return code == DRYDOCK_EXIT_OK                          ? "succeeded"
	       : code == DRYDOCK_EXIT_CANCELLED || h->cancelled ? "canceled"
	                                                        : "failed";
}

/* The server has the result, or never will. */
static void hand_over(struct job_host *h, int code)
{
	int64_t until = dd_now_ms() + COURIER_END_MS;

	job_spool_over(h->spool, conclusion_of(h, code), outputs_of(h));
	while (!h->complete && !h->left && !h->lost && dd_now_ms() < until)
		listen_once(h, (int)(until - dd_now_ms()));
	(void)courier_process_end(&h->courier, 1000);
	(void)courier_process_end(&h->feed, 100);
	if (h->complete || h->lost)
		(void)job_dirs_remove(h->jobs_fd, h->name, &h->err);
	else
		(void)fprintf(stderr,
		              "drydock: what the server was to be told is in %s/github/%s\n",
		              h->args->state, h->name);
}

/* Nothing of the job ran: a lease that never came, or a wish to cancel before it did. */
static int run_nothing(struct job_host *h)
{
	dd_close_p(&h->lease_fd[1]);
	if (h->keeper > 0)
		(void)attend(h);
	if (h->cancelled && !h->lost && !h->left) {
		hand_over(h, DRYDOCK_EXIT_CANCELLED);
		return h->lost ? DRYDOCK_EXIT_INTERNAL : DRYDOCK_EXIT_CANCELLED;
	}
	(void)courier_process_end(&h->courier, 1000);
	(void)job_dirs_remove(h->jobs_fd, h->name, &h->err);
	return DRYDOCK_EXIT_INTERNAL;
}

/* While the courier asks for the lease everything is made ready, up to the first step. */
static int run_job(struct job_host *h)
{
	if (start_courier(h, &h->err) < 0) {
		told(h->err.msg);
		return DRYDOCK_EXIT_INTERNAL;
	}
	int code = prepare(h);
	if (code == 0 && start_keeper(h) < 0)
		code = refuse(h, DRYDOCK_EXIT_INTERNAL);
	if (wait_for_lease(h) < 0)
		return run_nothing(h);
	start_feed(h);
	if (h->keeper > 0) {
		(void)!write(h->lease_fd[1], "", 1);
		code = attend(h);
	} else if (h->cancelled) {
		code = DRYDOCK_EXIT_CANCELLED;
	}
	hand_over(h, code);
	if (h->lost)
		told("the job was given up: its lease is lost");
	return h->lost ? DRYDOCK_EXIT_INTERNAL : code;
}

/* It cannot be read whole: the server is told so, as far as it can be. */
static int run_unreadable(struct job_host *h)
{
	refuse(h, 0);
	if (start_courier(h, &h->err) == 0 && wait_for_lease(h) == 0)
		hand_over(h, DRYDOCK_EXIT_JOB_FAILED);
	return DRYDOCK_EXIT_JOB_FAILED;
}

static int listen_to_signals(struct job_host *h)
{
	static const int signals[] = { SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		(void)sigaddset(&set, signals[i]);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	h->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return h->signal_fd < 0 ? dd_err_set(&h->err, errno, "hear signals") : 0;
}

static void job_host_done(struct job_host *h)
{
	job_engine_free(h->engine);
	actions_find_done(&h->actions);
	plan_free(h->plan);
	job_spec_free(h->spec);
	policy_free(h->policy);
	job_spool_free(h->spool);
	spool_masks_free(h->masks);
	if (h->address)
		explicit_bzero(h->address, strlen(h->address));
	free(h->address);
	free(h->authorities);
	job_message_done(&h->message);
	diag_list_done(&h->diags);
	dd_close(h->mirror_fd);
	dd_close(h->lease_fd[0]);
	dd_close(h->lease_fd[1]);
	dd_close(h->dir_fd);
	dd_close(h->jobs_fd);
	dd_close(h->state_fd);
	dd_close(h->result_fd);
	dd_close(h->signal_fd);
}

int github_job_run(const struct github_job_args *args)
{
	struct job_host h = { .args = args,
		              .jobs_fd = -1,
		              .dir_fd = -1,
		              .state_fd = -1,
		              .mirror_fd = -1,
		              .lease_fd = { -1, -1 },
		              .result_fd = -1,
		              .signal_fd = -1,
		              .courier = COURIER_PROCESS_NONE,
		              .feed = COURIER_PROCESS_NONE };
	int code = DRYDOCK_EXIT_INTERNAL;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	int read = job_message_read(args->message, args->len, &h.message, &h.diags, &h.err);
	explicit_bzero(args->message, args->len);
	struct dd_err err = { 0 };
	/* without an address there is nobody who could be told */
	h.address = h.message.run_service && *h.message.run_service ? address_of(&h.message) : NULL;
	if (!h.address)
		told(h.err.msg);
	else if (listen_to_signals(&h) < 0 || make_spool(&h, &err) < 0)
		told(err.code ? err.msg : h.err.msg);
	else
		code = read < 0 ? run_unreadable(&h) : run_job(&h);
	job_host_done(&h);
	return code;
}
