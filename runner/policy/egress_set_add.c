// SPDX-License-Identifier: Apache-2.0
/* egress_set_add.c - what every reader of a tool's settings needs: lines, words, and a destination
 * more.
 *
 * Runs in: command line and supervisor, when a policy is loaded. The files are the operator's. */
#include "egress_set_readers.h"

#include "egress_sets.h"
#include "input/read_file.h"

#include <stdlib.h>
#include <string.h>

struct egress_entry *set_add(struct set_reading *s, const char *host, uint16_t port,
                             const char *what, const char *why)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->entries[i].host, host) == 0 && s->entries[i].port == port)
			return &s->entries[i];
	if (s->n == SET_ENTRIES_MAX) {
		s->full = true;
		return NULL;
	}
	s->entries[s->n] = (struct egress_entry){
		.host = arena_strdup(s->arena, host),
		.port = port,
		.ech = EGRESS_ECH_PASS,
		.origin = arena_printf(s->arena, "%s: %s", s->name, what),
		.why = why ? arena_strdup(s->arena, why)
		           : arena_printf(s->arena, "%s on this host is configured to use it",
		                          s->name)
	};
	return &s->entries[s->n++];
}

int egress_url_split(const char *url, size_t len, char ret_host[EGRESS_HOST_MAX + 1],
                     uint16_t *ret_port)
{
	static const struct {
		const char *scheme;
		uint16_t port;
	} schemes[] = { { "https://", 443 }, { "http://", 80 } };
	uint64_t port = 0;
	for (size_t i = 0; i < ARRAY_LEN(schemes) && port == 0; i++) {
		size_t n = strlen(schemes[i].scheme);
		if (len <= n || strncasecmp(url, schemes[i].scheme, n) != 0)
			continue;
		port = schemes[i].port;
		url += n;
		len -= n;
	}
	size_t end = 0;
	while (end < len && !strchr("/?#\\", url[end]))
		end++;
	const char *at = memrchr(url, '@', end);
	const char *host = at ? at + 1 : url;
	size_t host_len = end - (size_t)(host - url);
	const char *colon = memchr(host, ':', host_len);
	if (colon) {
		char digits[8] = "";
		size_t n = host_len - (size_t)(colon + 1 - host);
		if (n == 0 || n > 5 || strspn(colon + 1, "0123456789") < n)
			return -EINVAL;
		memcpy(digits, colon + 1, n);
		port = port ? strtoul(digits, NULL, 10) : 0;
		host_len = (size_t)(colon - host);
	}
	if (port == 0 || port > 65535 || egress_host_canonical(host, host_len, ret_host) < 0)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

int set_add_url(struct set_reading *s, const char *url, size_t len, const char *what)
{
	char host[EGRESS_HOST_MAX + 1];
	uint16_t port;
	if (egress_url_split(url, len, host, &port) < 0)
		return -EINVAL;
	(void)set_add(s, host, port, what, NULL);
	return 0;
}

int set_add_proxy(struct set_reading *s, const char *url, size_t len, const char *what)
{
	char host[EGRESS_HOST_MAX + 1];
	uint16_t port;
	const char *full = memmem(url, len, "://", 3)
	                           ? arena_strndup(s->arena, url, len)
	                           : arena_printf(s->arena, "http://%.*s", (int)len, url);
	if (egress_url_split(full, strlen(full), host, &port) < 0)
		return -EINVAL;
	struct egress_entry *e = set_add(
		s, host, port, what,
		arena_printf(s->arena,
	                     "proxy of %s on this host: reaches what the proxy lets through",
	                     s->name));
	if (e)
		e->tls = EGRESS_TLS_RAW;
	return 0;
}

int set_each_line(struct set_reading *s, const char *path, set_line_fn fn, void *state,
                  struct dd_err *err)
{
	char *text = NULL;
	size_t len = 0;
	int r = read_file_bounded(path, READ_FILE_TEXT_MAX, &text, &len, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	for (char *line = text, *next; line;
	     line = next) { /* not strtok: empty lines end a stanza */
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		fn(s, line, state);
	}
	free(text);
	return 0;
}

const char *set_find_word(const char *text, size_t *ret_len)
{
	text += strspn(text, " \t\n'\",[]");
	*ret_len = strcspn(text, " \t\n'\",[]");
	return text;
}

void set_add_words(struct set_reading *s, const char *value, const char *what)
{
	size_t len;
	for (const char *at = set_find_word(value, &len); len > 0;
	     at = set_find_word(at + len, &len)) {
		char word[2048] = "";
		if (len < sizeof(word)) {
			memcpy(word, at, len);
			/* pip shows a list as one string with escapes */
			char *newline = strstr(word, "\\n");
			(void)set_add_url(s, word, newline ? (size_t)(newline - word) : len, what);
		}
	}
}

bool set_ends_with(const char *text, const char *tail)
{
	size_t a = strlen(text), b = strlen(tail);
	return a >= b && strcmp(text + a - b, tail) == 0;
}
