// SPDX-License-Identifier: Apache-2.0
/* expr_number.c - numbers as text and back, as GitHub writes and reads them. Pure.
 *
 * .NET's G15 and C's %.15G agree on digits, on rounding to even and on when an exponent is written;
 * only the special values and -0 are named otherwise. The grammar is checked here, because
 * strtod(3) knows more forms (hexadecimal fractions, "inf", "nan(...)") than the language has. */
#include "expr_value.h"

#include "unicode_text.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t digits(const char *p, const char *end)
{
	const char *at = p;
	while (at < end && isdigit((unsigned char)*at))
		at++;
	return (size_t)(at - p);
}

/* [+-] digits [. digits] [e [+-] digits], with at least one digit before the exponent. */
static bool is_decimal(const char *p, const char *end)
{
	p += p < end && (*p == '+' || *p == '-');
	size_t whole = digits(p, end), fraction = 0;
	p += whole;
	if (p < end && *p == '.') {
		fraction = digits(p + 1, end);
		p += 1 + fraction;
	}
	if (whole + fraction == 0)
		return false;
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		p += p < end && (*p == '+' || *p == '-');
		size_t exponent = digits(p, end);
		if (exponent == 0)
			return false;
		p += exponent;
	}
	return p == end;
}

/* What fits 32 bits, and then with the sign that those bits have: 0xFFFFFFFF is -1. */
static double in_base(const char *p, const char *end, int base, const char *allowed)
{
	uint64_t value = 0;

	if (p == end)
		return NAN;
	for (; p < end; p++) {
		const char *at = *p ? strchr(allowed, tolower((unsigned char)*p)) : NULL;
		if (!at)
			return NAN;
		value = value * (unsigned)base + (uint64_t)(at - allowed);
		if (value > UINT32_MAX)
			return NAN;
	}
	return (double)(int32_t)(uint32_t)value;
}

static const struct special_row {
	const char *text;
	double value;
} specials[] = {
	{ "Infinity", INFINITY },
	{ "+Infinity", INFINITY },
	{ "-Infinity", -INFINITY },
};

double expr_number_parse(const char *text, size_t len)
{
	text_trim(&text, &len);
	const char *end = text + len;

	if (len == 0)
		return 0;
	if (is_decimal(text, end))
		return strtod(text, NULL);
	if (len > 2 && text[0] == '0' && text[1] == 'x')
		return in_base(text + 2, end, 16, "0123456789abcdef");
	if (len > 2 && text[0] == '0' && text[1] == 'o')
		return in_base(text + 2, end, 8, "01234567");
	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++)
		if (len == strlen(specials[i].text) && memcmp(text, specials[i].text, len) == 0)
			return specials[i].value;
	return NAN;
}

size_t expr_number_format(double number, char out[EXPR_NUMBER_TEXT])
{
	int n;

	if (isnan(number))
		n = snprintf(out, EXPR_NUMBER_TEXT, "NaN");
	else if (isinf(number))
		n = snprintf(out, EXPR_NUMBER_TEXT, "%sInfinity", number < 0 ? "-" : "");
	else
		n = snprintf(out, EXPR_NUMBER_TEXT, "%.15G", number == 0 ? 0.0 : number);
	return n > 0 ? (size_t)n : 0;
}
