// SPDX-License-Identifier: Apache-2.0
/* tally.h - what the runners of public conformance data share: counting, reading files in order of
 * names. */
#ifndef TESTS_CONFORMANCE_TALLY_H
#define TESTS_CONFORMANCE_TALLY_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tally {
	size_t passed, failed;
	size_t skipped; /* by the data itself: cases of other parsers */
	bool quiet;
};

static inline void tally_pass(struct tally *t)
{
	t->passed++;
}

__attribute__((format(printf, 2, 3))) static inline void tally_fail(struct tally *t,
                                                                    const char *fmt, ...)
{
	va_list ap;
	t->failed++;
	if (t->quiet)
		return;
	va_start(ap, fmt);
	(void)fputs("# not as expected: ", stdout);
	(void)vprintf(fmt, ap);
	(void)fputs("\n", stdout);
	va_end(ap);
}

/* The whole file, with a NUL behind; free it. NULL when it cannot be read. */
static inline char *tally_read(const char *dir, const char *name, size_t *ret_len)
{
	char path[4096], *text = NULL;
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "re");
	if (!f)
		return NULL;
	size_t len = 0, cap = 0;
	for (;;) {
		if (cap - len < 65536)
			text = realloc(text, cap = cap ? cap * 2 : 131072);
		if (!text)
			break;
		size_t n = fread(text + len, 1, cap - len - 1, f);
		if (n == 0)
			break;
		len += n;
	}
	(void)fclose(f);
	if (text)
		text[len] = '\0';
	*ret_len = len;
	return text;
}

/* Calls @each for every file of @dir with that ending, by name. False when the directory is not
 * there. */
static inline bool tally_files(const char *dir, const char *ending, struct tally *t,
                               void (*each)(const char *dir, const char *name, struct tally *t))
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, NULL, alphasort);
	if (n < 0)
		return false;
	for (int i = 0; i < n; i++) {
		size_t len = strlen(names[i]->d_name), tail = strlen(ending);
		if (len > tail && strcmp(names[i]->d_name + len - tail, ending) == 0)
			each(dir, names[i]->d_name, t);
		free(names[i]);
	}
	free(names);
	return true;
}

#endif
