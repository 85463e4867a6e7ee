// SPDX-License-Identifier: Apache-2.0
/* host_check.c - names what this host lacks, with the remedy (K-12).
 *
 * Runs in: the process that becomes the keeper: no credential has been read in it, and what the
 * questions try is tried in its children. The doctor's whole table takes longer than a short step,
 * and the first sandbox of a run asks all of it anyway: it is built by the same calls, every one of
 * them checked, before any byte of a step runs. So a run asks beforehand what a few calls answer
 * and what its policy needs besides; when it failed, the table says what the failure came from.
 * There is no best-effort mode.
 */
#include "host_check.h"

#include "base/exit_code.h"
#include "drydock/fault.h"
#include "drydock/sandbox.h"

/* Features that only some runs ask for. */
static bool plan_needs(const struct job *job, const char *feature)
{
	for (size_t i = 0; i < job->plan->n_grants; i++) {
		const struct sandbox_limits *l = &job->plan->grants[i].terms->limits.sandbox;
		if ((l->memory_bytes && strcmp(feature, "memory") == 0) ||
		    (l->cpu_millis && strcmp(feature, "cpu") == 0))
			return true;
	}
	return job->observe && strcmp(feature, "seccomp_notify") == 0;
}

/* Tells each row that is missing and that the job cannot do without; returns how many. */
static int tell_missing(const struct job *job, const struct sandbox_feature *rows, int n)
{
	int missing = 0;

	for (int i = 0; i < n; i++) {
		const struct sandbox_feature *f = &rows[i];
		if (f->present || !(f->required || plan_needs(job, f->name)))
			continue;
		sink_note(&job->sinks, NULL, SINK_ERROR,
		          "this host cannot enforce it: %s (%s) is missing: %s. Remedy: %s",
		          f->name, f->need, f->found, f->remedy);
		missing++;
	}
	return missing;
}

static int host_check_ask(const struct job *job, const struct sandbox_feature **ret,
                          struct dd_err *err)
{
	static const char *const controllers[] = { "memory", "cpu" };
	const char *also[ARRAY_LEN(controllers) + 1] = { NULL };
	size_t n = 0;

	/* a name in DRYDOCK_FAULT may be that of a question which only the table asks */
	if (dd_fault_all || dd_fault_names[0])
		return sandbox_probe(ret, err);
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++)
		if (plan_needs(job, controllers[i]))
			also[n++] = controllers[i];
	return sandbox_probe_quick(also, ret, err);
}

int host_check(struct job *job)
{
	const struct sandbox_feature *rows;
	struct dd_err err = { 0 };
	int n = host_check_ask(job, &rows, &err);

	if (n < 0) {
		sink_note(&job->sinks, NULL, SINK_ERROR, "%s", err.msg);
		return DRYDOCK_EXIT_HOST;
	}
	for (int i = 0; i < n; i++)
		if (strcmp(rows[i].name, "seccomp_notify") == 0)
			job->calls_untold = !rows[i].present;
	if (tell_missing(job, rows, n) == 0)
		return 0;
	sink_note(&job->sinks, NULL, SINK_ERROR, "nothing was run; `drydock doctor` says more");
	return DRYDOCK_EXIT_HOST;
}

int host_check_after(const struct job *job, int code)
{
	const struct sandbox_feature *rows;

	if (code != DRYDOCK_EXIT_HOST && code != DRYDOCK_EXIT_INTERNAL)
		return code;
	/* what cannot be asked now is not the news: why the run failed has been told */
	int n = sandbox_probe(&rows, NULL);
	if (n < 0 || tell_missing(job, rows, n) == 0)
		return code;
	sink_note(&job->sinks, NULL, SINK_ERROR,
	          "no step runs on this host until it has that; `drydock doctor` says more");
	return DRYDOCK_EXIT_HOST;
}
