// SPDX-License-Identifier: Apache-2.0
/* github_fetch.h - brings the archives of actions that a job uses: the server says which commit a
 * name is and where its archive lies, a courier fetches it.
 *
 * The archives become a mirror of the job's own (policy `actions.mirror` has the same form), which
 * the store reads like any other: apart, safely, under a digest. Nothing here looks into one. */
#ifndef RUNNER_GITHUB_FETCH_H
#define RUNNER_GITHUB_FETCH_H

#include "base/arena.h"
#include "drydock/err.h"
#include "forges/engine/actions_find.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { FETCH_ACTIONS_MAX = 200 };
#define FETCH_ARCHIVE_MAX ((size_t)256 * 1024 * 1024)
#define FETCH_TOTAL_MAX   ((size_t)1024 * 1024 * 1024)

struct github_fetch {
	const char *launch;                   /* address of the service that resolves; "": none */
	const char *token, *plan_id, *job_id; /* of the job */
	const char *fallback;       /* GITHUB_TOKEN, for an archive that brings no token */
	bool bearer;                /* where codeload wants it so */
	const json_t *dependencies; /* of the message, handed on; NULL: none */
	const char *ca;
	int dir_fd; /* the mirror; below it OWNER/REPO@REF.tar.gz is made */
	struct plan_arena *arena;
	/* Until @fd can be read. False: nobody wants it any more. */
	bool (*wait)(void *arg, int fd);
	void *wait_arg;
};

/* @list[i] each on its own: 0 also when none of them came. -ECANCELED: not wanted any more. */
int github_fetch(const struct github_fetch *how, struct actions_wanted *list, size_t n,
                 struct dd_err *err);

#endif
