// SPDX-License-Identifier: Apache-2.0
/* policy_find.h - which of the operator's policies a job runs under. */
#ifndef RUNNER_POLICY_FIND_H
#define RUNNER_POLICY_FIND_H

#include "policy.h"

#define POLICY_DIR "/etc/drydock/policy.d"

/* The first file @dir/ *.yml, sorted, whose `for:` names the job. 0 with *ret NULL: there is no
 * such directory, or nothing in it, so no step gets anything. -EACCES (DD_BLAME_POLICY): there are
 * policies, and none is for this job. A file that cannot be used ends the search: the job might be
 * its own. */
int policy_find(const char *dir, const struct event_facts *event, struct policy **ret,
                struct diag_list *diags, struct dd_err *err);
/* Can every policy of @dir be read? */
int policy_dir_check(const char *dir, struct diag_list *diags, struct dd_err *err);

#endif
