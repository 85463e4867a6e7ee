// SPDX-License-Identifier: Apache-2.0
/* store_main.c - the storekeeper of one step: answers what its hatch asks, as far as the policy
 * lets this step.
 *
 * Runs in: storekeeper. Who am I: a child of the supervisor with its id. What can I still do after
 * store_lock(): files in the directories of the store. What do I hold: those directories, a socket
 * to the hatch, one to the supervisor. The hatch reads hostile bytes, so it is believed nothing:
 * which scope is written, what may be read, how large a file may be is from the spec of the step,
 * and a digest is taken here, of a file that provably nobody can write any more. */
#include "store_keep.h"

#include "drydock/fault.h"
#include "drydock/fd.h"
#include "drydock/hatch_lock.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

enum { FD_HATCH = 3, FD_REPORT, FD_CACHE };

/* ---- uploads ---- */

static struct store_upload *upload_find(struct store *s, uint64_t number)
{
	for (size_t i = 0; number && i < STORE_UPLOADS_MAX; i++)
		if (s->uploads[i].number == number)
			return &s->uploads[i];
	return NULL;
}

static void upload_drop(struct store_upload *u)
{
	if (u->number)
		(void)unlinkat(u->dir, u->name, 0);
	u->number = 0;
}

static void upload_again(struct store *s, const struct store_ask *ask, struct store_answer *a,
                         int *ret_fd)
{
	struct store_upload *u = upload_find(s, ask->upload);
	struct dd_err err = { 0 };
	char name[32];
	if (!u) {
		a->code = STORE_NONE;
		return;
	}
	if (store_incoming(u->dir, name, ret_fd, &err) < 0) {
		store_refuse(s, a, STORE_BROKEN, NULL, err.msg);
		return;
	}
	(void)unlinkat(u->dir, u->name, 0);
	(void)snprintf(u->name, sizeof(u->name), "%s", name);
	a->code = STORE_OK;
}

/* ---- stable bytes ---- */

/* A read lease is given only on a file that nobody has open for writing, and nobody but us can open
 * it again (fcntl(2), F_SETLEASE). File systems without leases: the bytes are copied into a file
 * that never had another writer. */
static int make_stable(struct store_upload *u, int *ret_fd, struct dd_err *err)
{
	dd_auto_fd int fd = openat(u->dir, u->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return dd_err_set(err, errno, "open an upload");
	(void)flock(fd, LOCK_SH | LOCK_NB);
	if (!dd_fault("store_lease") && fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
		*ret_fd = dd_take_fd(&fd);
		return 0;
	}
	if (errno == EAGAIN && !dd_fault("store_lease"))
		return dd_err_say(err, EBUSY, "an upload is still being written");
	dd_auto_fd int copy = -1;
	static char bytes[65536];
	char name[32];
	ssize_t n = 0;
	int r = store_incoming(u->dir, name, &copy, err);
	if (r < 0)
		return r;
	bool whole = true;
	while (whole && (n = read(fd, bytes, sizeof(bytes))) > 0)
		whole = write(copy, bytes, (size_t)n) == n;
	(void)unlinkat(u->dir, u->name, 0);
	(void)snprintf(u->name, sizeof(u->name), "%s", name);
	if (!whole || n < 0 || lseek(copy, 0, SEEK_SET) < 0)
		return dd_err_set(err, EIO, "copy an upload");
	*ret_fd = dd_take_fd(&copy);
	return 0;
}

static void upload_done(struct store *s, const struct store_ask *ask, struct store_answer *a)
{
	struct store_upload *u = upload_find(s, ask->upload);
	struct dd_err err = { 0 };
	dd_auto_fd int fd = -1;

	if (!u) {
		a->code = STORE_NONE;
		return;
	}
	struct store_entry *e = &u->entry;
	int r = make_stable(u, &fd, &err);
	if (r == 0)
		r = store_digest(s->digest, fd, &e->size, e->sha256, &err);
	if (r < 0) {
		store_refuse(s, a, STORE_BROKEN, e, err.msg);
	} else if (e->size != ask->size || (ask->hash[0] && strcmp(ask->hash, e->sha256) != 0)) {
		store_refuse(s, a, STORE_REFUSED, e,
		             "what was put in is not what its step says it is: size or digest "
		             "differ");
	} else if (e->kind == 'c') {
		store_cache_publish(s, u, a);
	} else {
		store_artifact_publish(s, u, a);
	}
	if (a->code == STORE_OK)
		u->number = 0; /* it has another name now */
	else
		upload_drop(u);
}

/* ---- the questions ---- */

static bool ask_is_sane(const struct store_ask *ask)
{
	bool ok = ask->type > STORE_ASK_INVALID && ask->type < STORE_ASK__COUNT &&
	          ask->n_restore <= STORE_RESTORE_MAX && ask->size <= INT64_MAX &&
	          memchr(ask->key, '\0', sizeof(ask->key)) &&
	          memchr(ask->version, '\0', sizeof(ask->version)) &&
	          memchr(ask->hash, '\0', sizeof(ask->hash)) &&
	          memchr(ask->mime, '\0', sizeof(ask->mime)) &&
	          memchr(ask->why, '\0', sizeof(ask->why));
	for (uint32_t i = 0; ok && i < ask->n_restore; i++)
		ok = memchr(ask->restore[i], '\0', sizeof(ask->restore[i])) != NULL;
	return ok;
}

static void answer_ask(struct store *s, const struct store_ask *ask, struct store_answer *a,
                       int *ret_fd)
{
	switch ((enum store_ask_type)ask->type) {
	case STORE_CACHE_CREATE:
		store_cache_create(s, ask, a, ret_fd);
		break;
	case STORE_CACHE_FIND:
		store_cache_find(s, ask, a, ret_fd);
		break;
	case STORE_ARTIFACT_CREATE:
		store_artifact_create(s, ask, a, ret_fd);
		break;
	case STORE_ARTIFACT_LIST:
		store_artifact_list(s, ask, a);
		break;
	case STORE_ARTIFACT_GET:
		store_artifact_get(s, ask, a, ret_fd);
		break;
	case STORE_ARTIFACT_DELETE:
		store_artifact_delete(s, ask, a);
		break;
	case STORE_UPLOAD_AGAIN:
		upload_again(s, ask, a, ret_fd);
		break;
	case STORE_UPLOAD_DONE:
		upload_done(s, ask, a);
		break;
	case STORE_TELL:
		store_report(s, HATCH_REFUSED, NULL, ask->why);
		a->code = STORE_OK;
		break;
	case STORE_ASK_INVALID:
	case STORE_ASK__COUNT:
		break;
	}
}

static int store_serve(struct store *s)
{
	static struct store_ask ask;
	struct store_answer a = { .code = STORE_INVALID };
	dd_auto_fd int fd = -1;
	int r = dd_recv_msg(s->hatch, &ask, sizeof(ask), NULL, 0);

	if (r <= 0 || !ask_is_sane(&ask))
		return -1;
	answer_ask(s, &ask, &a, &fd);
	a.has_fd = fd >= 0;
	r = dd_send_msg(s->hatch, &a, sizeof(a), NULL, 0);
	if (r == 0 && fd >= 0)
		r = dd_send_msg(s->hatch, "", 1, &fd, 1);
	return r;
}

/* ---- the process ---- */

static int store_prepare(struct store *s, pid_t supervisor, struct dd_err *err)
{
	const struct hatch_spec *spec = s->spec;
	const int dirs[] = { s->cache_dir, s->artifact_dir };
	char hex[DIGEST_HEX];
	size_t seed = 0;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return dd_err_set(err, EIO, "storekeeper: getrandom");
	json_object_seed(seed ? seed : 1); /* jansson would open /dev/urandom */
	tzset();
	int r = digest_new(&s->digest, err);
	if (r == 0) /* what the library loads, it loads now */
		r = digest_bytes(s->digest, "", 0, hex, err);
	const struct hatch_lock lock = { .supervisor = supervisor,
		                         .file_bytes = 2 * (spec->cache_bytes > spec->artifact_bytes
		                                                    ? spec->cache_bytes
		                                                    : spec->artifact_bytes) };
	if (r == 0)
		r = store_lock(&lock, dirs, ARRAY_LEN(dirs), err);
	if (r == 0 && s->cache_dir >= 0)
		r = store_cache_begin(s, err);
	return r;
}

/* The step is dead: what it began and did not end is nothing. */
static void store_end(struct store *s)
{
	for (size_t i = 0; i < STORE_UPLOADS_MAX; i++)
		upload_drop(&s->uploads[i]);
}

void store_main(const struct hatch_spec *spec, int hatch, int report, pid_t supervisor)
{
	static struct store store;
	int keep[4] = { hatch, report, -1, -1 };
	size_t n = 2;
	struct dd_err err = { 0 };

	store = (struct store){ .spec = spec,
		                .hatch = FD_HATCH,
		                .report = FD_REPORT,
		                .cache_dir = -1,
		                .artifact_dir = -1 };
	if (spec->cache_dir >= 0) {
		store.cache_dir = FD_CACHE;
		keep[n++] = spec->cache_dir;
	}
	if (spec->artifact_dir >= 0) {
		store.artifact_dir = 3 + (int)n;
		keep[n++] = spec->artifact_dir;
	}
	int r = hatch_become("drydock-store", keep, n, &err);
	if (r == 0)
		r = store_prepare(&store, supervisor, &err);
	if (r < 0) {
		struct hatch_event said = { .type = HATCH_EVENT_INVALID };
		(void)snprintf(said.why, sizeof(said.why), "%.399s", err.msg);
		(void)dd_send_msg(FD_REPORT, &said, sizeof(said), NULL, 0);
		_exit(1);
	}
	while (store_serve(&store) == 0)
		;
	store_end(&store);
	_exit(0);
}
