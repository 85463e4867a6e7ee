// SPDX-License-Identifier: Apache-2.0
/* agent_record.h - `record:` of drydock.yml, looked at before a job is taken. */
#ifndef RUNNER_AGENT_RECORD_H
#define RUNNER_AGENT_RECORD_H

#include "agent/agent_config.h"
#include "drydock/err.h"

/* Can its key sign, and are its collectors ones that there are? */
int agent_record_look(const struct agent_record *record, struct dd_err *err);

#endif
