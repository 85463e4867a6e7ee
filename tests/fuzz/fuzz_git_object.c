// SPDX-License-Identifier: Apache-2.0
/* fuzz_git_object.c - any bytes as a pack and its index, and as a loose object. The first two bytes
 * say where the index ends. */
#include "runner/tree/git_object.h"

#include "drydock/fd.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FIRST_NAME = 8 + 256 * 4 }; /* of the objects that an index of a pack lists */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(int dir, const char *name, const uint8_t *data, size_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	dd_close(fd);
}

/* As actions of a mirror are read: each object by its name, a tag by what it is on. */
static void read_all(int dir, const unsigned char *oid)
{
	int objects = openat(dir, "objects", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	static const size_t lens[] = { 20, 32 };
	for (size_t i = 0; objects >= 0 && i < 2; i++) {
		struct git_bytes bytes = { .data = NULL };
		unsigned char on[GIT_OID_MAX];
		struct dd_err err;
		if (git_object_read(objects, oid, lens[i], 1 << 20, &bytes, &err) == 0 &&
		    bytes.data[bytes.len] != 0)
			abort(); /* a NUL stands behind what was read */
		free(bytes.data);
		(void)git_tag_target(objects, oid, lens[i], on, &err);
	}
	dd_close(objects);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char top[] = "/dev/shm/drydock-fuzz-XXXXXX";
	static int dir = -1;
	static const unsigned char loose[20] = { 0x12, 0x34 };
	unsigned char oid[GIT_OID_MAX] = { 0x12, 0x34 }, tree[GIT_OID_MAX];
	struct dd_err err;

	if (dir < 0) {
		if (!mkdtemp(top) || (dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
		    mkdirat(dir, "objects", 0700) < 0 || mkdirat(dir, "objects/12", 0700) < 0 ||
		    mkdirat(dir, "objects/pack", 0700) < 0)
			abort();
	}
	if (size < 2 || size > 65536)
		return 0;
	size_t idx = (size_t)(data[0] << 8 | data[1]);
	idx = idx < size - 2 ? idx : size - 2;
	if (idx > FIRST_NAME + GIT_OID_MAX)
		memcpy(oid, data + 2 + FIRST_NAME, GIT_OID_MAX);
	put(dir, "objects/pack/p.idx", data + 2, idx);
	put(dir, "objects/pack/p.pack", data + 2 + idx, size - 2 - idx);
	read_all(dir, oid);
	(void)git_commit_tree(dir, oid, 20, tree, &err);
	(void)git_commit_tree(dir, oid, 32, tree, &err);
	memcpy(oid, loose, sizeof(loose));
	put(dir, "objects/12/34000000000000000000000000000000000000", data + 2, size - 2);
	read_all(dir, oid);
	(void)git_commit_tree(dir, oid, 20, tree, &err);
	return 0;
}
