// SPDX-License-Identifier: Apache-2.0
/* inject_commands.h - which commands, files and variables are run as code, by their names. Pure
 * tables for inject.c; the words are commit content, without their quotes. */
#ifndef RUNNER_INJECT_COMMANDS_H
#define RUNNER_INJECT_COMMANDS_H

#include <stdbool.h>

/* What a command does with its arguments. */
enum {
	INJECT_ALWAYS = 1,      /* runs any of them */
	INJECT_BY_OPTION = 2,   /* runs what stands behind an option */
	INJECT_READS_STDIN = 4, /* and its input, when no file is named */
	INJECT_PREFIX = 8,      /* begins another command */
	INJECT_DECLARES = 16,   /* they are variables */
	INJECT_PRINTS = 32,     /* only prints them */
	INJECT_ANYWHERE = 64,   /* that option may stand behind operands */
};

struct inject_command {
	const char *name; /* ends in * for all that begin so */
	unsigned does;
	const char *letters; /* BY_OPTION: of options behind which code stands */
};

/* @word: a name or a path. NULL: nothing is known of it, and it runs none of its arguments. */
const struct inject_command *inject_command_named(const char *word);
/* An option behind which code stands: `-c`, `-ec`, `--eval`. */
bool inject_is_code_option(const struct inject_command *row, const char *word);
/* What is written into such a file is run sooner or later. */
bool inject_is_code_file(const char *word);
/* Programs run what stands in such a variable (@word: NAME=...), or read it as a part of their
 * command line. Of every other variable a script decides what becomes of it. */
bool inject_is_run_variable(const char *word);
const char *inject_base_name(const char *word);

#endif
