// SPDX-License-Identifier: Apache-2.0
/* event_table_test.c - what an event's struct says is in its line, and comes back from it; every
 * event, every field, by the table alone. */
#include "runner/record/event_read.h"
#include "runner/record/event_write.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct plan_arena *arena;
static struct dd_err err;
static int64_t counter; /* every value is another */

static int setup(void **state)
{
	(void)state;
	arena = arena_new();
	memset(&err, 0, sizeof(err));
	counter = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

/* ---- a struct with a value in every field ---- */

static void fill(const struct event_shape *shape, char *to);

static const char *some_text(const struct event_field *f)
{
	return f->words ? f->words[0] : arena_printf(arena, "%s-%d", f->name, (int)++counter);
}

static void fill_list(const struct event_field *f, char *to)
{
	char *items = arena_array(arena, 3, f->of->size);
	for (size_t i = 0; i < 3; i++)
		fill(f->of, items + i * f->of->size);
	*(void **)(void *)(to + f->offset) = items;
	*(size_t *)(void *)(to + f->n_offset) = 3;
}

static void fill_field(const struct event_field *f, char *to)
{
	void *at = to + f->offset;
	switch (f->kind) {
	case FIELD_TEXT:
		*(const char **)at = some_text(f);
		return;
	case FIELD_TEXTS: {
		const char **texts = arena_array(arena, 3, sizeof(*texts));
		texts[0] = some_text(f);
		texts[1] = some_text(f);
		*(const char *const **)at = texts;
		return;
	}
	case FIELD_COUNT:
		*(int64_t *)at = ++counter * 10000000000;
		return;
	case FIELD_NUMBER:
		*(int64_t *)at = -1;
		return;
	case FIELD_PORT:
		*(uint16_t *)at = (uint16_t)(60000 + ++counter);
		return;
	case FIELD_REAL:
		*(double *)at = 0.125 + (double)++counter;
		return;
	case FIELD_BOOL:
	case FIELD_MARK:
		*(bool *)at = true;
		return;
	case FIELD_WORD:
		*(int *)at = 1;
		return;
	case FIELD_REASON:
		*(enum dd_reason *)at = REASON_UPLOAD;
		return;
	case FIELD_OBJECT:
		fill(f->of, at);
		return;
	case FIELD_LIST:
		fill_list(f, to);
		return;
	case FIELD__KINDS:
		break;
	}
	fail_msg("%s is of no kind", f->name);
}

static void fill(const struct event_shape *shape, char *to)
{
	memcpy(to, shape->empty, shape->size);
	for (size_t i = 0; i < shape->n; i++)
		fill_field(&shape->fields[i], to);
	if (shape->known)
		*(bool *)to = true;
}

/* Through a line and back; both as JSON, which compares itself. */
static void every_field_of_every_event_comes_back_as_it_was_written(void **state)
{
	(void)state;
	for (enum event e = 0; e < EVENT__COUNT; e++) {
		const struct event_shape *shape = &event_rows[e].shape;
		const struct facts_reading r = { .arena = arena, .err = &err };
		char *written = arena_alloc(arena, shape->size),
		     *read = arena_alloc(arena, shape->size);
		fill(shape, written);
		json_t *line = event_json(e, written, &err);
		if (!line)
			fail_msg("%s: %s", event_rows[e].name, err.msg);
		assert_int_equal(json_object_size(line), shape->n);
		memcpy(read, shape->empty, shape->size);
		if (event_read(&r, line, e, read) < 0)
			fail_msg("%s: %s", event_rows[e].name, err.msg);
		json_t *again = event_json(e, read, &err);
		if (!json_equal(line, again))
			fail_msg("%s: %s became %s", event_rows[e].name, json_dumps(line, 0),
			         json_dumps(again, 0));
		json_decref(line);
		json_decref(again);
	}
}

/* Offsets that are one member off would still agree with each other. */
static void a_field_stands_under_its_own_name(void **state)
{
	(void)state;
	const struct facts_net net = { .host = "a.test",
		                       .port = 443,
		                       .address = "192.0.2.1",
		                       .proto = "tcp",
		                       .reason = REASON_UDP,
		                       .why = "w",
		                       .count = 3,
		                       .process = {
					       .known = true, .pid = 7, .exe = "e", .argv = "a" } };
	json_t *line = event_json(EVENT_NET_DENY, &net, &err),
	       *want = json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:i, s:{s:i, s:s, s:s}}", "host",
	                         "a.test", "port", 443, "address", "192.0.2.1", "proto", "tcp",
	                         "reason", "udp", "why", "w", "count", 3, "process", "pid", 7,
	                         "exe", "e", "argv", "a");
	assert_true(json_equal(line, want));
	json_decref(line);
	json_decref(want);
}

static void what_does_not_apply_is_left_out_and_what_nobody_knows_is_null(void **state)
{
	(void)state;
	const struct facts_net net = {
		.host = "", .address = "", .proto = "tcp", .reason = REASON_UDP, .why = "w"
	};
	json_t *line = event_json(EVENT_NET_DENY, &net, &err);
	assert_true(json_is_null(json_object_get(line, "process")));
	assert_null(json_object_get(line, "would"));
	json_decref(line);
	line = event_json(EVENT_NET_ALLOW, &net, &err);
	assert_null(json_object_get(line, "process"));
	assert_null(json_object_get(line, "speaks"));
	json_decref(line);
}

static const struct {
	enum event event;
	const void *what;
	const char *says;
} lacking[] = {
	{ EVENT_NET_DENY, &(const struct facts_net){ .host = "" }, "the field address" },
	{ EVENT_GATE_OPEN, &(const struct facts_gate){ .state = "ajar" }, "the field state" },
	{ EVENT_VIOLATION, &(const struct facts_violation){ .kind = "tamper", .subject = "x" },
	  "the field consequence" },
	{ EVENT_ARTIFACT, &(const struct facts_artifact){ .path = "x", .sha256 = "", .size = -1 },
	  "the field size" },
};

static void an_event_that_lacks_a_field_is_an_error_and_no_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lacking); i++) {
		assert_null(event_json(lacking[i].event, lacking[i].what, &err));
		if (!strstr(err.msg, lacking[i].says))
			fail_msg("`%s` lacks `%s`", err.msg, lacking[i].says);
	}
}

/* What somebody else made long or strange must not make the record unreadable. */
static void a_text_of_any_bytes_and_any_length_can_be_read_back(void **state)
{
	(void)state;
	char path[] = "/tmp/drydock-event-XXXXXX";
	struct record *rec = NULL;
	struct record_facts *facts = NULL;
	size_t len = 3 * FACTS_TEXT_MAX;
	char *name = arena_alloc(arena, len + 1);
	memset(name, '\xfe', len);
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(record_open(path, "r", "j", &rec, &err), 0);
	assert_int_equal(record_run_start(rec,
	                                  &(struct record_facts){
						  .mode = FACTS_ENFORCED,
						  .version = name,
						  .kernel = "",
						  .policy.sha256 = "",
						  .identity = "range",
						  .enforcement = (const char *const[]){ NULL },
						  .workflow = "\x1b[31m",
						  .trust_why = "" },
	                                  &err),
	                 0);
	record_free(rec);
	if (record_facts_load(path, &facts, &err) < 0)
		fail_msg("%s", err.msg);
	assert_memory_equal(facts->version, "\\xfe\\xfe", 8);
	assert_true(strlen(facts->version) <= FACTS_TEXT_MAX);
	assert_non_null(strstr(facts->version + FACTS_TEXT_MAX - 100, " bytes more)"));
	assert_string_equal(facts->workflow, "\x1b[31m");
	record_facts_free(facts);
	assert_int_equal(unlink(path), 0);
}

/* The table's rows want a list with an end. */
static void views_are_spelled_as_in_a_policy(void **state)
{
	(void)state;
	const struct event_field *view = event_rows[EVENT_STEP_START].shape.fields;
	while (strcmp(view->name, "workspace") != 0)
		view++;
	for (int v = 0; v < WORKSPACE__VIEWS; v++)
		assert_string_equal(view->words[v], workspace_view_names[v]);
	assert_null(view->words[WORKSPACE__VIEWS]);
}

static void check_shape(const struct event_shape *shape)
{
	static const bool at_the_start = false;
	for (size_t i = 0; i < shape->n; i++) {
		const struct event_field *f = &shape->fields[i];
		assert_non_null(f->says);
		assert_true(f->offset < shape->size);
		assert_true((f->kind == FIELD_MARK || f->kind == FIELD_WORD) <= (f->words != NULL));
		assert_int_equal(f->kind == FIELD_OBJECT || f->kind == FIELD_LIST, f->of != NULL);
		/* the one thing about a struct that the table takes on trust */
		assert_true(!shape->known || f->offset >= sizeof(at_the_start));
		if (f->of)
			check_shape(f->of);
	}
}

static void every_row_of_the_table_is_whole(void **state)
{
	(void)state;
	for (enum event e = 0; e < EVENT__COUNT; e++) {
		assert_non_null(event_rows[e].name);
		assert_non_null(event_rows[e].says);
		assert_true(strlen(event_rows[e].name) <= RECORD_EVENT_MAX);
		assert_int_equal(event_named(event_rows[e].name), e);
		check_shape(&event_rows[e].shape);
	}
	assert_int_equal(event_named("run.begin"), EVENT__COUNT);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_of_every_event_comes_back_as_it_was_written),
		cmocka_unit_test(a_field_stands_under_its_own_name),
		cmocka_unit_test(what_does_not_apply_is_left_out_and_what_nobody_knows_is_null),
		cmocka_unit_test(an_event_that_lacks_a_field_is_an_error_and_no_line),
		cmocka_unit_test(a_text_of_any_bytes_and_any_length_can_be_read_back),
		cmocka_unit_test(views_are_spelled_as_in_a_policy),
		cmocka_unit_test(every_row_of_the_table_is_whole),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, teardown);
}
