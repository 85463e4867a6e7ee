// SPDX-License-Identifier: Apache-2.0
/* supervisor.c - the life of a job, from run.start to run.end.
 *
 * Runs in: supervisor: forked by the keeper, not dumpable, no core; the only process that ever
 * holds the value of a credential. The record comes first: without a record there is no run.
 */
#include "supervisor.h"

#include "drydock/fd.h"
#include "drydock/gate.h"
#include "drydock/sandbox.h"
#include "base/exit_code.h"
#include "base/interrupt.h"
#include "base/version.h"
#include "job_keep.h"
#include "job_cache.h"
#include "job_tree.h"
#include "lease/crash_point.h"
#include "lease/escrow.h"
#include "lease/lease.h"
#include "lease/mask_text.h"
#include "step_park.h"
#include "step_run.h"
#include "step_hatch.h"
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

/* The forge's facts; a local run has none. */
static struct facts_event event_facts(const struct event_facts *ev)
{
	if (ev->local)
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
		.version = drydock_version(),
		.mode = job->observe ? FACTS_OBSERVED : FACTS_ENFORCED,
		.kernel = un.release,
		.event = event_facts(&plan->spec->event),
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

static void tell_narrowed(const struct job *job, const struct policy_narrowed *row)
{
	sink_note(&job->sinks, NULL, SINK_NOTE,
	          "%s:%u: the repository asked for %s%s%s; it gets %s: %s", row->mark.file,
	          row->mark.line, row->key, row->key[0] ? ": " : "", row->asked, row->allowed,
	          row->why);
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
		tell_narrowed(job, row);
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
	sink_job_begins(&job->sinks, &(struct sink_job){ .plan = job->plan,
	                                                 .id = job->id,
	                                                 .run = job->dirs.run,
	                                                 .record = job->record_path,
	                                                 .observe = job->observe });
	if (job->search.left_out)
		sink_note(&job->sinks, NULL, SINK_NOTE,
		          "steps do without %u of the search domains in /etc/resolv.conf: no "
		          "names, or "
		          "beyond %d domains and %d bytes",
		          job->search.left_out, HOST_SEARCH_MAX, HOST_SEARCH_BYTES);
	if (job->calls_untold)
		sink_note(&job->sinks, NULL, SINK_NOTE,
		          "which system calls the filter refuses is not told: this host has no "
		          "seccomp user notification (drydock doctor); they fail as ever");
	if ((r = record_narrowed(job, err)) < 0)
		return r;
	/* while this process compiles and copies, another builds the root of its steps */
	if ((r = job_tree_places(job, err)) < 0 || (r = step_park_tree(job, err)) < 0)
		return r;
	if ((r = job_terms_compile(job->plan, asks_of(job), job->observe, &job->terms, err)) < 0)
		return r;
	return job_tree_prepare(job, err);
}

/* ---- one step ---- */

/* A step that the written one brought is told apart by how many came before it. */
static int supervisor_name_step(struct job *job, struct job_step *step, struct dd_err *err)
{
	const struct grant *grant = step->grant;
	unsigned nth = step->written ? 0 : ++job->brought[grant->index - 1];
	int label = nth ? snprintf(step->label, sizeof(step->label), "%s-%u", grant->label, nth + 1)
	                : snprintf(step->label, sizeof(step->label), "%s", grant->label);
	int ref = nth ? snprintf(step->ref, sizeof(step->ref), "%s#%u", grant->ref, nth + 1)
	              : snprintf(step->ref, sizeof(step->ref), "%s", grant->ref);

	return label < 0 || ref < 0 || (size_t)label >= sizeof(step->label) ||
	                       (size_t)ref >= sizeof(step->ref)
	               ? dd_err_say(err, ENAMETOOLONG, "the id of step %u is too long",
	                            grant->index)
	               : 0;
}

/* The front end is not believed: a step runs under a grant that was made before anything ran, the
 * written one once, and with a whole recipe. */
static int check_order(const struct job *job, const struct step_order *order, struct dd_err *err)
{
	if (order->grant == 0 || order->grant > job->plan->n_grants || !order->recipe)
		return dd_err_say(err, EPROTO, "the front end ordered a step without a grant");
	if (order->written && job->written[order->grant - 1])
		return dd_err_say(err, EPROTO, "the front end ordered step %u twice", order->grant);
	if (order->part && (order->written || !job->written[order->grant - 1] ||
	                    !job->plan->grants[order->grant - 1].written->facts.uses))
		return dd_err_say(err, EPROTO,
		                  "the front end ordered a part of step %u, which is no action, or "
		                  "has not begun",
		                  order->grant);
	if (job->plan->grants[order->grant - 1].written->recipe.nothing && !order->recipe->nothing)
		return dd_err_say(
			err, EPROTO,
			"the plan says that nothing is run for step %u, and the front end "
			"ordered something",
			order->grant);
	if (order->brings_sources && job->n_ran > 0)
		return dd_err_say(err, EPROTO,
		                  "the front end fetches sources when a step has run already");
	if (job->n_ran == JOB_STEPS_RUN_MAX)
		return dd_err_say(err, E2BIG, "more than %d steps in one job", JOB_STEPS_RUN_MAX);
	return recipe_check(order->recipe, err);
}

static int make_step(struct job *job, const struct step_order *order, struct job_step *ret,
                     struct dd_err *err)
{
	int r = check_order(job, order, err);
	if (r < 0)
		return r;
	const struct grant *grant = &job->plan->grants[order->grant - 1];
	/* nobody is asked for what no process would get */
	const bool holds = (order->written || order->part) && !order->recipe->nothing;
	*ret = (struct job_step){ .grant = grant,
		                  .recipe = order->recipe,
		                  .number = grant->index,
		                  .written = order->written,
		                  .outlives_cancel = order->outlives_cancel,
		                  .brings_sources = order->brings_sources,
		                  .name = order->recipe->name,
		                  .phase = grant->phase,
		                  .terms = grant->terms,
		                  .leases = holds ? grant->leases : NULL,
		                  .n_leases = holds ? grant->n_leases : 0,
		                  .time_sec = grant->time_sec };
	if (order->recipe->time_sec && order->recipe->time_sec < ret->time_sec)
		ret->time_sec = order->recipe->time_sec;
	if (job->shell && job->shell->grant == order->grant && !job->shell_ran &&
	    !order->recipe->nothing) {
		ret->shell = job->shell;
		job->shell_ran = true;
	}
	if (order->written)
		job->written[order->grant - 1] = true;
	return supervisor_name_step(job, ret, err);
}

static int supervisor_remember(struct job *job, const struct job_step *step, struct dd_err *err)
{
	const struct step_result *result = job->result;

	if ((job->n_ran & (job->n_ran - 1)) == 0) { /* a power of two, or none yet */
		size_t room = job->n_ran ? 2 * job->n_ran : 1;
		void *more = reallocarray(job->ran, room, sizeof(*job->ran));
		if (!more)
			return dd_err_set(err, ENOMEM, "remember a step");
		job->ran = more;
	}
	job->ran[job->n_ran++] = (struct step_summary){ .grant = step->grant,
		                                        .written = step->written,
		                                        .outcome = result->outcome,
		                                        .exit_code = result->exit_code,
		                                        .refused = result->refused,
		                                        .would_refuse = result->would_refuse };
	return 0;
}

static int run_order(struct job *job, const struct step_order *order, struct dd_err *err)
{
	struct step_left left = { .n = 0 };
	struct job_step step;
	int r;

	if ((r = make_step(job, order, &step, err)) < 0)
		return r;
	step_result_clear(job->result);
	if ((r = step_run(job, &step, job->result, &left, err)) < 0)
		(void)dd_err_ctx(err, r, "step %u", step.number);
	else if ((r = supervisor_remember(job, &step, err)) == 0 && order->brings_sources &&
	         job->result->outcome == STEP_SUCCEEDED)
		r = job_tree_sources(job, err);
	if (r == 0)
		r = job->script->ended(job->script->arg, order, job->result, &left, err);
	step_left_done(&left);
	return r;
}

/* ---- all of them ---- */

/* What no front end can pass over: without a verified gate, or with a tree that nobody can account
 * for, nothing may run any more. */
static bool is_over(const struct job *job)
{
	const struct step_summary *last = job->n_ran ? &job->ran[job->n_ran - 1] : NULL;
	return last && (last->outcome == STEP_BROKEN || job->result->unaccounted);
}

/* Nothing of the job comes behind a shell, nor behind a step that was to be one and had no turn: it
 * could publish what nobody has looked at. */
static bool is_behind_shell(const struct job *job, const struct step_order *order)
{
	return job->shell && !job->shell_ran && order->grant > job->shell->grant;
}

/* *@ret stays as it is when the script had no chance to say what the job came to. */
static int run_script(struct job *job, enum job_conclusion *ret, struct dd_err *err)
{
	/* between two steps nobody else reads the signals */
	while (job_cancel_read(job) != JOB_KILLED && !is_over(job)) {
		const struct job_so_far so_far = { .steps = job->ran,
			                           .n_steps = job->n_ran,
			                           .cancelled = job->cancel != JOB_GOES_ON };
		struct step_order order = { .grant = 0 };
		enum job_conclusion conclusion = JOB_FAILED;
		int r = job->script->next(job->script->arg, &so_far, &order, &conclusion, err);
		if (r == 0)
			*ret = conclusion;
		if (r == 1 && is_behind_shell(job, &order))
			r = 0;
		if (r <= 0 || (r = run_order(job, &order, err)) < 0)
			return r;
		if (job->shell_ran) {
			*ret = job->ran[job->n_ran - 1].outcome == STEP_SUCCEEDED ? JOB_SUCCEEDED
			                                                          : JOB_FAILED;
			return 0;
		}
	}
	return 0;
}

static const struct outcome_row {
	int exit_code;
	const char *status; /* in run.end */
} succeeded = { DRYDOCK_EXIT_OK, "succeeded" }, failed = { DRYDOCK_EXIT_JOB_FAILED, "failed" },
  cancelled = { DRYDOCK_EXIT_CANCELLED, "cancelled" },
  refused = { DRYDOCK_EXIT_REFUSED, "refused" }, broken = { DRYDOCK_EXIT_HOST, "broken" };

/* The front end judges its steps; that drydock broke one off, or that the policy refused one, it
 * cannot forgive. */
static const struct outcome_row *outcome_of(const struct job *job, enum job_conclusion conclusion)
{
	bool any[STEP__OUTCOMES] = { false };

	for (size_t i = 0; i < job->n_ran; i++)
		any[job->ran[i].outcome] = true;
	return any[STEP_BROKEN]              ? &broken
	       : any[STEP_REFUSED]           ? &refused
	       : job->cancel                 ? &cancelled
	       : conclusion == JOB_SUCCEEDED ? &succeeded
	                                     : &failed;
}

static int tell_end(struct job *job, const struct outcome_row *row, uint64_t would_refuse)
{
	char kept[600] = "";

	if (job->n_kept)
		job_keep_place(job, kept, sizeof(kept));
	sink_job_ended(&job->sinks, &(struct sink_end){ .plan = job->plan,
	                                                .status = row->status,
	                                                .exit_code = row->exit_code,
	                                                .would_refuse = would_refuse,
	                                                .observe = job->observe,
	                                                .record = job->record_path,
	                                                .logs = job->dirs.logs,
	                                                .kept = kept[0] ? kept : NULL,
	                                                .kept_step = job->kept_step,
	                                                .head = record_head(job->rec) });
	return row->exit_code;
}

static int finish(struct job *job, const struct outcome_row *row, struct dd_err *err)
{
	struct record_facts facts = { .status = row->status,
		                      .mode = job->observe ? FACTS_OBSERVED : FACTS_ENFORCED };
	struct facts_counts *c = &facts.counts;

	*c = (struct facts_counts){ .known = true,
		                    .steps = (int64_t)job->plan->n_grants,
		                    .ran = (int64_t)job->n_ran };
	for (size_t i = 0; i < job->n_ran; i++) {
		c->failed += step_outcome_is_failure(job->ran[i].outcome);
		c->refused += (int64_t)job->ran[i].refused;
		c->would_refuse += (int64_t)job->ran[i].would_refuse;
	}
	c->untold = (int64_t)record_untold(job->rec);
	bool collected = false;
	c->undelivered = (int64_t)record_undelivered(job->rec, &collected);
	if (!collected)
		c->undelivered = FACTS_ABSENT;
	int r = record_run_end(job->rec, &facts, err);
	int code = tell_end(job, row, (uint64_t)c->would_refuse);
	return r < 0 ? r : code;
}

static int run_job(struct job *job, struct dd_err *err)
{
	enum job_conclusion conclusion = JOB_FAILED;
	int r = job->script->begins ? job->script->begins(job->script->arg, job, err) : 0;
	if (r == 0)
		r = run_script(job, &conclusion, err);
	step_park_drop(job);
	const struct outcome_row *row = outcome_of(job, conclusion);

	if (job->shell && !job->shell_ran)
		sink_note(&job->sinks, NULL, SINK_WARN,
		          "there was no shell: the job did not come to step %u", job->shell->grant);
	if (job->shell && job->out)
		sink_note(&job->sinks, NULL, SINK_NOTE,
		          "nothing goes to --out: what a shell had a hand in is no artifact");
	if (r == 0 && row == &succeeded && !job->shell)
		r = job_tree_out(job, err);
	if (r == 0 && !job->shell) /* what was uploaded before something failed is there */
		r = job_store_out(job, err);
	return r < 0 ? r : finish(job, row, err);
}

/* No step has run, so what is wrong with a tree is the caller's. The record ends here. */
static int finish_unbegun(struct job *job, const struct dd_err *err)
{
	enum dd_blame blame = err->blame == DD_BLAME_STEP ? DD_BLAME_CALLER : err->blame;
	const struct outcome_row unbegun = { blame_rows[blame].exit_code, "broken" };
	const struct outcome_row *row = &unbegun;
	struct dd_err unwritten = { 0 };

	sink_note(&job->sinks, NULL, SINK_WARN, "the job cannot begin: %s", err->msg);
	if (record_run_end(job->rec,
	                   &(struct record_facts){ .status = row->status, .end_why = err->msg },
	                   &unwritten) < 0) {
		sink_note(&job->sinks, NULL, SINK_WARN, "the record has no end: %s", unwritten.msg);
		row = &broken;
	}
	return tell_end(job, row, 0);
}

static bool clean_record(void *arg, char *text, size_t size)
{
	if (text)
		mask_text(arg, text, size);
	return mask_holds(arg);
}

/* Before anything is leased or read: its memory is a copy of ours, and that of every gate of a
 * closed step after it. */
static int start_gates(struct job *job, struct dd_err *err)
{
	const struct gate_spec ids = { .switch_ids = job->id->mode == IDENTITY_RANGE,
		                       .uid = job->gate_uid,
		                       .gid = job->gate_uid };
	return gate_zygote_start(&ids, &job->gates, err);
}

static int supervisor_make_memory(struct job *job, struct dd_err *err)
{
	size_t n = job->plan->n_grants;
	job->result = calloc(1, sizeof(*job->result));
	job->written = calloc(n + 1, sizeof(*job->written));
	job->brought = calloc(n + 1, sizeof(*job->brought));
	if (!job->result || !job->written || !job->brought)
		return dd_err_set(err, ENOMEM, "prepare the job");
	int r = sandbox_zygotes_new(&job->zygotes, err);
	if (r == 0)
		r = mask_new(&job->mask, err);
	job->sinks.mask = job->mask;
	if (r == 0)
		record_clean_by(job->rec, clean_record, job->mask);
	return r;
}

static void job_done(struct job *job)
{
	job_tree_done(&job->tree);
	job_cache_free(job->store.own);
	job_store_done(&job->store);
	step_park_drop(job);
	sandbox_zygotes_free(job->zygotes);
	gate_zygote_free(job->gates);
	job_terms_done(&job->terms);
	for (int i = 0; i < JOB_LISTS; i++)
		egress_spent_free(job->spent[i]);
	record_free(job->rec);
	job->sinks.mask = NULL;
	mask_free(job->mask);
	step_room_free(job->room);
	free(job->result);
	free(job->written);
	free(job->brought);
	free(job->ran);
}

/* Everything that must be there before the record begins. */
static int supervisor_prepare(struct job *job, pid_t keeper, const sigset_t *cancelling,
                              struct dd_err *err)
{
	int r;

	job->keeper = keeper;
	host_search_load(&job->search);
	host_search_spell(&job->search, job->resolv_conf, sizeof(job->resolv_conf));
	crash_is_supervisor();
	if ((r = harden(keeper, err)) < 0 || (r = start_gates(job, err)) < 0 ||
	    (r = supervisor_make_memory(job, err)) < 0 ||
	    (r = lease_capture(job->plan, job->forge, err)) < 0 ||
	    (r = escrow_hold(job->leasing.escrow, err)) < 0)
		return r;
	job->signal_fd = signalfd(-1, cancelling, SFD_CLOEXEC | SFD_NONBLOCK);
	if (job->signal_fd < 0)
		return dd_err_set(err, errno, "listen for signals");
	interrupt_arm(job->signal_fd);
	return 0;
}

/* Nothing runs that is not recorded. What had begun is over and accounted for. */
static int finish_full(struct job *job, struct dd_err *err)
{
	const struct record_facts facts = { .status = "failed", .end_why = err->msg };
	struct dd_err unwritten = { 0 };

	sink_note(&job->sinks, NULL, SINK_WARN, "the job cannot go on: %s", err->msg);
	if (record_run_end(job->rec, &facts, &unwritten) < 0)
		sink_note(&job->sinks, NULL, SINK_WARN, "the record has no end: %s", unwritten.msg);
	return tell_end(job, &failed, 0);
}

int supervisor_main(struct job *job, pid_t keeper, const sigset_t *cancelling)
{
	struct dd_err err = { 0 };
	int r = supervisor_prepare(job, keeper, cancelling, &err);

	if (r == 0)
		r = begin(job, &err);
	if (r == 0)
		r = run_job(job, &err);
	else if (r != -ECANCELED)
		r = finish_unbegun(job, &err);
	if (r == -ECANCELED) { /* while a tree was looked at */
		job->cancel = job->cancel ? job->cancel : JOB_CANCELLED;
		r = finish(job, &cancelled, &err);
	} else if (r < 0 && record_is_full(job->rec))
		r = finish_full(job, &err);
	if (r < 0)
		sink_note(&job->sinks, NULL, SINK_WARN, "the job cannot go on: %s", err.msg);
	job_done(job);
	/* The keeper would do this, but it is gone: whoever is left sweeps. */
	if (getppid() != keeper && job_dirs_destroy(&job->dirs, &err) < 0)
		sink_note(&job->sinks, NULL, SINK_WARN,
		          "clean-up is not complete: %s (the next start tries again)", err.msg);
	return r < 0 ? DRYDOCK_EXIT_INTERNAL : r;
}
