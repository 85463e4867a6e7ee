// SPDX-License-Identifier: Apache-2.0
/* reason_test.c - the table of reasons is whole, its names are stable words, and docs/record.md has
 * them all. */
#include "drydock/reason.h"

#include "drydock/err.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static bool is_word(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '-')
			return false;
	return name[0] && strlen(name) < 40;
}

static void every_reason_has_a_name_of_its_own_a_sentence_and_something_to_do(void **state)
{
	(void)state;
	for (unsigned i = 1; i < REASON__COUNT; i++) {
		const struct dd_reason_row *row = dd_reason_row(i);
		if (!row->name || !is_word(row->name) || !row->sentence || !row->sentence[0])
			fail_msg("reason %u has no proper name or sentence", i);
		if (row->about == ABOUT_NOTHING)
			fail_msg("%s is about nothing", row->name);
		if ((row->remedy == REMEDY_NONE) != (row->instead != NULL))
			fail_msg("%s: a remedy, or what to do instead", row->name);
		if ((row->remedy == REMEDY_UPLOAD || row->remedy == REMEDY_COUNT) !=
		    (row->key != NULL))
			fail_msg("%s: which key of the phase?", row->name);
		if (dd_reason_by_name(row->name) != i)
			fail_msg("%s is the name of two reasons", row->name);
	}
}

static void what_is_no_reason_has_no_name_and_no_remedy(void **state)
{
	(void)state;
	assert_string_equal(dd_reason_row(REASON_NONE)->name, "");
	assert_int_equal(dd_reason_row(REASON_NONE)->remedy, REMEDY_NONE);
	assert_ptr_equal(dd_reason_row(REASON__COUNT), dd_reason_row(REASON_NONE));
	assert_ptr_equal(dd_reason_row(UINT32_MAX), dd_reason_row(REASON_NONE));
	assert_int_equal(dd_reason_by_name(NULL), REASON_NONE);
	assert_int_equal(dd_reason_by_name(""), REASON_NONE);
	assert_int_equal(dd_reason_by_name("name-not-listed "), REASON_NONE);
}

static void a_detail_follows_the_sentence_where_there_is_one(void **state)
{
	(void)state;
	char text[64];
	dd_reason_say(REASON_NAME_NOT_LISTED, NULL, text, sizeof(text));
	assert_string_equal(text, "not in the allowlist");
	dd_reason_say(REASON_UNREACHABLE, "Connection refused", text, sizeof(text));
	assert_string_equal(text, "could not connect: Connection refused");
	dd_reason_say(REASON_UNREACHABLE, "Connection refused", text, 10);
	assert_string_equal(text, "could not");
}

/* Records outlive versions: a name that changes is noticed here. */
static void the_document_lists_every_name(void **state)
{
	(void)state;
	char *text = NULL, cell[64];
	size_t size = 0;
	FILE *file = fopen("docs/record.md", "re");
	if (!file) {
		print_message("# SKIP not started in the source tree\n");
		skip();
	}
	assert_true(getdelim(&text, &size, '\0', file) > 0);
	(void)fclose(file);
	for (unsigned i = 1; i < REASON__COUNT; i++) {
		(void)snprintf(cell, sizeof(cell), "`%s`", dd_reason_row(i)->name);
		if (!strstr(text, cell))
			fail_msg("docs/record.md does not list %s", cell);
	}
	free(text);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_a_name_of_its_own_a_sentence_and_something_to_do),
		cmocka_unit_test(what_is_no_reason_has_no_name_and_no_remedy),
		cmocka_unit_test(a_detail_follows_the_sentence_where_there_is_one),
		cmocka_unit_test(the_document_lists_every_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
