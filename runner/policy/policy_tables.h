// SPDX-License-Identifier: Apache-2.0
/* policy_tables.h - the parser's own tables of keys, for `drydock policy keys` and for the tests
 * that hold docs and schema against them. */
#ifndef RUNNER_POLICY_TABLES_H
#define RUNNER_POLICY_TABLES_H

#include "input/key_table.h"

struct policy_table {
	/* "phases.*.egress[]": `*` for a name that people choose, `[]` for an item of a list */
	const char *path;
	const struct key_table *table;
};
extern const struct policy_table policy_tables[];
extern const size_t policy_tables_n;

#endif
