// SPDX-License-Identifier: Apache-2.0
/* store_artifact.c - artifacts of one run: what a job puts in, the jobs after it take out.
 *
 * Runs in: storekeeper. A name is there once; an artifact is never changed, only removed. The
 * digest that is told, recorded and listed is of the bytes that are handed out. */
#include "store_keep.h"

#include "drydock/fd.h"

#include <string.h>
#include <time.h>

enum { ARTIFACTS_MAX = 500 };

static bool may_artifact(struct store *s, bool write, struct store_answer *a)
{
	char why[200];
	if (s->artifact_dir >= 0 &&
	    (write ? s->spec->rights.artifact_write : s->spec->rights.artifact_read))
		return true;
	(void)snprintf(
		why, sizeof(why),
		"the policy lets no %s step %s artifacts; this line would: artifacts: { %s: [ "
		"%s ] }",
		s->spec->phase, write ? "write" : "read", write ? "write" : "read", s->spec->phase);
	store_refuse(s, a, STORE_REFUSED, NULL, why);
	return false;
}

static const struct store_entry *named(const struct store_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->entries[i].key, name) == 0)
			return &list->entries[i];
	return NULL;
}

/* False: @a says why. The list is whole and locked until *@ret_lock is closed. */
static bool look(struct store *s, bool exclusive, struct store_list *ret, int *ret_lock,
                 struct store_answer *a)
{
	struct dd_err err = { 0 };
	if (store_lock_dir(s->artifact_dir, exclusive, ret_lock, &err) == 0 &&
	    store_scan(s->artifact_dir, 'a', ret, &err) == 0)
		return true;
	store_refuse(s, a, STORE_BROKEN, NULL, err.msg);
	return false;
}

static uint64_t artifact_bytes(const struct store_list *list)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < list->n; i++)
		sum += list->entries[i].size;
	return sum;
}

void store_artifact_create(struct store *s, const struct store_ask *ask, struct store_answer *a,
                           int *ret_fd)
{
	struct store_entry e = { .kind = 'a',
		                 .trusted = s->spec->scopes.trusted,
		                 .created = (int64_t)time(NULL) };
	struct store_list list = { NULL, 0 };
	dd_auto_fd int lock = -1;

	if (!may_artifact(s, true, a) || !look(s, false, &list, &lock, a))
		return;
	(void)snprintf(e.key, sizeof(e.key), "%s", ask->key);
	(void)snprintf(e.mime, sizeof(e.mime), "%s", ask->mime);
	(void)snprintf(e.scope, sizeof(e.scope), "%s", s->spec->scopes.ref[0]);
	(void)snprintf(e.run, sizeof(e.run), "%s", s->spec->run);
	(void)snprintf(e.job, sizeof(e.job), "%s", s->spec->job);
	(void)snprintf(e.step, sizeof(e.step), "%s", s->spec->step);
	uint64_t used = artifact_bytes(&list);
	if (named(&list, e.key))
		store_refuse(s, a, STORE_EXISTS, &e,
		             "an artifact with this name already exists on the workflow run");
	else if (list.n >= ARTIFACTS_MAX)
		store_refuse(s, a, STORE_REFUSED, &e, "a run has 500 artifacts at most");
	else if (used >= s->spec->artifact_bytes)
		store_refuse(s, a, STORE_REFUSED, &e,
		             "the artifacts of this run come to `artifacts.size` already");
	else {
		struct store_upload *u = store_upload_new(s, a, s->artifact_dir,
		                                          s->spec->artifact_bytes - used, ret_fd);
		if (u)
			u->entry = e;
	}
	store_list_done(&list);
}

void store_artifact_publish(struct store *s, struct store_upload *u, struct store_answer *a)
{
	struct store_list list = { NULL, 0 };
	struct dd_err err = { 0 };
	dd_auto_fd int lock = -1;

	if (!look(s, true, &list, &lock, a))
		return;
	for (size_t i = 0; i < list.n; i++)
		if (list.entries[i].number >= u->entry.number)
			u->entry.number = list.entries[i].number + 1;
	u->entry.number += u->entry.number == 0;
	if (named(&list, u->entry.key))
		store_refuse(s, a, STORE_EXISTS, &u->entry,
		             "an artifact with this name already exists on the workflow run");
	else if (artifact_bytes(&list) + u->entry.size > s->spec->artifact_bytes)
		store_refuse(s, a, STORE_REFUSED, &u->entry,
		             "the artifacts of this run come to more than `artifacts.size`");
	else if (store_publish(s->artifact_dir, u->name, &u->entry, &err) < 0)
		store_refuse(s, a, STORE_BROKEN, &u->entry, err.msg);
	else {
		a->code = STORE_OK;
		a->id = u->entry.number;
		store_report(s, HATCH_ARTIFACT_SAVED, &u->entry, NULL);
	}
	store_list_done(&list);
}

static void fill(struct store_answer *a, const struct store_entry *e)
{
	a->code = STORE_OK;
	a->id = e->number;
	a->size = e->size;
	a->created = e->created;
	(void)snprintf(a->key, sizeof(a->key), "%s", e->key);
	(void)snprintf(a->mime, sizeof(a->mime), "%s", e->mime);
	memcpy(a->sha256, e->sha256, sizeof(a->sha256));
}

void store_artifact_list(struct store *s, const struct store_ask *ask, struct store_answer *a)
{
	struct store_list list = { NULL, 0 };
	dd_auto_fd int lock = -1;

	if (!may_artifact(s, false, a) || !look(s, false, &list, &lock, a))
		return;
	a->code = STORE_NONE;
	if (ask->index < list.n)
		fill(a, &list.entries[ask->index]);
	store_list_done(&list);
}

void store_artifact_get(struct store *s, const struct store_ask *ask, struct store_answer *a,
                        int *ret_fd)
{
	struct store_list list = { NULL, 0 };
	struct dd_err err = { 0 };
	dd_auto_fd int lock = -1;

	if (!may_artifact(s, false, a) || !look(s, false, &list, &lock, a))
		return;
	const struct store_entry *e = named(&list, ask->key);
	a->code = STORE_NONE;
	if (!e)
		(void)snprintf(a->why, sizeof(a->why), "this run has no artifact of that name");
	else if (store_open_same(s->artifact_dir, e, s->digest, ret_fd, &err) < 0)
		store_refuse(s, a, STORE_BROKEN, e, err.msg);
	else {
		fill(a, e);
		store_report(s, HATCH_ARTIFACT_SERVED, e, NULL);
	}
	store_list_done(&list);
}

void store_artifact_delete(struct store *s, const struct store_ask *ask, struct store_answer *a)
{
	struct store_list list = { NULL, 0 };
	struct dd_err err = { 0 };
	dd_auto_fd int lock = -1;

	if (!may_artifact(s, true, a) || !look(s, true, &list, &lock, a))
		return;
	const struct store_entry *e = named(&list, ask->key);
	a->code = STORE_NONE;
	if (e && store_remove(s->artifact_dir, e, &err) < 0) {
		store_refuse(s, a, STORE_BROKEN, e, err.msg);
	} else if (e) {
		fill(a, e);
		store_report(s, HATCH_ARTIFACT_REMOVED, e, "a step asked for it");
	}
	store_list_done(&list);
}
