// SPDX-License-Identifier: Apache-2.0
/* clock.h - time that only goes forward, for deadlines. Any process; header only.
 *
 * CLOCK_MONOTONIC does not count while the machine is suspended (clock_gettime(2)): a deadline is
 * of time in which a step could run. */
#ifndef DRYDOCK_CLOCK_H
#define DRYDOCK_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t dd_now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif
