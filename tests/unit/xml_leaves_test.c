// SPDX-License-Identifier: Apache-2.0
/* xml_leaves_test.c - an XML file as paths and texts, and what is refused in it. */
#include "runner/policy/egress_set_readers.h"
#include "runner/input/xml_leaves.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static char seen[4096];

static void note(void *state, const char *path, const char *text)
{
	size_t len = strlen(seen);
	(void)state;
	(void)snprintf(seen + len, sizeof(seen) - len, "%s%s%s\n", path, text ? "=" : ".",
	               text ? text : "");
}

static int read_xml(const char *text, struct dd_err *err)
{
	seen[0] = '\0';
	return xml_leaves("f.xml", text, strlen(text), note, NULL, err);
}

static void texts_and_attributes_come_with_their_paths_in_order(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	assert_int_equal(read_xml("<a xmlns='x'><b k='v'>  one <!-- no "
	                          "-->\n</b><c/><d><![CDATA[t<o]]></d></a>",
	                          &err),
	                 0);
	assert_string_equal(seen, "a@xmlns=x\na/b@k=v\na/b=one\na/b.\na/c.\na/d=t<o\na/d.\na.\n");
}

static void prefixes_are_left_away_and_entities_of_xml_are_read(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	assert_int_equal(read_xml("<m:a xmlns:m='x'><m:b>a&amp;b&#x41;</m:b></m:a>", &err), 0);
	assert_non_null(strstr(seen, "a/b=a&bA\n"));
}

static void what_is_no_xml_or_could_grow_is_refused_with_its_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *told;
	} rows[] = {
		{ "", "f.xml:1: no element found" },
		{ "<a>\n<b></a>", "f.xml:2: mismatched tag" },
		{ "<a>&x;</a>", "f.xml:1: undefined entity" },
		{ "<!DOCTYPE a [<!ENTITY x 'y'>]>\n<a>&x;</a>", "document types are not read" },
		{ "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "document types are not read" },
		{ "<a/>\n<b/>", "f.xml:2: junk after document element" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dd_err err = { 0 };
		assert_int_equal(read_xml(rows[i].text, &err), -EINVAL);
		if (!strstr(err.msg, rows[i].told))
			fail_msg("%s: told %s", rows[i].text, err.msg);
	}
}

static void depth_and_text_are_bounded(void **state)
{
	(void)state;
	static char text[20000];
	struct dd_err err = { 0 };
	for (size_t i = 0; i < 1000; i++)
		(void)strcpy(text + 3 * i, "<a>");
	assert_int_equal(read_xml(text, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "nested too deep"));
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "<a>", 3);
	assert_int_equal(read_xml(text, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "too long"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_and_attributes_come_with_their_paths_in_order),
		cmocka_unit_test(prefixes_are_left_away_and_entities_of_xml_are_read),
		cmocka_unit_test(what_is_no_xml_or_could_grow_is_refused_with_its_line),
		cmocka_unit_test(depth_and_text_are_bounded),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
