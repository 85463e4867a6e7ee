// SPDX-License-Identifier: Apache-2.0
/* crc32.h - the checksum of the container: IEEE 802.3, reflected. */
#ifndef SQUEEZE_CRC32_H
#define SQUEEZE_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32_update(uint32_t crc, const void *bytes, size_t len); /* start with 0 */

#endif
