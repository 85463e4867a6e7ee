// SPDX-License-Identifier: Apache-2.0
/* container.h - the file format: "SQZ1", then blocks, then an empty block.
 *
 * A block is kind (1 byte: 0 end, 1 stored, 2 squeezed), size before, size after, CRC-32 of the content before (little endian). */
#ifndef SQUEEZE_CONTAINER_H
#define SQUEEZE_CONTAINER_H

#include "bits.h"

enum { CONTAINER_BLOCK = 1 << 18 };

int container_pack(const uint8_t *in, size_t len, struct buf *out);
/* NULL when all is well, otherwise what is wrong with the file. */
const char *container_unpack(const uint8_t *in, size_t len, struct buf *out);

#endif
