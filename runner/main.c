// SPDX-License-Identifier: Apache-2.0
/* main.c - finds the command and hands over.
 *
 * Runs in: the process that the user started, with all that this user may do. Nothing is read here
 * but the command line.
 */
#include "command/commands.h"

#include "drydock/err.h"
#include "drydock/fault.h"
#include "drydock/trace.h"
#include "base/exit_code.h"
#include "base/text_escape.h"
#include "base/version.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *does;
} commands[] = {
	{ "run", cmd_run, "run a local workflow file, every step in its own sandbox" },
	{ "plan", cmd_plan, "print what every step would get; runs nothing" },
	{ "policy", cmd_policy, "check, explain, suggest or replay a policy" },
	{ "actions", cmd_actions, "write down which actions a workflow uses" },
	{ "record", cmd_record, "verify a record, draw it, make a page of it" },
	{ "doctor", cmd_doctor, "what this host can and cannot enforce, each with the remedy" },
	{ "issuer", cmd_issuer, "the keys with which drydock says who a step is" },
	{ "revoke", cmd_revoke, "take back what runs that were killed left at issuers" },
	{ "cache", cmd_cache, "what actions have put into the caches of this host" },
	{ "register", cmd_register, "make this host a runner of a forge" },
	{ "unregister", cmd_unregister, "this host is a runner of that forge no more" },
	{ "agent", cmd_agent, "run the jobs of the forges that this host is registered at" },
	{ "gitlab-executor", cmd_gitlab_executor,
	  "what GitLab's own runner calls for each stage of a job" },
};

static void usage(FILE *out)
{
	fprintf(out,
	        "usage: drydock COMMAND ...\n\n"
	        "Runs each step of a CI job in a sandbox of its own. The network gate is\n"
	        "open for dependency fetch, closed for build, and reopened for push; only the\n"
	        "push step holds what can publish.\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(out, "  %-15s %s\n", commands[i].name, commands[i].does);
	fprintf(out,
	        "\n`drydock COMMAND --help` says more.\n"
	        "Exit codes: 0 job succeeded, 1 job failed, 2 usage or policy error, 3 this host\n"
	        "cannot enforce it, 4 refused by policy, 5 internal error, 130 cancelled.\n");
}

/* A misspelt fault takes nothing away, and a test that set it would pass for the wrong reason. */
static bool faults_are_known(void)
{
	char shown[TEXT_ESCAPE_MAX * sizeof(dd_fault_names) + 1];
	size_t len;
	const char *name = dd_fault_unknown(&len);
	if (dd_fault_all)
		fprintf(stderr, "drydock: DRYDOCK_FAULT is longer than %zu bytes\n",
		        sizeof(dd_fault_names) - 1);
	if (!name)
		return !dd_fault_all;
	(void)text_escape(shown, name, len);
	fprintf(stderr,
	        "drydock: DRYDOCK_FAULT: there is no `%s` that could be taken away; there are",
	        shown);
	for (size_t i = 0; i < ARRAY_LEN(dd_fault_points); i++)
		fprintf(stderr, " %s", dd_fault_points[i]);
	fputc('\n', stderr);
	return false;
}

int main(int argc, char **argv)
{
	dd_fault_init();
	if (!faults_are_known())
		return DRYDOCK_EXIT_USAGE;
	if (getuid() != geteuid() || getgid() != getegid()) {
		fprintf(stderr, "drydock: it must not be setuid or setgid: whoever calls it also "
		                "chooses its environment and its files\n");
		return DRYDOCK_EXIT_USAGE;
	}
	if (argc < 2) {
		usage(stderr);
		return DRYDOCK_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return DRYDOCK_EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("drydock %s\n", drydock_version());
		return DRYDOCK_EXIT_OK;
	}
	if (strcmp(argv[1], "in-step") == 0)
		return cmd_in_step(argc - 1, argv + 1);
	struct dd_err err = { .code = 0 };
	if (dd_trace_init(&err) < 0) {
		fprintf(stderr, "drydock: %s\n", err.msg);
		return DRYDOCK_EXIT_USAGE;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		char name[32];
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		/* what its usage shows */
		(void)snprintf(name, sizeof(name), "drydock %s", commands[i].name);
		argv[1] = name;
		return commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "drydock: there is no command `%s`\n", argv[1]);
	usage(stderr);
	return DRYDOCK_EXIT_USAGE;
}
