// SPDX-License-Identifier: Apache-2.0
/* secret_memory.c - one mapping, a cursor, and a wipe. Runs in the supervisor. */
#include "secret_memory.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct secret_memory {
	char *base;
	size_t size, used;
};

static int protect(const struct secret_memory *sm, struct dd_err *err)
{
	if (mlock(sm->base, sm->size) < 0)
		return dd_err_set(err, errno,
		                  "lock %zu bytes for secrets (raise RLIMIT_MEMLOCK: `ulimit -l`, "
		                  "or LimitMEMLOCK= in the unit)",
		                  sm->size);
	if (madvise(sm->base, sm->size, MADV_DONTDUMP) < 0)
		return dd_err_set(err, errno, "keep secrets out of core dumps");
	if (madvise(sm->base, sm->size, MADV_WIPEONFORK) < 0)
		return dd_err_set(err, errno,
		                  "keep secrets out of forked processes (needs Linux 4.14)");
	return 0;
}

int secret_memory_new(size_t size, struct secret_memory **ret, struct dd_err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	if (size == 0 || size > SIZE_MAX - page)
		return dd_err_set(err, EINVAL, "reserve memory for secrets");
	struct secret_memory *sm = calloc(1, sizeof(*sm));
	if (!sm)
		return dd_err_set(err, ENOMEM, "reserve memory for secrets");
	sm->size = (size + page - 1) / page * page;
	void *base = mmap(NULL, sm->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	                  0);
	if (base == MAP_FAILED) {
		int r = dd_err_set(err, errno, "reserve %zu bytes for secrets", sm->size);
		free(sm);
		return r;
	}
	sm->base = base;
	int r = protect(sm, err);
	if (r < 0) {
		secret_memory_free(sm);
		return r;
	}
	*ret = sm;
	return 0;
}

void *secret_alloc(struct secret_memory *sm, size_t len)
{
	size_t align = alignof(max_align_t);
	size_t at = (sm->used + align - 1) / align * align;
	if (at > sm->size || len > sm->size - at)
		return NULL;
	sm->used = at + len;
	return sm->base + at;
}

void secret_memory_free(struct secret_memory *sm)
{
	if (!sm)
		return;
	explicit_bzero(sm->base, sm->size);
	(void)munmap(sm->base, sm->size);
	free(sm);
}
