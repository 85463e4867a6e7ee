// SPDX-License-Identifier: Apache-2.0
/* policy_text.h - a policy file as it is written: where a key stands. For the doctor and for
 * `explain`, which name lines.
 *
 * It judges nothing: policy_load() has the meaning. Order of use: policy_text_load(),
 * policy_text_at(), policy_text_done().
 */
#ifndef RUNNER_POLICY_TEXT_H
#define RUNNER_POLICY_TEXT_H

#include "input/yaml_tree.h"

#include "drydock/err.h"

struct policy_text {
	struct plan_arena *arena;
	const char *path;
	const char *text; /* NUL-terminated */
	size_t len;
	struct tree_node *root;
};

/* 0; -EINVAL when it is no YAML that drydock reads; other -errno when it cannot be read. */
int policy_text_load(const char *path, struct policy_text *ret, struct dd_err *err);
/* The same from memory, copied. */
int policy_text_parse(const char *name, const char *text, size_t len, struct policy_text *ret,
                      struct dd_err *err);
void policy_text_done(struct policy_text *text);

/* The value at a dotted path ("phases.fetch.egress"), or NULL. @ret_key (may be NULL): the node of
 * its last key. */
const struct tree_node *policy_text_at(const struct policy_text *text, const char *dotted,
                                       const struct tree_node **ret_key);

#endif
