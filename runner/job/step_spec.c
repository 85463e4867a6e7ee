// SPDX-License-Identifier: Apache-2.0
/* step_spec.c - puts the spec of a sandbox together from a step's grant and recipe.
 *
 * Runs in: supervisor. Pure. One function for the step that runs and for the one that is parked, so
 * that what fits is what would have been built.
 */
#include "step_spec.h"

_Static_assert(RECIPE_FILES_MAX + 1 <= SANDBOX_FILES_MAX, "a sandbox takes all of them");

static size_t list_files(const struct recipe *recipe, struct sandbox_file *ret)
{
	size_t n = 0;
	if (recipe->script)
		ret[n++] = (struct sandbox_file){ .path = recipe->script_path,
			                          .content = recipe->script,
			                          .len = strlen(recipe->script),
			                          .mode = 0444 };
	for (size_t i = 0; i < recipe->n_files; i++)
		ret[n++] = (struct sandbox_file){ .path = recipe->files[i].path,
			                          .content = recipe->files[i].bytes,
			                          .len = recipe->files[i].len,
			                          .mode = 0444 };
	return n;
}

void step_spec_make(const struct job *job, const struct step_spec_of *of, struct step_spec *ret)
{
	const struct recipe *recipe = of->recipe;

	step_mounts_make(of->terms, recipe, of->view, &ret->mounts);
	ret->spec = (struct sandbox_spec){
		.zygotes = job->zygotes,
		.identity = job->id,
		.step_uid = job->step_uid,
		.step_gid = job->step_uid,
		.hostname = "drydock",
		.root = of->view->root,
		.resolv_conf = job->resolv_conf,
		.mounts = ret->mounts.mount,
		.n_mounts = ret->mounts.n,
		.files = ret->files,
		.n_files = list_files(recipe, ret->files),
		.made_sys = true,
		.workdir = recipe->workdir,
		.argv = (char *const *)(uintptr_t)(of->shell ? of->shell->argv : recipe->argv),
		.seccomp = of->compiled->seccomp,
		.secret_files = of->secret_files,
		.limits = of->terms->limits.sandbox,
		.net = of->compiled->net,
		.cgroup_parent = job->cgroup[0] ? job->cgroup : NULL,
		.name = of->label,
		.stdout_fd = of->out,
		.stderr_fd = of->err,
		.stdin_fd = of->input > 0 ? of->input : recipe->input_fd,
		.terminal = of->shell && of->shell->terminal,
	};
}
