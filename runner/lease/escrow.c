// SPDX-License-Identifier: Apache-2.0
/* escrow.c - one shared mapping of tokens. Runs in: keeper and supervisor. */
#include "escrow.h"

#include "lease.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

struct escrow {
	struct slot {
		/* 0: free. Written last, so that a half-written one is none */
		_Atomic unsigned id;
		unsigned len;
		char key[LEASE_KEY_MAX + 1];
	} slots[LEASES_MAX];
};

int escrow_new(struct escrow **ret, struct dd_err *err)
{
	void *at = mmap(NULL, sizeof(struct escrow), PROT_READ | PROT_WRITE,
	                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return dd_err_set(err, errno, "reserve %zu bytes for tokens",
		                  sizeof(struct escrow));
	if (mlock(at, sizeof(struct escrow)) < 0 ||
	    madvise(at, sizeof(struct escrow), MADV_DONTDUMP) < 0) {
		int r = dd_err_set(
			err, errno,
			"lock %zu bytes for tokens (raise RLIMIT_MEMLOCK: `ulimit -l`, or "
			"LimitMEMLOCK= in the unit)",
			sizeof(struct escrow));
		(void)munmap(at, sizeof(struct escrow));
		return r;
	}
	*ret = at;
	return 0;
}

int escrow_hold(struct escrow *e, struct dd_err *err)
{
	/* memory locks are not inherited by fork */
	if (e && (mlock(e, sizeof(*e)) < 0 || madvise(e, sizeof(*e), MADV_DONTFORK) < 0))
		return dd_err_set(err, errno, "keep tokens out of other processes");
	return 0;
}

int escrow_put(struct escrow *e, unsigned id, const char *key, size_t len, struct dd_err *err)
{
	if (len > LEASE_KEY_MAX)
		return dd_err_say(err, E2BIG, "a token is longer than %d bytes", LEASE_KEY_MAX);
	for (size_t i = 0; i < LEASES_MAX; i++) {
		struct slot *s = &e->slots[i];
		if (atomic_load(&s->id) != 0)
			continue;
		memcpy(s->key, key, len);
		s->len = (unsigned)len;
		atomic_store(&s->id, id);
		return 0;
	}
	return dd_err_say(err, ENOSPC, "more than %d credentials are open", LEASES_MAX);
}

void escrow_drop(struct escrow *e, unsigned id)
{
	for (size_t i = 0; i < LEASES_MAX; i++)
		if (atomic_load(&e->slots[i].id) == id) {
			atomic_store(&e->slots[i].id, 0);
			explicit_bzero(e->slots[i].key, sizeof(e->slots[i].key));
		}
}

const char *escrow_get(const struct escrow *e, unsigned id, size_t *ret_len)
{
	for (size_t i = 0; e && i < LEASES_MAX; i++)
		if (atomic_load(&e->slots[i].id) == id) {
			*ret_len = e->slots[i].len;
			return e->slots[i].key;
		}
	return NULL;
}

void escrow_free(struct escrow *e)
{
	if (!e)
		return;
	explicit_bzero(e, sizeof(*e));
	(void)munmap(e, sizeof(*e));
}
