// SPDX-License-Identifier: Apache-2.0
/* version.h - which drydock this is: 0.1.0, or between releases 0.1.0-dev+gCOMMIT (".dirty" behind
 * it when the tree had changes). From the file VERSION and from git; any role. */
#ifndef RUNNER_VERSION_H
#define RUNNER_VERSION_H

const char *drydock_version(void);

#endif
