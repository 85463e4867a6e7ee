// SPDX-License-Identifier: Apache-2.0
/* job_start.c - everything between a plan and its first step.
 *
 * Runs in: the process that becomes the keeper. Order: this host and the credentials are looked at
 * before anything is made; what dead jobs left goes before something new comes.
 */
#include "job_start.h"

#include "base/exit_code.h"
#include "drydock/fd.h"
#include "host_check.h"
#include "job.h"
#include "job_keep.h"
#include "keeper.h"
#include "lease/crash_point.h"
#include "lease/escrow.h"
#include "lease/journal.h"
#include "lease/lease.h"
#include "lease/replay.h"
#include "lease/signed_head.h"
#include "record/record_mirror.h"

#include <stdlib.h>

/* A token that is not there is found now, and not by the last step after an hour of building. It is
 * read later, and checked once more then. */
static int check_credentials(const struct job *job)
{
	struct dd_err err = { 0 };

	if (lease_look(job->plan, job->forge, &err) == 0)
		return 0;
	sink_note(&job->sinks, NULL, SINK_ERROR, "%s", err.msg);
	sink_note(&job->sinks, NULL, SINK_ERROR,
	          "nothing was run; put the secret there, readable for the user that runs drydock "
	          "and nobody else, or take it from another file with --secret NAME=FILE");
	return DRYDOCK_EXIT_HOST;
}

/* What is issued to the job's steps must be taken back, whoever of us dies. */
static int open_journal(const struct job_request *request, struct job *job, struct dd_err *err)
{
	char dir[512];
	int r = job_dirs_leases(request->state_dir, job->id, dir, err);
	if (r < 0)
		return r;
	/* the next start is somewhere else */
	dd_auto_free char *whole = realpath(job->record_path, NULL);
	const char *record = whole ? whole : job->record_path;
	job->leasing.run = job->dirs.run;
	r = journal_open(dir, job->dirs.run, record, &job->leasing.journal, err);
	return r < 0 ? r : escrow_new(&job->leasing.escrow, err);
}

static void tell_replayed(void *arg, const char *text)
{
	sink_note(arg, NULL, SINK_NOTE, "%s", text);
}

/* What dead runs left at an issuer goes before anything new is asked for. What cannot be taken back
 * is told, and keeps no job from running. */
static int replay(const struct job_request *request, struct job *job, struct dd_err *err)
{
	char dir[512];
	int r = job_dirs_leases(request->state_dir, job->id, dir, err);
	return r < 0 ? r : lease_replay(dir, tell_replayed, &job->sinks, NULL, err);
}

/* In the process that passes the record on: it is a copy of this one. */
static void forget_secrets(void *arg)
{
	const struct job *job = arg;
	lease_forget(job->plan, job->forge);
	for (char **e = environ; e && *e; e++)
		explicit_bzero(*e, strlen(*e));
}

static int job_start_make_places(const struct job_request *request, struct job *job,
                                 struct dd_err *err)
{
	int r = job_dirs_reap(request->state_dir, job->id, &job->sinks, err);

	if (r < 0)
		return r;
	if (r > 0)
		sink_note(&job->sinks, NULL, SINK_NOTE, "removed what %d earlier run%s left behind",
		          r, r == 1 ? "" : "s");
	if ((r = replay(request, job, err)) < 0)
		return r;
	if ((r = job_dirs_make(request->state_dir, job->id, &job->dirs, err)) < 0)
		return r;
	job_keep_look(job);
	job->store.artifacts = request->artifacts;
	if ((r = store_place(request->state_dir, job->id->host_uid, job->store.place, err)) < 0)
		return r;
	job->record_path = request->record ? request->record : job->dirs.record;
	if ((r = record_open(job->record_path, job->dirs.run, job->plan->spec->id, &job->rec,
	                     err)) < 0)
		return r;
	record_limit(job->rec, job->plan->record_bytes);
	if (job->record_key && (r = signed_head_look(job->record_key, job->record_path, err)) < 0)
		return r;
	if ((r = mirror_new(request->record_to, forget_secrets, job, &job->mirror, err)) < 0)
		return r;
	record_mirror_to(job->rec, job->mirror);
	if (lease_asks(job->plan) && (r = open_journal(request, job, err)) < 0)
		return r;
	return identity_slot(job->id, job->dirs.slot, &job->gate_uid, &job->step_uid, err);
}

int job_start(const struct job_request *request)
{
	struct job job = {
		.plan = request->plan,
		.id = request->id,
		.script = request->script,
		.sinks = { .items = request->sinks, .n = request->n_sinks },
		.dirs = JOB_DIRS_NONE,
		.checkout = request->checkout,
		.untracked = request->untracked,
		.hide = request->hide,
		.forge = request->secrets,
		.leasing = { .plan = request->plan, .observe = request->observe },
		.out = request->out,
		.shell = request->shell,
		.keep = request->keep,
		.record_key = request->record_key,
		.observe = request->observe,
		.tree = { .work_fd = -1, .pristine_fd = -1, .stamps = STAMPS_NONE },
		.store = JOB_STORE_NONE,
		.signal_fd = -1,
	};
	struct dd_err err = { 0 };
	int code;

	if ((code = host_check(&job)) != 0 || (code = check_credentials(&job)) != 0)
		return code;
	crash_arm();
	int r = job_start_make_places(request, &job, &err);
	if (r == 0)
		return keeper_run(&job);
	lease_job_done(&job.leasing);
	code = blame_rows[err.blame].exit_code;
	sink_note(&job.sinks, NULL, SINK_ERROR, "%s", err.msg);
	(void)mirror_end(job.mirror, NULL);
	record_free(job.rec);
	(void)job_dirs_destroy(&job.dirs, &err);
	job_dirs_close(&job.dirs);
	return code;
}
