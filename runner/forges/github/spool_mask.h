// SPDX-License-Identifier: Apache-2.0
/* spool_mask.h - regular expressions by which the server wants texts masked, besides the secrets
 * themselves (which the lease room masks, in all their forms).
 *
 * Made in the job host, used wherever a text goes into the spool. The expressions are the server's,
 * the texts hostile: a match is bounded, and a text that goes beyond the bound is masked whole. */
#ifndef RUNNER_SPOOL_MASK_H
#define RUNNER_SPOOL_MASK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { SPOOL_MASKS_MAX = 200, SPOOL_MASK_LEN_MAX = 4000 };

struct spool_masks;

/* Of the message's `mask`; NULL is none. @wrong: called for each that is no expression here: only
 * its text is masked then. */
struct spool_masks *spool_masks_new(const json_t *mask,
                                    void (*wrong)(void *arg, const char *pattern, const char *why),
                                    void *arg);
void spool_masks_free(struct spool_masks *masks);
/* malloc'ed, @ret_len long and NUL-terminated; NULL: the text stays as it is. NULL @masks is fine.
 */
char *spool_masks_apply(const struct spool_masks *masks, const char *text, size_t len,
                        size_t *ret_len);

#endif
