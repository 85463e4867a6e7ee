// SPDX-License-Identifier: Apache-2.0
/* store_reader.h - the process that store_read.h speaks of. */
#ifndef RUNNER_STORE_READER_H
#define RUNNER_STORE_READER_H

#include "store_stream.h"

struct store_reader {
	int dir_fd;  /* all of the file system that it sees */
	int file_fd; /* stays open in it; -1: none */
	/* in it, before it is locked: libraries; NULL: nothing */
	int (*load)(struct dd_err *err);
	/* in it: says the entries to @out */
	int (*read)(const struct store_reader *r, int out, struct dd_err *err);
	const void *arg;
};

/* Forks, locks, and writes what it says into @to_fd. */
int store_reader_run(const struct store_reader *reader, int to_fd, struct store_took *took,
                     struct dd_err *err);

#endif
