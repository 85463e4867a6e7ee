// SPDX-License-Identifier: Apache-2.0
/* job_start.h - from a plan to the end of a job: for every front end.
 *
 * The caller has entered the outer user namespace (identity_enter()) before it read a byte of
 * configuration, has made the plan, and brings a script that says what runs and sinks that hear.
 */
#ifndef RUNNER_JOB_START_H
#define RUNNER_JOB_START_H

#include "drydock/identity.h"
#include "job_script.h"
#include "job_shell.h"
#include "job_sink.h"
#include "lease/lease.h"
#include "tree/checkout.h"

struct job_request {
	const struct plan *plan;
	const struct identity *id;
	const struct job_script *script;
	const struct job_sink *const *sinks;
	size_t n_sinks;
	/* borrowed: what the workspace is copied from; NULL: it begins empty */
	const struct checkout *checkout;
	bool untracked; /* of it also what git does not track */
	/* files that no step is shown, should they lie in it, besides policy, record and what
	 * credentials are read from; NULL-terminated or NULL */
	const char *const *hide;
	/* of the forge's job message, or NULL: what no step is bound to goes nowhere */
	const struct lease_forge *secrets;
	/* each may be NULL: no artifacts come back; the record and the state lie where they do by
	 * default */
	const char *out, *record, *state_dir;
	/* a private key (PEM) that signs the head of the record; NULL: none does. And where its
	 * lines go besides, as record_mirror.h says; NULL-terminated or NULL */
	const char *record_key;
	const char *const *record_to;
	/* directory of what jobs of the same run upload (hatch/store_place.h); NULL: this job is
	 * alone */
	const char *artifacts;
	/* borrowed: a shell instead of one step; NULL: none */
	const struct job_shell *shell;
	bool keep; /* the trees of a step that fails are left for the caller (job_keep.h) */
	/* report instead of refusing public destinations and system calls outside the profile */
	bool observe;
};

/* Look whether this host can enforce the plan and has its credentials, remove what dead jobs left,
 * make the job's places, and run it: this process becomes the keeper, and scripts and sinks are
 * called in its child, the supervisor. Everything has been told to the sinks when it returns an
 * exit code (exit_code.h). Nothing of the job is left then but its record, its logs and what it put
 * into
 * @out. */
int job_start(const struct job_request *request);

#endif
