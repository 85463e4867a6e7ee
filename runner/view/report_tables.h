// SPDX-License-Identifier: Apache-2.0
/* report_tables.h - the tables of a record's page: refused, reached, steps, credentials, artifacts,
 * what the repository asked for, and what the steps said. */
#ifndef RUNNER_REPORT_TABLES_H
#define RUNNER_REPORT_TABLES_H

#include "record/record_facts.h"

#include <stdio.h>

int report_tables(FILE *out, const struct record_facts *facts, struct dd_err *err);

#endif
