// SPDX-License-Identifier: Apache-2.0
/* report_files.c - the page and its style sheet, taken into the program by the assembler.
 *
 * Data. make knows that this object is made of them (Makefile: EMBEDDED); the paths are seen from
 * the top of the tree, where it compiles. */
#include "report_files.h"

#define EMBED(name, path)                                                                          \
	__asm__(".pushsection .rodata\n" #name "_begin: .incbin \"" path "\"\n" #name "_end:\n"    \
	        ".popsection\n");                                                                  \
	extern const char name##_begin[], name##_end[]

EMBED(report_html, "runner/view/report.html");
EMBED(report_css, "runner/view/report.css");

struct report_file report_file_html(void)
{
	return (struct report_file){ report_html_begin,
		                     (size_t)(report_html_end - report_html_begin) };
}

struct report_file report_file_css(void)
{
	return (struct report_file){ report_css_begin,
		                     (size_t)(report_css_end - report_css_begin) };
}
