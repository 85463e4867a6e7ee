// SPDX-License-Identifier: Apache-2.0
/* url_strip.c - finds "://" and takes away what may be a secret on both sides of the host.
 *
 * Runs in: supervisor, on text that a repository or a step chose. When in doubt more is taken away:
 * a "@" anywhere before the path ends user info.
 */
#include "url_strip.h"

#include <stdlib.h>
#include <string.h>

static const char url_end[] = " \t\r\n\"'`<>()|;{}";

static size_t span(const char *in, size_t len, const char *stops)
{
	size_t n = 0;
	while (n < len && in[n] != '\0' && !strchr(stops, in[n]))
		n++;
	return n;
}

size_t url_strip(const char *in, size_t len, char *out)
{
	size_t used = 0;

	for (size_t i = 0; i < len;) {
		if (len - i < 3 || memcmp(in + i, "://", 3) != 0) {
			out[used++] = in[i++];
			continue;
		}
		const char *from = in + i + 3;
		size_t url = span(from, len - i - 3, url_end);
		size_t authority = span(from, url, "/?#\\");
		const char *at = memrchr(from, '@', authority);
		size_t skip = at ? (size_t)(at + 1 - from) : 0;
		size_t keep = span(from + skip, url - skip, "?#");
		memmove(out + used, in + i, 3); /* "://" */
		memmove(out + used + 3, from + skip, keep);
		used += 3 + keep;
		i += 3 + url;
	}
	return used;
}

char *url_strip_dup(const char *text)
{
	size_t len = strlen(text);
	char *out = malloc(len + 1);

	if (out)
		out[url_strip(text, len, out)] = '\0';
	return out;
}
