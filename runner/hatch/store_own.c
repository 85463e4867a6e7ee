// SPDX-License-Identifier: Apache-2.0
/* store_own.c - see store_own.h. */
#include "store_own.h"

#include "drydock/fd.h"
#include "store_keep.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct store_own {
	struct store s;
	struct store_upload *upload; /* what is being written; NULL: nothing */
	int fd;                      /* of it */
};

int store_own_new(const struct hatch_spec *spec, store_own_tell tell, void *arg,
                  struct store_own **ret, struct dd_err *err)
{
	struct store_own *own = calloc(1, sizeof(*own));
	if (!own)
		return dd_err_set(err, ENOMEM, "open the store");
	own->fd = -1;
	own->s = (struct store){ .spec = spec,
		                 .hatch = -1,
		                 .report = -1,
		                 .cache_dir = spec->cache_dir,
		                 .artifact_dir = -1,
		                 .tell = tell,
		                 .tell_arg = arg,
		                 .replaces = true };
	int r = digest_new(&own->s.digest, err);
	if (r == 0)
		r = store_cache_begin(&own->s, err);
	if (r < 0) {
		store_own_free(own);
		return r;
	}
	*ret = own;
	return 0;
}

static void drop_upload(struct store_own *own)
{
	if (own->upload && own->upload->number)
		(void)unlinkat(own->upload->dir, own->upload->name, 0);
	if (own->upload)
		own->upload->number = 0;
	own->upload = NULL;
	dd_close_p(&own->fd);
}

void store_own_free(struct store_own *own)
{
	if (!own)
		return;
	drop_upload(own);
	digest_free(own->s.digest);
	free(own);
}

static int says(const struct store_answer *a, struct dd_err *err)
{
	return dd_err_say(err, a->code == STORE_REFUSED ? EACCES : EIO, "%s", a->why);
}

int store_own_find(struct store_own *own, const char *const *keys, size_t n, const char *version,
                   char ret_key[HATCH_KEY_MAX + 1], uint64_t *ret_size, int *ret_fd,
                   struct dd_err *err)
{
	struct store_answer a = { .code = STORE_INVALID };
	store_cache_exact(&own->s, keys, n, version, &a, ret_fd);
	if (a.code == STORE_NONE) {
		if (a.why[0]) /* there was one, and it is gone */
			(void)dd_err_say(err, EBADMSG, "%s", a.why);
		return 0;
	}
	if (a.code != STORE_OK)
		return says(&a, err);
	*ret_size = a.size;
	(void)snprintf(ret_key, HATCH_KEY_MAX + 1, "%s", a.key);
	return 1;
}

int store_own_begin(struct store_own *own, const char *key, const char *version, int *ret_fd,
                    struct dd_err *err)
{
	static struct store_ask ask;
	struct store_answer a = { .code = STORE_INVALID };
	drop_upload(own);
	ask = (struct store_ask){ .type = STORE_CACHE_CREATE };
	(void)snprintf(ask.key, sizeof(ask.key), "%s", key);
	(void)snprintf(ask.version, sizeof(ask.version), "%s", version);
	store_cache_create(&own->s, &ask, &a, &own->fd);
	if (a.code != STORE_OK)
		return says(&a, err);
	for (size_t i = 0; i < STORE_UPLOADS_MAX; i++)
		if (own->s.uploads[i].number == a.upload)
			own->upload = &own->s.uploads[i];
	*ret_fd = own->fd;
	return 0;
}

int store_own_keep(struct store_own *own, struct dd_err *err)
{
	struct store_answer a = { .code = STORE_INVALID };
	struct store_upload *u = own->upload;
	if (!u)
		return dd_err_say(err, EINVAL, "no cache was begun");
	int r = lseek(own->fd, 0, SEEK_SET) < 0 ? dd_err_set(err, errno, "read a cache") : 0;
	if (r == 0)
		r = store_digest(own->s.digest, own->fd, &u->entry.size, u->entry.sha256, err);
	if (r == 0 && store_cache_is_same(&own->s, &u->entry)) {
		drop_upload(own);
		return 0;
	}
	if (r == 0) {
		store_cache_publish(&own->s, u, &a);
		u->number = a.code == STORE_OK ? 0 : u->number; /* else it is dropped */
		r = a.code == STORE_OK ? 1 : says(&a, err);
	}
	drop_upload(own);
	return r;
}
