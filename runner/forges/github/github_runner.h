// SPDX-License-Identifier: Apache-2.0
/* github_runner.h - what a host is at GitHub: a name, an id, a key, and whom it asks.
 *
 * Two ways here: a just-in-time configuration, whose key the server made, for one job; or a
 * registration of this host's own (github_register.h), kept at STATE/github/runner.json, 0600. Who
 * holds the key takes jobs with all their secrets from the queue: the agent hands it to the
 * broker's courier and wipes it, and no process of a job ever has it.
 */
#ifndef RUNNER_GITHUB_RUNNER_H
#define RUNNER_GITHUB_RUNNER_H

#include "drydock/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What this host says it is where nobody says otherwise: servers refuse what is too old. */
#define GITHUB_RUNNER_VERSION "2.336.0"

enum { GITHUB_RUNNER_BYTES_MAX = 256 * 1024 };

struct github_runner {
	json_t *document; /* what is borrowed below lives in it */
	long long id;
	const char *name, *broker, *authorization, *client_id;
	bool pss;           /* signs with PSS; otherwise with PKCS #1 */
	bool ephemeral;     /* one job, and then it is gone */
	bool keeps_session; /* a session that the server ended is not begun again */
	const json_t *key;  /* modulus, exponent, d, p, q, dp, dq, inverseQ in base64 */
};

/* From a JIT configuration: base64 of a JSON object whose members are base64 of files. */
int github_runner_of_jit(const char *text, size_t len, struct github_runner *ret,
                         struct dd_err *err);
/* From the document of runner.json; @ret takes the reference. */
int github_runner_of_json(json_t *document, struct github_runner *ret, struct dd_err *err);
void github_runner_done(struct github_runner *runner); /* wipes the key */

/* Base64 with padding, any white space in it; malloc'ed, NUL-terminated besides. NULL: it is none.
 */
char *github_unbase64(const char *text, size_t len, size_t *ret_len);
/* malloc'ed */
char *github_base64(const void *bytes, size_t len);

#endif
