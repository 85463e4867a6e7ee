// SPDX-License-Identifier: Apache-2.0
/* report_files.c - the page and its style sheet, taken into the program by the assembler.
 *
 * Data. make knows that this object is made of them (Makefile: EMBEDDED); the paths are seen from
 * the top of the tree, where it compiles. */
#include "report_files.h"

#include <stdint.h>

/* The length is the assembler's too: to the compiler two symbols are two objects, whose difference
 * means nothing. */
#define EMBED(name, path)                                                                          \
	__asm__(".pushsection .rodata\n"                                                           \
	        ".balign 8\n" #name "_len: .8byte " #name "_end - " #name "_text\n" #name          \
	        "_text: .incbin \"" path "\"\n" #name "_end:\n"                                    \
	        ".popsection\n");                                                                  \
	extern const uint64_t name##_len;                                                          \
	extern const char name##_text[]

EMBED(report_html, "runner/view/report.html");
EMBED(report_css, "runner/view/report.css");

struct report_file report_file_html(void)
{
	return (struct report_file){ report_html_text, (size_t)report_html_len };
}

struct report_file report_file_css(void)
{
	return (struct report_file){ report_css_text, (size_t)report_css_len };
}
