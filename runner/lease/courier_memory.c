// SPDX-License-Identifier: Apache-2.0
/* courier_memory.c - locks the memory that TLS works in.
 *
 * Runs in: courier. libcurl and libcrypto keep requests, answers and session keys in the heap, and
 * neither can be told to use secret memory by a process that has used libcrypto before. So the heap
 * is locked as a whole, and the stack; text and data of two dozen libraries, which would not fit
 * into the usual 8 MiB of RLIMIT_MEMLOCK, hold no secret and are not. MCL_FUTURE without
 * MCL_CURRENT is not held against the size of the process (mm/mlock.c), and with MCL_ONFAULT only
 * what is touched takes room. One arena and small thread stacks: libcurl resolves in a thread, and
 * a second arena reserves 64 MiB at once.
 */
#include "courier_memory.h"

#include "drydock/fault.h"

#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { HEADROOM = 4 << 20, THREAD_STACK = 256 * 1024 }; /* a CA bundle of 150 takes 1.5 MiB */

static bool host_swaps(void)
{
	char line[256];
	FILE *f = fopen("/proc/swaps", "re");
	bool swaps = !f || dd_fault("swap"); /* who cannot look must expect it */
	/* the first line is a headline */
	for (int n = 0; f && fgets(line, sizeof(line), f); n++)
		swaps = swaps || n > 0;
	if (f)
		(void)fclose(f);
	return swaps;
}

static int lock_range(uintptr_t from, uintptr_t to)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
	from &= ~page;
	return mlock2((void *)from, to - from, MLOCK_ONFAULT); /* NOLINT: addresses of /proc */
}

/* What is there already and may hold a secret soon. */
static int lock_heap_and_stack(void)
{
	char line[512];
	int r = 0;
	FILE *f = fopen("/proc/self/maps", "re");
	while (f && r == 0 && fgets(line, sizeof(line), f)) {
		unsigned long from, to;
		bool ours = strstr(line, "[heap]") || strstr(line, "[stack]");
		if (ours && sscanf(line, "%lx-%lx", &from, &to) == 2 && lock_range(from, to) < 0)
			r = -1;
	}
	if (f)
		(void)fclose(f);
	return f ? r : -1;
}

/* A limit that is reached in the middle of a conversation breaks it. */
static bool limit_has_room(void)
{
	char line[128];
	struct rlimit limit;
	unsigned long kb = 0;
	FILE *f = fopen("/proc/self/status", "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmLck: %lu", &kb) == 1)
			break;
	if (f)
		(void)fclose(f);
	return f && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
	       (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= kb * 1024 + HEADROOM);
}

static bool memory_lock(void *own, size_t len)
{
	pthread_attr_t attr;
	(void)mallopt(M_ARENA_MAX, 1);
	if (pthread_attr_init(&attr) == 0) {
		if (pthread_attr_setstacksize(&attr, THREAD_STACK) == 0)
			(void)pthread_setattr_default_np(&attr);
		(void)pthread_attr_destroy(&attr);
	}
	return lock_range((uintptr_t)own, (uintptr_t)own + len) == 0 &&
	       lock_heap_and_stack() == 0 && limit_has_room() &&
	       mlockall(MCL_FUTURE | MCL_ONFAULT) == 0;
}

int courier_memory_hold(void *own, size_t len, struct dd_err *err)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }) < 0)
		return dd_err_set(err, errno, "courier: leave no core");
	if (memory_lock(own, len))
		return 0;
	(void)munlockall();
	if (!host_swaps())
		return 0;
	return dd_err_say(err, ENOMEM,
	                  "courier: its memory cannot be locked, and this host has swap, where "
	                  "tokens would stay: raise RLIMIT_MEMLOCK to 8 MiB (`ulimit -l`, or "
	                  "LimitMEMLOCK= in the unit)");
}
