// SPDX-License-Identifier: Apache-2.0
/* actions_find.c - see actions_find.h.
 *
 * Runs in: command line, before a job begins. The manifests are somebody else's code and hostile;
 * the mirror is the operator's. An action of the workspace is looked at where the workspace comes
 * from: as far as it is there, and for what it uses alone, since the step reads it again. */
#include "actions_find.h"

#include "actions_fetch.h"
#include "actions_lock.h"

#include "drydock/fd.h"
#include "forges/actions/wf_notes.h"
#include "forges/actions/wf_spec.h"
#include "input/read_file.h"
#include "job/job_dirs.h"
#include "model/places.h"
#include "policy/policy_actions.h"
#include "store/store.h"
#include "workflow_choice.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MANIFEST_MAX = 1024 * 1024, DEPTH_MAX = 10, KNOWN_MAX = 2000 };

/* What is known of one text behind `uses:`. */
struct known {
	const char *uses;
	const struct spec_action *action;       /* NULL: not known */
	const struct action_manifest *manifest; /* likewise */
	const char *why, *hint;                 /* why it cannot be run; NULL: it can */
	enum spec_note_kind kind;
};

struct finding {
	const struct run_args *args;
	struct job_source *source;
	const struct policy_actions *policy;
	struct plan_arena *arena;
	struct store store;
	struct actions_lock *lock; /* NULL: nothing is held against one */
	struct known *known;
	size_t n_known;
	struct dd_err *err;
};

/* ---- its manifest ---- */

static int open_below(int dir, const char *path)
{
	const struct open_how how = { .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		                      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
		                                 RESOLVE_NO_MAGICLINKS };
	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

/* NULL with @ret_why: what is there is none; NULL without: there is none. */
static const struct action_manifest *read_manifest(struct finding *f, int dir, const char *where,
                                                   const char *shown, const char **ret_why)
{
	static const char *const names[] = { "action.yml", "action.yaml" };
	struct wf_errors errors = { .n = 0 };
	struct action_manifest *made = NULL;
	struct dd_err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *slash = *where ? "/" : "";
		dd_auto_fd int fd =
			open_below(dir, arena_printf(f->arena, "%s%s%s", where, slash, names[i]));
		dd_auto_free char *text = NULL;
		size_t len = 0;
		if (fd < 0)
			continue;
		const char *name = arena_printf(f->arena, "%s/%s", shown, names[i]);
		if (read_fd_bounded(fd, name, MANIFEST_MAX, &text, &len, &err) < 0) {
			*ret_why = arena_strdup(f->arena, err.msg);
			return NULL;
		}
		if (action_manifest_parse(name, text, len, &made, &errors) == 0) {
			struct job_source *s = f->source;
			s->manifests = arena_grow(f->arena, s->manifests, s->n_manifests,
			                          sizeof(struct action_manifest *));
			s->manifests[s->n_manifests++] = made;
			return made;
		}
		const struct wf_error *first = &errors.items[0];
		*ret_why = arena_printf(f->arena, "%s:%u:%u: %s", name, first->at.line,
		                        first->at.column, first->text);
		wf_errors_done(&errors);
		return NULL;
	}
	return NULL;
}

/* ---- one of another repository ---- */

static const char *refuse(struct known *k, enum spec_note_kind kind, const char *why,
                          const char *hint)
{
	k->kind = kind;
	k->why = why;
	k->hint = hint;
	return NULL;
}

static bool is_commit(const char *ref)
{
	size_t len = strlen(ref);
	return (len == 40 || len == 64) && strspn(ref, "0123456789abcdef") == len;
}

struct remote {
	const char *name, *repository, *path, *ref; /* owner/repo/path, owner/repo, path, ref */
};

static bool take_apart(struct finding *f, const char *uses, struct remote *ret)
{
	const char *at = strchr(uses, '@'), *slash = strchr(uses, '/');
	const char *second = slash ? strchr(slash + 1, '/') : NULL;

	if (!at || !slash || slash > at)
		return false;
	second = second && second < at ? second : at;
	const char *path = second < at ? second + 1 : at;
	*ret = (struct remote){
		.name = arena_strndup(f->arena, uses, (size_t)(at - uses)),
		.repository = arena_strndup(f->arena, uses, (size_t)(second - uses)),
		.path = arena_strndup(f->arena, path, (size_t)(at - path)),
		.ref = arena_strdup(f->arena, at + 1),
	};
	/* by name: a link in it is refused when it is opened */
	const char *below = wf_workdir(f->arena, arena_printf(f->arena, "/x/%s", ret->path));
	return store_is_repository(ret->repository) && store_is_ref(ret->ref) &&
	       strncmp(below, "/x", 2) == 0 && (below[2] == '/' || !below[2]);
}

/* The operator's word, before anything of it is looked at. */
static const char *judge(struct finding *f, struct known *k, const struct remote *r)
{
	const char *policy = f->args->policy ? f->args->policy : "a policy";

	if (!policy_allows_action(f->policy, r->name))
		return refuse(k, SPEC_NOTE_REFUSED, "is not allowed by the policy",
		              arena_printf(f->arena, "in %s: actions: { allow: [ \"%s\" ] }",
		                           policy, r->repository));
	if (f->policy->pin == ACTIONS_PIN_SHA && !is_commit(r->ref))
		return refuse(k, SPEC_NOTE_REFUSED,
		              "names no commit, and the policy asks for one (actions.pin: sha)",
		              arena_printf(f->arena, "%s@COMMIT, or in %s: actions: { pin: tag }",
		                           r->name, policy));
	if (!f->policy->mirror && !f->policy->from.url)
		return refuse(k, SPEC_NOTE_MISSING, "is not on this host",
		              arena_printf(f->arena,
		                           "in %s: actions: { from: https://github.com }, or { "
		                           "mirror: DIRECTORY }, which holds %s@%s or a "
		                           "repository %s",
		                           policy, r->repository, r->ref, r->repository));
	return "fine";
}

static int open_store(struct finding *f)
{
	const struct identity plain = { .host_uid = getuid(), .host_gid = getgid() };
	char dir[512];

	if (f->store.fd >= 0)
		return 0;
	int r = job_dirs_actions(f->args->state_dir, f->args->id ? f->args->id : &plain, dir,
	                         f->err);
	return r < 0 ? r : store_open(dir, &f->store, f->err);
}

/* In the order in which they are asked: 1: it is there; 0: it is not, or may not be used (@why);
 * -errno: nothing more is looked for. */
struct place {
	const struct store_asked *asked;
	struct store_took_action *ret;
	struct dd_err *why;
};

static int look_in_mirror(struct finding *f, const struct place *p)
{
	struct store_asked asked = *p->asked;
	asked.mirror = f->policy->mirror;
	asked.commit = NULL; /* what it has is held against the lock as it is */
	int r = f->policy->mirror ? store_take(&f->store, &asked, p->ret, p->why)
	                          : dd_err_say(p->why, ENOENT, "there is no mirror");
	return r == 0 ? 1 : r == -ENOENT && f->policy->from.url ? 0 : r;
}

static int look_in_store(struct finding *f, const struct place *p)
{
	return p->asked->commit
	               ? store_known(&f->store, f->policy->from.url, p->asked, p->ret, p->why)
	               : 0;
}

static int take_fetched(struct finding *f, const struct place *p, const char *mirror)
{
	struct store_asked asked = *p->asked;
	asked.mirror = mirror;
	int r = store_take(&f->store, &asked, p->ret, p->why);
	if (r < 0)
		return r;
	(void)snprintf(p->ret->source, sizeof(p->ret->source), "%.400s/%.190s", f->policy->from.url,
	               asked.repository);
	r = store_note(&f->store, f->policy->from.url, &asked, p->ret, p->why);
	return r < 0 ? r : 1;
}

static int look_at_forge(struct finding *f, const struct place *p)
{
	const struct actions_fetch how = { .args = f->args,
		                           .policy = f->source->policy,
		                           .event = &f->source->event };
	struct dd_err ignored = { 0 };
	char name[64], path[600];
	dd_auto_fd int fd = -1;

	if (!f->args->fetch)
		return dd_err_say(p->why, ENOENT,
		                  "%.200s has not been asked for it yet: `drydock run` and "
		                  "`drydock actions lock` do that",
		                  f->policy->from.url);
	if (!f->args->id)
		return dd_err_say(p->why, ENOENT,
		                  "it must be fetched, and no sandbox can be built here: see "
		                  "`drydock doctor`");
	int r = store_make_room(&f->store, name, &fd, p->why);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%.500s/%.64s", f->store.path, name);
	r = actions_fetch(&how, p->asked, path, p->why);
	if (r == 0)
		r = take_fetched(f, p, path);
	(void)store_drop_room(&f->store, name, &ignored);
	return r;
}

/* A commit that is named, or that was agreed on, is that one wherever its name points to by now. */
static const char *agreed_commit(struct finding *f, const struct remote *r)
{
	const struct actions_found found = { .repository = r->repository, .ref = r->ref };
	if (is_commit(r->ref))
		return r->ref;
	return f->lock ? actions_lock_commit(f->lock, &found) : NULL;
}

static int take(struct finding *f, struct known *k, const struct remote *r,
                struct store_took_action *ret)
{
	static int (*const places[])(struct finding *, const struct place *) = { look_in_mirror,
		                                                                 look_in_store,
		                                                                 look_at_forge };
	const struct store_asked asked = { .repository = r->repository,
		                           .ref = r->ref,
		                           .commit = agreed_commit(f, r) };
	struct dd_err why = { 0 };
	const struct place place = { &asked, ret, &why };
	int result = open_store(f);

	if (result < 0)
		return result;
	for (size_t i = 0; result == 0 && i < ARRAY_LEN(places); i++)
		result = places[i](f, &place);
	if (result > 0)
		return 1;
	if (result == -ECANCELED)
		return dd_err_say(f->err, ECANCELED, "%s", why.msg);
	(void)refuse(k, result == -ENOENT ? SPEC_NOTE_MISSING : SPEC_NOTE_REFUSED,
	             arena_printf(f->arena, "cannot be had: %s", why.msg), "");
	return 0;
}

static void keep(struct finding *f, struct known *k, const struct remote *r,
                 const struct store_took_action *took)
{
	struct job_source *s = f->source;
	struct spec_action *action = arena_alloc(f->arena, sizeof(*action));

	s->found = arena_grow(f->arena, s->found, s->n_found, sizeof(*s->found));
	s->found[s->n_found++] = (struct actions_found){
		.uses = k->uses,
		.manifest = k->manifest,
		.repository = r->repository,
		.path = r->path,
		.ref = r->ref,
		.tree = arena_strdup(f->arena, took->tree),
		.sha256 = arena_strdup(f->arena, took->sha256),
		.commit = took->commit[0] ? arena_strdup(f->arena, took->commit) : NULL,
		.source = arena_strdup(f->arena, took->source),
	};
	*action = (struct spec_action){ .source = s->found[s->n_found - 1].source,
		                        .sha256 = s->found[s->n_found - 1].sha256,
		                        .commit = s->found[s->n_found - 1].commit };
	k->action = action;
}

/* Before its manifest is read: what is not what was agreed on is not looked at. */
static bool is_agreed(struct finding *f, struct known *k, const struct remote *r,
                      const struct store_took_action *took)
{
	const struct actions_found found = { .repository = r->repository,
		                             .ref = r->ref,
		                             .sha256 = took->sha256,
		                             .commit = took->commit[0] ? took->commit : NULL };
	char why[300] = "";

	if (f->lock)
		actions_lock_judge(f->lock, &found, why);
	if (why[0])
		(void)refuse(k, SPEC_NOTE_REFUSED, arena_strdup(f->arena, why),
		             "drydock actions lock WORKFLOW writes what is here, for a person to "
		             "look at");
	return !why[0];
}

static int find_remote(struct finding *f, struct known *k)
{
	struct store_took_action took;
	const char *why = NULL;
	struct remote r;

	if (!take_apart(f, k->uses, &r)) {
		(void)refuse(k, SPEC_NOTE_UNSUPPORTED, "names no repository and ref that can be",
		             "owner/repo[/path]@ref");
		return 0;
	}
	if (!judge(f, k, &r))
		return 0;
	int result = take(f, k, &r, &took);
	if (result <= 0)
		return result;
	if (f->policy->pin == ACTIONS_PIN_TAG && strcmp(took.ref_is, "branch") == 0) {
		(void)refuse(k, SPEC_NOTE_REFUSED,
		             "names a branch, and the policy asks for a tag or a commit "
		             "(actions.pin: tag)",
		             "");
		return 0;
	}
	if (!is_agreed(f, k, &r, &took))
		return 0;
	dd_auto_fd int tree = open(took.tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (tree < 0)
		return dd_err_set(f->err, errno, "open %s", took.tree);
	k->manifest = read_manifest(f, tree, r.path, k->uses, &why);
	if (k->manifest)
		keep(f, k, &r, &took);
	else
		(void)refuse(k, SPEC_NOTE_UNSUPPORTED,
		             why ? why : "has no action.yml, nor an action.yaml", "");
	return 0;
}

/* ---- one of the workspace ---- */

/* What cannot be read is said by the step, which sees another state of it. */
static void find_local(struct finding *f, struct known *k)
{
	static const char root[] = PLACE_WORKSPACE;
	const struct checkout *c = &f->source->checkout;
	const char *why = NULL;
	const char *place = wf_workdir(f->arena,
	                               arena_printf(f->arena, "%s/%s", root, k->uses + 2));

	if (c->rev[0] || c->dir_fd < 0 || strncmp(place, root, sizeof(root) - 1) != 0)
		return;
	place += sizeof(root) - 1;
	k->manifest = read_manifest(f, c->dir_fd, *place ? place + 1 : "", *place ? place + 1 : ".",
	                            &why);
	if (k->manifest)
		k->action = arena_alloc(f->arena, sizeof(*k->action));
}

/* ---- any ---- */

static bool is_built_in(const char *uses)
{
	static const char checkout[] = "actions/checkout@";
	return strncasecmp(uses, checkout, sizeof(checkout) - 1) == 0;
}

static const struct spec_action *built_in(struct finding *f, const char *uses)
{
	struct spec_action *action = arena_alloc(f->arena, sizeof(*action));
	*action = (struct spec_action){ .uses = uses, .kind = "built in" };
	return action;
}

static int visit(struct finding *f, const char *uses, unsigned depth, const struct known **ret);

static const char *shown_of(struct finding *f, const struct wf_step *step)
{
	const struct template_node *node = step->name  ? step->name
	                                   : step->run ? step->run
	                                               : step->uses;
	const char *text = wf_written(f->arena, node);
	text += strspn(text, " \t\r\n");
	return arena_strndup(f->arena, text, strcspn(text, "\r\n"));
}

/* What the steps of a composite action use; the first that cannot be run is the action's own
 * trouble. */
static int visit_steps(struct finding *f, struct known *k, unsigned depth)
{
	const struct action_manifest *m = k->manifest;
	struct spec_inner *inner = arena_array(f->arena, m->n_steps, sizeof(*inner));
	struct spec_action *action = (struct spec_action *)(uintptr_t)k->action;

	for (size_t i = 0; i < m->n_steps; i++) {
		const struct known *used = NULL;
		inner[i].shown = shown_of(f, &m->steps[i]);
		if (!m->steps[i].uses)
			continue;
		int r = visit(f, m->steps[i].uses->text, depth + 1, &used);
		if (r < 0)
			return r;
		inner[i].action = used->action;
		if (used->why && !k->why) {
			k->kind = used->kind;
			k->hint = used->hint;
			k->why = arena_printf(f->arena, "uses %.150s, which %s", used->uses,
			                      used->why);
		}
	}
	action->steps = inner;
	action->n_steps = m->n_steps;
	return 0;
}

static int look_at(struct finding *f, struct known *k, unsigned depth)
{
	const struct action_manifest *m = k->manifest;
	struct spec_action *action = (struct spec_action *)(uintptr_t)k->action;

	if (!m || !action)
		return 0;
	action->uses = k->uses;
	action->kind = m->kind == ACTION_NODE ? m->using : action_manifest_kind_name(m->kind);
	if (m->kind == ACTION_NODE) {
		action->pre = m->pre;
		action->main = m->main;
		action->post = m->post;
	}
	if (m->kind == ACTION_DOCKER)
		(void)refuse(k, SPEC_NOTE_UNSUPPORTED,
		             "is an action in a container, which is not supported yet",
		             "steps run on the host's own tools");
	return m->kind == ACTION_COMPOSITE ? visit_steps(f, k, depth) : 0;
}

static int visit(struct finding *f, const char *uses, unsigned depth, const struct known **ret)
{
	struct known *k = NULL;
	int r = 0;

	for (size_t i = 0; i < f->n_known; i++)
		if (strcmp(f->known[i].uses, uses) == 0) {
			*ret = &f->known[i];
			return 0;
		}
	if (f->n_known == KNOWN_MAX)
		return dd_err_say(f->err, E2BIG, "more than %d different actions", KNOWN_MAX);
	k = &f->known[f->n_known++];
	*k = (struct known){ .uses = arena_strdup(f->arena, uses) };
	switch (wf_uses_kind(uses)) {
	case WF_USES_LOCAL:
	case WF_USES_SELF:
		find_local(f, k);
		break;
	case WF_USES_REPOSITORY:
		if (is_built_in(uses))
			k->action = built_in(f, k->uses);
		else
			r = find_remote(f, k);
		break;
	case WF_USES_DOCKER:
		(void)refuse(k, SPEC_NOTE_UNSUPPORTED,
		             "is an action in a container, which is not supported yet",
		             "steps run on the host's own tools");
		break;
	}
	if (r == 0 && depth < DEPTH_MAX)
		r = look_at(f, k, depth);
	*ret = k;
	return r;
}

/* ---- the jobs ---- */

static void add_note(struct finding *f, struct job_spec *spec, const struct wf_step *step,
                     const struct known *k)
{
	struct spec_note *notes = arena_array(f->arena, spec->n_notes + 1, sizeof(*notes));

	if (spec->n_notes)
		memcpy(notes, spec->notes, spec->n_notes * sizeof(*notes));
	notes[spec->n_notes] = (struct spec_note){
		.mark = step->uses->mark,
		.text = arena_printf(f->arena, "`uses: %.150s` %s", k->uses, k->why),
		.hint = k->hint ? k->hint : "",
		.kind = k->kind,
	};
	spec->notes = notes;
	spec->n_notes++;
}

static int find_of_job(struct finding *f, const struct source_job *planned)
{
	const struct wf_job *job = planned->job->job;

	for (size_t i = 0; i < job->n_steps; i++) {
		const struct wf_step *step = &job->steps[i];
		struct spec_step *spec = (struct spec_step *)(uintptr_t)&planned->spec->steps[i];
		const struct known *k = NULL;
		if (!step->uses || spec->recipe.nothing ||
		    wf_uses_kind(step->uses->text) == WF_USES_DOCKER)
			continue;
		int r = visit(f, step->uses->text, 0, &k);
		if (r < 0)
			return r;
		spec->action = k->action;
		if (k->why)
			add_note(f, planned->spec, step, k);
	}
	return 0;
}

static void list_runtimes(struct finding *f)
{
	struct actions_runtime *all = arena_array(f->arena, f->policy->n_nodes, sizeof(*all));
	for (size_t i = 0; i < f->policy->n_nodes; i++)
		all[i] = (struct actions_runtime){ .major = f->policy->nodes[i].major,
			                           .dir = f->policy->nodes[i].dir };
	f->source->runtimes = all;
	f->source->n_runtimes = f->policy->n_nodes;
}

int actions_find(const struct run_args *args, struct job_source *source, struct dd_err *err)
{
	struct finding f = { .args = args,
		             .source = source,
		             .policy = policy_actions_of(source->policy),
		             .arena = source->wf->arena,
		             .store = STORE_NONE,
		             .err = err };
	int r = 0;

	/* fixed places: steps of an action point to what was found before */
	f.known = arena_array(f.arena, KNOWN_MAX, sizeof(*f.known));
	list_runtimes(&f);
	if (args->locked && (r = actions_lock_read(source->checkout.dir_fd, &f.lock, err)) < 0)
		return dd_err_blame(err, DD_BLAME_CALLER, dd_err_ctx(err, r, "--locked"));
	for (size_t i = 0; r == 0 && i < source->n_planned; i++)
		if (!workflow_never_runs(source, &source->planned[i]))
			r = find_of_job(&f, &source->planned[i]);
	store_close(&f.store);
	actions_lock_free(f.lock);
	return r;
}

void actions_find_done(struct job_source *source)
{
	for (size_t i = 0; i < source->n_manifests; i++)
		action_manifest_free(source->manifests[i]);
}
