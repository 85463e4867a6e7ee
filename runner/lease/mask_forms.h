// SPDX-License-Identifier: Apache-2.0
/* mask_forms.h - the forms in which a secret value turns up in what programs print: as it is, in
 * base64, in hex, escaped for a URL, for JSON, for a shell (L-02). Pure.
 */
#ifndef RUNNER_MASK_FORMS_H
#define RUNNER_MASK_FORMS_H

#include <stddef.h>

/* Of a longer value only the forms that programs make by themselves are looked for: twice base64
 * and reversed would be most of what the automaton has to hold. */
enum { MASK_FORMS_LONG = 4096 };

/* How a form is looked for. */
enum mask_form_kind {
	FORM_AS_IS,  /* these bytes */
	FORM_HEX,    /* hex digits, in lower case: see mask_view.h */
	FORM_BASE64, /* base64 of either alphabet, broken over lines: see there */
	FORM_KINDS,
};

/* So many bytes hold any form of @len bytes. */
size_t mask_forms_room(size_t len);

/* Non-zero stops and is returned. The bytes are those of @scratch: gone with the next call. */
typedef int (*mask_form_fn)(void *arg, enum mask_form_kind kind, const char *bytes, size_t len);
/* Each form of @value that has at least MASK_MIN bytes, the plain one first; some more than once.
 * What is base64 comes as it is, too: on one line it is found so.
 * @scratch has mask_forms_room() bytes and holds secrets afterwards. */
int mask_forms(const char *value, size_t len, char *scratch, mask_form_fn fn, void *arg);

#endif
