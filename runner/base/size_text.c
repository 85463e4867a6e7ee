// SPDX-License-Identifier: Apache-2.0
/* size_text.c - picks the largest unit that leaves a number above one. Pure. */
#include "size_text.h"

#include "drydock/err.h"

const char *size_text(uint64_t bytes, char buf[16])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < ARRAY_LEN(units)) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(buf, 16, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return buf;
}
