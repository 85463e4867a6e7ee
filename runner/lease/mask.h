// SPDX-License-Identifier: Apache-2.0
/* mask.h - replaces every occurrence of a job's secrets, in every form of mask_forms.h, in a stream
 * of bytes by three stars (L-01, L-02, L-05).
 *
 * Use: mask_new, mask_add for every secret, mask_stream_new once for each stream (stdout and stderr
 * apart, so that what one says cannot split a secret in the other), mask_feed, mask_flush.
 * Overlapping occurrences become one "***": no end of a secret is left over. A step that wants to
 * print a secret finds a form that is not looked for: this is a guard against accidents, not the
 * wall.
 */
#ifndef RUNNER_MASK_H
#define RUNNER_MASK_H

#include "drydock/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { MASK_MIN = 4, MASK_LINE_MIN = 8, MASK_VALUE_MAX = 64 * 1024, MASK_VALUES_MAX = 4096 };

struct mask;
struct mask_stream;
typedef int (*mask_out_fn)(void *arg, const char *bytes,
                           size_t len); /* non-zero stops and is returned by the feed */

int mask_new(struct mask **ret, struct dd_err *err);
/* Copy @value into secret memory; newlines at its end do not count. What programs show of it by
 * itself is masked too: it without blanks or quotation marks around it, the signature of a token,
 * each line of at least MASK_LINE_MIN bytes. -EINVAL: shorter than MASK_MIN or longer than
 * MASK_VALUE_MAX. -EBUSY while a stream lives: register secrets before the step starts (L-09). */
int mask_add(struct mask *m, const char *value, size_t len, struct dd_err *err);
/* The same while exactly the streams of @live are there, between two feeds: what they hold back is
 * looked at again with the next. */
int mask_add_live(struct mask *m, const char *value, size_t len, struct mask_stream *const *live,
                  size_t n_live, struct dd_err *err);
/* What stands in the place of a value, "***" where nobody says another word: @word lives as long as
 * the mask, and is not empty. */
void mask_word(struct mask *m, const char *word);
/* What stands there is the place of a value that is masked already. */
bool mask_is_word(const struct mask *m, const char *text, size_t len);
/* Has it any value yet? NULL has none. */
bool mask_holds(const struct mask *m);
/* Would every value still be found in a text whose unprintable bytes were replaced and whose URLs
 * lost their user info and query strings? */
bool mask_finds_cleaned(const struct mask *m);
void mask_free(struct mask *m); /* wipes; no stream may live */

/* @m must outlive the stream. -E2BIG: the forms of all values are more than an automaton may hold.
 */
int mask_stream_new(struct mask *m, struct mask_stream **ret, struct dd_err *err);
/* Bytes that could be the start of a form are held back: at most the longest form. -ENOMEM: and
 * nothing of @in was told. */
int mask_feed(struct mask_stream *s, const char *in, size_t len, mask_out_fn out, void *arg);
/* Bytes that are held back: the text so far ends in what could be the start of a secret. */
size_t mask_held(const struct mask_stream *s);
/* Tell the first @most bytes of what is held back now, before anybody knows what they begin: for a
 * person who waits for an echo. Shorter than MASK_MIN, so never a whole value; and they count as
 * told, so that the rest of a value stays hidden. */
int mask_show_held(struct mask_stream *s, size_t most, mask_out_fn out, void *arg);
int mask_flush(struct mask_stream *s, mask_out_fn out,
               void *arg); /* the end: what is held back is no secret */
void mask_stream_free(struct mask_stream *s);

#endif
