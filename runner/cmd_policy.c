// SPDX-License-Identifier: Apache-2.0
/* cmd_policy.c - `drydock policy check` and `drydock policy explain`: load errors, and the entry that decides about a destination.
 *
 * Runs in: command line (an edge: it prints). The verdict comes from the functions that the gate itself uses. */
#include "cmd_plan.h"

#include "exit_code.h"
#include "policy.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* --- check ---- */

static int check_json(int r, const struct diag_list *diags, const struct dd_err *err)
{
	json_t *list = json_array();
	for (size_t i = 0; i < diags->n; i++) {
		const struct diag *d = &diags->items[i];
		(void)json_array_append_new(list, json_pack("{s:s?, s:i, s:i, s:i, s:s, s:s}", "file", d->mark.file, "line", (int)d->mark.line,
							    "column", (int)d->mark.column, "length", (int)d->mark.length, "text", d->text,
							    "hint", d->hint));
	}
	json_t *root = json_pack("{s:b, s:o, s:s?}", "ok", r == 0, "complaints", list, "error", r < 0 && diags->n == 0 ? err->msg : NULL);
	int w = root ? json_dumpf(root, stdout, JSON_INDENT(2)) : -1;
	json_decref(root);
	return w == 0 && fputc('\n', stdout) != EOF ? 0 : -EIO;
}

static int check(const char *path, bool json)
{
	struct diag_list diags = { 0 };
	struct policy *policy = NULL;
	struct dd_err err = { 0 };
	int r = policy_load(path, &policy, &diags, &err), w = 0;
	if (json) {
		w = check_json(r, &diags, &err);
	} else if (r < 0) {
		diag_print_files(stderr, &diags);
		if (diags.n == 0)
			(void)fprintf(stderr, "drydock: %s\n", err.msg);
	} else {
		(void)printf("%s: fine\n", path);
	}
	policy_free(policy);
	diag_list_done(&diags);
	return w < 0 ? DRYDOCK_EXIT_INTERNAL : r < 0 ? DRYDOCK_EXIT_USAGE : DRYDOCK_EXIT_OK;
}

static error_t check_parse(int key, char *arg, struct argp_state *state)
{
	struct run_args *args = state->input;
	switch (key) {
	case 'J':
		args->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (args->policy)
			argp_error(state, "one policy at a time");
		args->policy = arg;
		return 0;
	case ARGP_KEY_END:
		if (!args->policy)
			argp_error(state, "which policy?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int cmd_check(int argc, char **argv)
{
	static const struct argp_option options[] = { { .name = "json", .key = 'J', .doc = "print the complaints as JSON" }, { 0 } };
	static const struct argp argp = {
		.options = options, .parser = check_parse, .args_doc = "POLICY", .doc = "Say what is wrong with a policy file."
	};
	struct run_args args = { 0 };
	return argp_parse(&argp, argc, argv, 0, NULL, &args) == 0 ? check(args.policy, args.json) : DRYDOCK_EXIT_USAGE;
}

/* --- explain ---- */

struct explain_args {
	struct run_args run;
	const char     *step, *connect;
};

static error_t explain_parse(int key, char *arg, struct argp_state *state)
{
	struct explain_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->run;
		return 0;
	case 't':
		args->step = arg;
		return 0;
	case 'c':
		args->connect = arg;
		return 0;
	case ARGP_KEY_END:
		if (!args->step || !args->connect)
			argp_error(state, "--step and --connect are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* By id, label, or number. */
static const struct plan_step *find_step(const struct plan *plan, const char *wanted)
{
	for (size_t i = 0; i < plan->n_steps; i++) {
		char number[16];
		const struct plan_step *s = &plan->steps[i];
		(void)snprintf(number, sizeof(number), "%u", s->index);
		if (strcmp(s->id, wanted) == 0 || strcmp(s->label, wanted) == 0 || strcmp(number, wanted) == 0)
			return s;
	}
	return NULL;
}

/* "HOST:PORT" or "ADDRESS:PORT" -> verdict; false when it is neither. */
static bool ask(const struct egress_list *list, const char *connect, struct egress_verdict *ret)
{
	char host[EGRESS_HOST_MAX + 1], text[EGRESS_HOST_MAX + 2];
	struct in_addr addr;
	const char *colon = strrchr(connect, ':');
	size_t len = colon ? (size_t)(colon - connect) : 0;
	unsigned long port = colon && strspn(colon + 1, "0123456789") == strlen(colon + 1) ? strtoul(colon + 1, NULL, 10) : 0;
	if (len == 0 || len >= sizeof(text) || port == 0 || port > 65535)
		return false;
	memcpy(text, connect, len);
	text[len] = '\0';
	if (inet_pton(AF_INET, text, &addr) == 1)
		*ret = egress_verdict_addr(list, addr, (uint16_t)port);
	else if (egress_host_canonical(connect, len, host) == 0)
		*ret = egress_verdict_name(list, host, (uint16_t)port);
	else
		return false;
	return true;
}

static int explain(const struct explain_args *args, const struct plan *plan)
{
	const struct plan_step *step = find_step(plan, args->step);
	struct egress_verdict v;
	char shown[600];
	diag_escape(shown, sizeof(shown), args->connect, strlen(args->connect));
	if (!step)
		return (void)fprintf(stderr, "drydock: no step `%s`: give its id, its number or its label\n", args->step), DRYDOCK_EXIT_USAGE;
	if (!ask(&step->egress, args->connect, &v))
		return (void)fprintf(stderr, "drydock: --connect wants HOST:PORT, not `%s`\n", shown), DRYDOCK_EXIT_USAGE;
	if (args->run.json) {
		json_t *root = json_pack("{s:b, s:s, s:s, s:s?, s:s}", "allow", v.allow, "step", step->label, "phase", dd_phase_name(step->phase),
					 "entry", v.entry ? v.entry->origin : NULL, "why", v.why);
		int w = root ? json_dumpf(root, stdout, 0) : -1;
		json_decref(root);
		(void)putchar('\n');
		if (w < 0)
			return DRYDOCK_EXIT_INTERNAL;
	} else {
		(void)printf("%s %s\n  step   %s, %s (%s)\n  entry  %s\n  why    %s\n", v.allow ? "allow" : "deny", shown, step->label,
			     dd_phase_name(step->phase), step->phase_why, v.entry ? v.entry->origin : "none", v.why);
	}
	return v.allow ? DRYDOCK_EXIT_OK : DRYDOCK_EXIT_REFUSED;
}

static int cmd_explain(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ .name = "step", .key = 't', .arg = "STEP", .doc = "id, number or label of the step" },
		{ .name = "connect", .key = 'c', .arg = "HOST:PORT", .doc = "the destination" },
		{ 0 },
	};
	static const struct argp_child children[] = { { .argp = &run_args_argp }, { 0 } };
	static const struct argp argp = {
		.options = options, .parser = explain_parse, .args_doc = "WORKFLOW", .children = children,
		.doc = "Would this step reach that destination, and which line decides? Exit status 0: allowed, 4: denied."
	};
	struct explain_args args = { 0 };
	struct plan *plan = NULL;
	if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	int code = job_plan_from_args(&args.run, &plan, NULL, stderr);
	if (code == 0)
		code = explain(&args, plan);
	plan_free(plan);
	return code;
}

int cmd_policy(int argc, char **argv)
{
	static const struct { const char *name; int (*run)(int, char **); } rows[] = {
		{ "check", cmd_check }, { "explain", cmd_explain },
	};
	argp_err_exit_status = DRYDOCK_EXIT_USAGE;
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(rows); i++)
		if (strcmp(argv[1], rows[i].name) == 0)
			return rows[i].run(argc - 1, argv + 1);
	(void)fputs("usage: drydock policy check POLICY [--json]\n"
		    "       drydock policy explain --step STEP --connect HOST:PORT --policy POLICY WORKFLOW\n", stderr);
	return DRYDOCK_EXIT_USAGE;
}
