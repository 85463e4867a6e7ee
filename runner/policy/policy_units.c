// SPDX-License-Identifier: Apache-2.0
/* policy_units.c - sizes, durations and counts as people write them. Pure.
 *
 * A value that does not parse completely is refused: "10" as a duration or "1gb" as a size is a
 * question, not a number. */
#include "policy_model.h"

#include <ctype.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit size_units[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "KiB", 1ULL << 10 },
	{ "MiB", 1ULL << 20 },
	{ "GiB", 1ULL << 30 },
	{ "TiB", 1ULL << 40 },
	{ "k", 1000ULL },
	{ "kB", 1000ULL },
	{ "MB", 1000ULL * 1000 },
	{ "GB", 1000ULL * 1000 * 1000 },
	{ "TB", 1000ULL * 1000 * 1000 * 1000 },
};

static const struct unit time_units[] = {
	{ "s", 1 },
	{ "m", 60 },
	{ "h", 3600 },
	{ "d", 86400 },
};

/* The kernel gives out no less than a hundredth of a core. */
enum { SECONDS_MAX = 30 * 86400, CPU_MILLIS_MIN = 10, CPU_MILLIS_MAX = 1024 * 1000 };

/* Digits at *@at into @ret; moves on. */
static int digits(const char **at, uint64_t *ret)
{
	uint64_t value = 0;
	if (!isdigit((unsigned char)**at))
		return -EINVAL;
	for (; isdigit((unsigned char)**at); ++*at)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(**at - '0'), &value))
			return -EINVAL;
	*ret = value;
	return 0;
}

static int with_unit(const char **at, const struct unit *units, size_t n, uint64_t *ret)
{
	uint64_t value;
	if (digits(at, &value) < 0)
		return -EINVAL;
	if (**at == ' ')
		++*at;
	size_t len = 0;
	while (isalpha((unsigned char)(*at)[len]))
		len++;
	for (size_t i = 0; i < n; i++) {
		if (strlen(units[i].name) != len || memcmp(units[i].name, *at, len) != 0)
			continue;
		*at += len;
		return __builtin_mul_overflow(value, units[i].factor, ret) ? -EINVAL : 0;
	}
	return -EINVAL;
}

int policy_size(const char *text, uint64_t *ret_bytes)
{
	uint64_t bytes;
	if (with_unit(&text, size_units, ARRAY_LEN(size_units), &bytes) < 0 || *text != '\0' ||
	    bytes > INT64_MAX)
		return -EINVAL;
	*ret_bytes = bytes;
	return 0;
}

/* "90s", "5m", "1h30m"; zero is no duration. */
int policy_duration(const char *text, unsigned *ret_sec)
{
	uint64_t total = 0, part;
	do {
		if (with_unit(&text, time_units, ARRAY_LEN(time_units), &part) < 0 ||
		    __builtin_add_overflow(total, part, &total))
			return -EINVAL;
	} while (*text != '\0');
	if (total == 0 || total > SECONDS_MAX)
		return -EINVAL;
	*ret_sec = (unsigned)total;
	return 0;
}

int policy_count(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value;
	if (digits(&text, &value) < 0 || *text != '\0' || value > max)
		return -EINVAL;
	*ret = value;
	return 0;
}

/* "2", "0.5", "1.25": cores, to the thousandth. */
int policy_cpus(const char *text, unsigned *ret_millis)
{
	uint64_t whole, part = 0;
	if (digits(&text, &whole) < 0 || whole > CPU_MILLIS_MAX)
		return -EINVAL;
	if (*text == '.') {
		const char *start = ++text;
		if (digits(&text, &part) < 0 || text - start > 3)
			return -EINVAL;
		for (long i = text - start; i < 3; i++)
			part *= 10;
	}
	uint64_t millis = whole * 1000 + part;
	if (*text != '\0' || millis < CPU_MILLIS_MIN || millis > CPU_MILLIS_MAX)
		return -EINVAL;
	*ret_millis = (unsigned)millis;
	return 0;
}
