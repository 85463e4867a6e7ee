// SPDX-License-Identifier: Apache-2.0
/* cmd_issuer.c - `drydock issuer`: the keys with which drydock says who a step is, and the
 * documents that the operator publishes.
 *
 * Runs in: command line, as the operator. Nothing is sent anywhere. */
#include "commands.h"

#include "base/exit_code.h"
#include "base/text_escape.h"
#include "job/step_result.h"
#include "lease/issuer.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

enum { AUDIENCES_MAX = 32 };

struct args {
	const char *verb, *dir, *url;
	const char *audiences[AUDIENCES_MAX + 1];
	size_t n_audiences;
	bool now;
};

static int complain(const struct dd_err *err)
{
	char shown[sizeof(err->msg) * TEXT_ESCAPE_MAX + 1];
	(void)text_escape(shown, err->msg, strlen(err->msg));
	(void)fprintf(stderr, "drydock: %s\n", shown);
	return blame_rows[err->blame].exit_code;
}

static int init(const struct args *a, struct dd_err *err)
{
	int r = issuer_init(a->dir, a->url, a->audiences, err);
	return r < 0 ? r : issuer_show(a->dir, stdout, err);
}

static int rotate(const struct args *a, struct dd_err *err)
{
	int r = issuer_rotate(a->dir, a->now ? 0 : ISSUER_AHEAD_SEC, err);
	return r < 0 ? r : issuer_show(a->dir, stdout, err);
}

static int show(const struct args *a, struct dd_err *err)
{
	return issuer_show(a->dir, stdout, err);
}

static const struct verb_row {
	const char *name;
	int (*run)(const struct args *a, struct dd_err *err);
	bool makes;
} verbs[] = { { "init", init, true }, { "rotate", rotate, false }, { "show", show, false } };

static const struct verb_row *verb_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (name && strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static void check(const struct args *a, struct argp_state *state)
{
	const struct verb_row *verb = verb_of(a->verb);
	if (!verb || !a->dir)
		argp_error(state, "say init, rotate or show, and the issuer's directory");
	else if (verb->makes && (!a->url || !a->n_audiences))
		argp_error(state, "init needs --url and at least one --audience");
	else if (!verb->makes && (a->url || a->n_audiences))
		argp_error(state, "--url and --audience belong to init; later they stand in "
		                  "DIR/issuer.json");
	else if (a->now && strcmp(verb->name, "rotate") != 0)
		argp_error(state, "--now belongs to rotate");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;
	switch (key) {
	case 'u':
		a->url = arg;
		return 0;
	case 'a':
		if (a->n_audiences == AUDIENCES_MAX)
			argp_error(state, "more than %d audiences", AUDIENCES_MAX);
		else
			a->audiences[a->n_audiences++] = arg;
		return 0;
	case 'n':
		a->now = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->verb && a->dir)
			return ARGP_ERR_UNKNOWN;
		*(a->verb ? &a->dir : &a->verb) = arg;
		return 0;
	case ARGP_KEY_END:
		check(a, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_issuer(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ .name = "url",
		  .key = 'u',
		  .arg = "URL",
		  .doc = "init: the issuer's address, https://HOST[/PATH], as its tokens name it" },
		{ .name = "audience",
		  .key = 'a',
		  .arg = "NAME",
		  .doc = "init: whom it may sign for; can be repeated" },
		{ .name = "now",
		  .key = 'n',
		  .doc = "rotate: use the new key at once, and not a day after it is published" },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "init DIR\nrotate DIR\nshow DIR",
		.doc = "Make, rotate or show the keys of drydock's own issuer of identity tokens. "
		       "What "
		       "DIR/public holds is to be published below the issuer's address."
	};
	struct args args = { .verb = NULL };
	struct dd_err err = { .code = 0 };
	if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	const struct verb_row *verb = verb_of(args.verb);
	if (!verb)
		return DRYDOCK_EXIT_USAGE;
	return verb->run(&args, &err) < 0 ? complain(&err) : DRYDOCK_EXIT_OK;
}
