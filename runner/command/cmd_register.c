// SPDX-License-Identifier: Apache-2.0
/* cmd_register.c - `drydock register` and `drydock unregister`: this host becomes a runner of a
 * forge, or is none any more.
 *
 * Runs in: command line, with the identity of the agent, whose state it writes. The token is read
 * from a file: an argument would stand in every list of processes. */
#include "commands.h"

#include "base/exit_code.h"
#include "base/text_escape.h"
#include "drydock/identity.h"
#include "forges/github/github_register.h"
#include "forges/gitlab/gl_register.h"
#include "job/job_dirs.h"
#include "job/step_result.h"

#include <argp.h>
#include <libgen.h>
#include <string.h>

struct args {
	const char *forge, *state_dir;
	struct gl_registering what;
	struct github_registering github; /* what is GitHub's alone */
};

static int complain(const struct dd_err *err)
{
	char shown[sizeof(err->msg) * TEXT_ESCAPE_MAX + 1];
	(void)text_escape(shown, err->msg, strlen(err->msg));
	(void)fprintf(stderr, "drydock: %s\n", shown);
	return blame_rows[err->blame].exit_code;
}

/* Whatever was not somebody's mistake is about the forge: it cannot be asked, or says nothing. */
static int complain_of_forge(const struct dd_err *err)
{
	int code = complain(err);
	return err->blame == DD_BLAME_HOST ? DRYDOCK_EXIT_INTERNAL : code;
}

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;
	switch (key) {
	case 'n':
		a->what.name = arg;
		return 0;
	case 'S':
		a->state_dir = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool is_github(const struct args *a)
{
	return a->forge && strcmp(a->forge, "github") == 0;
}

static void check_register(const struct args *a, struct argp_state *state)
{
	const struct github_registering *g = &a->github;
	if (!a->forge || (strcmp(a->forge, "gitlab") != 0 && !is_github(a)))
		argp_error(state, "say which forge: gitlab or github");
	else if (!is_github(a) && (g->jitconfig_file || g->app || g->import_dir || g->labels ||
	                           g->group || g->version || g->replace || g->ephemeral))
		argp_error(state, "--jitconfig-file, --import, --app, --labels, --group, "
		                  "--ephemeral, --replace and --runner-version are about a runner "
		                  "of GitHub's");
	else if (is_github(a) && (a->what.cert || a->what.key))
		argp_error(state, "--tls-cert-file and --tls-key-file are about a GitLab");
	else if (a->what.key && !a->what.cert)
		argp_error(state, "--tls-key-file is the key of --tls-cert-file");
	else if (g->jitconfig_file && g->import_dir)
		argp_error(state, "--jitconfig-file and --import each say all: one of them");
	else if ((g->jitconfig_file || g->import_dir) &&
	         (g->app || a->what.token_file || g->labels || g->group || g->version ||
	          g->replace || g->ephemeral))
		argp_error(state, "a configuration that is there already says all of it");
	else if (!g->jitconfig_file && !g->import_dir && (!a->what.url || !a->what.token_file))
		argp_error(state,
		           "--url and --token-file are needed: the address, and a file with "
		           "the token (of GitLab: glrt-...; of GitHub: a registration token, a "
		           "personal one, or with --app the app's key)");
}

static error_t parse_register(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;
	switch (key) {
	case 'u':
		a->what.url = arg;
		return 0;
	case 't':
		a->what.token_file = arg;
		return 0;
	case 'c':
		a->what.ca = arg;
		return 0;
	case 'C':
		a->what.cert = arg;
		return 0;
	case 'K':
		a->what.key = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (a->forge)
			return ARGP_ERR_UNKNOWN;
		a->forge = arg;
		return 0;
	case 'j':
		a->github.jitconfig_file = arg;
		return 0;
	case 'a':
		a->github.app = arg;
		return 0;
	case 'i':
		a->github.import_dir = arg;
		return 0;
	case 'l':
		a->github.labels = arg;
		return 0;
	case 'g':
		a->github.group = arg;
		return 0;
	case 'V':
		a->github.version = arg;
		return 0;
	case 'r':
		a->github.replace = true;
		return 0;
	case 'e':
		a->github.ephemeral = true;
		return 0;
	case ARGP_KEY_END:
		check_register(a, state);
		return 0;
	default:
		return parse_common(key, arg, state);
	}
}

static error_t parse_unregister(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;
	if (key == ARGP_KEY_ARG && !a->what.name) {
		a->what.name = arg;
		return 0;
	}
	if (key == 't') {
		a->what.token_file = arg;
		return 0;
	}
	if (key == 'a') {
		a->github.app = arg;
		return 0;
	}
	if (key == ARGP_KEY_END && !a->what.name)
		argp_error(state, "say which runner: its name, as `register` told it");
	if (key == ARGP_KEY_END && a->github.app && !a->what.token_file)
		argp_error(state, "--app needs --token-file with the app's private key");
	return key == ARGP_KEY_END ? 0 : parse_common(key, arg, state);
}

/* Where the agent's state is, and who we are. */
static int enter(struct args *a, char state[512], struct dd_err *err)
{
	struct identity id;
	int r = identity_enter(&id, err);
	if (r == 0)
		r = job_dirs_place(a->state_dir, &id, state, err);
	if (r < 0)
		return r;
	a->what.state = dirname(state);
	return 0;
}

static int register_github(struct args *a, struct plan_arena *arena, struct registration *reg,
                           struct dd_err *err)
{
	a->github.url = a->what.url;
	a->github.token_file = a->what.token_file;
	a->github.ca = a->what.ca;
	a->github.name = a->what.name;
	a->github.state = a->what.state;
	return github_register(&a->github, arena, reg, err);
}

int cmd_register(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ .name = "url",
		  .key = 'u',
		  .arg = "URL",
		  .doc = "the forge's address, https://HOST[:PORT][/PATH]" },
		{ .name = "token-file",
		  .key = 't',
		  .arg = "FILE",
		  .doc = "holds the token: of GitLab the runner's, of GitHub one for "
		         "registrations, or a personal one" },
		{ .name = "app",
		  .key = 'a',
		  .arg = "ID",
		  .doc = "GitHub: --token-file holds the private key of this app (PEM)" },
		{ .name = "import",
		  .key = 'i',
		  .arg = "DIR",
		  .doc = "GitHub: be the runner that the official one in DIR is configured as" },
		{ .name = "ca-file",
		  .key = 'c',
		  .arg = "FILE",
		  .doc = "one more authority that is trusted for this forge" },
		{ .name = "tls-cert-file",
		  .key = 'C',
		  .arg = "FILE",
		  .doc = "GitLab: a certificate with which this host says who it is" },
		{ .name = "tls-key-file",
		  .key = 'K',
		  .arg = "FILE",
		  .doc = "GitLab: its private key, where that is another file" },
		{ .name = "name",
		  .key = 'n',
		  .arg = "NAME",
		  .doc = "what the runner is called; the forge's host otherwise, for GitHub this "
		         "host" },
		{ .name = "labels",
		  .key = 'l',
		  .arg = "A,B",
		  .doc = "GitHub: further labels, besides self-hosted, the system and the "
		         "architecture" },
		{ .name = "group",
		  .key = 'g',
		  .arg = "NAME",
		  .doc = "GitHub: the group of runners" },
		{ .name = "ephemeral", .key = 'e', .doc = "GitHub: for one job, and then no more" },
		{ .name = "replace",
		  .key = 'r',
		  .doc = "GitHub: in the place of one of that name" },
		{ .name = "jitconfig-file",
		  .key = 'j',
		  .arg = "FILE",
		  .doc = "GitHub: a just-in-time configuration, instead of a token" },
		{ .name = "runner-version",
		  .key = 'V',
		  .arg = "VERSION",
		  .doc = "GitHub: the version that is reported" },
		{ .name = "state-dir",
		  .key = 'S',
		  .arg = "DIR",
		  .doc = "where the agent keeps its state" },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse_register,
		.args_doc = "gitlab|github",
		.doc = "Make this host a runner of a forge. What it is known by there is written "
		       "to the agent's state, readable for nobody else; `drydock agent` then runs "
		       "its jobs."
	};
	struct args args = { .forge = NULL };
	struct dd_err err = { .code = 0 };
	struct plan_arena *arena = arena_new();
	struct registration reg;
	char state[512];
	bool replaced = false;
	argp_err_exit_status = DRYDOCK_EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	int entered = enter(&args, state, &err), r = entered;
	if (r == 0)
		r = is_github(&args) ? register_github(&args, arena, &reg, &err)
		                     : gl_register(&args.what, arena, &reg, &replaced, &err);
	if (r == 0)
		(void)printf("runner %lld of %s is registered as %s%s\n", reg.id, reg.url, reg.name,
		             replaced ? ", in the place of another token" : "");
	arena_free(arena);
	if (r == 0)
		return DRYDOCK_EXIT_OK;
	return entered < 0 ? complain(&err) : complain_of_forge(&err);
}

int cmd_unregister(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ .name = "state-dir",
		  .key = 'S',
		  .arg = "DIR",
		  .doc = "where the agent keeps its state" },
		{ .name = "token-file",
		  .key = 't',
		  .arg = "FILE",
		  .doc = "GitHub: holds a removal token, or a personal one; without, only this "
		         "host forgets the runner" },
		{ .name = "app",
		  .key = 'a',
		  .arg = "ID",
		  .doc = "GitHub: --token-file holds the private key of this app (PEM)" },
		{ 0 }
	};
	static const struct argp argp = { .options = options,
		                          .parser = parse_unregister,
		                          .args_doc = "NAME",
		                          .doc = "This host is no runner of that name any more: "
		                                 "the forge is told, and the token forgotten." };
	struct args args = { .forge = NULL };
	struct dd_err err = { .code = 0 };
	struct plan_arena *arena = arena_new();
	struct registration reg;
	char state[512];
	argp_err_exit_status = DRYDOCK_EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	int entered = enter(&args, state, &err), r = entered;
	if (r == 0 &&
	    (r = registration_read(arena, args.what.state, args.what.name, &reg, &err)) < 0)
		err.blame = DD_BLAME_CALLER;
	if (r == 0 && strcmp(reg.forge, "github") == 0)
		r = github_unregister(args.what.state, &reg, args.what.token_file, args.github.app,
		                      &err);
	else if (r == 0 && args.what.token_file)
		r = dd_err_blame(
			&err, DD_BLAME_CALLER,
			dd_err_say(&err, EINVAL, "--token-file is about a runner of GitHub's"));
	else if (r == 0)
		r = gl_unregister_runner(args.what.state, &reg, &err);
	if (r == 0 && strcmp(reg.forge, "github") == 0 && !args.what.token_file)
		(void)printf(
			"%s is forgotten on this host; the runner is still listed at %s: with a "
			"removal token (--token-file) it is not\n",
			args.what.name, reg.url);
	else if (r == 0)
		(void)printf("%s is no runner any more\n", args.what.name);
	arena_free(arena);
	if (r == 0)
		return DRYDOCK_EXIT_OK;
	return entered < 0 ? complain(&err) : complain_of_forge(&err);
}
