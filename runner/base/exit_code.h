// SPDX-License-Identifier: Apache-2.0
/* exit_code.h - what the process of `drydock` says when it ends; the same numbers for every
 * command. */
#ifndef RUNNER_EXIT_CODE_H
#define RUNNER_EXIT_CODE_H

enum drydock_exit {
	DRYDOCK_EXIT_OK = 0,
	DRYDOCK_EXIT_JOB_FAILED = 1,
	DRYDOCK_EXIT_USAGE = 2,   /* command line, workflow or policy file is wrong */
	DRYDOCK_EXIT_HOST = 3,    /* this host cannot enforce what the policy asks */
	DRYDOCK_EXIT_REFUSED = 4, /* the policy refuses: trust, tampering */
	DRYDOCK_EXIT_INTERNAL = 5,
	DRYDOCK_EXIT_CANCELLED = 130,
};

#endif
