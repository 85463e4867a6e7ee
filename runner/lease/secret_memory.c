// SPDX-License-Identifier: Apache-2.0
/* secret_memory.c - mappings, a cursor, and a wipe. Runs in the supervisor. */
#include "secret_memory.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* One mapping; what no longer fits into it comes into one more. */
struct region {
	struct region *next;
	char *base;
	size_t size, used;
};

struct secret_memory {
	struct region *first, *last;
	const char *latest; /* block */
	struct dd_err why;  /* the last one that could not be had */
};

enum { GROW_BYTES = 64 * 1024 };

static int protect(const struct region *region, struct dd_err *err)
{
	if (mlock(region->base, region->size) < 0)
		return dd_err_set(err, errno,
		                  "lock %zu bytes for secrets (raise RLIMIT_MEMLOCK: `ulimit -l`, "
		                  "or LimitMEMLOCK= in the unit)",
		                  region->size);
	if (madvise(region->base, region->size, MADV_DONTDUMP) < 0)
		return dd_err_set(err, errno, "keep secrets out of core dumps");
	if (madvise(region->base, region->size, MADV_WIPEONFORK) < 0)
		return dd_err_set(err, errno,
		                  "keep secrets out of forked processes (needs Linux 4.14)");
	return 0;
}

static void region_free(struct region *region)
{
	explicit_bzero(region->base, region->size);
	(void)munmap(region->base, region->size);
	free(region);
}

static int region_add(struct secret_memory *sm, size_t size, struct dd_err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	if (size == 0 || size > SIZE_MAX - page)
		return dd_err_set(err, EINVAL, "reserve memory for secrets");
	struct region *region = calloc(1, sizeof(*region));
	if (!region)
		return dd_err_set(err, ENOMEM, "reserve memory for secrets");
	region->size = (size + page - 1) / page * page;
	void *base = mmap(NULL, region->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	                  -1, 0);
	if (base == MAP_FAILED) {
		int r = dd_err_set(err, errno, "reserve %zu bytes for secrets", region->size);
		free(region);
		return r;
	}
	region->base = base;
	int r = protect(region, err);
	if (r < 0) {
		region_free(region);
		return r;
	}
	if (sm->last)
		sm->last->next = region;
	else
		sm->first = region;
	sm->last = region;
	return 0;
}

int secret_memory_new(size_t size, struct secret_memory **ret, struct dd_err *err)
{
	struct secret_memory *sm = calloc(1, sizeof(*sm));
	if (!sm)
		return dd_err_set(err, ENOMEM, "reserve memory for secrets");
	int r = region_add(sm, size, err);
	if (r < 0)
		free(sm);
	else
		*ret = sm;
	return r;
}

static void *take(struct region *region, size_t len)
{
	size_t align = alignof(max_align_t);
	size_t at = (region->used + align - 1) / align * align;
	if (at > region->size || len > region->size - at)
		return NULL;
	region->used = at + len;
	return region->base + at;
}

void *secret_alloc(struct secret_memory *sm, size_t len)
{
	void *at = take(sm->last, len);
	size_t size = len < GROW_BYTES ? (size_t)GROW_BYTES : len;
	if (!at && region_add(sm, size, &sm->why) == 0)
		at = take(sm->last, len);
	sm->latest = at;
	return at;
}

void secret_shrink(struct secret_memory *sm, const void *at, size_t len)
{
	if (!at || at != sm->latest)
		return;
	size_t end = (size_t)(sm->latest - sm->last->base) + len;
	if (end > sm->last->used)
		return;
	explicit_bzero(sm->last->base + end, sm->last->used - end);
	sm->last->used = end;
}

int secret_memory_full(const struct secret_memory *sm, struct dd_err *err)
{
	return sm->why.code ? dd_err_say(err, sm->why.code, "%s", sm->why.msg)
	                    : dd_err_set(err, ENOMEM, "reserve memory for secrets");
}

void secret_memory_free(struct secret_memory *sm)
{
	if (!sm)
		return;
	for (struct region *next, *one = sm->first; one; one = next) {
		next = one->next;
		region_free(one);
	}
	free(sm);
}
