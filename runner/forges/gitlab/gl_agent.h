// SPDX-License-Identifier: Apache-2.0
/* gl_agent.h - GitLab as the agent knows it. */
#ifndef RUNNER_GL_AGENT_H
#define RUNNER_GL_AGENT_H

#include "agent/agent_loop.h"

extern const struct agent_forge gl_agent_forge;

/* gl_poll.c, gl_host.c: its two functions. */
int gl_poll(const struct agent_runner *runner, int sock);
int gl_host(const struct agent_runner *runner, struct ticket *ticket);

#endif
