// SPDX-License-Identifier: Apache-2.0
/* egress_sets.h - `use: NAME`: the destinations that a package manager on this host is configured
 * to use, or those of a list in a file.
 *
 * drydock knows no public registry by name. It asks the tool (or reads the tool's own files),
 * outside any repository and with a clean environment, when the policy is loaded. A list overrides
 * the question: egress/NAME.yml beside the policy, then /etc/drydock/egress/NAME.yml, then
 * drydock's own configs/egress/NAME.yml, which there is for services with fixed addresses.
 */
#ifndef RUNNER_EGRESS_SETS_H
#define RUNNER_EGRESS_SETS_H

#include "base/arena.h"
#include "drydock/egress.h"

struct egress_set {
	struct egress_entry *entries; /* in the arena; origin "npm: registry" */
	size_t n;
};

/* @set_dir: directory of the policy with a slash at its end, or NULL. -EINVAL: no such set, or the
 * tool is missing, fails, says nothing; @err names it. Supervisor and command line only (forks). */
int egress_set_ask(struct plan_arena *arena, const char *name, const char *set_dir,
                   struct egress_set *ret, struct dd_err *err);

struct set_reading;
struct egress_set_row {
	const char *name;
	/* NULL: a file of drydock's own, nobody to ask */
	int (*ask)(struct set_reading *s, struct dd_err *err);
	const char *what;
};
extern const struct egress_set_row egress_set_rows[];
extern const size_t egress_set_rows_n;

/* Names that drydock itself knows: package managers and its own files. An operator's
 * egress/NAME.yml may have any other. */
bool egress_set_is_known(const char *name);
const char *egress_set_nearest(const char *name); /* NULL: nothing is near */

/* "https://host:port/path" -> host (canonical) and port (of the scheme when not given). Schemes
 * http and https only; user info is skipped and never kept. -EINVAL otherwise. */
int egress_url_split(const char *url, size_t len, char ret_host[EGRESS_HOST_MAX + 1],
                     uint16_t *ret_port);

#endif
