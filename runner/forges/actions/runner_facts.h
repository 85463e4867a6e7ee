// SPDX-License-Identifier: Apache-2.0
/* runner_facts.h - what GitHub calls this machine. */
#ifndef RUNNER_RUNNER_FACTS_H
#define RUNNER_RUNNER_FACTS_H

const char *runner_arch(void); /* "X64"; as in runner.arch */

#endif
