// SPDX-License-Identifier: Apache-2.0
/* report_files.h - the files that a record's page is made of, as they stand beside this one:
 * report.html, with {{names}} of what is filled in, and report.css. */
#ifndef RUNNER_REPORT_FILES_H
#define RUNNER_REPORT_FILES_H

#include <stddef.h>

struct report_file {
	const char *text; /* no NUL behind it */
	size_t len;
};

struct report_file report_file_html(void);
struct report_file report_file_css(void);

#endif
