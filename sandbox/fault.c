// SPDX-License-Identifier: Apache-2.0
/* fault.c - remembers which kernel features the operator took away with DRYDOCK_FAULT.
 *
 * Runs in: every role; read once in main(), inherited by fork, never written again. It can only ever make a set-up
 * call fail, so a hostile environment gains nothing but a refusal.
 */
#include "drydock/fault.h"

#include <stdlib.h>
#include <string.h>

static char fault_names[256]; /* "name,name"; empty: nothing is taken away */
static bool fault_all;        /* the list did not fit: refuse everything rather than forget a name */

void dd_fault_init(void)
{
	const char *list = getenv("DRYDOCK_FAULT");
	size_t len = list ? strlen(list) : 0;

	fault_all = len >= sizeof(fault_names);
	if (fault_all)
		len = 0;
	if (list)
		memcpy(fault_names, list, len);
	fault_names[len] = '\0';
}

bool dd_fault(const char *point)
{
	size_t len = strlen(point);

	if (fault_all)
		return true;
	for (const char *p = fault_names; *p; p += strcspn(p, ",")) {
		p += strspn(p, ",");
		if (strcspn(p, ",") == len && len > 0 && memcmp(p, point, len) == 0)
			return true;
	}
	return false;
}
