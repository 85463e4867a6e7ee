// SPDX-License-Identifier: Apache-2.0
/* supervisor.c - the life of a job, from run.start to run.end.
 *
 * Runs in: supervisor: forked by the keeper, not dumpable, no core; the only process that ever
 * holds the value of a credential. The record comes first: without a record there is no run.
 */
#include "supervisor.h"

#include "view/console.h"
#include "drydock/fd.h"
#include "drydock/sandbox.h"
#include "base/exit_code.h"
#include "base/interrupt.h"
#include "job_tree.h"
#include "lease/lease.h"
#include "step_run.h"
#include "record/event_write.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Not dumpable: no other process of this user may read leases from our memory. Core dumps would
 * write them to disk. */
static int harden(pid_t keeper, struct dd_err *err)
{
	const struct rlimit none = { 0, 0 };

	if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		return dd_err_set(err, errno, "harden the supervisor");
	if (getppid() != keeper)
		return dd_err_say(err, ECANCELED, "the keeper died before the job began");
	return 0;
}

/* The forge's facts; absent without an event file. */
static struct facts_event event_facts(const struct event_facts *ev)
{
	if (!ev)
		return (struct facts_event){ .known = false };
	return (struct facts_event){ .known = true,
		                     .name = ev->name,
		                     .repository = ev->repository,
		                     .ref = ev->ref,
		                     .is_protected = ev->ref_protected };
}

static int record_begin(const struct job *job, struct dd_err *err)
{
	const struct plan *plan = job->plan;
	const char *const locks[] = { "namespaces",
		                      "nftables",
		                      "gate",
		                      "capabilities",
		                      "landlock",
		                      "seccomp",
		                      job->cgroup[0] ? "cgroup" : "rlimits",
		                      NULL };
	struct utsname un = { .release = "" };

	(void)uname(&un);
	const struct record_facts facts = {
		.version = DRYDOCK_VERSION,
		.mode = job->observe ? FACTS_OBSERVED : FACTS_ENFORCED,
		.kernel = un.release,
		.event = event_facts(job->event),
		.policy = { .path = plan->policy_path, .sha256 = plan->policy_sha256 },
		.identity = identity_mode_name(job->id->mode),
		.enforcement = locks,
		.workflow = plan->spec->source,
		.trusted = plan->trusted,
		.trust_why = plan->trust_why,
		.n_planned = (int64_t)plan->n_grants,
	};
	return record_run_start(job->rec, &facts, err);
}

static void tell_narrowed(const struct policy_narrowed *row)
{
	char asked[400], file[200];
	diag_escape(asked, sizeof(asked), row->asked, strlen(row->asked));
	diag_escape(file, sizeof(file), row->mark.file, strlen(row->mark.file));
	console_note("%s:%u: the repository asked for %s%s%s; it gets %s: %s", file, row->mark.line,
	             row->key, row->key[0] ? ": " : "", asked, row->allowed, row->why);
}

/* What the repository's .drydock.yml asked for and does not get: an event and a line for the person
 * each. */
static int record_narrowed(struct job *job, struct dd_err *err)
{
	const struct plan *plan = job->plan;
	for (size_t i = 0; i < plan->n_narrowed; i++) {
		const struct policy_narrowed *row = &plan->narrowed[i];
		int r = record_policy_narrowed(job->rec,
		                               &(struct facts_narrowed){ .key = row->key,
		                                                         .asked = row->asked,
		                                                         .allowed = row->allowed,
		                                                         .line = row->mark.line,
		                                                         .why = row->why },
		                               err);
		if (r < 0)
			return r;
		tell_narrowed(row);
	}
	return 0;
}

static enum seccomp_ask asks_of(const struct job *job)
{
	return job->observe        ? SECCOMP_ASK_ALL
	       : job->calls_untold ? SECCOMP_ASK_NOTHING
	                           : SECCOMP_ASK_TOLD;
}

static int begin(struct job *job, struct dd_err *err)
{
	int r;

	if ((r = cgroup_job_plan(job->dirs.run, job->cgroup, err)) < 0)
		return r;
	if (job->cgroup[0] && (r = job_dirs_note_cgroup(&job->dirs, job->cgroup, err)) < 0)
		return r;
	if ((r = cgroup_job_make(job->cgroup, err)) < 0)
		return r;
	if ((r = record_begin(job, err)) < 0)
		return r;
	console_job_start(job->plan, job->id, job->dirs.run, job->record_path, job->observe);
	if (job->calls_untold)
		console_note("which system calls the filter refuses is not told: this host has no "
		             "seccomp user notification (drydock doctor); they fail as ever");
	if ((r = record_narrowed(job, err)) < 0)
		return r;
	if ((r = job_terms_compile(job->plan, asks_of(job), job->observe, &job->terms, err)) < 0)
		return r;
	return job_tree_prepare(job, err);
}

/* The outcome of the whole job is that of the first step that failed and was not allowed to. */
static const struct step_result *decisive(const struct job *job)
{
	for (size_t i = 0; i < job->plan->n_grants; i++) {
		const struct step_result *r = &job->results[i];
		if (step_result_is_failure(r) &&
		    !(r->outcome == STEP_FAILED && r->step->written->continue_on_error))
			return r;
	}
	return NULL;
}

static const struct outcome_row {
	int exit_code;
	const char *status; /* in run.end */
} outcome_rows[STEP__OUTCOMES] = {
	[STEP_NOT_RUN] = { DRYDOCK_EXIT_OK, "succeeded" },
	[STEP_SUCCEEDED] = { DRYDOCK_EXIT_OK, "succeeded" },
	[STEP_FAILED] = { DRYDOCK_EXIT_JOB_FAILED, "failed" },
	[STEP_TIMED_OUT] = { DRYDOCK_EXIT_JOB_FAILED, "failed" },
	[STEP_CANCELLED] = { DRYDOCK_EXIT_CANCELLED, "cancelled" },
	[STEP_OVER_LIMIT] = { DRYDOCK_EXIT_JOB_FAILED, "failed" },
	[STEP_REFUSED] = { DRYDOCK_EXIT_REFUSED, "refused" },
	[STEP_BROKEN] = { DRYDOCK_EXIT_HOST, "broken" },
};

static int finish(struct job *job, struct dd_err *err)
{
	const struct step_result *why = decisive(job);
	const struct outcome_row *row = &outcome_rows[why              ? why->outcome
	                                              : job->cancelled ? STEP_CANCELLED
	                                                               : STEP_SUCCEEDED];
	struct record_facts facts = { .status = row->status,
		                      .mode = job->observe ? FACTS_OBSERVED : FACTS_ENFORCED };
	struct facts_counts *c = &facts.counts;

	*c = (struct facts_counts){ .known = true, .steps = (int64_t)job->plan->n_grants };
	for (size_t i = 0; i < job->plan->n_grants; i++) {
		c->ran += job->results[i].outcome != STEP_NOT_RUN;
		c->failed += step_result_is_failure(&job->results[i]);
		c->refused += (int64_t)job->results[i].refused;
		c->would_refuse += (int64_t)job->results[i].would_refuse;
	}
	c->untold = (int64_t)record_untold(job->rec);
	int r = record_run_end(job->rec, &facts, err);
	console_summary(job->plan, job->results, job->plan->n_grants, row->status, job->record_path,
	                job->dirs.logs);
	if (job->observe)
		console_observe_end(job->plan, (uint64_t)c->would_refuse);
	return r < 0 ? r : row->exit_code;
}

static int run_steps(struct job *job, struct dd_err *err)
{
	for (size_t i = 0; i < job->plan->n_grants && !job->cancelled && !decisive(job); i++) {
		/* between two steps nobody reads the signals */
		if (interrupt_check(err) < 0)
			return -ECANCELED;
		int r = step_run(job, &job->plan->grants[i], &job->results[i], err);
		if (r < 0)
			return dd_err_ctx(err, r, "step %zu", i + 1);
	}
	return decisive(job) || job->cancelled ? 0 : job_tree_out(job, err);
}

/* No step has run: what cannot be read was named by the caller, anything else is the host's (a full
 * disk). The record ends here. */
static int finish_unbegun(struct job *job, int r, const struct dd_err *err)
{
	static const int of_the_caller[] = { -EACCES, -EPERM, -ENOENT, -ENOTDIR };

	struct dd_err unwritten = { 0 };
	console_warn("the job cannot begin: %s", err->msg);
	if (record_run_end(job->rec,
	                   &(struct record_facts){ .status = "broken", .end_why = err->msg },
	                   &unwritten) < 0) {
		console_warn("the record has no end: %s", unwritten.msg);
		return DRYDOCK_EXIT_HOST;
	}
	for (size_t i = 0; i < ARRAY_LEN(of_the_caller); i++)
		if (r == of_the_caller[i])
			return DRYDOCK_EXIT_USAGE;
	return DRYDOCK_EXIT_HOST;
}

/* Nothing runs that is not recorded. What had begun is over and accounted for. */
static int finish_full(struct job *job, struct dd_err *err)
{
	const struct record_facts facts = { .status = "failed", .end_why = err->msg };
	struct dd_err unwritten = { 0 };

	console_warn("the job cannot go on: %s", err->msg);
	if (record_run_end(job->rec, &facts, &unwritten) < 0)
		console_warn("the record has no end: %s", unwritten.msg);
	return DRYDOCK_EXIT_JOB_FAILED;
}

int supervisor_main(struct job *job, pid_t keeper, const sigset_t *cancelling)
{
	struct dd_err err = { 0 };
	int r = harden(keeper, &err);

	if (r == 0)
		r = lease_capture_environment(job->plan, &err);
	job->keeper = keeper;
	if (r == 0 && (job->signal_fd = signalfd(-1, cancelling, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		r = dd_err_set(&err, errno, "listen for signals");
	for (size_t i = 0; i < job->plan->n_grants; i++)
		job->results[i].step = &job->plan->grants[i];
	interrupt_arm(job->signal_fd);
	if (r == 0 && (r = begin(job, &err)) == 0)
		r = run_steps(job, &err);
	else if (r < 0 && r != -ECANCELED)
		r = finish_unbegun(job, r, &err);
	job->cancelled = job->cancelled || r == -ECANCELED;
	if (r == 0 || r == -ECANCELED)
		r = finish(job, &err);
	else if (r < 0 && record_is_full(job->rec))
		r = finish_full(job, &err);
	if (r < 0)
		console_warn("the job cannot go on: %s", err.msg);
	job_tree_done(&job->tree);
	job_terms_done(&job->terms);
	for (int p = 0; p < DD_PHASE__COUNT; p++)
		egress_spent_free(job->spent[p]);
	record_free(job->rec);
	/* The keeper would do this, but it is gone: whoever is left sweeps. */
	if (getppid() != keeper && job_dirs_destroy(&job->dirs, &err) < 0)
		console_warn("clean-up is not complete: %s (the next start tries again)", err.msg);
	return r < 0 ? DRYDOCK_EXIT_INTERNAL : r;
}
