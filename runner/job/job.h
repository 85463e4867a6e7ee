// SPDX-License-Identifier: Apache-2.0
/* job.h - one job as the supervisor holds it. Filled by job_start() before the fork, never shared
 * with a step. */
#ifndef RUNNER_JOB_H
#define RUNNER_JOB_H

#include "drydock/egress_spent.h"
#include "hatch/store_place.h"
#include "host_search.h"
#include "job_dirs.h"
#include "job_script.h"
#include "job_shell.h"
#include "job_sink.h"
#include "job_terms.h"
#include "lease/lease.h"
#include "record/record.h"
#include "tree/checkout.h"
#include "tree/stamps.h"
#include "tree/workspace.h"

/* The trees of the job (job_tree.c). */
struct job_tree {
	int work_fd;              /* the shared workspace */
	int pristine_fd;          /* the checkout as copied in; -1 when no push step asks for it */
	struct manifest *initial; /* of the workspace before the first step */
	struct manifest *now;     /* after the step that ended last */
	/* after the build step that ended last; NULL: none yet. Borrowed from now, or owned */
	struct manifest *built;
	struct tracked *tracked;
	struct stamps stamps;
};

struct job_cache;
/* Caches and artifacts (step_hatch.c). */
struct job_store {
	char place[STORE_PLACE_MAX]; /* of all on this host */
	const char *artifacts;       /* directory of the run's; NULL: of this job alone */
	int cache_dir, artifact_dir; /* -1: no step has asked for a hatch yet */
	struct job_cache *own;       /* job_cache.c; NULL: nobody has asked yet */
	char (*saved)[65];           /* digests of what steps of this job uploaded */
	size_t n_saved;
};
#define JOB_STORE_NONE                                                                             \
	{                                                                                          \
		.cache_dir = -1, .artifact_dir = -1                                                \
	}

/* How urgently somebody wants the job to end. */
enum job_cancel {
	JOB_GOES_ON = 0,
	JOB_CANCELLED, /* the step ends; what must run even so, follows */
	JOB_KILLED,    /* asked twice, or nobody is left to ask: nothing follows */
};

/* Whose list a step has: its phase's, or that of drydock's own step at the forge. */
enum { JOB_LIST_FORGE = DD_PHASE__COUNT, JOB_LISTS };
static inline int job_list_of(const struct grant_terms *terms)
{
	return terms->of_forge ? JOB_LIST_FORGE : (int)terms->phase;
}

struct job;
/* Take what waits on the job's signal descriptor: nobody counts the same signal twice. Returns how
 * urgent the end is now. Supervisor only (supervisor.c). */
enum job_cancel job_cancel_read(struct job *job);

struct job {
	const struct plan *plan;
	const struct identity *id;
	const struct job_script *script;
	struct job_sinks sinks;
	struct job_dirs dirs;
	/* the caller's directory, copied, never written; NULL: the workspace begins empty */
	const struct checkout *checkout;
	bool untracked;                  /* of it also what git does not track */
	const char *const *hide;         /* see job_start.h */
	const struct lease_forge *forge; /* its secrets, overwritten once the supervisor has them */
	const char *out;                 /* where declared artifacts go, or NULL */
	const char *record_path;
	const char *record_key;        /* signs its head in the end; NULL: nothing does */
	struct mirror *mirror;         /* where its lines go besides; NULL: nowhere */
	const struct job_shell *shell; /* instead of one step; NULL: none */
	bool shell_ran;
	bool keep;       /* what a failed step leaves */
	unsigned n_kept; /* steps whose trees lie in dirs.keep, and the label of the last */
	char kept_step[JOB_STEP_NAME_MAX];
	/* report instead of refusing public destinations and system calls outside the profile */
	bool observe;
	struct host_search search;                 /* of this host's resolver */
	char resolv_conf[HOST_SEARCH_BYTES + 128]; /* of its steps */
	/* this host cannot say which system calls the filter refuses; it refuses them all the same
	 */
	bool calls_untold;
	char cgroup[256]; /* the job's cgroup; empty: the host offers none */
	uid_t gate_uid, step_uid;
	struct lease_job leasing;
	struct job_terms_set terms;
	struct sandbox_zygotes *zygotes; /* what its steps are cloned from */
	struct gate_zygote *gates;       /* what the gates of its closed steps are forked from */
	struct job_tree tree;
	struct job_store store;
	struct record *rec;
	/* every value that was ever granted in this job; also what sinks and record are masked by
	 */
	struct mask *mask;
	struct step_room *room;     /* of the step at hand (step_run.c) */
	struct step_parked *parked; /* of the next one (step_park.c); NULL: none ever was */
	struct step_result *result; /* of the step at hand: large, so there is one for all */
	struct step_summary *ran;   /* of every step so far */
	size_t n_ran;
	bool *written;     /* by grant: the written step has had its turn */
	unsigned *brought; /* by grant: how many steps it brought so far */
	/* what the steps so far have used of the list of each phase; made by the first of them */
	struct egress_spent *spent[JOB_LISTS]; /* by job_list_of() */
	/* the list of each phase that the record has already, and in which event */
	struct {
		const struct egress_entry *entries;
		uint64_t seq;
	} listed[DD_PHASE__COUNT];
	pid_t keeper;  /* our parent; its death ends the job at once */
	int signal_fd; /* SIGINT, SIGTERM: cancel */
	enum job_cancel cancel;
};

#endif
