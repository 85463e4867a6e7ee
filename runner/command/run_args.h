// SPDX-License-Identifier: Apache-2.0
/* run_args.h - the arguments that `plan`, `run` and `policy explain` share. */
#ifndef RUNNER_RUN_ARGS_H
#define RUNNER_RUN_ARGS_H

#include "forges/local/job_source.h"

#include <argp.h>

/* The arguments that `plan` and `run` share, as a child parser; its input is a struct run_args. */
extern const struct argp run_args_argp;

#endif
