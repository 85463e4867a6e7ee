// SPDX-License-Identifier: Apache-2.0
/* crash_point.c - a counter that keeper, supervisor and couriers share. Runs in all three. */
#include "crash_point.h"

#include "drydock/fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct shared {
	_Atomic unsigned passed, reached;
	unsigned at;
	char who[16];
	pid_t keeper;
	_Atomic pid_t supervisor, courier, self;
} * shared;

static void end(pid_t pid)
{
	if (pid > 0)
		(void)kill(pid, SIGKILL);
}

static void execute(void)
{
	bool all = strcmp(shared->who, "all") == 0, both = strcmp(shared->who, "drydock") == 0;
	if (all || both)
		end(shared->keeper);
	if (all || both || strcmp(shared->who, "supervisor") == 0)
		end(atomic_load(&shared->supervisor));
	if (all)
		end(atomic_load(&shared->courier));
	if (all || strcmp(shared->who, "self") == 0)
		end(atomic_load(&shared->self));
}

/* A courier may kill nobody, so somebody else does it: a process that belongs to none of them. */
static _Noreturn void wait_for_it(void)
{
	const struct timespec tick = { .tv_nsec = 200000 };
	(void)close_range(0, ~0u, 0);
	while (!atomic_load(&shared->reached) && kill(shared->keeper, 0) == 0)
		(void)nanosleep(&tick, NULL);
	if (atomic_load(&shared->reached))
		execute();
	_exit(0);
}

static void fork_executioner(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (fork() == 0)
			wait_for_it();
		_exit(0);
	}
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
}

void crash_arm(void)
{
	const char *text = getenv("DRYDOCK_CRASH_AT");
	if (!dd_fault("crash") || !text)
		return;
	void *at = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	                -1, 0);
	if (at == MAP_FAILED)
		return;
	shared = at;
	shared->keeper = getpid();
	if (sscanf(text, "%u:%15s", &shared->at, shared->who) != 2)
		shared->at = 0;
	fork_executioner();
}

void crash_is_supervisor(void)
{
	if (shared)
		atomic_store(&shared->supervisor, getpid());
}

void crash_is_courier(void)
{
	if (shared)
		atomic_store(&shared->courier, getpid());
}

void crash_point(void)
{
	if (!shared || atomic_fetch_add(&shared->passed, 1) + 1 != shared->at)
		return;
	atomic_store(&shared->self, getpid());
	atomic_store(&shared->reached, 1);
	/* until somebody else than us is dead, or we are */
	bool other = strcmp(shared->who, "self") != 0 && strcmp(shared->who, "all") != 0;
	const struct timespec tick = { .tv_nsec = 50L * 1000 * 1000 };
	for (int i = 0; i < (other ? 1 : 100); i++)
		(void)nanosleep(&tick, NULL);
}
