// SPDX-License-Identifier: Apache-2.0
/* gl_register.h - `drydock register gitlab`: asks a GitLab whether a token is good, and writes it
 * down. */
#ifndef RUNNER_GL_REGISTER_H
#define RUNNER_GL_REGISTER_H

#include "agent/registration.h"

struct gl_registering {
	const char *url, *token_file;
	const char *ca;         /* or NULL */
	const char *cert, *key; /* or NULL */
	const char *name;       /* or NULL: the host's */
	const char *state;
};

/* @ret: what was written, on @arena. @ret_replaced: it took the place of another token. -EACCES:
 * GitLab does not know the token. */
int gl_register(const struct gl_registering *what, struct plan_arena *arena,
                struct registration *ret, bool *ret_replaced, struct dd_err *err);
/* The runner of that name is no runner of its forge any more, and forgotten here. */
int gl_unregister_runner(const char *state, const struct registration *reg, struct dd_err *err);

#endif
