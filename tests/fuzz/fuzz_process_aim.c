// SPDX-License-Identifier: Apache-2.0
/* fuzz_process_aim.c - any bytes as a command line or an environment: what is made of them is a
 * port that stands in them, belongs to a scheme or a program, or was known before. */
#include "runner/job/process_aim.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const programs[] = { "", "ssh", "curl", "nc", "psql" };
	const char *text = (const char *)data;
	char host[16] = "";

	/* the first bytes are the host that is looked for */
	if (size < sizeof(host))
		return 0;
	memcpy(host, data, sizeof(host) - 1);
	text += sizeof(host);
	size -= sizeof(host);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		struct process_aim aim = process_aim(programs[i], text, size, host, 0);
		struct process_aim at = process_aim(programs[i], text, size, host, 8443);
		if (at.port != 8443 || (aim.known && aim.port == 0))
			abort();
	}
	struct process_aim aim = process_aim_text(text, size, host, 0);
	if (aim.known != (aim.port != 0))
		abort();
	return 0;
}
