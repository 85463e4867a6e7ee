// SPDX-License-Identifier: Apache-2.0
/* commands.h - the entry points of the command line, one file each. argv[0] is the command's name;
 * the return value is an exit code. */
#ifndef RUNNER_COMMANDS_H
#define RUNNER_COMMANDS_H

int cmd_run(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_actions(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_issuer(int argc, char **argv);
int cmd_revoke(int argc, char **argv);
int cmd_cache(int argc, char **argv);
int cmd_agent(int argc, char **argv);
int cmd_register(int argc, char **argv);
int cmd_unregister(int argc, char **argv);
int cmd_gitlab_executor(int argc, char **argv);
int cmd_in_step(int argc, char **argv); /* not for people */

#endif
