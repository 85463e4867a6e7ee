// SPDX-License-Identifier: Apache-2.0
/* fuzz_git_config.c - any bytes as a git configuration: read, cleaned, and the copy read again. */
#include "runner/tree/git_config.h"
#include "runner/tree/git_facts.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int look(void *arg, const struct git_variable *var)
{
	char name[300];
	(void)arg;
	if (var->value)
		(void)git_repository_name(var->value, name, sizeof(name));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct git_config_copy copy = { .text = NULL };
	struct dd_err err;
	if (size > 65536)
		return 0;
	if (git_config_clean((const char *)data, size, &copy, &err) == 0 &&
	    git_config_each(copy.text, copy.len, look, NULL, &err) < 0)
		abort(); /* what was written cannot be read */
	free(copy.text);
	return 0;
}
