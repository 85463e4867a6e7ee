// SPDX-License-Identifier: Apache-2.0
/* config_path.h - where data files that belong to drydock are found.
 *
 * /etc/drydock first (the operator's), then beside the binary: ../configs of a build tree,
 * ../share/drydock of an installation. Never the current directory and never a variable: the place
 * decides what a step may do.
 */
#ifndef RUNNER_CONFIG_PATH_H
#define RUNNER_CONFIG_PATH_H

#include "drydock/err.h"

/* Find @kind/@file ("seccomp", "default.seccomp"). -ENOENT names the places that were tried. */
int config_path_find(const char *kind, const char *file, char *ret, size_t size,
                     struct dd_err *err);
/* The profile @name; a name with a slash or a dot is refused. */
int config_path_seccomp(const char *name, char *ret, size_t size, struct dd_err *err);

#endif
