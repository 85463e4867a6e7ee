// SPDX-License-Identifier: Apache-2.0
/* probe.h - what the tables of questions (probe_*.c) share with the one that asks them (probe.c).
 * Supervisor only. */
#ifndef DRYDOCK_SANDBOX_PROBE_H
#define DRYDOCK_SANDBOX_PROBE_H

#include "drydock/sandbox.h"

enum { PROBE_FOUND = sizeof(((struct sandbox_feature *)NULL)->found), PROBE_CALL = 32 };

#define PROBE_SEVEN                                                                                \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
	 CLONE_NEWCGROUP)

struct probe_row {
	const char *name, *area, *need;
	uint64_t namespaces; /* the child that asks is made with these */
	/* 0 for yes, -errno for no; @found may be left empty */
	int (*check)(char found[PROBE_FOUND]);
	const char *remedy;
	/* The same question in a few calls and without a child, where the caller is not changed by
	 * it: every run asks these. -EAGAIN: it cannot be told so, and a child asks. NULL: the
	 * first sandbox of a run finds out. */
	int (*quick)(char found[PROBE_FOUND]);
	/* instead, when it depends on what is in the way; static text */
	const char *(*remedy_now)(void);
	/* system calls behind the question, a space between two: where a filter around drydock
	 * takes one of them away, that is the finding, whatever the kernel could do */
	const char *calls;
	const char *fault; /* another name in DRYDOCK_FAULT that takes this row away */
	bool required;     /* a run without it is refused */
	/* asked without a child: it moves the process, as a run would (cgroups) */
	bool in_caller;
	bool told; /* only the doctor asks: a run needs no answer */
};

struct probe_table {
	const struct probe_row *rows;
	size_t n;
};

extern const struct probe_table probe_calls_table;  /* probe_calls.c: filters around drydock */
extern const struct probe_table probe_kernel_table; /* probe_kernel.c: namespaces, mounts, locks */
extern const struct probe_table probe_limits_table; /* probe_limits.c: cgroup v2 */
extern const struct probe_table probe_host_table;   /* probe_host.c: ids, programs in view, clock */

__attribute__((format(printf, 2, 3))) void probe_note(char found[PROBE_FOUND], const char *fmt,
                                                      ...);
/* Length read; the buffer is terminated and ends before a newline. -errno when it cannot be read.
 */
ssize_t probe_read_line(const char *path, char *buf, size_t size);
long probe_read_sysctl(const char *path, long otherwise);
/* How many ids this process may map into a user namespace that it makes; without CAP_SETUID it is
 * one, whatever its own map says. */
unsigned long probe_ids_usable(void);

/* After the row `calls` was asked: the first of @names (a space between two; may be NULL) that a
 * filter takes away. */
bool probe_calls_take(const char *names, char ret_name[PROBE_CALL]);
const char *probe_calls_remedy(void); /* static text */
bool probe_calls_filtered(void);      /* is there a filter around drydock at all? */

#endif
