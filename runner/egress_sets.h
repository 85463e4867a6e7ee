// SPDX-License-Identifier: Apache-2.0
/* egress_sets.h - `use: npm` and its kin: the destinations that a package manager on this host is configured to use.
 *
 * drydock knows no public registry by name. It asks the tool (or reads the tool's own files), outside any repository and with a clean
 * environment, when the policy is loaded. An operator's list overrides the question: egress/NAME.yml beside the policy, then
 * /etc/drydock/egress/NAME.yml.
 */
#ifndef RUNNER_EGRESS_SETS_H
#define RUNNER_EGRESS_SETS_H

#include "arena.h"
#include "drydock/egress.h"

struct egress_set {
	struct egress_entry *entries; /* in the arena; origin "npm: registry" */
	size_t               n;
};

/* @set_dir: directory of the policy with a slash at its end, or NULL. -EINVAL: no such set, or the tool is missing, fails, says
 * nothing; @err names it. Supervisor and command line only (forks). */
int egress_set_ask(struct plan_arena *arena, const char *name, const char *set_dir, struct egress_set *ret, struct dd_err *err);

/* "https://host:port/path" -> host (canonical) and port (of the scheme when not given). Schemes http and https only; user info is skipped and never kept.
 * -EINVAL otherwise. */
int egress_url_split(const char *url, size_t len, char ret_host[EGRESS_HOST_MAX + 1], uint16_t *ret_port);

#endif
