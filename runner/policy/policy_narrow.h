// SPDX-License-Identifier: Apache-2.0
/* policy_narrow.h - the repository's own .drydock.yml: hostile, and able to take away only (G-05,
 * G-06).
 *
 * The effective policy is the intersection of the operator's policy and that file. What the file
 * asks for beyond the operator's policy is left out and listed, with its place. A file that does
 * not parse is an error: a typing mistake must not widen anything. Order of use: load the
 * operator's policy, policy_narrow_load(), plan_make().
 */
#ifndef RUNNER_POLICY_NARROW_H
#define RUNNER_POLICY_NARROW_H

#include "policy.h"

#define POLICY_NARROW_FILE ".drydock.yml"

/* Narrow *@policy by the file in the root of @workspace, opened beneath it, a regular file, no link
 * on the way. No such file: nothing happens. Without an operator's policy (*@policy NULL) and with
 * a file, *@policy becomes the empty policy, narrowed; its path is NULL. 0; -EINVAL with complaints
 * in @diags; other -errno with @err (a link, not a file, too large). */
int policy_narrow_load(struct policy **policy, const char *workspace, struct diag_list *diags,
                       struct dd_err *err);
/* The same from memory. Fuzzed. */
int policy_narrow_parse(struct policy *policy, const char *name, const char *text, size_t len,
                        struct diag_list *diags);

#endif
