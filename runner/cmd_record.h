// SPDX-License-Identifier: Apache-2.0
/* cmd_record.h - `drydock record verify RECORD` and `drydock record show RECORD`. Returns the exit code. */
#ifndef RUNNER_CMD_RECORD_H
#define RUNNER_CMD_RECORD_H

int cmd_record(int argc, char **argv); /* argv[0]: "record" */

#endif
