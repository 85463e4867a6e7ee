// SPDX-License-Identifier: Apache-2.0
/* cmd_policy.h - the verbs of `drydock policy`; each is a command line of its own. Return an exit
 * code (exit_code.h). */
#ifndef RUNNER_CMD_POLICY_H
#define RUNNER_CMD_POLICY_H

int cmd_policy_check(int argc, char **argv);
int cmd_policy_explain(int argc, char **argv);
int cmd_policy_keys(int argc, char **argv);
int cmd_policy_replay(int argc, char **argv);
int cmd_policy_sets(int argc, char **argv);
int cmd_policy_suggest(int argc, char **argv);

#endif
