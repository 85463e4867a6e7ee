// SPDX-License-Identifier: Apache-2.0
/* glitter.h - bold text, where the file descriptor is a terminal. */
#ifndef GLITTER_H
#define GLITTER_H

const char *glitter_bold(int fd);
const char *glitter_plain(int fd);

#endif
