// SPDX-License-Identifier: Apache-2.0
/* job_spool.h - what a job has to tell GitHub, on this host's disk until GitHub has it.
 *
 * One directory a job, 0700. `events`: a line of JSON for each thing that happened, in order;
 * `log-N`, `summary-N`: what record N printed and wrote. Written by a sink in the supervisor (and,
 * before and behind it, by the job host and the keeper), read by the job's courier, which may die
 * and be started again: it begins at the first line, and what the server has already is told again
 * as it is.
 *
 * Record 1 is "Set up job", the last one "Complete job": what belongs to no step stands in their
 * logs. Everything is masked before it comes here. Beyond SPOOL_BYTES_MAX lines are left out,
 * counted, and told.
 */
#ifndef RUNNER_JOB_SPOOL_H
#define RUNNER_JOB_SPOOL_H

#include "job/job_sink.h"
#include "spool_mask.h"

#include <jansson.h>
#include <sys/types.h>

enum { SPOOL_ID = 37, SPOOL_RECORDS_MAX = 20000 };
#define SPOOL_BYTES_MAX ((uint64_t)256 * 1024 * 1024)

/* In memory that the processes of the job share. */
struct job_spool {
	int dir_fd, events_fd;
	const char *const *ids; /* of the written steps */
	size_t n_ids;
	/* what is open: a record */
	unsigned record, grant; /* grant 0: the job itself */
	/* of the process @log_owner alone: numbers of descriptors are not shared */
	int log_fd;
	pid_t log_owner;
	const struct spool_masks *masks; /* borrowed; NULL: none */
	uint64_t lines, bytes, left_out;
	bool ended, failed, cancelled;
	struct job_sink sink;
};

/* A random GUID. */
int spool_guid(char ret[SPOOL_ID], struct dd_err *err);

/* @dir_fd: borrowed, empty. Begins record 1. malloc'ed, in shared memory. */
int job_spool_new(int dir_fd, const char *const *ids, size_t n_ids, struct job_spool **ret,
                  struct dd_err *err);
void job_spool_free(struct job_spool *spool);
/* A line of the record that is open. */
__attribute__((format(printf, 3, 4))) void job_spool_say(struct job_spool *spool, const char *level,
                                                         const char *fmt, ...);
/* An annotation of the job as a whole. */
void job_spool_annotate(struct job_spool *spool, const char *level, const char *text);
/* The job is over: @conclusion as completejob has it, @outputs an object or NULL (taken). Nothing
 * comes behind it. */
void job_spool_over(struct job_spool *spool, const char *conclusion, json_t *outputs);

#endif
