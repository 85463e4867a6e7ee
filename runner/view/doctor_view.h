// SPDX-License-Identifier: Apache-2.0
/* doctor_view.h - a diagnosis, and how it is drawn: what `drydock doctor` found about the host and
 * about one policy on it. Filled in command/, drawn here; no function keeps a pointer. */
#ifndef RUNNER_DOCTOR_VIEW_H
#define RUNNER_DOCTOR_VIEW_H

#include "drydock/identity.h"
#include "drydock/sandbox.h"
#include "input/diag.h"

/* A line of the policy that this host cannot keep. */
struct doctor_want {
	struct diag_mark mark;
	char key[120]; /* "limits.memory", "credentials.registry.from" */
	char found[300];
	char remedy[400];
};
struct doctor_static {
	struct diag_mark mark;
	char key[120]; /* "credentials.registry.from" */
	char from[16]; /* "file", "env", "systemd", "forge" */
};
enum { DOCTOR_STATICS_MAX = 64, DOCTOR_WANTS_MAX = 200, DOCTOR_FEATURES_MAX = 80 };

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
	/* credentials that stay valid until somebody changes them: no obstacle, told all the same
	 */
	const struct doctor_static *statics;
	size_t n_statics;
};

/* JSON: 0 or -EIO. */
void doctor_print_text(const struct diagnosis *d, FILE *out);
int doctor_print_json(const struct diagnosis *d, FILE *out);

#endif
