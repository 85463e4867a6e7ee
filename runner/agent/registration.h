// SPDX-License-Identifier: Apache-2.0
/* registration.h - which forges this host runs jobs for, as `drydock register` wrote it down.
 *
 * STATE/runners/NAME.json, 0600, one a runner: its forge, address, and the token with which it asks
 * for jobs; or the credential runner.NAME that systemd loaded for the service.
 * STATE/runners/system_id: how the forge tells this host from others with the same token. Written
 * whole or not at all. Agent and command line only: a job never sees any of it.
 */
#ifndef RUNNER_REGISTRATION_H
#define RUNNER_REGISTRATION_H

#include "base/arena.h"
#include "drydock/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { RUNNER_NAME_MAX = 64, RUNNER_TOKEN_MAX = 8192, SYSTEM_ID_LEN = 14, RUNNERS_MAX = 64 };

struct registration {
	const char *name;  /* [a-z0-9._-]+ */
	const char *forge; /* "gitlab", "github" */
	const char *url;
	const char *token;      /* of a runner of GitHub's: its configuration, as JSON */
	const char *ca;         /* a file with one more authority, absolute; or NULL */
	const char *cert, *key; /* of this host, files, absolute; or NULL */
	long long id;           /* as the forge calls it */
	long long expires;      /* of the token, seconds since the epoch; 0: never */
	long long since;        /* when the token came */
};

/* Does it fit a file name? */
bool runner_name_is_good(const char *name);
/* -ENOENT: there is none of that name. */
int registration_read(struct plan_arena *arena, const char *state, const char *name,
                      struct registration *ret, struct dd_err *err);
/* All of them by name. Their number, or negative. */
int registration_list(struct plan_arena *arena, const char *state,
                      struct registration ret[RUNNERS_MAX], struct dd_err *err);
int registration_write(const char *state, const struct registration *reg, struct dd_err *err);
int registration_remove(const char *state, const char *name, struct dd_err *err);

/* The stable identifier of this host: made once, kept. */
int system_id_get(const char *state, char ret[SYSTEM_ID_LEN + 1], struct dd_err *err);

/* One file with every authority to trust: those of this host, of @ca and of @more (each may be
 * NULL), at STATE/runners/NAME.ca.pem. For libcurl and for git, which take one file and no more. */
int authorities_write(const char *state, const char *name, const char *ca, const char *more,
                      char ret_path[700], struct dd_err *err);

/* mkdir -p, each 0700; what is there is taken. */
int private_dir(const char *dir, struct dd_err *err);
/* Write @len bytes to DIR/NAME, 0600, at once and durable. */
int write_private(const char *dir, const char *name, const char *bytes, size_t len,
                  struct dd_err *err);

#endif
