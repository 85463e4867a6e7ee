// SPDX-License-Identifier: Apache-2.0
/* runner_facts.c - see runner_facts.h. Runs in: command line and supervisor. */
#include "runner_facts.h"

#include "drydock/err.h"

#include <string.h>
#include <sys/utsname.h>

const char *const runner_file_names[] = { "path", "env", "step_summary", "state", "output", NULL };

const char *runner_arch(void)
{
	static const struct {
		const char *machine, *github;
	} archs[] = {
		{ "x86_64", "X64" },
		{ "aarch64", "ARM64" },
		{ "i686", "X86" },
		{ "armv7l", "ARM" },
	};
	struct utsname uts;
	if (uname(&uts) < 0)
		return "unknown";
	for (size_t i = 0; i < ARRAY_LEN(archs); i++)
		if (strcmp(archs[i].machine, uts.machine) == 0)
			return archs[i].github;
	return "unknown";
}
