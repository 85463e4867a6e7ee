// SPDX-License-Identifier: Apache-2.0
/* cmd_policy.c - finds the verb of `drydock policy` and hands over.
 *
 * Runs in: command line. */
#include "cmd_policy.h"
#include "commands.h"

#include "drydock/err.h"
#include "base/exit_code.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

static const struct verb_row {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
} verb_rows[] = {
	{ "check", cmd_policy_check, "POLICY... [--json]" },
	{ "sets", cmd_policy_sets, "[NAME] [--policy POLICY] [--json]" },
	{ "keys", cmd_policy_keys, "[--json]" },
	{ "explain", cmd_policy_explain, "WORKFLOW --step STEP QUESTION [--policy POLICY]" },
	{ "explain", cmd_policy_explain, "--record RECORD --seq N [--policy POLICY]" },
	{ "suggest", cmd_policy_suggest, "RECORD... [--directory DIR] [--no-sets]" },
	{ "replay", cmd_policy_replay, "RECORD... --policy POLICY [--partial] [--json]" },
};

static void usage(FILE *out)
{
	for (size_t i = 0; i < ARRAY_LEN(verb_rows); i++)
		(void)fprintf(out, "%s drydock policy %s %s\n",
		              i ? "      " : "usage:", verb_rows[i].name, verb_rows[i].usage);
	(void)fputs("\nQUESTION: --connect HOST:PORT, --syscall NAME, --path PATH or --credential "
	            "NAME.\nEach verb says more with --help.\n",
	            out);
}

int cmd_policy(int argc, char **argv)
{
	char name[40];

	argp_err_exit_status = DRYDOCK_EXIT_USAGE;
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verb_rows); i++)
		if (strcmp(argv[1], verb_rows[i].name) == 0) {
			/* what its usage shows */
			(void)snprintf(name, sizeof(name), "%.20s %s", argv[0], verb_rows[i].name);
			argv[1] = name;
			return verb_rows[i].run(argc - 1, argv + 1);
		}
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)) {
		usage(stdout);
		return DRYDOCK_EXIT_OK;
	}
	if (argc > 1)
		(void)fprintf(stderr, "drydock policy: there is no verb `%s`\n", argv[1]);
	usage(stderr);
	return DRYDOCK_EXIT_USAGE;
}
