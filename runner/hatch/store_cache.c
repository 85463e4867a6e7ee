// SPDX-License-Identifier: Apache-2.0
/* store_cache.c - caches of one repository: who is given which, who may write where.
 *
 * Runs in: storekeeper. The rule of trust: a job of a protected ref is given what such a job wrote,
 * and nothing else; a job that strangers can cause is given both, and what it writes is marked and
 * counted apart, so that it can neither reach the others nor drive out what they wrote. Scopes are
 * GitHub's: a job writes for its own ref, and reads that, then the branch that it is to be merged
 * into, then the default branch. */
#include "store_keep.h"

#include "drydock/fd.h"

#include <string.h>
#include <time.h>

static bool may_cache(struct store *s, bool write, struct store_answer *a)
{
	char why[200];
	if (s->cache_dir >= 0 && (write ? s->spec->rights.cache_write : s->spec->rights.cache_read))
		return true;
	if (strcmp(s->spec->phase, "push") == 0)
		(void)snprintf(why, sizeof(why),
		               "a push step has no cache: what other steps left there would run "
		               "beside its credentials");
	else
		(void)snprintf(why, sizeof(why),
		               "the policy lets no %s step %s caches; this line would: cache: { "
		               "%s: [ %s ] }",
		               s->spec->phase, write ? "write" : "read", write ? "write" : "read",
		               s->spec->phase);
	store_refuse(s, a, STORE_REFUSED, NULL, why);
	return false;
}

/* ---- keeping within bounds ---- */

static void drop(struct store *s, const struct store_entry *e, const char *why)
{
	if (store_remove(s->cache_dir, e, NULL) == 0)
		store_report(s, HATCH_CACHE_REMOVED, e, why);
}

int store_cache_begin(struct store *s, struct dd_err *err)
{
	struct store_list list = { NULL, 0 };
	dd_auto_fd int lock = -1;
	int64_t now = (int64_t)time(NULL);
	int r = store_lock_dir(s->cache_dir, true, &lock, err);
	if (r == 0)
		r = store_sweep(s->cache_dir, err);
	if (r == 0)
		r = store_scan(s->cache_dir, 'c', &list, err);
	for (size_t i = 0; r == 0 && i < list.n; i++)
		if (list.entries[i].used + (int64_t)s->spec->cache_keep_sec < now)
			drop(s, &list.entries[i],
			     "nobody has asked for it for longer than cache.keep");
	store_list_done(&list);
	return r;
}

static uint64_t bytes_of(const struct store_list *list, bool trusted)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < list->n; i++)
		sum += list->entries[i].kind && list->entries[i].trusted == trusted
		               ? list->entries[i].size
		               : 0;
	return sum;
}

/* What was asked for least lately goes; never what another trust wrote. */
static void make_room(struct store *s, struct store_list *list, uint64_t size)
{
	const bool trusted = s->spec->scopes.trusted;
	while (bytes_of(list, trusted) + size > s->spec->cache_bytes) {
		struct store_entry *oldest = NULL;
		for (size_t i = 0; i < list->n; i++) {
			struct store_entry *e = &list->entries[i];
			if (e->kind && e->trusted == trusted && (!oldest || e->used < oldest->used))
				oldest = e;
		}
		if (!oldest)
			return;
		drop(s, oldest, "to make room: cache.size");
		oldest->kind = '\0';
	}
}

/* ---- writing ---- */

static const struct store_entry *same_entry(const struct store_list *list,
                                            const struct store_entry *as)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct store_entry *e = &list->entries[i];
		if (e->trusted == as->trusted && strcmp(e->key, as->key) == 0 &&
		    strcmp(e->version, as->version) == 0 && strcmp(e->scope, as->scope) == 0)
			return e;
	}
	return NULL;
}

void store_cache_create(struct store *s, const struct store_ask *ask, struct store_answer *a,
                        int *ret_fd)
{
	const struct hatch_spec *spec = s->spec;
	struct store_entry e = { .kind = 'c',
		                 .trusted = spec->scopes.trusted,
		                 .created = (int64_t)time(NULL) };
	struct store_list list = { NULL, 0 };
	struct dd_err err = { 0 };
	dd_auto_fd int lock = -1;

	if (!may_cache(s, true, a))
		return;
	(void)snprintf(e.key, sizeof(e.key), "%s", ask->key);
	(void)snprintf(e.version, sizeof(e.version), "%s", ask->version);
	(void)snprintf(e.scope, sizeof(e.scope), "%s", spec->scopes.ref[0]);
	(void)snprintf(e.run, sizeof(e.run), "%s", spec->run);
	(void)snprintf(e.job, sizeof(e.job), "%s", spec->job);
	(void)snprintf(e.step, sizeof(e.step), "%s", spec->step);
	if (store_lock_dir(s->cache_dir, false, &lock, &err) < 0 ||
	    store_scan(s->cache_dir, 'c', &list, &err) < 0) {
		store_refuse(s, a, STORE_BROKEN, &e, err.msg);
	} else if (!s->replaces && same_entry(&list, &e)) {
		store_refuse(s, a, STORE_EXISTS, &e, "a cache of this key is there already");
	} else {
		struct store_upload *u = store_upload_new(s, a, s->cache_dir, spec->cache_bytes,
		                                          ret_fd);
		if (u)
			u->entry = e;
	}
	store_list_done(&list);
}

void store_cache_publish(struct store *s, struct store_upload *u, struct store_answer *a)
{
	struct store_list list = { NULL, 0 };
	struct dd_err err = { 0 };
	dd_auto_fd int lock = -1;
	int r = store_lock_dir(s->cache_dir, true, &lock, &err);
	if (r == 0)
		r = store_scan(s->cache_dir, 'c', &list, &err);
	if (r == 0 && !s->replaces && same_entry(&list, &u->entry)) {
		store_refuse(s, a, STORE_EXISTS, &u->entry,
		             "another job has saved a cache of this key meanwhile");
	} else if (r == 0 && u->entry.size > s->spec->cache_bytes) {
		store_refuse(s, a, STORE_REFUSED, &u->entry,
		             "the cache is larger than `cache.size` of the policy");
	} else {
		if (r == 0) {
			make_room(s, &list, u->entry.size);
			r = store_publish(s->cache_dir, u->name, &u->entry, &err);
		}
		if (r < 0) {
			store_refuse(s, a, STORE_BROKEN, &u->entry, err.msg);
		} else {
			const struct store_entry *old = same_entry(&list, &u->entry);
			if (old && old->kind)
				drop(s, old, "a newer one took its place");
			a->code = STORE_OK;
			a->id = (uint64_t)u->entry.created;
			store_report(s, HATCH_CACHE_SAVED, &u->entry, NULL);
		}
	}
	store_list_done(&list);
}

bool store_cache_is_same(struct store *s, const struct store_entry *as)
{
	struct store_list list = { NULL, 0 };
	dd_auto_fd int lock = -1;
	bool same = false;
	if (store_lock_dir(s->cache_dir, false, &lock, NULL) == 0 &&
	    store_scan(s->cache_dir, 'c', &list, NULL) == 0) {
		const struct store_entry *e = same_entry(&list, as);
		same = e && e->size == as->size && strcmp(e->sha256, as->sha256) == 0;
		if (same)
			store_touch(s->cache_dir, e);
	}
	store_list_done(&list);
	return same;
}

/* ---- reading ---- */

/* What @e is to this job: may it be given at all? */
static bool may_see(const struct store *s, const struct store_entry *e)
{
	return e->trusted || !s->spec->scopes.trusted;
}

static bool key_fits(const struct store_entry *e, const char *key, bool prefix)
{
	return prefix ? strncmp(e->key, key, strlen(key)) == 0 : strcmp(e->key, key) == 0;
}

/* The newest; of what others than this ref wrote first what a protected ref did. */
static const struct store_entry *find_key(const struct store *s, const struct store_list *list,
                                          size_t scope, const char *version, const char *key,
                                          bool prefix)
{
	const struct store_entry *second = NULL;
	for (size_t i = 0; i < list->n; i++) {
		const struct store_entry *e = &list->entries[i];
		if (!may_see(s, e) || strcmp(e->scope, s->spec->scopes.ref[scope]) != 0 ||
		    strcmp(e->version, version) != 0 || !key_fits(e, key, prefix))
			continue;
		if (scope == 0 || e->trusted)
			return e;
		second = second ? second : e;
	}
	return second;
}

static const struct store_entry *find_in_scope(const struct store *s, const struct store_list *list,
                                               size_t scope, const struct store_ask *ask)
{
	const struct store_entry *e = find_key(s, list, scope, ask->version, ask->key, false);
	if (!e)
		e = find_key(s, list, scope, ask->version, ask->key, true);
	for (uint32_t i = 0; !e && i < ask->n_restore; i++) {
		e = find_key(s, list, scope, ask->version, ask->restore[i], false);
		if (!e)
			e = find_key(s, list, scope, ask->version, ask->restore[i], true);
	}
	return e;
}

static void give(struct store *s, const struct store_entry *e, struct store_answer *a, int *ret_fd)
{
	struct dd_err err = { 0 };
	/* what is served is what was put in: clients take a cache as it comes */
	int r = store_open_kept(s->cache_dir, e, s->digest, ret_fd, &err);
	if (r == -EBADMSG || r == -EIO) { /* nobody is given it again, and the key is free */
		drop(s, e, "its bytes are not those that were put in");
		store_refuse(s, a, STORE_BROKEN, e, err.msg);
		a->code = STORE_NONE;
		return;
	}
	if (r < 0) {
		store_refuse(s, a, STORE_BROKEN, e, err.msg);
		return;
	}
	store_touch(s->cache_dir, e);
	a->code = STORE_OK;
	a->size = e->size;
	(void)snprintf(a->key, sizeof(a->key), "%s", e->key);
	memcpy(a->sha256, e->sha256, sizeof(a->sha256));
	store_report(s, HATCH_CACHE_RESTORED, e, NULL);
}

static void tell_missed(struct store *s, const char *key, struct store_answer *a)
{
	struct store_entry missed = { .kind = 'c', .trusted = s->spec->scopes.trusted };
	(void)snprintf(missed.key, sizeof(missed.key), "%s", key);
	(void)snprintf(missed.scope, sizeof(missed.scope), "%s", s->spec->scopes.ref[0]);
	a->code = STORE_NONE;
	store_report(s, HATCH_CACHE_MISSED, &missed, NULL);
}

/* Which one of what the directory holds; NULL: none. */
typedef const struct store_entry *(*store_choose_fn)(const struct store *s,
                                                     const struct store_list *list,
                                                     const void *arg);

/* @key: what is missed when there is none. */
static void store_look(struct store *s, store_choose_fn choose, const void *arg, const char *key,
                       struct store_answer *a, int *ret_fd)
{
	struct store_list list = { NULL, 0 };
	struct dd_err err = { 0 };
	dd_auto_fd int lock = -1;

	if (!may_cache(s, false, a))
		return;
	if (store_lock_dir(s->cache_dir, false, &lock, &err) < 0 ||
	    store_scan(s->cache_dir, 'c', &list, &err) < 0) {
		store_refuse(s, a, STORE_BROKEN, NULL, err.msg);
		return;
	}
	const struct store_entry *e = choose(s, &list, arg);
	if (e)
		give(s, e, a, ret_fd);
	else
		tell_missed(s, key, a);
	store_list_done(&list);
}

struct exact {
	const char *const *keys;
	size_t n;
	const char *version;
};

/* Keys as they are, the first that there is; of one key by scopes. */
static const struct store_entry *choose_exact(const struct store *s, const struct store_list *list,
                                              const void *arg)
{
	const struct exact *x = arg;
	const struct store_entry *e = NULL;
	for (size_t k = 0; !e && k < x->n; k++)
		for (size_t i = 0; !e && i < s->spec->scopes.n; i++)
			e = find_key(s, list, i, x->version, x->keys[k], false);
	return e;
}

void store_cache_exact(struct store *s, const char *const *keys, size_t n, const char *version,
                       struct store_answer *a, int *ret_fd)
{
	store_look(s, choose_exact, &(struct exact){ keys, n, version }, keys[0], a, ret_fd);
}

static const struct store_entry *choose_asked(const struct store *s, const struct store_list *list,
                                              const void *arg)
{
	const struct store_entry *e = NULL;
	for (size_t i = 0; !e && i < s->spec->scopes.n; i++)
		e = find_in_scope(s, list, i, arg);
	return e;
}

void store_cache_find(struct store *s, const struct store_ask *ask, struct store_answer *a,
                      int *ret_fd)
{
	store_look(s, choose_asked, ask, ask->key, a, ret_fd);
}
