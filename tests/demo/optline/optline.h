// SPDX-License-Identifier: Apache-2.0
/* optline.h - flags without arguments, short and long. */
#ifndef OPTLINE_H
#define OPTLINE_H

#include <stdio.h>

struct optline_option {
	char        letter;
	const char *word, *help;
};

/* Bit i of @ret_set is set when option i was given. -1: something else was on the command line. */
int  optline_parse(const struct optline_option *options, int argc, char **argv, unsigned *ret_set);
void optline_usage(const struct optline_option *options, const char *line, FILE *out);

#endif
