// SPDX-License-Identifier: Apache-2.0
/* policy_edit_test.c - whatever the style of a policy file, the edit puts the new line where the
 * parser then finds it. */
#include "runner/advise/policy_edit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define ITEM "{ host: new.test, port: 443, why: \"...\" }"

static char *apply(const char *text, const struct advice_change *change, struct policy_edit *ret)
{
	struct policy_text t = { .arena = NULL };
	struct policy_edit e = { .insert = NULL };
	struct dd_err err = { 0 };
	if (policy_text_parse("p.yml", text, strlen(text), &t, &err) < 0 ||
	    policy_edit_make(&t, change, &e, &err) < 0)
		fail_msg("%s", err.msg);
	char *out = malloc(strlen(text) + strlen(e.insert) + 1);
	assert_non_null(out);
	(void)sprintf(out, "%.*s%s%s", (int)e.offset, text, e.insert, text + e.offset + e.remove);
	if (ret)
		*ret = e;
	policy_text_done(&t);
	return out;
}

static void becomes(const char *text, const struct advice_change *change, const char *want)
{
	char *out = apply(text, change, NULL);
	assert_string_equal(out, want);
	struct policy_text t = { .arena = NULL };
	struct dd_err err = { 0 };
	if (policy_text_parse("p.yml", out, strlen(out), &t, &err) < 0)
		fail_msg("%s in:\n%s", err.msg, out);
	policy_text_done(&t);
	free(out);
}

static struct advice_change list_add(const char *where, const char *text)
{
	struct advice_change c = { .kind = ADVICE_LIST_ADD };
	(void)snprintf(c.where, sizeof(c.where), "%s", where);
	(void)snprintf(c.text, sizeof(c.text), "%s", text);
	return c;
}

static void an_item_goes_before_the_first_in_block_style(void **state)
{
	(void)state;
	const struct advice_change c = list_add("phases.fetch.egress", ITEM);
	becomes("version: 1\nphases:\n  fetch:\n    egress:\n      # why\n      - { host: a.test "
	        "}\n",
	        &c,
	        "version: 1\nphases:\n  fetch:\n    egress:\n      # why\n      - " ITEM
	        "\n      - { host: a.test }\n");
	/* not indented */
	becomes("version: 1\nphases:\n  fetch:\n    egress:\n    - host: a.test\n      port: 80\n",
	        &c,
	        "version: 1\nphases:\n  fetch:\n    egress:\n    - " ITEM
	        "\n    - host: a.test\n      port: 80\n");
}

static void an_item_goes_behind_the_bracket_in_flow_style(void **state)
{
	(void)state;
	const struct advice_change c = list_add("phases.fetch.egress", ITEM);
	becomes("version: 1\nphases: { fetch: { egress: [ { host: a.test } ] } }\n", &c,
	        "version: 1\nphases: { fetch: { egress: [ " ITEM ", { host: a.test } ] } }\n");
	becomes("{\n \"version\": 1,\n \"phases\": {\n  \"fetch\": {\n   \"egress\": []\n  }\n "
	        "}\n}",
	        &c,
	        "{\n \"version\": 1,\n \"phases\": {\n  \"fetch\": {\n   \"egress\": [ " ITEM
	        " ]\n  }\n }\n}");
}

static void keys_that_are_missing_are_made(void **state)
{
	(void)state;
	const struct advice_change c = list_add("phases.fetch.egress", ITEM);
	becomes("version: 1\n", &c,
	        "version: 1\nphases:\n  fetch:\n    egress:\n      - " ITEM "\n");
	becomes("version: 1", &c, "version: 1\nphases:\n  fetch:\n    egress:\n      - " ITEM "\n");
	becomes("version: 1\nphases:\n  push:\n    upload: 1MiB\nlimits: { pids: 3 }\n", &c,
	        "version: 1\nphases:\n  fetch:\n    egress:\n      - " ITEM
	        "\n  push:\n    upload: 1MiB\nlimits: { pids: 3 }\n");
	becomes("version: 1\nphases:\n  fetch:\n    upload: 1MiB\n", &c,
	        "version: 1\nphases:\n  fetch:\n    egress:\n      - " ITEM "\n    upload: 1MiB\n");
	becomes("{ version: 1 }\n", &c,
	        "{ phases: { fetch: { egress: [ " ITEM " ] } }, version: 1 }\n");
	becomes("version: 1\n...\n", &c,
	        "phases:\n  fetch:\n    egress:\n      - " ITEM "\nversion: 1\n...\n");
}

static void nothing_and_none_are_replaced(void **state)
{
	(void)state;
	const struct advice_change c = list_add("phases.fetch.egress", ITEM);
	becomes("version: 1\nphases:\n  fetch: { egress: none }\n", &c,
	        "version: 1\nphases:\n  fetch: { egress: [ " ITEM " ] }\n");
	becomes("version: 1\nphases:\n  fetch:\n    egress:\n", &c,
	        "version: 1\nphases:\n  fetch:\n    egress: [ " ITEM " ]\n");
	becomes("version: 1\nphases:\n  fetch:\n", &c,
	        "version: 1\nphases:\n  fetch: { egress: [ " ITEM " ] }\n");
}

static void a_value_is_replaced_or_added(void **state)
{
	(void)state;
	struct advice_change c = { .kind = ADVICE_VALUE_SET,
		                   .where = "phases.fetch.upload",
		                   .text = "2MiB" };
	becomes("version: 1\nphases:\n  fetch:\n    upload: 64KiB # small\n", &c,
	        "version: 1\nphases:\n  fetch:\n    upload: 2MiB # small\n");
	becomes("version: 1\nphases:\n  fetch:\n    egress: []\n", &c,
	        "version: 1\nphases:\n  fetch:\n    upload: 2MiB\n    egress: []\n");
	becomes("version: 1\nphases: { fetch: { egress: [] } }\n", &c,
	        "version: 1\nphases: { fetch: { upload: 2MiB, egress: [] } }\n");
	struct policy_edit e;
	char *out = apply("version: 1\nphases:\n  fetch:\n    upload: 64KiB\n", &c, &e);
	assert_int_equal(e.line, 4);
	assert_int_equal(e.column, 13);
	assert_false(e.whole_lines);
	free(out);
}

static void one_system_call_becomes_two(void **state)
{
	(void)state;
	const struct advice_change c = list_add("sandbox.syscalls", "ptrace");
	becomes("version: 1\nsandbox: { syscalls: kcmp }\n", &c,
	        "version: 1\nsandbox: { syscalls: [ ptrace, kcmp ] }\n");
	becomes("version: 1\nsandbox:\n  seccomp: default\n", &c,
	        "version: 1\nsandbox:\n  syscalls:\n    - ptrace\n  seccomp: default\n");
}

static void an_entry_gets_a_key_where_it_begins(void **state)
{
	(void)state;
	struct advice_change c = { .kind = ADVICE_ENTRY_ADD,
		                   .text = "private: allow",
		                   .origin = "p.yml:5:9" };
	becomes("version: 1\nphases:\n  fetch:\n    egress:\n      - { host: a.test }\n", &c,
	        "version: 1\nphases:\n  fetch:\n    egress:\n      - { private: allow, host: "
	        "a.test }\n");
	becomes("version: 1\nphases:\n  fetch:\n    egress:\n      - host: a.test\n        port: "
	        "80\n",
	        &c,
	        "version: 1\nphases:\n  fetch:\n    egress:\n      - private: allow\n        host: "
	        "a.test\n        port: 80\n");
	struct advice_change raw = { .kind = ADVICE_ENTRY_ADD,
		                     .text = "tls: raw",
		                     .origin = "/a:b/p.yml:5:9" };
	becomes("version: 1\nphases:\n  fetch:\n    egress:\n      - { host: a.test, tls: sni }\n",
	        &raw,
	        "version: 1\nphases:\n  fetch:\n    egress:\n      - { host: a.test, tls: raw }\n");
}

static void an_entry_that_moved_is_not_guessed(void **state)
{
	(void)state;
	struct advice_change c = { .kind = ADVICE_ENTRY_ADD,
		                   .text = "private: allow",
		                   .origin = "p.yml:9:9" };
	struct policy_text t = { .arena = NULL };
	struct policy_edit e = { .line = 77 };
	struct dd_err err = { 0 };
	const char *text = "version: 1\nphases: { fetch: { egress: [ { host: a.test } ] } }\n";
	assert_int_equal(policy_text_parse("p.yml", text, strlen(text), &t, &err), 0);
	assert_int_equal(policy_edit_make(&t, &c, &e, &err), -ENOENT);
	assert_int_equal(e.line, 77);
	const struct advice_change below = list_add("version.egress", ITEM);
	assert_int_equal(policy_edit_make(&t, &below, &e, &err), -ENOENT);
	policy_text_done(&t);
}

static void a_first_policy_is_a_whole_file(void **state)
{
	(void)state;
	struct plan_arena *arena = arena_new();
	const struct advice_change changes[] = { list_add("steps",
		                                          "{ phase: fetch, match: { id: \"a\" } }"),
		                                 list_add("phases.fetch.egress", ITEM) };
	assert_string_equal(policy_edit_new_file(arena, changes, 2),
	                    "version: 1\nsteps:\n  - { phase: fetch, match: { id: \"a\" } "
	                    "}\nphases:\n  fetch:\n    egress:\n      - " ITEM "\n");
	arena_free(arena);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_item_goes_before_the_first_in_block_style),
		cmocka_unit_test(an_item_goes_behind_the_bracket_in_flow_style),
		cmocka_unit_test(keys_that_are_missing_are_made),
		cmocka_unit_test(nothing_and_none_are_replaced),
		cmocka_unit_test(a_value_is_replaced_or_added),
		cmocka_unit_test(one_system_call_becomes_two),
		cmocka_unit_test(an_entry_gets_a_key_where_it_begins),
		cmocka_unit_test(an_entry_that_moved_is_not_guessed),
		cmocka_unit_test(a_first_policy_is_a_whole_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
