// SPDX-License-Identifier: Apache-2.0
/* doctor_feature.c - finds one answer of a diagnosis by its name. Pure. */
#include "doctor.h"

#include <string.h>

const struct sandbox_feature *doctor_feature(const struct diagnosis *d, const char *name)
{
	for (size_t i = 0; i < d->n_features; i++)
		if (strcmp(d->features[i].name, name) == 0)
			return &d->features[i];
	return NULL;
}
