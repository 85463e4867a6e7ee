// SPDX-License-Identifier: Apache-2.0
/* outside.h - what outside_launch.c asks of outside_zygote.c and outside_cgroup.c. Supervisor only.
 */
#ifndef DRYDOCK_SANDBOX_OUTSIDE_H
#define DRYDOCK_SANDBOX_OUTSIDE_H

#include "inside.h"

/* The zygote that has the tree of @spec, started if need be. Without spec->zygotes it is also
 * *@ret_own, which the caller drops. */
int outside_zygote_for(const struct sandbox_spec *spec, struct sandbox_zygote **ret_own,
                       struct sandbox_zygote **ret, struct dd_err *err);
/* Of the same zygotes the one that stands already; NULL: none. */
struct sandbox_zygote *outside_zygote_standing(const struct sandbox_spec *spec);
/* Ask for a launcher for @spec, with @fds (borrowed; -1: none), without what is late of it. It is
 * built from here on; the answer must be heard before the next question. */
int outside_zygote_ask(struct sandbox_zygote *z, const struct sandbox_spec *spec,
                       const int fds[ZYGOTE_FD__COUNT], struct dd_err *err);
/* Sets pid and pidfd of @sb. */
int outside_zygote_answer(struct sandbox_zygote *z, struct sandbox *sb, struct dd_err *err);
/* All of @spec that is not late, as a text. Heap; NULL without memory. */
char *outside_key(const struct sandbox_spec *spec);
void outside_zygote_drop(struct sandbox_zygote **own); /* and whatever lives below it */
/* What a process of ours said before it ended, for a terminal and a log. Returns -errno. */
int outside_child_error(struct dd_err *err, struct dd_err *from);

/* Make the step's leaf below spec->cgroup_parent with its limits, and open it. Without a parent:
 * sb->cgroup_fd stays -1, and limits that need a controller are an error. */
int cgroup_step_make(const struct sandbox_spec *spec, struct sandbox *sb, struct dd_err *err);
/* cgroup.kill; 0 also where the kernel (before 5.14) has none: killing init kills the namespace. */
int cgroup_step_kill(const struct sandbox *sb, struct dd_err *err);
/* Wait until it is empty (-ETIMEDOUT) and remove it. */
int cgroup_step_remove(struct sandbox *sb, unsigned timeout_ms, struct dd_err *err);
/* memory.peak, or 0 where there is no controller. */
uint64_t cgroup_step_peak(const struct sandbox *sb);

#endif
