// SPDX-License-Identifier: Apache-2.0
/* report_html.h - the parts of a page that are the same for every record: head with its style, and
 * text made safe for HTML. */
#ifndef RUNNER_REPORT_HTML_H
#define RUNNER_REPORT_HTML_H

#include "drydock/err.h"

#include <stdio.h>

/* Doctype to <body>. The page's policy lets in this one style sheet, by its hash, and nothing else:
 * no script, no image, no font, no request. */
int report_html_begin(FILE *out, const char *title, struct dd_err *err);
void report_html_end(FILE *out);

/* @text (NULL like "") as text or as a double-quoted attribute: what is not plain UTF-8 becomes
 * \xNN, then & < > " ' become entities. */
void report_html_text(FILE *out, const char *text);

#endif
