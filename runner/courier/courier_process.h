// SPDX-License-Identifier: Apache-2.0
/* courier_process.h - starts a process that speaks with a forge, under a filter of its own, and the
 * frames in which it and whoever started it speak.
 *
 * A courier is a copy of the process that started it, with nothing open but its socket and what it
 * was lent. It can read files (authorities, resolver), open no other, start no program, write no
 * file but through a descriptor that it was lent. Bytes of the network are parsed there alone.
 */
#ifndef RUNNER_COURIER_PROCESS_H
#define RUNNER_COURIER_PROCESS_H

#include "drydock/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { COURIER_LENT_MAX = 4, FRAME_BYTES_MAX = 17 * 1024 * 1024 };

struct courier_process {
	pid_t pid;
	int sock; /* ours; -1: it is gone */
};

#define COURIER_PROCESS_NONE                                                                       \
	{                                                                                          \
		.pid = -1, .sock = -1                                                              \
	}

struct courier_work {
	/* what it does; the descriptors are its own numbers of what was lent. Its value is the exit
	 * status */
	int (*run)(void *arg, int sock, const int *lent);
	void *arg;
	int lent[COURIER_LENT_MAX]; /* borrowed */
	size_t n_lent;
	const char *name; /* as ps(1) shows it, at most 15 bytes */
};

int courier_process_start(const struct courier_work *work, struct courier_process *ret,
                          struct dd_err *err);
/* Close the socket, which it takes for the wish to end, and wait at most @ms; then kill. The exit
 * status, or -1. */
int courier_process_end(struct courier_process *c, unsigned ms);

/* One message. What a kind and the numbers mean is between those who speak. */
struct frame {
	uint32_t kind, len;
	int64_t a, b;
	char *bytes; /* received: heap, NUL-terminated besides, the caller frees; NULL: none */
};

int frame_send(int sock, const struct frame *frame);
/* 1: there is one; 0: the other side is gone; -EBADMSG. Waits for the whole of it. */
int frame_recv(int sock, struct frame *ret);
void frame_done(struct frame *frame); /* wipes */

#endif
