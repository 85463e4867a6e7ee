// SPDX-License-Identifier: Apache-2.0
/* text_escape.h - bytes that somebody else chose, made safe to show and to store as UTF-8 text.
 *
 * Used wherever a file name, a step's output or a record's field reaches a terminal or a JSON
 * string. Pure; safe in every role.
 */
#ifndef RUNNER_TEXT_ESCAPE_H
#define RUNNER_TEXT_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/* Length (1 to 4) of the well-formed UTF-8 character at @s, or 0: not UTF-8 (surrogates, overlong
 * forms and values above U+10FFFF included). */
size_t utf8_char_len(const char *s, size_t len);
/* The character may reach a terminal as it is: no C0 or C1 control, no DEL, no line or paragraph
 * separator, no direction override. A tab may. */
bool utf8_char_is_plain(const char *s, size_t char_len);

enum { TEXT_ESCAPE_MAX = 4 }; /* one byte in, at most "\xNN" out */
/* Write @len bytes to @out (room for TEXT_ESCAPE_MAX * @len + 1), everything that is not plain as
 * \xNN, byte by byte. Returns the length; adds a NUL. */
size_t text_escape(char *out, const char *s, size_t len);

#endif
