// SPDX-License-Identifier: Apache-2.0
/* fuzz_xml_leaves.c - any bytes as settings of a package manager: paths and texts within bounds, or
 * an error with a reason. */
#include "runner/policy/egress_set_readers.h"
#include "runner/input/xml_leaves.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check_leaf(void *state, const char *path, const char *text)
{
	(void)state;
	if (strlen(path) >= 512 || (text && strstr(path, "@") == NULL && strlen(text) >= 4096))
		abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct dd_err err = { 0 };
	if (xml_leaves("f.xml", (const char *)data, size, check_leaf, NULL, &err) < 0 &&
	    err.msg[0] == '\0')
		abort();
	return 0;
}
