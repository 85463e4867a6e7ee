// SPDX-License-Identifier: Apache-2.0
/* cmd_plan.h - the commands that only read: `drydock plan` and `drydock policy`. Called by main() with argv[0] = the command's name. */
#ifndef RUNNER_CMD_PLAN_H
#define RUNNER_CMD_PLAN_H

#include "job_source.h"

#include <argp.h>

int cmd_plan(int argc, char **argv);   /* an exit code of exit_code.h */
int cmd_policy(int argc, char **argv);

/* The arguments that `plan` and `run` share, as a child parser; its input is a struct run_args. */
extern const struct argp run_args_argp;

#endif
