// SPDX-License-Identifier: Apache-2.0
/* policy_units.h - sizes, durations and counts as people write them, in every file of drydock.
 * Pure.
 */
#ifndef RUNNER_POLICY_UNITS_H
#define RUNNER_POLICY_UNITS_H

#include <stdint.h>

/* Each: 0, or -EINVAL and nothing written. Overflow is an error. */
int policy_size(const char *text, uint64_t *ret_bytes);   /* "4MiB" */
int policy_duration(const char *text, unsigned *ret_sec); /* "90s", "1h30m"; zero is none */
int policy_count(const char *text, uint64_t max, uint64_t *ret);
int policy_cpus(const char *text, unsigned *ret_millis); /* "0.5" */

#endif
