// SPDX-License-Identifier: Apache-2.0
/* xml_leaves.h - the leaves of an XML file, one call each; a document type is refused.
 *
 * For the settings of package managers. Pure; any role.
 */
#ifndef RUNNER_XML_LEAVES_H
#define RUNNER_XML_LEAVES_H

#include "drydock/err.h"

#include <stddef.h>

/* @fn for each element that holds text ("settings/mirrors/mirror/url"), and for each attribute
 * (".../add@key"), in document order; then @fn with the path and NULL when an element ends. */
typedef void (*xml_leaf_fn)(void *state, const char *path, const char *text);

/* Returns 0, or -EINVAL with the line in @err. @name is what messages call the file. */
int xml_leaves(const char *name, const char *text, size_t len, xml_leaf_fn fn, void *state,
               struct dd_err *err);

#endif
