// SPDX-License-Identifier: Apache-2.0
/* fuzz_record_draw.c - any facts of a record, drawn for a terminal and for a browser: no control
 * byte, and no tag that the page did not make. */
#include "runner/view/record_view.h"

#include "record_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void draw(const struct record_facts *facts, bool page)
{
	const struct record_view_options opt = { .width = 80, .utf8 = true };
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);
	if (!f ||
	    (page ? record_report_html(facts, f, NULL)
	          : record_show_timeline(facts, &opt, f, NULL)) < 0 ||
	    fclose(f) != 0)
		abort();
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)out[i] < ' ' && out[i] != '\n' && out[i] != '\t')
			abort();
	if (page &&
	    (strcasestr(out, "<script") || strcasestr(out, "<img") || strcasestr(out, "<iframe")))
		abort();
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record_facts *facts = NULL;
	char path[64];
	write_record(path, data, size);
	if (record_facts_load(path, &facts, NULL) == 0)
		for (int page = 0; page < 2; page++)
			draw(facts, page);
	record_facts_free(facts);
	return 0;
}
