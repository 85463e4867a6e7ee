// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_explain.c - `drydock policy explain`: the entry that decides about a destination.
 *
 * Runs in: command line (an edge: it prints). The verdict comes from the functions that the gate itself uses. */
#include "cmd_policy.h"

#include "exit_code.h"
#include "policy.h"
#include "run_args.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

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

int cmd_policy_explain(int argc, char **argv)
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
	struct explain_args args = { .run = { .dry_run = true } };
	struct plan *plan = NULL;
	if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	int code = job_plan_from_args(&args.run, &plan, NULL, stderr);
	if (code == 0)
		code = explain(&args, plan);
	plan_free(plan);
	return code;
}
