// SPDX-License-Identifier: Apache-2.0
/* workflow_table.h - what came of the jobs of a workflow, a line each. */
#ifndef RUNNER_WORKFLOW_TABLE_H
#define RUNNER_WORKFLOW_TABLE_H

#include "forges/local/workflow_run.h"

#include <stdio.h>

/* Names are commit content: they are escaped. */
void workflow_table(const char *name, const struct workflow_row *rows, size_t n, double sec,
                    FILE *out);

#endif
