// SPDX-License-Identifier: Apache-2.0
/* runner_facts.h - what GitHub calls this machine. */
#ifndef RUNNER_RUNNER_FACTS_H
#define RUNNER_RUNNER_FACTS_H

const char *runner_arch(void); /* "X64"; as in runner.arch */

/* The files that a step leaves something in, as its recipe names them; NULL at the end. In the
 * order in which they are read: it is also that of enum engine_file. */
extern const char *const runner_file_names[6];

#endif
