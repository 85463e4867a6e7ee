// SPDX-License-Identifier: Apache-2.0
/* github_register.h - `drydock register github`: this host becomes a runner of a repository, an
 * organisation or an enterprise.
 *
 * The key is made in a courier and is written down here alone: STATE/runners/NAME.json, 0600. The
 * registration token is good for an hour, and is forgotten when it was used. */
#ifndef RUNNER_GITHUB_REGISTER_H
#define RUNNER_GITHUB_REGISTER_H

#include "agent/registration.h"

struct github_registering {
	const char *url; /* of what it is to be a runner of */
	/* Holds a registration token, a personal one, or, with @app, an app's private key. NULL:
	 * @jitconfig_file or @import_dir says all */
	const char *token_file;
	const char *app; /* a GitHub App, by its id; or NULL */
	const char *jitconfig_file;
	const char *import_dir; /* where the official runner is configured */
	const char *ca;         /* or NULL */
	const char *name;       /* NULL: the host's */
	const char *labels;     /* besides those that every runner has: "a,b"; or NULL */
	const char *group;      /* NULL: the default one */
	const char *version;    /* that is reported; NULL: our default */
	const char *state;
	bool replace, ephemeral;
};

/* @ret: what was written, on @arena. */
int github_register(const struct github_registering *what, struct plan_arena *arena,
                    struct registration *ret, struct dd_err *err);
/* With a token, as of github_registering, the server forgets the runner, too; without (@token_file
 * NULL) only this host does. */
int github_unregister(const char *state, const struct registration *reg, const char *token_file,
                      const char *app, struct dd_err *err);

struct github_place {
	char api[600];    /* "https://api.github.com", "https://HOST/api/v3" */
	char entity[400]; /* "/repos/OWNER/REPO/actions" */
};
/* Pure. -EINVAL: no address of anything that has runners. */
int github_place(const char *url, struct github_place *ret, struct dd_err *err);

#endif
