// SPDX-License-Identifier: Apache-2.0
/* policy.h - the operator's policy file: parsed once, validated, never written after.
 *
 * policy_load() reports every complaint of the file with its position. Reading is the only
 * side effect, but for `use:` sets, which ask the package manager's own configuration on this host
 * (egress_sets.c).
 */
#ifndef RUNNER_POLICY_H
#define RUNNER_POLICY_H

#include "drydock/err.h"
#include "input/diag.h"

struct event_facts;
struct policy; /* opaque outside policy*.c and plan*.c (policy_model.h) */

/* 0; -EINVAL with complaints in @diags; other -errno with @err (cannot read, no memory). */
int policy_load(const char *path, struct policy **ret, struct diag_list *diags, struct dd_err *err);
/* The same from memory; @name is used in positions. Fuzzed. */
int policy_parse(const char *name, const char *text, size_t len, struct policy **ret,
                 struct diag_list *diags);
/* What of it cannot be kept on this host, whatever the job (policy_host.c): -EINVAL with
 * complaints. Directories that this host cannot show are taken out, and stand in @notes. Before a
 * run, on the operator's own policy (NULL is fine), before it is narrowed; not to judge a record.
 */
/* @err: not the policy but this host cannot use it (DD_BLAME_HOST). */
int policy_check_host(struct policy *policy, struct diag_list *diags, struct diag_list *notes,
                      struct dd_err *err);
void policy_free(struct policy *policy);
/* Does `for:` name this job? A local run is the operator's own: every policy is for it. @ret_why
 * (may be NULL): static text of the key that differs. */
bool policy_is_for(const struct policy *policy, const struct event_facts *event,
                   const char **ret_why);

#endif
