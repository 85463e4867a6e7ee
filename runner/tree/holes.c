// SPDX-License-Identifier: Apache-2.0
/* holes.c - asks the file system for data and holes. Runs in the supervisor; pure but for that. */
#include "holes.h"

#include <errno.h>
#include <unistd.h>

bool file_is_sparse(const struct stat *st)
{
	return (uint64_t)st->st_blocks * 512 < (uint64_t)st->st_size;
}

void file_next_data(int fd, bool sparse, uint64_t at, uint64_t size, uint64_t *ret_data,
                    uint64_t *ret_end)
{
	off_t data = sparse ? lseek(fd, (off_t)at, SEEK_DATA) : (off_t)at;
	if (data < 0 && errno == ENXIO) { /* a hole up to the end */
		*ret_data = *ret_end = size;
		return;
	}
	off_t end = sparse && data >= 0 ? lseek(fd, data, SEEK_HOLE) : -1;
	*ret_data = data < (off_t)at ? at : (uint64_t)data;
	*ret_end = end < 0 ? size : (uint64_t)end;
	if (*ret_data > size)
		*ret_data = size;
	if (*ret_end > size)
		*ret_end = size;
}
