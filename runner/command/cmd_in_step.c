// SPDX-License-Identifier: Apache-2.0
/* cmd_in_step.c - what drydock does as the program of a step of its own: unpacks archives into the
 * workspace, packs what a job keeps.
 *
 * Runs in: step. Not for people, and not in the help: the front end that orders such a step writes
 * these arguments. The working directory is the workspace, standard input the file with the
 * archives.
 *
 *   drydock in-step unpack BYTES OFFSET LENGTH [OFFSET LENGTH]...
 *   drydock in-step pack BYTES LEVEL TRACKED|- [:PATTERN GLOB...]...
 *
 * What it prints is for the job's log. */
#include "commands.h"

#include "archive/archive.h"
#include "base/exit_code.h"
#include "base/size_text.h"
#include "drydock/fd.h"
#include "input/read_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATTERNS_MAX = 2000, TRACKED_MAX = 24 * 1024 * 1024 };

static bool number(const char *text, uint64_t *ret)
{
	char *end;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && errno == 0;
}

static int fails(const struct dd_err *err)
{
	(void)printf("drydock: %s\n", err->msg);
	return DRYDOCK_EXIT_JOB_FAILED;
}

static void say_left_out(const struct archive_counts *counts)
{
	if (counts->left_out)
		(void)printf("drydock: %llu left out: what lies in a .git, or is neither file, "
		             "directory nor link\n",
		             (unsigned long long)counts->left_out);
}

static int unpack(int argc, char **argv, int dir)
{
	struct archive_counts counts = { 0 };
	struct dd_err err = { 0 };
	uint64_t most;
	int r = 0;
	if (argc < 3 || argc % 2 == 0 || !number(argv[0], &most))
		return DRYDOCK_EXIT_USAGE;
	for (int i = 1; r == 0 && i + 1 < argc; i += 2) {
		struct archive_region from = { .fd = STDIN_FILENO };
		if (!number(argv[i], &from.at) || !number(argv[i + 1], &from.len))
			return DRYDOCK_EXIT_USAGE;
		r = archive_unpack(&from, dir, most, &counts, &err);
	}
	if (r < 0)
		return fails(&err);
	say_left_out(&counts);
	return DRYDOCK_EXIT_OK;
}

static int pack(int argc, char **argv, int dir)
{
	static const char *globs[PATTERNS_MAX], *patterns[PATTERNS_MAX];
	static size_t pattern_of[PATTERNS_MAX];
	static uint64_t hits[PATTERNS_MAX];
	struct archive_choice choice = { .globs = globs, .pattern_of = pattern_of, .hits = hits };
	struct archive_counts counts = { 0 };
	struct dd_err err = { 0 };
	dd_auto_free char *tracked = NULL;
	uint64_t most, level;
	size_t n = 0;
	if (argc < 3 || argc > PATTERNS_MAX || !number(argv[0], &most) || !number(argv[1], &level))
		return DRYDOCK_EXIT_USAGE;
	for (int i = 3; i < argc; i++) {
		if (*argv[i] == ':') {
			patterns[n++] = argv[i] + 1;
			continue;
		}
		if (n == 0)
			return DRYDOCK_EXIT_USAGE;
		globs[choice.n_globs] = argv[i];
		pattern_of[choice.n_globs++] = n - 1;
	}
	choice.untracked = strcmp(argv[2], "-") != 0;
	if (choice.untracked &&
	    read_file_bounded(argv[2], TRACKED_MAX, &tracked, &choice.tracked_len, &err) < 0)
		return fails(&err);
	choice.tracked = tracked;
	/* 10: as zlib likes best */
	if (archive_pack(dir, &choice, STDIN_FILENO, most, level > 9 ? -1 : (int)level, &counts,
	                 &err) < 0)
		return fails(&err);
	for (size_t i = 0; i < n; i++)
		if (hits[i])
			(void)printf("%.200s: found %llu matching files and directories\n",
			             patterns[i], (unsigned long long)hits[i]);
		else
			(void)printf("WARNING: %.200s: no matching files\n", patterns[i]);
	say_left_out(&counts);
	return DRYDOCK_EXIT_OK;
}

int cmd_in_step(int argc, char **argv)
{
	dd_auto_fd int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (argc > 2 && dir >= 0 && strcmp(argv[1], "unpack") == 0)
		return unpack(argc - 2, argv + 2, dir);
	if (argc > 2 && dir >= 0 && strcmp(argv[1], "pack") == 0)
		return pack(argc - 2, argv + 2, dir);
	(void)fprintf(stderr, "drydock: `in-step` is what drydock runs in steps of its own\n");
	return DRYDOCK_EXIT_USAGE;
}
