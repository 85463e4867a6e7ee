// SPDX-License-Identifier: Apache-2.0
/* policy_syscalls.c - `sandbox.syscalls` of a policy: system calls that are allowed besides those
 * of the profile.
 *
 * Runs in: command line and supervisor. What a profile says `never` about cannot be allowed, and
 * that is said when the policy is loaded: the compiler of the filter itself is asked, name by name,
 * so that the answer is the one that counts. */
#include "policy_model.h"

#include "input/config_path.h"
#include "drydock/sandbox.h"

#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

enum { SYSCALLS_MAX = 64, NUMBER_MAX = 1024 };

void policy_read_syscalls(struct key_context *ctx, const struct tree_node *v, void *policy)
{
	size_t n = 0;
	((struct policy *)policy)->syscalls = key_texts(ctx, v, "syscalls", &n);
	if (n > SYSCALLS_MAX)
		diag_add(ctx->diags, v->mark, "write a profile of your own",
		         "more than 64 system calls");
}

/* "did you mean `io_uring_setup`?", or "". */
static void nearest_call(const char *name, char *hint, size_t size)
{
	char *names[NUMBER_MAX];
	size_t n = 0;
	for (int nr = 0; nr < NUMBER_MAX; nr++) {
		char *known = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
		if (known)
			names[n++] = known;
	}
	const char *near = diag_nearest(name, (const char *const *)names, n);
	(void)snprintf(hint, size, near ? "did you mean `%s`?" : "a name as in syscalls(2)%.0s",
	               near ? near : "");
	for (size_t i = 0; i < n; i++)
		free(names[i]);
}

static void check_one(struct key_context *ctx, struct diag_mark mark, const char *name,
                      const char *profile)
{
	const char *const extra[] = { name, NULL };
	struct seccomp_program *program = NULL;
	struct dd_err err = { 0 };
	char hint[100];
	if (seccomp_syscall_resolve_name(name) < 0) {
		nearest_call(name, hint, sizeof(hint));
		diag_add(ctx->diags, mark, hint, "there is no system call `%s` on this machine",
		         name);
	} else if (seccomp_program_load_with(profile, extra, SECCOMP_ASK_NOTHING, &program, &err) <
	           0) {
		diag_add(ctx->diags, mark,
		         "it would lead around the gate or into the host: no policy can allow it",
		         "%s", err.msg);
	}
	seccomp_program_free(program);
}

void policy_check_syscalls(struct key_context *ctx, const struct tree_node *v,
                           const struct policy *policy)
{
	char profile[512];
	struct dd_err err = { 0 };
	size_t n = 0;
	if (policy->repository)
		return; /* it can only take names away, and needs no answer for those */
	while (policy->syscalls[n])
		n++;
	if (config_path_seccomp(policy->seccomp, profile, sizeof(profile), &err) < 0) {
		diag_add(ctx->diags, v->mark,
		         "`seccomp` names the profile, `default` unless said otherwise; your own "
		         "stand in /etc/drydock/seccomp/NAME.seccomp",
		         "nobody can say what profile `%s` allows already: %s", policy->seccomp,
		         err.msg);
		return;
	}
	for (size_t i = 0; i < n && i < SYSCALLS_MAX; i++)
		check_one(ctx, v->kind == TREE_LIST && n == v->n ? v->items[i]->mark : v->mark,
		          policy->syscalls[i], profile);
}
