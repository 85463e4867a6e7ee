// SPDX-License-Identifier: Apache-2.0
/* schema_rows.h - the shape of a row of the schema; only schema*.c include it. */
#ifndef RUNNER_SCHEMA_ROWS_H
#define RUNNER_SCHEMA_ROWS_H

#include "schema.h"

enum schema_kind {
	SCHEMA_KIND_NONE,
	SCHEMA_KIND_NULL,
	SCHEMA_KIND_BOOL,
	SCHEMA_KIND_NUMBER,
	SCHEMA_KIND_STRING,
	SCHEMA_KIND_LIST,
	SCHEMA_KIND_MAP,
	SCHEMA_KIND_ONE_OF,
};

struct schema_key {
	const char *name;
	enum schema_id value;
	bool required;
};

struct schema_row {
	enum schema_kind kind;
	unsigned contexts, functions; /* what it adds to what is allowed above it */
	bool non_empty;
	bool computed_empty; /* but an expression may give an empty text */
	const char *constant;
	const struct schema_key *keys;
	size_t n_keys;
	enum schema_id loose_key, loose_value; /* of further keys; SCHEMA_NONE: there are none */
	enum schema_id item;
	const enum schema_id *one_of;
	size_t n_one_of;
};

extern const struct schema_row schema_rows[SCHEMA__COUNT];

#endif
