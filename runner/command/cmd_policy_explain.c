// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_explain.c - `drydock policy explain`: the verdict and the line that decides, for a
 * question or for a refusal in a record.
 *
 * Runs in: command line (an edge: it prints). The verdicts come from the functions that the run
 * itself uses. */
#include "cmd_policy.h"

#include "base/exit_code.h"
#include "advise/explain.h"
#include "run_args.h"

#include <stdlib.h>
#include <string.h>

struct explain_args;
typedef int (*ask_fn)(const struct plan *plan, const struct grant *step, const char *what,
                      struct explain_answer *ret, struct dd_err *err);

static const struct question_row {
	int key;
	const char *name, *arg, *doc;
	ask_fn ask;
} questions[] = {
	{ 'c', "connect", "HOST:PORT", "may it reach this destination?", explain_ask_connect },
	{ 'y', "syscall", "NAME", "may it make this system call?", explain_ask_syscall },
	{ 'P', "path", "PATH", "what does it find there, and may it write it?", explain_ask_path },
	{ 'C', "credential", "NAME", "does it hold this credential?", explain_ask_credential },
	{ 'X', "store", "WHAT", "may it: cache-read, cache-write, artifact-read, artifact-write?",
	  explain_ask_store },
};

struct explain_args {
	struct run_args run;
	const char *step, *seq;
	const char *question[ARRAY_LEN(questions)];
	size_t n_questions;
};

static void check_args(const struct explain_args *args, struct argp_state *state)
{
	bool of_record = args->seq || args->run.record;
	if (of_record && (!args->seq || !args->run.record || args->run.workflow || args->step ||
	                  args->n_questions))
		argp_error(state, "about a record: --record RECORD --seq N, and neither workflow "
		                  "nor question");
	else if (!of_record && !args->run.workflow)
		argp_error(state, "which workflow? Or, about a refusal: --record RECORD --seq N");
	else if (!of_record && (!args->step || args->n_questions != 1))
		argp_error(state,
		           "--step and one of --connect, --syscall, --path, --credential, --store "
		           "are needed");
}

static error_t explain_parse(int key, char *arg, struct argp_state *state)
{
	struct explain_args *args = state->input;
	for (size_t i = 0; i < ARRAY_LEN(questions); i++)
		if (questions[i].key == key) {
			args->question[i] = arg;
			args->n_questions++;
			return 0;
		}
	switch (key) {
	case ARGP_KEY_INIT:
		args->run.workflow_optional = true;
		state->child_inputs[0] = &args->run;
		return 0;
	case 't':
		args->step = arg;
		return 0;
	case 'q':
		args->seq = arg;
		return 0;
	case ARGP_KEY_SUCCESS:
		check_args(args, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int complain(const char *what)
{
	char shown[2400];
	diag_escape(shown, sizeof(shown), what, strlen(what));
	(void)fprintf(stderr, "drydock: %s\n", shown);
	return DRYDOCK_EXIT_USAGE;
}

static int answer(const struct explain_answer *a, bool json)
{
	int r = 0;
	if (json)
		r = explain_print_json(a, stdout);
	else
		explain_print_text(a, stdout);
	if (r < 0 || fflush(stdout) != 0)
		return DRYDOCK_EXIT_INTERNAL;
	return a->allow ? DRYDOCK_EXIT_OK : DRYDOCK_EXIT_REFUSED;
}

static int explain_question(const struct explain_args *args, const struct plan *plan)
{
	struct explain_answer a;
	struct dd_err err = { .code = 0 };
	char text[300];
	const struct grant *step = plan_find(plan, args->step);
	if (!step) {
		(void)snprintf(text, sizeof(text),
		               "no step `%.150s`: give its id, its number, its label, or a name "
		               "that only one step has",
		               args->step);
		return complain(text);
	}
	for (size_t i = 0; i < ARRAY_LEN(questions); i++)
		if (args->question[i])
			return questions[i].ask(plan, step, args->question[i], &a, &err) < 0
			               ? complain(err.msg)
			               : answer(&a, args->run.json);
	return DRYDOCK_EXIT_USAGE;
}

static int explain_refusal(const struct explain_args *args)
{
	struct explain_answer a;
	struct dd_err err = { .code = 0 };
	char *end = NULL;
	errno = 0;
	unsigned long long seq = strtoull(args->seq, &end, 10);
	if (errno || *end || seq == 0 || strspn(args->seq, "0123456789") != strlen(args->seq))
		return complain("--seq wants the number of an event: `seq` in the record");
	int r = explain_record(args->run.record, seq, args->run.policy, &a, &err);
	if (r == 0)
		return answer(&a, args->run.json);
	(void)complain(err.msg);
	return r == -EINVAL || r == -ENOENT ? DRYDOCK_EXIT_USAGE
	       : r == -EBADMSG              ? DRYDOCK_EXIT_REFUSED
	                                    : DRYDOCK_EXIT_INTERNAL;
}

int cmd_policy_explain(int argc, char **argv)
{
	static struct argp_option options[ARRAY_LEN(questions) + 3] = {
		{ .name = "step",
		  .key = 't',
		  .arg = "STEP",
		  .doc = "id, number, label or name of the step that is asked about" },
		{ .name = "seq",
		  .key = 'q',
		  .arg = "N",
		  .doc = "with --record: the refusal to explain, by its `seq`" },
	};
	static const struct argp_child children[] = { { .argp = &run_args_argp }, { 0 } };
	static const struct argp argp = {
		.options = options,
		.parser = explain_parse,
		.args_doc = "WORKFLOW\n--record RECORD --seq N",
		.children = children,
		.doc = "Would this step be allowed to, and which line decides? Or: why was this "
		       "refused, which lines would allow it, and what else would "
		       "they allow?\vExit status 0: allowed, 4: denied, 2: the question cannot be "
		       "asked."
	};
	struct explain_args args = { .run = { .dry_run = true } };
	struct job_source *source = NULL;
	for (size_t i = 0; i < ARRAY_LEN(questions); i++)
		options[2 + i] = (struct argp_option){ .name = questions[i].name,
			                               .key = questions[i].key,
			                               .arg = questions[i].arg,
			                               .doc = questions[i].doc };
	if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	if (args.seq)
		return explain_refusal(&args);
	int code = job_source_load(&args.run, &source, stderr);
	if (code == 0)
		code = explain_question(&args, source->planned[0].plan);
	job_source_free(source);
	return code;
}
