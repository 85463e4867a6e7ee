// SPDX-License-Identifier: Apache-2.0
/* run_args.h - the arguments that `plan`, `run` and `policy explain` share. */
#ifndef RUNNER_RUN_ARGS_H
#define RUNNER_RUN_ARGS_H

#include "forges/local/job_source.h"

#include <argp.h>

/* The arguments that `plan` and `run` share, as a child parser; its input is a struct run_args. */
extern const struct argp run_args_argp;

/* Adds NAME=VALUE to a list of them; says what is wrong and does not return then. */
void run_args_add(const char *list[RUN_VALUES_MAX], size_t *n, char *arg, struct argp_state *state);

#endif
