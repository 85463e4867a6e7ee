// SPDX-License-Identifier: Apache-2.0
/* doctor.h - who asks what for `drydock doctor`; the findings are view/doctor_view.h's.
 *
 * Command line only. Order of use: identity_enter(), sandbox_probe_all(), doctor_host(),
 * doctor_policy(), one of the printers.
 */
#ifndef RUNNER_DOCTOR_H
#define RUNNER_DOCTOR_H

#include "view/doctor_view.h"

const struct sandbox_feature *doctor_feature(const struct diagnosis *d,
                                             const char *name); /* NULL: no such row */

/* doctor_try.c: one whole step of nothing, appended to the features; after all single questions. */
void doctor_try(struct diagnosis *d);
/* doctor_host.c: the state directory and the terminal, appended to the features. */
void doctor_host(struct diagnosis *d, const char *state_dir);
/* doctor_links.c: links of /usr that lead out of what steps see, appended to the features. */
void doctor_links(struct diagnosis *d);
/* doctor_policy.c: 0, and d->wants. -EINVAL: the policy is wrong, and everything has been said on
 * @errors. Other -errno: it cannot be read. */
int doctor_policy(struct diagnosis *d, const char *path, FILE *errors, struct dd_err *err);

#endif
