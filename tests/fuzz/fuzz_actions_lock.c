// SPDX-License-Identifier: Apache-2.0
/* fuzz_actions_lock.c - any bytes as `.drydock.lock`: read, and held against what was found. The
 * lock can only refuse: what it lets pass has its own digest and commit in it. */
#include "runner/forges/engine/actions_lock.h"

#include "drydock/fd.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char sha256[] =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	static const struct actions_found found[] = {
		{ .repository = "acme/tool", .ref = "v1", .sha256 = sha256 },
		{ .repository = "Acme/Tool",
		  .ref = "main",
		  .sha256 = sha256,
		  .commit = "0123456789012345678901234567890123456789" },
	};
	static char top[] = "/dev/shm/drydock-fuzz-XXXXXX";
	static int dir = -1;
	struct actions_lock *lock = NULL;
	struct dd_err err = { 0 };

	if (dir < 0 && (!mkdtemp(top) || (dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0))
		abort();
	int fd = openat(dir, ACTIONS_LOCK_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	dd_close(fd);
	if (actions_lock_read(dir, &lock, &err) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
		char why[300];
		actions_lock_judge(lock, &found[i], why);
		const char *commit = actions_lock_commit(lock, &found[i]);
		if ((!why[0] && !memmem(data, size, "sha256", 6)) ||
		    (commit && strlen(commit) < 40))
			abort();
	}
	actions_lock_free(lock);
	return 0;
}
