// SPDX-License-Identifier: Apache-2.0
/* run_args.c - the command line that `run` and `plan` share. Runs in: command line. */
#include "run_args.h"

#include "record/record_mirror.h"

#include <string.h>

/* without a short form */
enum {
	KEY_OBSERVE = 0x100, /* it is not to be typed by accident */
	KEY_INPUT,
	KEY_VAR,
	KEY_KEEP,
	KEY_LOCKED,
	KEY_REV,
	KEY_SHELL,
	KEY_SHELL_PROGRAM,
	KEY_RECORD_KEY,
	KEY_RECORD_TO,
};

static const struct argp_option options[] = {
	{ .name = "job",
	  .key = 'j',
	  .arg = "JOB",
	  .doc = "this job alone (default: the whole workflow); CALLER/JOB of a called one" },
	{ .name = "input",
	  .key = KEY_INPUT,
	  .arg = "NAME=VALUE",
	  .doc = "an input of `workflow_dispatch`; may be repeated" },
	{ .name = "var",
	  .key = KEY_VAR,
	  .arg = "NAME=VALUE",
	  .doc = "a variable of the context `vars`; may be repeated" },
	{ .name = "policy",
	  .key = 'p',
	  .arg = "FILE",
	  .doc = "the policy (default: the first in /etc/drydock/policy.d that is for the job)" },
	{ .name = "event",
	  .key = 'e',
	  .arg = "FILE",
	  .doc = "the forge's event as JSON; without it the run is the operator's own" },
	{ .name = "workspace",
	  .key = 'w',
	  .arg = "DIR",
	  .doc = "the tree to copy for the job (default: the root of the repository, or here)" },
	{ .name = "untracked", .key = 'u', .doc = "copy also what git does not track or ignores" },
	{ .name = "rev",
	  .key = KEY_REV,
	  .arg = "REV",
	  .doc = "take this commit alone (HEAD, a branch, a tag, a commit), and nothing that "
	         "stands on disk" },
	{ .name = "out", .key = 'o', .arg = "DIR", .doc = "where declared artifacts go" },
	{ .name = "record",
	  .key = 'r',
	  .arg = "FILE",
	  .doc = "where the record goes; with `explain --seq`, the record" },
	{ .name = "record-key",
	  .key = KEY_RECORD_KEY,
	  .arg = "FILE",
	  .doc = "sign the head of the record with this private key, into RECORD.sig" },
	{ .name = "record-to",
	  .key = KEY_RECORD_TO,
	  .arg = "COLLECTOR",
	  .doc = "pass the record's lines on as they are written: " MIRROR_FORMS
	         "; may be repeated" },
	{ .name = "secret",
	  .key = 's',
	  .arg = "NAME=FILE",
	  .doc = "take credential NAME from FILE; may be repeated" },
	{ .name = "state-dir",
	  .key = 'S',
	  .arg = "DIR",
	  .doc = "where drydock keeps the trees of running jobs" },
	{ .name = "dry-run", .key = 'n', .doc = "print the plan, run nothing" },
	{ .name = "observe",
	  .key = KEY_OBSERVE,
	  .doc = "do not enforce, report: let public destinations and system calls outside the "
	         "profile through, and record them" },
	{ .name = "keep",
	  .key = KEY_KEEP,
	  .doc = "leave a copy of what a failed step left, and say where it is" },
	{ .name = "locked",
	  .key = KEY_LOCKED,
	  .doc = "run no action that is not what .drydock.lock of the workspace says" },
	{ .name = "shell",
	  .key = KEY_SHELL,
	  .arg = "STEP",
	  .doc = "a shell instead of this step (id, number, label or name), in its sandbox and "
	         "with its rights; the steps before it run as ever, none behind it" },
	{ .name = "shell-program",
	  .key = KEY_SHELL_PROGRAM,
	  .arg = "PROGRAM",
	  .doc = "which shell: bash, sh, or a path in the sandbox (default: bash, else sh)" },
	{ .name = "json", .key = 'J', .doc = "print data as JSON" },
	{ .name = "rules",
	  .key = 'R',
	  .doc = "with a plan: the nftables rules in full (JSON always has them)" },
	{ .name = "syscalls", .key = 'Y', .doc = "with a plan: each system call, its answer, why" },
	{ 0 },
};

void run_args_add(const char *list[RUN_VALUES_MAX], size_t *n, char *arg, struct argp_state *state)
{
	const char *equals = strchr(arg, '=');
	if (!equals || equals == arg)
		argp_error(state, "`%s` is not NAME=VALUE", arg);
	else if (*n == RUN_VALUES_MAX)
		argp_error(state, "more than %d values", RUN_VALUES_MAX);
	else
		list[(*n)++] = arg;
}

static error_t parse_more(int key, char *arg, struct argp_state *state)
{
	struct run_args *args = state->input;
	switch (key) {
	case KEY_INPUT:
		run_args_add(args->inputs, &args->n_inputs, arg, state);
		return 0;
	case KEY_VAR:
		run_args_add(args->vars, &args->n_vars, arg, state);
		return 0;
	case 's':
		if (args->n_secrets == RUN_SECRETS_MAX)
			argp_error(state, "more than %d secrets", RUN_SECRETS_MAX);
		else
			args->secrets[args->n_secrets++] = arg;
		return 0;
	case KEY_RECORD_TO:
		if (args->n_record_to == RUN_COLLECTORS_MAX)
			argp_error(state, "more than %d collectors", RUN_COLLECTORS_MAX);
		else
			args->record_to[args->n_record_to++] = arg;
		return 0;
	case 'n':
		args->dry_run = true;
		return 0;
	case 'u':
		args->untracked = true;
		return 0;
	case KEY_LOCKED:
		args->locked = true;
		return 0;
	case KEY_OBSERVE:
		args->observe = true;
		return 0;
	case KEY_KEEP:
		args->keep = true;
		return 0;
	case 'J':
		args->json = true;
		return 0;
	case 'R':
		args->rules = true;
		return 0;
	case 'Y':
		args->syscalls = true;
		return 0;
	case ARGP_KEY_ARG:
		if (args->workflow)
			argp_error(state, "one workflow at a time, not also `%s`", arg);
		args->workflow = arg;
		return 0;
	case ARGP_KEY_END:
		if (!args->workflow && !args->workflow_optional)
			argp_error(state, "which workflow?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run_args *a = state->input;
	const struct {
		int key;
		const char **out;
	} texts[] = {
		{ 'j', &a->job },
		{ 'p', &a->policy },
		{ 'e', &a->event },
		{ 'w', &a->workspace },
		{ 'o', &a->out },
		{ 'r', &a->record },
		{ 'S', &a->state_dir },
		{ KEY_SHELL, &a->shell },
		{ KEY_REV, &a->rev },
		{ KEY_SHELL_PROGRAM, &a->shell_program },
		{ KEY_RECORD_KEY, &a->record_key },
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].key == key) {
			*texts[i].out = arg;
			return 0;
		}
	return parse_more(key, arg, state);
}

const struct argp run_args_argp = { .options = options, .parser = parse };
