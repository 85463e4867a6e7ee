// SPDX-License-Identifier: Apache-2.0
/* job_tree.c - copies the checkout in, watches it by digest, and decides what a push step may see
 * of it.
 *
 * Runs in: supervisor. The trees are hostile once a step has run: they are touched through
 * workspace.h only, which never follows a link and never leaves the directory it was given. Why
 * push gets a copy: code that runs beside a publishing credential must be code from the commit. Its
 * home is fresh as well: a build step could have left a .curlrc or .gitconfig there.
 */
#include "job_tree.h"

#include "job_rev.h"

#include "job_sink.h"
#include "step_channel.h"
#include "drydock/fd.h"
#include "base/named_path.h"
#include "base/text_escape.h"
#include "record/event_write.h"

#include <fcntl.h>
#include <sys/stat.h>

/* What fetch and build steps write, below the job's directory; push has a tree of its own. */
#define SHARED_TREE "shared"

static struct tree_owner step_owner(const struct job *job)
{
	return (struct tree_owner){ .change = job->id->mode == IDENTITY_RANGE,
		                    .uid = job->step_uid,
		                    .gid = job->step_uid };
}

/* The directories @path (absolute) below @top, made where they are missing; the last one is opened.
 * All above it stay the supervisor's, and no step can write there. */
static int make_below(int top, const char *path, int *ret_fd, struct dd_err *err)
{
	char name[64];
	dd_auto_fd int at = -1;

	while (*path) {
		size_t len = strcspn(++path, "/");
		(void)snprintf(name, sizeof(name), "%.*s", (int)len, path);
		path += len;
		int from = at < 0 ? top : at;
		if (mkdirat(from, name, 0755) < 0 && errno != EEXIST)
			return dd_err_set(err, errno, "make directory %s", name);
		int fd = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || fchmod(fd, 0755) < 0) {
			int r = dd_err_set(err, errno, "open directory %s", name);
			dd_close(fd);
			return r;
		}
		dd_close(at);
		at = fd;
	}
	*ret_fd = dd_take_fd(&at);
	return 0;
}

/* A copy, and no mount: actions that set a tool up, and what runs after them, write into its
 * directories (pip, npm -g), and what they write must end with the job. */
static int fill_tools(struct job *job, int to_fd, struct tree_owner owner, struct dd_err *err)
{
	const char *path = job->plan->tools;
	struct tree_counts counts = { 0 };
	dd_auto_fd int from = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (!path)
		return 0;
	if (from < 0)
		return dd_err_set(err, errno, "open %s (actions.tools of the policy)", path);
	return dd_err_ctx(
		err, tree_copy(from, to_fd, owner, &counts, err),
		"copy %s into the tool directory of the job (actions.tools of the policy)", path);
}

/* The writable places of one trust, in the directory @tree of the job: empty, and the step's.
 * @ret_work (may be NULL): the workspace among them. */
static int tree_make_places(struct job *job, const char *tree, int *ret_work, struct dd_err *err)
{
	const struct tree_owner owner = step_owner(job);
	dd_auto_fd int top = -1;
	int r = job_dirs_sub(&job->dirs, tree, 0755, &top, err);

	for (size_t i = 0; r == 0 && i < STEP_PLACE__COUNT; i++) {
		const struct step_place *place = &step_places[i];
		dd_auto_fd int fd = -1;
		r = make_below(top, place->target, &fd, err);
		if (r == 0 && (fchmod(fd, place->mode) < 0 ||
		               (owner.change && fchown(fd, owner.uid, owner.gid) < 0)))
			r = dd_err_set(err, errno, "give %s/%s%s to the job's step id",
			               job->dirs.root, tree, place->target);
		if (r == 0 && i == STEP_TOOLS)
			r = fill_tools(job, fd, owner, err);
		if (r == 0 && i == STEP_WORK && ret_work)
			*ret_work = dd_take_fd(&fd);
	}
	return r;
}

/* Where on the host @place of the tree @tree lies. */
static void locate(const struct job *job, const char *tree, enum step_place_id place,
                   struct step_view *view)
{
	(void)snprintf(view->place[place], sizeof(view->place[place]), "%s/%s%s", job->dirs.root,
	               tree, step_places[place].target);
}

static bool needs_pristine(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_grants; i++)
		if (plan->grants[i].phase == DD_PHASE_PUSH &&
		    plan->grants[i].terms->view == WORKSPACE_PRISTINE)
			return true;
	return false;
}

/* ---- in ---- */

/* What no step is shown, should it lie in the workspace: where the trees and the logs of this and
 * other jobs live (copied, the tree would contain itself), the operator's policy, the record, and
 * the files that credentials are read from (F-02). */
struct hidden {
	struct tree_place at[64];
	size_t n;
};

static void hide(struct hidden *h, int dir_fd, const char *path)
{
	struct stat st;
	if (h->n < ARRAY_LEN(h->at) && fstatat(dir_fd, path, &st, 0) == 0)
		h->at[h->n++] = (struct tree_place){ st.st_dev, st.st_ino };
}

static void hide_credentials(const struct job *job, struct hidden *h)
{
	for (size_t i = 0; i < job->plan->n_grants; i++)
		for (size_t k = 0; k < job->plan->grants[i].n_leases; k++)
			if (lease_is_file(job->plan->grants[i].leases[k].from))
				hide(h, AT_FDCWD, job->plan->grants[i].leases[k].source);
}

static void hide_own(const struct job *job, struct hidden *h)
{
	dd_auto_fd int logs = open(job->dirs.logs, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	hide(h, job->dirs.root_fd, ".."); /* STATE/jobs */
	hide(h, logs, "..");              /* STATE/records */
	hide(h, AT_FDCWD, job->dirs.keep);
	hide(h, AT_FDCWD, job->record_path);
	if (job->record_key)
		hide(h, AT_FDCWD, job->record_key);
	if (job->plan->policy_path)
		hide(h, AT_FDCWD, job->plan->policy_path);
	for (size_t i = 0; job->hide && job->hide[i]; i++)
		hide(h, AT_FDCWD, job->hide[i]);
	hide_credentials(job, h);
}

/* "3 changed, 1 missing, staged changes": how what is copied differs from the commit. */
static void describe_dirt(const struct checkout_copied *c, char *ret, size_t size)
{
	int n = 0;
	ret[0] = '\0';
	if (c->changed)
		n += snprintf(ret, size, "%zu changed", c->changed);
	if (c->missing)
		n += snprintf(ret + n, size - (size_t)n, "%s%zu missing", n ? ", " : "",
		              c->missing);
	if (c->staged == STAGED_CHANGES)
		(void)snprintf(ret + n, size - (size_t)n, "%sstaged changes", n ? ", " : "");
}

/* What checkout_look() has said already stands in the head of the run. */
static bool is_told(const struct spec_workspace *w, const char *note)
{
	for (size_t i = 0; w && i < w->n_notes; i++)
		if (strcmp(w->notes[i], note) == 0)
			return true;
	return false;
}

static void tell_copied(const struct job *job, const struct checkout_copied *c)
{
	char dirt[120];
	describe_dirt(c, dirt, sizeof(dirt));
	if (checkout_is_dirty(c))
		sink_note(&job->sinks, NULL, SINK_WARN,
		          "the workspace is not the commit %.12s: %s (git status says which)",
		          job->checkout->facts.sha[0] ? job->checkout->facts.sha
		                                      : "(there is none)",
		          dirt);
	else if (c->tracked_only && c->staged == STAGED_UNKNOWN)
		sink_note(&job->sinks, NULL, SINK_NOTE,
		          "whether the workspace is the commit %.12s cannot be told: it, or the "
		          "whole of the index, is not in this clone",
		          job->checkout->facts.sha);
	for (size_t i = 0; i < c->notes.n; i++)
		if (!is_told(job->plan->spec->workspace, c->notes.text[i]))
			sink_note(&job->sinks, NULL, SINK_NOTE, "workspace: %s", c->notes.text[i]);
	if (c->hidden)
		sink_note(&job->sinks, NULL, SINK_NOTE,
		          "workspace: %zu of drydock's own files in it are not shown to the steps "
		          "(policy, record, state, credentials)",
		          c->hidden);
	if (c->counts.skipped)
		sink_note(&job->sinks, NULL, SINK_WARN,
		          "workspace: %llu sockets, FIFOs or devices were not copied",
		          (unsigned long long)c->counts.skipped);
}

static int record_copied(struct job *job, const struct checkout_copied *c, struct dd_err *err)
{
	static const char *const staged[] = { [STAGED_UNKNOWN] = "unknown",
		                              [STAGED_NOTHING] = "nothing",
		                              [STAGED_CHANGES] = "changes" };
	const struct git_facts *git = &job->checkout->facts;
	const char *notes[CHECKOUT_NOTES_MAX + 1] = { NULL };
	for (size_t i = 0; i < c->notes.n; i++)
		notes[i] = c->notes.text[i];
	return record_workspace(
		job->rec,
		&(struct facts_workspace){
			.path = job->checkout->path,
			.copied = job->checkout->rev[0] ? "commit"
	                          : c->tracked_only     ? "tracked"
	                                                : "everything",
			.rev = job->checkout->rev[0] ? job->checkout->rev : NULL,
			.commit = git->sha[0] ? git->sha : NULL,
			.ref = git->ref[0] ? git->ref : NULL,
			.dirty = checkout_is_dirty(c),
			.changed = c->tracked_only ? (int64_t)c->changed : FACTS_ABSENT,
			.missing = c->tracked_only ? (int64_t)c->missing : FACTS_ABSENT,
			.staged = c->tracked_only ? staged[c->staged] : NULL,
			.files = (int64_t)(c->counts.files + c->counts.links),
			.bytes = (int64_t)c->counts.bytes,
			.notes = c->notes.n ? notes : NULL,
		},
		err);
}

/* @ret_tracked: nothing was copied that is not tracked. */
static int copy_in(struct job *job, bool *ret_tracked, struct dd_err *err)
{
	dd_auto_free struct checkout_copied *copied = calloc(1, sizeof(*copied));
	struct hidden own = { .n = 0 };
	*ret_tracked = false;
	if (!job->checkout)
		return 0;
	if (!copied)
		return dd_err_set(err, ENOMEM, "copy the workspace");
	hide_own(job, &own);
	const struct checkout_wanted wanted = { .untracked = job->untracked,
		                                .without = own.at,
		                                .n_without = own.n,
		                                .owner = step_owner(job) };
	int r = checkout_copy(job->checkout, &wanted, job->tree.work_fd, copied, err);
	if (r < 0 && err && err->blame == DD_BLAME_STEP) /* it is in the tree that is copied */
		return dd_err_ctx(
			err, r,
			"copy workspace %s (drydock runs as uid %u; it must be able to read it)",
			job->checkout->path, (unsigned)job->id->host_uid);
	if (r < 0)
		return dd_err_ctx(err, r,
		                  "copy workspace %s to %s (--state-dir names another place)",
		                  job->checkout->path, job->dirs.root);
	if (job->checkout->rev[0]) {
		struct step_view view;
		job_tree_shared(job, &view);
		const struct job_rev how = { .owner = wanted.owner, .work = view.place[STEP_WORK] };
		if ((r = job_rev_checkout(job, &how, err)) < 0)
			return dd_err_ctx(err, r, "check out %s", job->checkout->rev);
	}
	*ret_tracked = copied->tracked_only;
	tell_copied(job, copied);
	return record_copied(job, copied, err);
}

/* From the copy and not from the caller's directory, which may have changed meanwhile: both must be
 * one state. No step has run. */
static int keep_pristine(struct job *job, struct dd_err *err)
{
	struct tree_owner keep = { .change = false };
	struct tree_counts counts;
	int r;

	if (!needs_pristine(job->plan))
		return 0;
	if ((r = job_dirs_sub(&job->dirs, "pristine", 0700, &job->tree.pristine_fd, err)) < 0)
		return r;
	return dd_err_ctx(err,
	                  tree_copy(job->tree.work_fd, job->tree.pristine_fd, keep, &counts, err),
	                  "keep a pristine copy of the checkout");
}

int job_tree_places(struct job *job, struct dd_err *err)
{
	return tree_make_places(job, SHARED_TREE, &job->tree.work_fd, err);
}

int job_tree_prepare(struct job *job, struct dd_err *err)
{
	struct job_tree *tree = &job->tree;
	bool tracked = false;
	int r;

	if ((r = copy_in(job, &tracked, err)) < 0 || (r = keep_pristine(job, err)) < 0)
		return r;
	stamps_prepare(&tree->stamps, job->dirs.root_fd);
	if ((r = manifest_scan(tree->work_fd, NULL, &tree->initial, err)) < 0)
		return r;
	tree->now = tree->initial;
	if ((r = tracked_load(tree->work_fd, tree->initial, tracked, &tree->tracked, err)) < 0)
		return r;
	if (job->checkout && tracked_note(tree->tracked))
		sink_note(&job->sinks, NULL, SINK_NOTE, "workspace: %s",
		          tracked_note(tree->tracked));
	return 0;
}

int job_tree_sources(struct job *job, struct dd_err *err)
{
	struct job_tree *tree = &job->tree;
	int r;

	if (tree->initial != tree->now)
		manifest_free(tree->initial);
	tree->initial = tree->now;
	tracked_free(tree->tracked);
	tree->tracked = NULL;
	dd_close_p(&tree->pristine_fd);
	if ((r = job_dirs_drop(&job->dirs, "pristine", err)) < 0 ||
	    (r = keep_pristine(job, err)) < 0)
		return r;
	return tracked_load(tree->work_fd, tree->initial, false, &tree->tracked, err);
}

/* ---- after a step ---- */

enum { TAMPER_NAMED_MAX = 20 };

struct delta {
	struct job *job;
	const struct job_step *step;
	uint64_t added, changed, removed, bytes, tampered;
	struct dd_err *err;
};

/* A path for people: escaped, and cut where it stops helping. */
struct shown_path {
	char text[TEXT_ESCAPE_MAX * 200 + 1];
};

static struct shown_path show_path(const char *path)
{
	struct shown_path shown = { .text = "" };
	(void)text_escape(shown.text, path, strnlen(path, 200));
	return shown;
}

/* Is the difference @what at @path one that no step may make? What git obeys must not even appear.
 */
static bool is_tampering(const struct tracked *tracked, enum manifest_change what, const char *path)
{
	return tracked_is_control(tracked, path) ||
	       (what != MANIFEST_ADDED && tracked_has(tracked, path));
}

static const char *const change_words[] = {
	[MANIFEST_ADDED] = "added", [MANIFEST_CHANGED] = "changed", [MANIFEST_REMOVED] = "removed"
};

static int note_tampering(struct delta *d, const char *path, const char *what)
{
	sink_note(&d->job->sinks, d->step, SINK_WARN, "step %u %s %s %s", d->step->number, what,
	          path_in_git_dir(path) ? "what git obeys:" : "the tracked source file",
	          show_path(path).text);
	return record_violation(d->job->rec, d->step->ref, d->step->phase,
	                        &(struct facts_violation){
					.kind = "tamper",
					.subject = path,
					.change = what,
					.bytes_out = FACTS_ABSENT,
					.consequence = "a push step never sees this change; with "
						       "workspace: shared it is refused" },
	                        d->err);
}

static int count_change(void *arg, enum manifest_change what, const char *path, uint64_t size,
                        const char *sha256)
{
	struct delta *d = arg;
	(void)sha256;

	d->added += what == MANIFEST_ADDED;
	d->changed += what == MANIFEST_CHANGED;
	d->removed += what == MANIFEST_REMOVED;
	d->bytes += what == MANIFEST_REMOVED ? 0 : size;
	if (d->step->brings_sources) /* there was nothing before it */
		return 0;
	if (!is_tampering(d->job->tree.tracked, what, path) || ++d->tampered > TAMPER_NAMED_MAX)
		return 0;
	return note_tampering(d, path, change_words[what]);
}

/* Replace tree->now by @after; initial and built may be the same object and stay alive while
 * somebody points at them. */
static void advance(struct job_tree *tree, struct manifest *after, bool built)
{
	if (tree->now != tree->initial && tree->now != tree->built)
		manifest_free(tree->now);
	tree->now = after;
	if (!built)
		return;
	if (tree->built != tree->initial && tree->built != after)
		manifest_free(tree->built);
	tree->built = after;
}

int job_tree_after_step(struct job *job, const struct job_step *step, struct dd_err *err)
{
	struct delta d = { .job = job, .step = step, .err = err };
	struct manifest *after = NULL;
	int r;

	/* A push step with a view of its own cannot have touched the shared tree. */
	if (step->phase == DD_PHASE_PUSH && step->terms->view != WORKSPACE_SHARED)
		return 0;
	/* Digests are taken over where an unchanged time stamp means unchanged bytes (F-17). */
	const struct manifest *before = stamps_mapped_stores(&job->tree.stamps) ? job->tree.now
	                                                                        : NULL;
	if ((r = manifest_scan(job->tree.work_fd, before, &after, err)) < 0)
		return r;
	r = manifest_diff(job->tree.now, after, count_change, &d);
	if (r == 0)
		r = record_fs_delta(job->rec, step->ref, step->phase,
		                    &(struct facts_delta){ .added = (int64_t)d.added,
		                                           .changed = (int64_t)d.changed,
		                                           .removed = (int64_t)d.removed,
		                                           .bytes = (int64_t)d.bytes,
		                                           .tampered = (int64_t)d.tampered,
		                                           .ledger = manifest_digest(after) },
		                    err);
	advance(&job->tree, after, step->phase == DD_PHASE_BUILD);
	return r;
}

/* ---- what a push step sees ---- */

struct artifact_copier {
	struct job *job;
	int to_fd;
	struct tree_owner owner;
	bool over_checkout; /* to_fd holds the pristine checkout already */
	uint64_t copied, git_files;
	const char *step; /* label for the record, or NULL */
	struct dd_err *err;
};

/* A file of the checkout that a step changed and that is declared an artifact as well: the push
 * step would see either not the checkout or not the build. */
static int check_overlap(const struct artifact_copier *c, const char *path, const char *sha256)
{
	const char *was = NULL;

	if (!c->over_checkout || !manifest_has(c->job->tree.initial, path))
		return 0;
	if (manifest_find(c->job->tree.initial, path, &was, NULL) == 0 && strcmp(was, sha256) == 0)
		return 0; /* otherwise it differs, or was a link */
	return dd_err_blame(
		c->err, DD_BLAME_POLICY,
		dd_err_say(c->err, EACCES,
	                   "the artifact %.200s would replace a file of the checkout that a step "
	                   "changed; declare artifacts that were not there before, or say "
	                   "`workspace: artifacts`",
	                   show_path(path).text));
}

static int copy_artifact(void *arg, const char *path)
{
	struct artifact_copier *c = arg;
	const char *sha256;
	uint64_t size;

	/* A pattern of two stars means everything below, and not what commands git. */
	if (path_in_git_dir(path)) {
		c->git_files++;
		return 0;
	}
	int r = manifest_find(c->job->tree.built, path, &sha256, &size);
	if (r == 0)
		r = check_overlap(c, path, sha256);
	if (r == 0)
		r = artifact_copy(c->job->tree.work_fd, c->to_fd, path, sha256, c->owner, c->err);
	/* What went wrong in the built tree is no reason to push something else. */
	if (r < 0 && c->err && c->err->blame == DD_BLAME_STEP)
		c->err->blame = DD_BLAME_POLICY;
	if (r < 0)
		return r;
	c->copied++;
	return record_artifact(
		c->job->rec, c->step,
		&(struct facts_artifact){ .path = path, .size = (int64_t)size, .sha256 = sha256 },
		c->err);
}

static int copy_artifacts(struct artifact_copier *c, const char *const *globs)
{
	if (!globs || !globs[0])
		return 0;
	int r = c->job->tree.built ? manifest_match(c->job->tree.built, globs, copy_artifact, c)
	                           : 0;
	if (r == 0 && c->git_files > 0)
		sink_note(&c->job->sinks, NULL, SINK_WARN,
		          "%llu files that match the declared artifacts lie in a .git and are left "
		          "out: nothing there is an artifact",
		          (unsigned long long)c->git_files);
	if (r == 0 && c->copied == 0)
		sink_note(&c->job->sinks, NULL, SINK_WARN,
		          "no file of the last build step matches the declared artifacts (%s%s)",
		          globs[0], globs[1] ? ", ..." : "");
	return r;
}

static int first_tampered(void *arg, enum manifest_change what, const char *path, uint64_t size,
                          const char *sha256)
{
	struct delta *d = arg;
	(void)size;
	(void)sha256;
	if (!is_tampering(d->job->tree.tracked, what, path))
		return 0;
	return dd_err_blame(
		d->err, DD_BLAME_POLICY,
		dd_err_say(d->err, EACCES,
	                   "push.workspace is shared and %s %.200s was %s since the checkout; use "
	                   "`workspace: pristine`, or do not change it in a build step",
	                   path_in_git_dir(path) ? "what git obeys," : "the tracked source file",
	                   show_path(path).text, change_words[what]));
}

static int fill_push_view(struct job *job, const struct job_step *step, int view_fd,
                          struct dd_err *err)
{
	struct artifact_copier copier = { .job = job,
		                          .to_fd = view_fd,
		                          .owner = step_owner(job),
		                          .over_checkout = step->terms->view == WORKSPACE_PRISTINE,
		                          .step = step->ref,
		                          .err = err };
	struct tree_counts counts;

	if (step->terms->view == WORKSPACE_PRISTINE) {
		int r = tree_copy(job->tree.pristine_fd, view_fd, step_owner(job), &counts, err);
		if (r < 0)
			return dd_err_ctx(err, r, "copy the pristine checkout for %s", step->label);
	}
	return copy_artifacts(&copier, step->terms->artifacts);
}

static void own_tree(const struct job_step *step, char ret[64])
{
	(void)snprintf(ret, 64, "step-%02u-own", step->number);
}

static int push_view(struct job *job, const struct job_step *step, struct step_view *view,
                     struct dd_err *err)
{
	dd_auto_fd int view_fd = -1;
	char own[64];

	own_tree(step, own);
	int r = tree_make_places(job, own, &view_fd, err);
	if (r < 0)
		return r;
	(void)snprintf(view->root, sizeof(view->root), "%s/%s", job->dirs.root, own);
	for (enum step_place_id i = 0; i < STEP_PLACE__COUNT; i++)
		if (i != STEP_WORK || step->terms->view != WORKSPACE_SHARED)
			locate(job, own, i, view);
	if (step->terms->view == WORKSPACE_SHARED) {
		struct delta d = { .job = job, .err = err };
		return manifest_diff(job->tree.initial, job->tree.now, first_tampered, &d);
	}
	return fill_push_view(job, step, view_fd, err);
}

void job_tree_shared(const struct job *job, struct step_view *ret)
{
	ret->channel[0] = '\0';
	(void)snprintf(ret->root, sizeof(ret->root), "%s/" SHARED_TREE, job->dirs.root);
	for (enum step_place_id i = 0; i < STEP_PLACE__COUNT; i++)
		locate(job, SHARED_TREE, i, ret);
}

int job_tree_view(struct job *job, const struct job_step *step, struct step_view *ret,
                  struct dd_err *err)
{
	struct step_view view;
	int r;

	job_tree_shared(job, &view);
	if (step->recipe->channel && (r = step_channel_make(job, step, view.channel, err)) < 0)
		return r;
	if (step->phase == DD_PHASE_PUSH && (r = push_view(job, step, &view, err)) < 0)
		return r;
	*ret = view;
	return 0;
}

int job_tree_drop_view(struct job *job, const struct job_step *step, struct dd_err *err)
{
	char own[64];

	own_tree(step, own);
	int first = job_dirs_drop(&job->dirs, own, err);
	int r = step_channel_clear(job, step, first < 0 ? NULL : err);
	return first < 0 ? first : r;
}

int job_tree_out(struct job *job, struct dd_err *err)
{
	if (!job->out || !job->plan->artifacts || !job->plan->artifacts[0])
		return 0;
	dd_auto_fd int to = -1;
	int r = named_make_dir(job->out, &to, err);
	if (r < 0)
		return dd_err_ctx(err, r, "--out");
	struct artifact_copier copier = { .job = job, .to_fd = to, .err = err };
	return copy_artifacts(&copier, job->plan->artifacts);
}

void job_tree_done(struct job_tree *tree)
{
	if (tree->built != tree->initial && tree->built != tree->now)
		manifest_free(tree->built);
	if (tree->now != tree->initial)
		manifest_free(tree->now);
	manifest_free(tree->initial);
	tracked_free(tree->tracked);
	stamps_done(&tree->stamps);
	dd_close_p(&tree->work_fd);
	dd_close_p(&tree->pristine_fd);
}
