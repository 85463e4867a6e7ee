// SPDX-License-Identifier: Apache-2.0
/* host_search.c - reads /etc/resolv.conf for its search list and nothing else.
 *
 * Runs in: supervisor, once for each job. The file is the host's own, but what becomes of it is
 * read by hostile code's C library and compared by the gate, so it is bounded and canonical. */
#include "host_search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 65536, LINE_LEN_MAX = 2048 };

static void add_domain(struct host_search *s, const char *word, size_t *n, size_t *at)
{
	char host[EGRESS_HOST_MAX + 1];
	size_t len = strlen(word);

	if (strcmp(word, ".") == 0)
		return;
	if (egress_host_canonical(word, len, host) < 0 || *n == HOST_SEARCH_MAX ||
	    *at + strlen(host) + 1 > sizeof(s->text)) {
		s->left_out++;
		return;
	}
	len = strlen(host) + 1;
	s->domains[(*n)++] = memcpy(s->text + *at, host, len);
	*at += len;
}

static void read_search(struct host_search *s, char *rest)
{
	size_t n = 0, at = 0;

	memset(s->domains, 0, sizeof(s->domains));
	s->left_out = 0;
	for (const char *word; (word = strsep(&rest, " \t\r"));)
		if (*word)
			add_domain(s, word, &n, &at);
}

static void read_options(struct host_search *s, char *rest)
{
	for (const char *word; (word = strsep(&rest, " \t\r"));)
		if (strncmp(word, "ndots:", 6) == 0) {
			unsigned long n = strtoul(word + 6, NULL, 10);
			s->ndots = n > HOST_SEARCH_NDOTS_MAX ? HOST_SEARCH_NDOTS_MAX
			           : n > 0                   ? (unsigned)n
			                                     : 1;
		}
}

void host_search_parse(const char *text, struct host_search *ret)
{
	char line[LINE_LEN_MAX];

	*ret = (struct host_search){ .ndots = 1 };
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		(void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(p, "\n"), p);
		char *rest = line + strspn(line, " \t");
		const char *key = strsep(&rest, " \t\r");
		if (!rest)
			continue;
		if (strcmp(key, "search") == 0 || strcmp(key, "domain") == 0)
			read_search(ret, rest);
		else if (strcmp(key, "options") == 0)
			read_options(ret, rest);
	}
}

void host_search_load(struct host_search *ret)
{
	FILE *f = fopen("/etc/resolv.conf", "re");
	char *text = f ? malloc(FILE_MAX) : NULL;
	size_t n = text ? fread(text, 1, FILE_MAX - 1, f) : 0;

	host_search_parse("", ret);
	if (text) {
		text[n] = '\0';
		host_search_parse(text, ret);
	}
	free(text);
	if (f)
		(void)fclose(f);
}

void host_search_spell(const struct host_search *search, char *out, size_t size)
{
	size_t at = (size_t)snprintf(out, size, "nameserver 198.18.0.1\n");

	for (size_t i = 0; search->domains[i] && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s%s", i ? " " : "search ",
		                       search->domains[i], search->domains[i + 1] ? "" : "\n");
	if (at < size)
		at += (size_t)snprintf(out + at, size - at, "options timeout:2 attempts:2");
	if (at < size && search->ndots > 1)
		at += (size_t)snprintf(out + at, size - at, " ndots:%u", search->ndots);
	if (at < size)
		(void)snprintf(out + at, size - at, "\n");
}

size_t host_search_short(const struct host_search *search, const char *host)
{
	size_t len = strlen(host);

	for (size_t i = 0; search->domains[i]; i++) {
		size_t n = strlen(search->domains[i]);
		if (len > n + 1 && host[len - n - 1] == '.' &&
		    strcmp(host + len - n, search->domains[i]) == 0)
			return len - n - 1;
	}
	return 0;
}
