// SPDX-License-Identifier: Apache-2.0
/* doctor.h - what the files of `drydock doctor` share: findings about the host, and findings about
 * one policy on it.
 *
 * Command line only. Order of use: identity_enter(), sandbox_probe_all(), doctor_host(),
 * doctor_policy(), one of the printers.
 */
#ifndef RUNNER_DOCTOR_H
#define RUNNER_DOCTOR_H

#include "input/diag.h"
#include "drydock/identity.h"
#include "drydock/sandbox.h"

/* A line of the policy that this host cannot keep. */
struct doctor_want {
	struct diag_mark mark;
	char key[120]; /* "limits.memory", "credentials.registry.from" */
	char found[300];
	char remedy[400];
};
enum { DOCTOR_WANTS_MAX = 200, DOCTOR_FEATURES_MAX = 80 };

struct diagnosis {
	struct identity id;
	struct dd_err id_err; /* code 0: entered */
	struct sandbox_feature features[DOCTOR_FEATURES_MAX];
	size_t n_features;
	bool ok;            /* nothing that every run needs is missing */
	const char *policy; /* NULL: none given */
	/* what of the policy cannot be enforced; DOCTOR_WANTS_MAX of room, only with a policy */
	struct doctor_want *wants;
	size_t n_wants;
	bool wants_truncated;
};

const struct sandbox_feature *doctor_feature(const struct diagnosis *d,
                                             const char *name); /* NULL: no such row */

/* doctor_try.c: one whole step of nothing, appended to the features; after all single questions. */
void doctor_try(struct diagnosis *d);
/* doctor_host.c: the state directory and the terminal, appended to the features. */
void doctor_host(struct diagnosis *d, const char *state_dir);
/* doctor_policy.c: 0, and d->wants. -EINVAL: the policy is wrong, and everything has been said on
 * @errors. Other -errno: it cannot be read. */
int doctor_policy(struct diagnosis *d, const char *path, FILE *errors, struct dd_err *err);

/* doctor_print.c. JSON: 0 or -EIO. */
void doctor_print_text(const struct diagnosis *d, FILE *out);
int doctor_print_json(const struct diagnosis *d, FILE *out);

#endif
