// SPDX-License-Identifier: Apache-2.0
/* archive.h - zip archives as steps of drydock's own make and unpack them: caches of a job,
 * artifacts of other jobs.
 *
 * Runs in: a step (cmd_in_step.c), with a workspace and nothing else, so that whoever finds a hole
 * in here has what any command of the job has. What an archive must not have is refused all the
 * same, by name: a job that unpacks such a thing should end with a word.
 *
 * The archive is a region of one open file; nothing here opens it by name.
 */
#ifndef RUNNER_ARCHIVE_H
#define RUNNER_ARCHIVE_H

#include "drydock/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ARCHIVE_PATH_MAX = 4095, ARCHIVE_DEPTH_MAX = 200, ARCHIVE_ENTRIES_MAX = 500 * 1000 };

struct archive_region {
	int fd; /* borrowed */
	uint64_t at, len;
};

struct archive_counts {
	uint64_t entries, bytes;
	uint64_t left_out; /* what lies in a .git, or is no file, directory or link */
};

/* Everything of it below @dir, over what is there; modes without setuid, times of files. At most
 * @bytes_max together, over all calls that share @counts. -EBADMSG: no archive, or one with an
 * entry that none may have (a name that leads out or through a link, one that is there twice, a
 * device); -EFBIG: too much in it. What was unpacked before that stays. */
int archive_unpack(const struct archive_region *from, int dir, uint64_t bytes_max,
                   struct archive_counts *counts, struct dd_err *err);

/* What is packed: everything of a workspace that a glob matches, in the order of its names, so that
 * the same files make the same archive. */
struct archive_choice {
	const char *const *globs; /* of GLOB_FILES */
	const size_t *pattern_of; /* by glob: counted for which pattern */
	size_t n_globs;
	uint64_t *hits;      /* by pattern */
	bool untracked;      /* besides: what is not in @tracked */
	const char *tracked; /* paths, each ended by a NUL, sorted; may be NULL */
	size_t tracked_len;
};

/* Into @to from its beginning, at most @bytes_max of it. @level: of zlib, -1 its default. */
int archive_pack(int dir, struct archive_choice *choice, int to, uint64_t bytes_max, int level,
                 struct archive_counts *counts, struct dd_err *err);

#endif
