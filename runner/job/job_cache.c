// SPDX-License-Identifier: Apache-2.0
/* job_cache.c - see job_cache.h. Runs in: supervisor. */
#include "job_cache.h"

#include "hatch/store_own.h"
#include "step_hatch.h"

#include <stdlib.h>
#include <string.h>

struct job_cache {
	struct job *job;
	const struct grant *grant; /* of the step at hand */
	struct hatch_spec spec;
	struct store_own *own;
	struct dd_err err; /* of the record, which is a reason to end the job */
};

static void hear_store(void *arg, const struct hatch_event *e)
{
	struct job_cache *c = arg;
	if (!c->err.code)
		(void)job_store_record(c->job, c->grant, e, &c->err);
}

static int open_cache(struct job *job, const struct grant *grant, struct job_cache **ret,
                      struct dd_err *err)
{
	struct job_cache *c = job->store.own;
	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c)
			return dd_err_set(err, ENOMEM, "open the store");
		c->job = job;
		job->store.own = c;
	}
	c->grant = grant;
	c->err = (struct dd_err){ 0 };
	if (!c->own) {
		int r = job_store_spec(job, grant->terms, grant->phase, &c->spec, err);
		if (r == 0)
			r = store_own_new(&c->spec, hear_store, c, &c->own, err);
		if (r < 0)
			return r;
	}
	c->spec.step = grant->label;
	*ret = c;
	return 0;
}

static int after(const struct job_cache *c, int r, struct dd_err *err)
{
	return c->err.code ? dd_err_say(err, EIO, "%s", c->err.msg) : r;
}

int job_cache_find(struct job *job, unsigned grant, const char *const *keys, size_t n,
                   const char *version, struct job_cache_found *ret, struct dd_err *err)
{
	struct job_cache *c;
	int r = open_cache(job, &job->plan->grants[grant - 1], &c, err);
	ret->fd = -1;
	return r < 0 ? r
	             : after(c,
	                     store_own_find(c->own, keys, n, version, ret->key, &ret->size,
	                                    &ret->fd, err),
	                     err);
}

int job_cache_begin(struct job *job, unsigned grant, const char *key, const char *version,
                    int *ret_fd, uint64_t *ret_most, struct dd_err *err)
{
	struct job_cache *c;
	int r = open_cache(job, &job->plan->grants[grant - 1], &c, err);
	if (r == 0)
		r = after(c, store_own_begin(c->own, key, version, ret_fd, err), err);
	if (r == 0)
		*ret_most = c->spec.cache_bytes;
	return r;
}

int job_cache_keep(struct job *job, unsigned grant, struct dd_err *err)
{
	struct job_cache *c;
	int r = open_cache(job, &job->plan->grants[grant - 1], &c, err);
	return r < 0 ? r : after(c, store_own_keep(c->own, err), err);
}

void job_cache_free(struct job_cache *c)
{
	if (c)
		store_own_free(c->own);
	free(c);
}
