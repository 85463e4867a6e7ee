// SPDX-License-Identifier: Apache-2.0
/* cmd_revoke.c - `drydock revoke --all`: takes back what dead runs left at issuers, now, and says
 * what came of each.
 *
 * Runs in: command line, with the identity of a run. Exit 0: nothing is open any more; 1: something
 * could not be taken back. Runs that live are not touched: cancel them, and they take back
 * themselves. */
#include "commands.h"

#include "base/exit_code.h"
#include "base/text_escape.h"
#include "job/step_result.h"
#include "drydock/identity.h"
#include "job/job_dirs.h"
#include "lease/replay.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

struct args {
	bool all;
	const char *state_dir;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;
	switch (key) {
	case 'a':
		a->all = true;
		return 0;
	case 'S':
		a->state_dir = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->all)
			argp_error(state, "say --all: nothing less is offered");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void tell(void *arg, const char *text)
{
	char shown[700 * TEXT_ESCAPE_MAX + 1];
	(void)arg;
	(void)text_escape(shown, text, strnlen(text, 699));
	(void)printf("%s\n", shown);
}

int cmd_revoke(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ .name = "all", .key = 'a', .doc = "every credential that a dead run left" },
		{ .name = "state-dir",
		  .key = 'S',
		  .arg = "DIR",
		  .doc = "where the runs kept their state, as with `run`" },
		{ 0 }
	};
	static const struct argp argp = { .options = options,
		                          .parser = parse,
		                          .doc = "Take back what runs that were killed left at "
		                                 "issuers. The next `run` does the "
		                                 "same before it begins." };
	struct args args = { .all = false };
	struct lease_replayed done = { 0 };
	struct identity id;
	struct dd_err err = { .code = 0 };
	char dir[512];
	if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	int r = identity_enter(&id, &err);
	if (r == 0)
		r = job_dirs_leases(args.state_dir, &id, dir, &err);
	if (r == 0)
		r = lease_replay(dir, tell, NULL, &done, &err);
	if (r < 0) {
		(void)fprintf(stderr, "drydock: %s\n", err.msg);
		return blame_rows[err.blame].exit_code;
	}
	(void)printf("%u taken back, %u over, %u left", done.taken_back, done.over, done.left);
	if (done.alive)
		(void)printf("; %u run%s still going, and not touched", done.alive,
		             done.alive == 1 ? " is" : "s are");
	(void)printf("\n");
	return done.left ? DRYDOCK_EXIT_JOB_FAILED : DRYDOCK_EXIT_OK;
}
