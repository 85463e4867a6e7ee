// SPDX-License-Identifier: Apache-2.0
/* cmd_doctor.c - `drydock doctor`: what this host can and cannot enforce, in general or of one
 * policy, each with the remedy.
 *
 * Runs in: the command line's own process, with the rights that a run would have. Exit 3 when a run
 * would be refused.
 */
#include "commands.h"

#include "doctor.h"
#include "base/exit_code.h"

#include "drydock/fd.h"

#include <argp.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct doctor_options {
	const char *policy, *state_dir;
	bool json;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct doctor_options *opt = state->input;
	switch (key) {
	case 'p':
		opt->policy = arg;
		return 0;
	case 'S':
		opt->state_dir = arg;
		return 0;
	case 'j': /* its first name; elsewhere -j is --job */
	case 'J':
		opt->json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "`%s` is too much: a policy is given with --policy", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* An identity that fails half-way leaves a process without an id, to which the kernel refuses
 * everything else as well: so it is tried in a child, and the questions are put by whoever can. */
static bool enter_identity(struct diagnosis *d)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return dd_err_set(&d->id_err, errno, "try the identity"), false;
	dd_auto_fd int hear = ends[0], say = ends[1];
	pid_t child = fork();
	if (child == 0) {
		(void)identity_enter(&d->id, &d->id_err);
		_exit(write(say, &d->id_err, sizeof(d->id_err)) == (ssize_t)sizeof(d->id_err) ? 0
		                                                                              : 1);
	}
	dd_close_p(&say);
	bool told = child > 0 &&
	            read(hear, &d->id_err, sizeof(d->id_err)) == (ssize_t)sizeof(d->id_err);
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	if (!told)
		return dd_err_say(&d->id_err, ECHILD,
		                  "identity: the process that tried it was ended"),
		       false;
	return d->id_err.code == 0 && identity_enter(&d->id, &d->id_err) == 0;
}

static int diagnose(struct diagnosis *d, const struct doctor_options *opt, struct dd_err *err)
{
	const struct sandbox_feature *rows = NULL;
	bool entered = enter_identity(d);
	/* also when no identity could be entered: the rows say why */
	int n = sandbox_probe_all(&rows, err);
	if (n < 0)
		return n;
	for (int i = 0; i < n && d->n_features < DOCTOR_FEATURES_MAX; i++)
		d->features[d->n_features++] = rows[i];
	doctor_host(d, opt->state_dir);
	doctor_links(d);
	doctor_try(d);
	d->ok = entered;
	for (size_t i = 0; i < d->n_features; i++)
		d->ok = d->ok && (d->features[i].present || !d->features[i].required);
	return opt->policy ? doctor_policy(d, opt->policy, stderr, err) : 0;
}

static int report(const struct diagnosis *d, bool json)
{
	int r = 0;
	if (json)
		r = doctor_print_json(d, stdout);
	else
		doctor_print_text(d, stdout);
	if (r < 0 || fflush(stdout) != 0)
		return DRYDOCK_EXIT_INTERNAL;
	return d->ok && d->n_wants == 0 ? DRYDOCK_EXIT_OK : DRYDOCK_EXIT_HOST;
}

int cmd_doctor(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ .name = "policy",
		  .key = 'p',
		  .arg = "FILE",
		  .doc = "also say what of this policy could not be enforced here" },
		{ .name = "state-dir",
		  .key = 'S',
		  .arg = "DIR",
		  .doc = "where drydock keeps the trees of running jobs" },
		{ .name = "json", .key = 'J', .doc = "print the result as JSON" },
		{ .key = 'j', .flags = OPTION_HIDDEN },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.doc = "Say what this host can and cannot enforce, each with the remedy.\v"
		       "Exit status 3: a run, or this policy, would be refused here. 2: the policy "
		       "itself is wrong."
	};
	static struct diagnosis d; /* too large for a stack */
	static struct doctor_want wants[DOCTOR_WANTS_MAX];
	struct doctor_options opt = { .json = false };
	struct dd_err err = { .code = 0 };

	argp_err_exit_status = DRYDOCK_EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &opt) != 0)
		return DRYDOCK_EXIT_USAGE;
	d.wants = wants;
	int r = diagnose(&d, &opt, &err);
	if (r == 0)
		return report(&d, opt.json);
	if (err.code)
		(void)fprintf(stderr, "drydock doctor: %s\n", err.msg);
	return d.n_features ? DRYDOCK_EXIT_USAGE : DRYDOCK_EXIT_INTERNAL;
}
