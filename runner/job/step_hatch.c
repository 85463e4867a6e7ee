// SPDX-License-Identifier: Apache-2.0
/* step_hatch.c - drives the hatch of one step from the supervisor.
 *
 * Runs in: supervisor. The directories of the store are opened here, once a job; which of them a
 * step's storekeeper is given follows from the grant. */
#include "step_hatch.h"

#include "base/named_path.h"
#include "base/text_escape.h"
#include "drydock/clock.h"
#include "drydock/fd.h"
#include "drydock/netns.h"
#include "hatch/store_files.h"
#include "hatch/store_place.h"
#include "record/event_write.h"
#include "step_output.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum {
	HATCH_READY_MS = 10000,
	/* what was asked to be put into the store before the step ended: a digest of it all */
	HATCH_FINISH_MS = 120000,
	/* in one go: a flood must not keep the supervisor from deadline, cancellation and output */
	HATCH_SERVE_MAX = 32,
	ARTIFACTS_OUT_MAX = 500,
};

/* ---- the store of the job ---- */

static bool phase_has(unsigned bits, enum dd_phase phase)
{
	return bits & 1u << phase;
}

static int open_store(struct job *job, struct dd_err *err)
{
	struct job_store *store = &job->store;
	char path[sizeof(job->dirs.root) + 16];
	int r = 0;

	if (store->cache_dir < 0)
		r = store_open_caches(store->place, &job->plan->spec->event,
		                      job->checkout ? job->checkout->path : NULL, &store->cache_dir,
		                      err);
	(void)snprintf(path, sizeof(path), "%s/artifacts", job->dirs.root);
	if (r == 0 && store->artifact_dir < 0)
		r = store_open_dir(store->artifacts ? store->artifacts : path, &store->artifact_dir,
		                   err);
	return r < 0 ? dd_err_ctx(err, r, "the store of caches and artifacts") : 0;
}

/* ---- start ---- */

static struct hatch_rights rights_of(const struct store_terms *terms, enum dd_phase phase)
{
	return (struct hatch_rights){ .cache_read = phase_has(terms->cache_read, phase),
		                      .cache_write = phase_has(terms->cache_write, phase),
		                      .artifact_read = phase_has(terms->artifact_read, phase),
		                      .artifact_write = phase_has(terms->artifact_write, phase) };
}

int job_store_spec(struct job *job, const struct grant_terms *terms, enum dd_phase phase,
                   struct hatch_spec *ret, struct dd_err *err)
{
	int r = open_store(job, err);
	if (r < 0)
		return r;
	*ret = (struct hatch_spec){ .rights = rights_of(&terms->store, phase),
		                    .phase = dd_phase_name(phase),
		                    .cache_dir = -1,
		                    .artifact_dir = -1,
		                    .cache_bytes = terms->store.cache_bytes,
		                    .artifact_bytes = terms->store.artifact_bytes,
		                    .cache_keep_sec = terms->store.cache_keep_sec,
		                    .run = job->dirs.run,
		                    .job = job->dirs.run,
		                    .listener = -1 };
	if (ret->rights.cache_read || ret->rights.cache_write)
		ret->cache_dir = job->store.cache_dir;
	if (ret->rights.artifact_read || ret->rights.artifact_write)
		ret->artifact_dir = job->store.artifact_dir;
	store_scopes(&job->plan->spec->event, job->plan->trusted, &ret->scopes);
	return 0;
}

int step_hatch_start(struct step_hatch *sh, int listener, struct dd_err *err)
{
	const struct job_step *step = sh->step;
	struct job *job = sh->job;
	dd_auto_fd int socket = listener;

	if (!step->recipe->hatch)
		return 0;
	struct hatch_spec spec;
	int r = job_store_spec(job, step->terms, step->phase, &spec, err);
	if (r < 0)
		return r;
	spec.step = step->label;
	spec.listener = socket;
	spec.port = NET_HATCH_PORT;
	spec.switch_ids = job->id->mode == IDENTITY_RANGE;
	spec.uid = spec.gid = job->gate_uid;
	r = hatch_start(&spec, &sh->hatch, err);
	sh->started = r == 0;
	return r < 0 ? dd_err_ctx(err, r, "the hatch of step %u", step->number) : 0;
}

/* ---- what it reports ---- */

static const struct did_row {
	const char *of, *did;
} did_rows[HATCH_EVENT__COUNT] = {
	[HATCH_CACHE_SAVED] = { "cache", "saved" },
	[HATCH_CACHE_RESTORED] = { "cache", "restored" },
	[HATCH_CACHE_MISSED] = { "cache", "missed" },
	[HATCH_CACHE_REMOVED] = { "cache", "removed" },
	[HATCH_ARTIFACT_SAVED] = { "artifact", "saved" },
	[HATCH_ARTIFACT_SERVED] = { "artifact", "served" },
	[HATCH_ARTIFACT_REMOVED] = { "artifact", "removed" },
	[HATCH_REFUSED] = { NULL, "refused" },
};

static int remember_artifact(struct job_store *store, const struct hatch_event *e,
                             struct dd_err *err)
{
	if (store->n_saved == ARTIFACTS_OUT_MAX)
		return 0; /* a run has no more */
	void *more = reallocarray(store->saved, store->n_saved + 1, sizeof(*store->saved));
	if (!more)
		return dd_err_set(err, ENOMEM, "remember an artifact");
	store->saved = more;
	memcpy(store->saved[store->n_saved++], e->sha256, sizeof(*store->saved));
	return 0;
}

static int record_did(const struct job *job, const char *ref, enum dd_phase phase,
                      const struct hatch_event *e, struct dd_err *err)
{
	const struct did_row *row = &did_rows[e->type];
	const struct facts_hatch facts = { .of = row->of,
		                           .did = row->did,
		                           .name = e->name[0] ? e->name : NULL,
		                           .size = e->sha256[0] ? (int64_t)e->size : FACTS_ABSENT,
		                           .sha256 = e->sha256[0] ? e->sha256 : NULL,
		                           .scope = e->scope[0] ? e->scope : NULL,
		                           .trusted = e->trusted,
		                           .why = e->why[0] ? e->why : NULL };
	return record_hatch(job->rec, ref, phase, &facts, err);
}

int job_store_record(const struct job *job, const struct grant *grant, const struct hatch_event *e,
                     struct dd_err *err)
{
	return e->type == HATCH_READY ? 0 : record_did(job, grant->ref, grant->phase, e, err);
}

static void tell_refused(const struct step_hatch *sh, const struct hatch_event *e)
{
	char shown[sizeof(e->why) * TEXT_ESCAPE_MAX + 1], text[sizeof(shown) + 40];
	(void)text_escape(shown, e->why, strlen(e->why));
	(void)snprintf(text, sizeof(text), STEP_OUTPUT_MARK " refused: %s", shown);
	sh->tell(sh->tell_arg, text);
}

static int step_hatch_event(struct step_hatch *sh, const struct hatch_event *e, struct dd_err *err)
{
	if (e->type == HATCH_READY) {
		sh->ready = true;
		return 0;
	}
	if (e->type == HATCH_REFUSED)
		tell_refused(sh, e);
	int r = record_did(sh->job, sh->step->ref, sh->step->phase, e, err);
	if (r == 0 && e->type == HATCH_ARTIFACT_SAVED)
		r = remember_artifact(&sh->job->store, e, err);
	return r;
}

/* 1: something came; 0: it is over; -EAGAIN: nothing yet. */
static int step_hatch_read(struct step_hatch *sh, struct dd_err *err)
{
	struct hatch_event event;
	int r = hatch_recv(&sh->hatch, &event, err);
	if (r == 1) {
		int done = step_hatch_event(sh, &event, err);
		return done < 0 ? done : 1;
	}
	return r;
}

static int hatch_wait(const struct step_hatch *sh, int64_t until)
{
	struct pollfd p = { .fd = sh->hatch.report, .events = POLLIN };
	int64_t left = until - dd_now_ms();
	return left <= 0 || (poll(&p, 1, (int)left) < 0 && errno != EINTR) ? -ETIMEDOUT : 0;
}

int step_hatch_open(struct step_hatch *sh, struct dd_err *err)
{
	const int64_t until = dd_now_ms() + HATCH_READY_MS;
	while (sh->started && !sh->ready) {
		int r = step_hatch_read(sh, err);
		if (r == 0)
			return dd_err_say(err, ECONNABORTED, "the hatch of step %u ended at once",
			                  sh->step->number);
		if (r < 0 && r != -EAGAIN)
			return r;
		if (r < 0 && hatch_wait(sh, until) < 0)
			return dd_err_say(err, ETIMEDOUT, "the hatch of step %u does not serve",
			                  sh->step->number);
	}
	return 0;
}

int step_hatch_fd(const struct step_hatch *sh)
{
	return sh->started ? sh->hatch.report : -1;
}

int step_hatch_serve(struct step_hatch *sh, struct dd_err *err)
{
	for (int i = 0; i < HATCH_SERVE_MAX; i++) {
		struct dd_err why = { 0 };
		int r = step_hatch_read(sh, &why);
		if (r == -EAGAIN)
			return 0;
		if (r == 0 || r == -ECONNABORTED || r == -EPROTO || r == -EBADMSG) {
			char text[200];
			(void)snprintf(text, sizeof(text),
			               STEP_OUTPUT_MARK
			               " the hatch of this step is gone: it has no "
			               "caches and artifacts any more");
			sh->tell(sh->tell_arg, text);
			step_hatch_destroy(sh);
			return 0;
		}
		if (r < 0)
			return dd_err_say(err, -r, "%s", why.msg);
	}
	return 0;
}

/* ---- end ---- */

int step_hatch_finish(struct step_hatch *sh, struct dd_err *err)
{
	const int64_t until = dd_now_ms() + HATCH_FINISH_MS;
	int r = sh->started ? -EAGAIN : 0;

	if (sh->started)
		hatch_stop(&sh->hatch);
	while (r != 0) {
		r = step_hatch_read(sh, err);
		if (r == -ECONNABORTED || r == -EPROTO || r == -EBADMSG)
			r = 0; /* who ends so has nothing more to say */
		if (r < 0 && r != -EAGAIN)
			break;
		if (r == -EAGAIN && hatch_wait(sh, until) < 0) {
			sink_note(
				&sh->job->sinks, sh->step, SINK_WARN,
				"step %u: what it put into the store was not there after %d s, and "
				"is dropped",
				sh->step->number, HATCH_FINISH_MS / 1000);
			r = 0;
		}
	}
	step_hatch_destroy(sh);
	return r;
}

void step_hatch_destroy(struct step_hatch *sh)
{
	if (sh->started)
		hatch_destroy(&sh->hatch);
	sh->started = false;
}

bool step_hatch_sets(const char *name)
{
	static const char *const names[HATCH_VARIABLES] = { "ACTIONS_RESULTS_URL",
		                                            "ACTIONS_CACHE_URL",
		                                            "ACTIONS_RUNTIME_TOKEN",
		                                            "ACTIONS_CACHE_SERVICE_V2" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* ---- to the caller ---- */

static bool was_saved_here(const struct job_store *store, const struct store_entry *e)
{
	for (size_t i = 0; i < store->n_saved; i++)
		if (strcmp(store->saved[i], e->sha256) == 0)
			return true;
	return false;
}

static int copy_bytes(int from, int to, uint64_t left, struct dd_err *err)
{
	static char bytes[1 << 16];
	while (left > 0) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, left, 0);
		if (n <= 0) {
			n = read(from, bytes, left < sizeof(bytes) ? left : sizeof(bytes));
			if (n > 0 && write(to, bytes, (size_t)n) != n)
				n = -1;
		}
		if (n <= 0)
			return dd_err_set(err, n < 0 ? errno : EIO, "copy an artifact");
		left -= (uint64_t)n;
	}
	return 0;
}

/* A zip by its name unless it says to be something else. */
static int artifact_out(const struct job_store *store, const struct store_entry *e,
                        struct digest *digest, int out, struct dd_err *err)
{
	const bool zip = !e->mime[0] || strstr(e->mime, "zip");
	char name[HATCH_NAME_MAX + 8], part[40];
	dd_auto_fd int from = -1, to = -1;

	(void)snprintf(name, sizeof(name), "%.250s%s", e->key, zip ? ".zip" : "");
	(void)snprintf(part, sizeof(part), ".%s.part", e->id);
	int r = store_open_same(store->artifact_dir, e, digest, &from, err);
	if (r < 0)
		return r;
	to = openat(out, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (to < 0)
		return dd_err_set(err, errno, "make %s", name);
	r = copy_bytes(from, to, e->size, err);
	if (r == 0 && renameat(out, part, out, name) < 0)
		r = dd_err_set(err, errno, "make %s", name);
	if (r < 0)
		(void)unlinkat(out, part, 0);
	return r;
}

int job_store_out(struct job *job, struct dd_err *err)
{
	const struct job_store *store = &job->store;
	struct store_list list = { NULL, 0 };
	struct digest *digest = NULL;
	dd_auto_fd int out = -1;

	if (!job->out || store->n_saved == 0)
		return 0;
	int r = named_make_dir(job->out, &out, err);
	if (r == 0)
		r = digest_new(&digest, err);
	if (r == 0)
		r = store_scan(store->artifact_dir, 'a', &list, err);
	for (size_t i = 0; r == 0 && i < list.n; i++)
		if (was_saved_here(store, &list.entries[i]))
			r = artifact_out(store, &list.entries[i], digest, out, err);
	digest_free(digest);
	store_list_done(&list);
	return r < 0 ? dd_err_ctx(err, r, "--out") : 0;
}

void job_store_done(struct job_store *store)
{
	free(store->saved);
	dd_close_p(&store->cache_dir);
	dd_close_p(&store->artifact_dir);
}
