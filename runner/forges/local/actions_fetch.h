// SPDX-License-Identifier: Apache-2.0
/* actions_fetch.h - brings a repository from the forge that the policy names, in a job of its own:
 * one step, whose gate is open to that forge alone.
 *
 * Command line, before a job is planned to its end. What comes is not believed: store_take() reads
 * it as it reads a mirror. */
#ifndef RUNNER_ACTIONS_FETCH_H
#define RUNNER_ACTIONS_FETCH_H

#include "job_source.h"
#include "store/store.h"

struct actions_fetch {
	const struct run_args *args; /* .id: entered */
	const struct policy *policy; /* names a forge */
	const struct event_facts *event;
};

/* Into the directory @into, as a mirror has it: @asked at "owner/repo.git". -ECANCELED: somebody
 * wants the end; otherwise @err says why it cannot be had. */
int actions_fetch(const struct actions_fetch *how, const struct store_asked *asked,
                  const char *into, struct dd_err *err);

#endif
