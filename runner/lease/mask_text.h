// SPDX-License-Identifier: Apache-2.0
/* mask_text.h - takes the secrets of a job out of one short text: a note, a name, a field of the
 * record. For streams see mask.h. */
#ifndef RUNNER_MASK_TEXT_H
#define RUNNER_MASK_TEXT_H

#include "mask.h"

/* Replace every secret in @text, in place; the result is never longer than the buffer of @size
 * bytes. What the end of @text begins to spell is a secret too where the text fills its buffer: it
 * may have been cut. Without a mask to ask nothing of the text is left; where what it needs cannot
 * be locked, why that is so stands in its place. */
void mask_text(struct mask *m, char *text, size_t size);
/* Would masking change @text at all? True also without memory to tell. */
bool mask_would_change(struct mask *m, const char *text, size_t len);

#endif
