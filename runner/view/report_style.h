// SPDX-License-Identifier: Apache-2.0
/* report_style.h - the style sheet of a record's page. */
#ifndef RUNNER_REPORT_STYLE_H
#define RUNNER_REPORT_STYLE_H

/* In pieces, NULL-terminated; the sheet is all of them in order. */
extern const char *const report_style[];

#endif
