// SPDX-License-Identifier: Apache-2.0
/* unicode_text.h - what GitHub's language needs to know of characters: blanks, lengths, and a
 * comparison that ignores case without any language's rules.
 *
 * Texts are UTF-8 with a length; a byte that is none is kept apart as a character of its own, never
 * taken for another. GitHub counts and orders in UTF-16 units, so these do too: positions in
 * messages, limits, and `<` agree. Pure; the tables are simple one-to-one mappings (`ß` stays,
 * dotless `ı` is no `I`).
 */
#ifndef RUNNER_UNICODE_TEXT_H
#define RUNNER_UNICODE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character at @*at, which moves behind it; @*at < @end. A stray byte B gives 0xDC00 + B. */
uint32_t text_next(const char **at, const char *end);
/* Its bytes into @out (room for 4); what text_next gave for a stray byte becomes three bytes, so
 * that folded texts stay comparable. Returns how many. */
size_t text_put(char *out, uint32_t code);

bool text_is_blank(uint32_t code); /* Unicode White_Space */
void text_trim(const char **text, size_t *len);
/* UTF-16 units of @len bytes. */
size_t text_units(const char *text, size_t len);

uint32_t text_upper(uint32_t code);
/* -1, 0 or 1 by upper-cased UTF-16 units; the shorter of two equal beginnings is less. */
int text_compare(const char *a, size_t a_len, const char *b, size_t b_len);
bool text_equal(const char *a, size_t a_len, const char *b, size_t b_len);
bool text_starts(const char *text, size_t len, const char *with, size_t with_len);
bool text_ends(const char *text, size_t len, const char *with, size_t with_len);
uint32_t text_hash(const char *text, size_t len); /* equal for what text_equal takes for equal */
/* Bytes of the upper-cased text; with @out (of that size) also writes them. */
size_t text_fold(const char *text, size_t len, char *out);

#endif
