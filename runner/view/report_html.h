// SPDX-License-Identifier: Apache-2.0
/* report_html.h - a page from its file (report.html): {{name}} is filled in by whoever gives that
 * part, and text is made safe for HTML. */
#ifndef RUNNER_REPORT_HTML_H
#define RUNNER_REPORT_HTML_H

#include "drydock/err.h"

#include <stdio.h>

struct report_part {
	const char *name;
	int (*put)(FILE *out, const void *page, struct dd_err *err);
};

/* The whole page. `style` and `style-hash` are filled in here: the page's policy lets in this one
 * style sheet, by its hash, and nothing else: no script, no image, no font, no request. -EINVAL:
 * the file names a part that is not among @parts, or one of them has no place in it. */
int report_html_page(FILE *out, const struct report_part *parts, size_t n, const void *page,
                     struct dd_err *err);

/* @text (NULL like "") as text or as a double-quoted attribute: what is not plain UTF-8 becomes
 * \xNN, then & < > " ' become entities. */
void report_html_text(FILE *out, const char *text);

#endif
