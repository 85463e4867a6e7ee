// SPDX-License-Identifier: Apache-2.0
/* record_maker.h - records for tests: events from JSON text, read back as facts. One at a time. */
#ifndef TESTS_UNIT_RECORD_MAKER_H
#define TESTS_UNIT_RECORD_MAKER_H

#include "record_strict.h"

#include <stdlib.h>
#include <unistd.h>

static char maker_path[64];
static struct record *maker_record;
static struct record_facts *maker_facts;

static inline int maker_setup(void **state)
{
	(void)state;
	(void)snprintf(maker_path, sizeof(maker_path), "/tmp/drydock-maker-XXXXXX");
	int fd = mkstemp(maker_path);
	maker_facts = NULL;
	return fd < 0 || close(fd) < 0 ||
	       record_open(maker_path, "run-1", "test", &maker_record, NULL);
}

static inline int maker_teardown(void **state)
{
	(void)state;
	record_free(maker_record);
	record_facts_free(maker_facts);
	return unlink(maker_path);
}

/* @fields as JSON text; cmocka's assertions, so only inside a test. */
static inline void add(const char *step, const char *phase, const char *event, const char *fields)
{
	json_t *object = json_loads(fields, 0, NULL);
	assert_non_null(object);
	must_be_known(event, object);
	assert_int_equal(record_add(maker_record, RECORD_BEGINS, step, phase, event, object, NULL),
	                 0);
}

/* A run with one step `s`, id and all, whose gate has been closed; more events may follow until
 * load(). */
static inline void add_step(const char *phase, const char *mode)
{
	char text[300];
	(void)snprintf(text, sizeof(text), "{\"mode\":\"%s\",\"trusted\":true}", mode);
	add(NULL, NULL, "run.start", text);
	add("s", phase, "step.start",
	    "{\"index\":1,\"id\":\"s\",\"name\":\"S\",\"seccomp\":\"default\",\"read\":[],"
	    "\"syscalls\":[],\"workspace\":\"pristine\","
	    "\"artifacts\":[],\"match\":{\"id\":\"s\",\"name\":\"S\",\"job\":\"test\",\"run\":"
	    "\"make\"},\"run_exact\":true}");
}

static inline void add_end(const char *more)
{
	char text[300];
	(void)snprintf(
		text, sizeof(text),
		"{\"outcome\":\"succeeded\",\"exit\":0,\"wall_sec\":1.0,\"output_bytes\":10%s}",
		more);
	add("s", "build", "step.end", text);
	add(NULL, NULL, "run.end", "{}");
}

static inline const struct record_facts *load(void)
{
	struct dd_err err = { 0 };
	if (record_facts_load(maker_path, &maker_facts, &err) < 0)
		fail_msg("%s", err.msg);
	return maker_facts;
}

#endif
