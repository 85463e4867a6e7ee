// SPDX-License-Identifier: Apache-2.0
/* hatch_lock.h - the locks of the two processes of a hatch (sandbox/hatch_lock.c). No way back;
 * any failure ends the process. */
#ifndef DRYDOCK_HATCH_LOCK_H
#define DRYDOCK_HATCH_LOCK_H

#include "err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct hatch_lock {
	pid_t supervisor;
	bool switch_ids;
	uid_t uid;
	gid_t gid;
	uint64_t file_bytes; /* no file grows beyond this */
};

/* The hatch: accepts, reads and writes descriptors that it holds; no path, no socket, no process.
 */
int hatch_lock(const struct hatch_lock *lock, struct dd_err *err);
/* The storekeeper: files below @dirs (descriptors; -1: none), and nothing else. */
int store_lock(const struct hatch_lock *lock, const int *dirs, size_t n, struct dd_err *err);

#endif
