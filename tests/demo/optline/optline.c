// SPDX-License-Identifier: Apache-2.0
/* optline.c - finds each argument in the table of options; an unknown one ends it. */
#include "optline.h"

#include <string.h>

static int find(const struct optline_option *options, const char *arg)
{
	for (int i = 0; options[i].letter; i++) {
		if (arg[0] == '-' && arg[1] == options[i].letter && !arg[2])
			return i;
		if (strncmp(arg, "--", 2) == 0 && strcmp(arg + 2, options[i].word) == 0)
			return i;
	}
	return -1;
}

int optline_parse(const struct optline_option *options, int argc, char **argv, unsigned *ret_set)
{
	for (int i = 1; i < argc; i++) {
		int option = find(options, argv[i]);
		if (option < 0)
			return -1;
		*ret_set |= 1u << option;
	}
	return 0;
}

void optline_usage(const struct optline_option *options, const char *line, FILE *out)
{
	fprintf(out, "usage: %s\n", line);
	for (int i = 0; options[i].letter; i++)
		fprintf(out, "  -%c, --%-12s %s\n", options[i].letter, options[i].word, options[i].help);
}
