// SPDX-License-Identifier: Apache-2.0
/* identity.h - who runs what: the outer user namespace, entered once, never per step.
 *
 * range:  id 0 outside-of-step = supervisor and zygote; each job has two ids of its own, one for
 * its gates, one for its steps. Host ids come from /etc/subuid and /etc/subgid through
 * newuidmap(1)/newgidmap(1), or, when started as root (or with CAP_SETUID and CAP_SETGID), from the
 * maps that root writes itself. Root without subordinate ids uses the last 65536 ids of the range
 * that systemd reserves for containers (1878982656..1879048191), refused if an account lives there.
 * single: one id, mapped to the caller's own. Weaker: the step's kernel uid is the zygote's
 * (shared pipe, process and inotify quotas). Never for root: a step is never host root. Named in
 * doctor, in the output and in the record.
 *
 * identity_enter() must come before any byte of configuration is read and before any thread exists.
 * After it the process has only the capabilities that the supervisor needs in the outer user
 * namespace, and none in the initial one.
 */
#ifndef DRYDOCK_IDENTITY_H
#define DRYDOCK_IDENTITY_H

#include "err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum identity_mode {
	IDENTITY_SINGLE = 0,
	IDENTITY_RANGE,
};

struct identity {
	enum identity_mode mode;
	uint32_t ids;   /* number of ids mapped in the outer user namespace, 1 in single mode */
	uid_t host_uid; /* who started drydock, as the host sees it */
	gid_t host_gid;
	uid_t host_range; /* first host uid of the range, for messages; 0 in single mode */
	char note[200];   /* why single, and how to get range; empty in range mode */
};

/* Choose and enter. Returns 0, or -errno with the remedy in @err (no user namespaces, map refused,
 * root without a free range). DRYDOCK_IDENTITY=single in the environment asks for single mode
 * (tests); range cannot be forced where it is not there: that is an error. */
int identity_enter(struct identity *ret, struct dd_err *err);

const char *identity_mode_name(
	enum identity_mode mode); /* "range", "single": spelling in the record */

/* The command that root would type to give the caller a range: one above every range of others. For
 * remedies. */
void identity_range_command(char *ret, size_t size);

/* The ids of job slot @slot (0-based) in the caller's (outer) user namespace: gate 2*slot+1, steps
 * 2*slot+2. In single mode both are the caller's own. -ERANGE when the range is used up. */
int identity_slot(const struct identity *id, unsigned slot, uid_t *ret_gate, uid_t *ret_step,
                  struct dd_err *err);

#endif
