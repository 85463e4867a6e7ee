// SPDX-License-Identifier: Apache-2.0
/* size_text.h - a number of bytes as people read it. */
#ifndef RUNNER_SIZE_TEXT_H
#define RUNNER_SIZE_TEXT_H

#include <stdint.h>

/* "1.2 MiB", "512 B": at most 10 characters. Returns @buf. */
const char *size_text(uint64_t bytes, char buf[16]);

#endif
