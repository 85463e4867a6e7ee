// SPDX-License-Identifier: Apache-2.0
/* github_mint.h - from a person's or an app's right to the token that registers or removes one
 * runner. The registration's courier only. */
#ifndef RUNNER_GITHUB_MINT_H
#define RUNNER_GITHUB_MINT_H

#include "github_register.h"
#include "lease/http.h"

enum { MINT_TOKEN_MAX = 4096 };

struct github_mint {
	const struct github_place *place;
	/* a personal token; or, with @app, the private key of that app, as PEM */
	const char *secret;
	const char *app; /* its id, or client id; NULL: none */
	bool remove;     /* for a removal instead of a registration */
};

/* Is it a personal access token, or one of an app's installation: by its prefix. Pure. */
bool github_is_personal(const char *token);
/* The token that is spoken with afterwards. */
int github_mint(struct http *http, const struct github_mint *mint, char ret[MINT_TOKEN_MAX],
                struct dd_err *err);

#endif
