// SPDX-License-Identifier: Apache-2.0
/* plan_env.c - the environment of a step, layer by layer; nothing of the caller's environment is
 * inherited. Pure.
 *
 * Order, later wins: drydock's base, workflow, job, step (commit content: it may set what it likes
 * for itself, LD_PRELOAD included, for it is the step's own code that runs), the policy's phase
 * env, and last GITHUB_* and RUNNER_*, which nobody overrides. A variable that a lease fills is
 * taken out of all layers: the lease wins. */
#include "grant/plan_build.h"

#include "drydock/err.h"
#include "model/places.h"

#include <string.h>
#include <sys/utsname.h>

struct env_build {
	struct plan_env *rows;
	size_t n;
};

static void put(struct env_build *e, const char *name, const char *value, const char *origin)
{
	struct plan_env row = { name, value, origin };
	for (size_t i = 0; i < e->n; i++)
		if (strcmp(e->rows[i].name, name) == 0) {
			e->rows[i] = row;
			return;
		}
	e->rows[e->n++] = row;
}

static bool is_owned(const char *name)
{
	return strncmp(name, "GITHUB_", 7) == 0 || strncmp(name, "RUNNER_", 7) == 0;
}

static void put_workflow(struct env_build *e, const struct workflow_env *env, size_t n,
                         const char *origin)
{
	for (size_t i = 0; i < n; i++)
		if (!is_owned(env[i].name))
			put(e, env[i].name, env[i].value, origin);
}

static const struct {
	const char *name, *value;
} base_rows[] = {
	{ "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
	{ "HOME", PLACE_HOME },
	{ "USER", "runner" },
	{ "LOGNAME", "runner" },
	{ "LANG", "C.UTF-8" },
	{ "CI", "true" },
};

static const struct {
	const char *name, *value;
} owned_rows[] = {
	{ "GITHUB_ACTIONS", "true" },
	{ "GITHUB_WORKSPACE", PLACE_WORKSPACE },
	{ "RUNNER_OS", "Linux" },
	{ "RUNNER_TEMP", PLACE_TEMP },
	{ "RUNNER_TOOL_CACHE", PLACE_TOOLS },
	{ "RUNNER_NAME", "drydock" },
	{ "RUNNER_ENVIRONMENT", "self-hosted" },
};

static const char *runner_arch(void)
{
	static const struct {
		const char *machine, *github;
	} archs[] = {
		{ "x86_64", "X64" },
		{ "aarch64", "ARM64" },
		{ "i686", "X86" },
		{ "armv7l", "ARM" },
	};
	struct utsname uts;
	if (uname(&uts) < 0)
		return "unknown";
	for (size_t i = 0; i < ARRAY_LEN(archs); i++)
		if (strcmp(archs[i].machine, uts.machine) == 0)
			return archs[i].github;
	return "unknown";
}

static void put_owned(struct plan_build *b, struct env_build *e)
{
	for (size_t i = 0; i < ARRAY_LEN(owned_rows); i++)
		put(e, owned_rows[i].name, owned_rows[i].value, "drydock");
	put(e, "RUNNER_ARCH", runner_arch(), "drydock");
	put(e, "GITHUB_JOB", b->plan->job_id, "drydock");
	put(e, "GITHUB_WORKFLOW", b->plan->workflow_name, "drydock");
	put(e, "GITHUB_EVENT_NAME",
	    arena_strdup(b->plan->arena, b->event->local ? "workflow_dispatch" : b->event->name),
	    "drydock");
	if (b->event->ref[0])
		put(e, "GITHUB_REF", arena_strdup(b->plan->arena, b->event->ref), "drydock");
	if (b->event->repository[0])
		put(e, "GITHUB_REPOSITORY", arena_strdup(b->plan->arena, b->event->repository),
		    "drydock");
}

static void drop(struct env_build *e, const char *name)
{
	for (size_t i = 0; i < e->n; i++)
		if (strcmp(e->rows[i].name, name) == 0) {
			memmove(&e->rows[i], &e->rows[i + 1], (e->n - i - 1) * sizeof(*e->rows));
			e->n--;
			return;
		}
}

static bool is_upper_name(const char *name)
{
	return key_is_variable_name(name) && strpbrk(name, "abcdefghijklmnopqrstuvwxyz") == NULL;
}

/* A file lease is found through CREDENTIALS_DIRECTORY, as systemd's services do, and through NAME
 * when the file is named like a variable. */
static void put_leases(struct plan_build *b, struct env_build *e, const struct plan_step *step)
{
	for (size_t i = 0; i < step->n_leases; i++) {
		const struct plan_lease *lease = &step->leases[i];
		drop(e, lease->target);
		if (lease->as != LEASE_AS_FILE)
			continue;
		put(e, "CREDENTIALS_DIRECTORY", SANDBOX_CREDENTIALS_DIR, "drydock");
		if (is_upper_name(lease->target))
			put(e, lease->target,
			    arena_printf(b->plan->arena, SANDBOX_CREDENTIALS_DIR "/%s",
			                 lease->target),
			    "drydock");
	}
}

static void copy_strings(struct plan_arena *arena, struct env_build *e)
{
	for (size_t i = 0; i < e->n; i++) {
		e->rows[i].name = arena_strdup(arena, e->rows[i].name);
		e->rows[i].value = arena_strdup(arena, e->rows[i].value);
	}
}

void plan_make_env(struct plan_build *b, const struct workflow_step *from, struct plan_step *step)
{
	const struct policy_phase *phase = b->policy ? &b->policy->phases[step->phase] : NULL;
	size_t room = ARRAY_LEN(base_rows) + ARRAY_LEN(owned_rows) + 8 + b->wf->n_env +
	              b->job->n_env + from->n_env + (phase ? phase->n_env : 0) + 2 * step->n_leases;
	struct env_build e = { .rows = arena_array(b->plan->arena, room, sizeof(*e.rows)) };
	for (size_t i = 0; i < ARRAY_LEN(base_rows); i++)
		put(&e, base_rows[i].name, base_rows[i].value, "drydock");
	put_workflow(&e, b->wf->env, b->wf->n_env, "workflow");
	put_workflow(&e, b->job->env, b->job->n_env, "job");
	put_workflow(&e, from->env, from->n_env, "step");
	for (size_t i = 0; phase && i < phase->n_env; i++)
		put(&e, phase->env[i].name, phase->env[i].value, "policy");
	put_owned(b, &e);
	put_leases(b, &e, step);
	copy_strings(b->plan->arena, &e);
	step->env = e.rows;
	step->n_env = e.n;
}
