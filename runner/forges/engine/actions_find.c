// SPDX-License-Identifier: Apache-2.0
/* actions_find.c - see actions_find.h.
 *
 * Runs in: command line or job host, before a job begins. The manifests are somebody else's code
 * and hostile; the mirror is the operator's, or holds what a forge gave. An action of the workspace
 * is looked at where the workspace comes from: as far as it is there, and for what it uses alone,
 * since the step reads it again. */
#include "actions_find.h"

#include "drydock/fd.h"
#include "forges/actions/wf_notes.h"
#include "forges/actions/wf_spec.h"
#include "input/read_file.h"
#include "job/job_dirs.h"
#include "model/places.h"
#include "policy/policy_actions.h"
#include "store/store.h"
#include "store/store_pins.h"

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
	bool looked; /* also at what it uses itself */
};

/* What is remembered from one job to the next. */
struct actions_memory {
	const struct policy_actions *policy;
	struct store store;
	struct known *known; /* fixed places: steps of an action point to what was found before */
	size_t n_known;
	struct actions_wanted *brought;
	size_t n_brought;
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
static const struct action_manifest *read_manifest(struct actions_finding *f, int dir,
                                                   const char *where, const char *shown,
                                                   const char **ret_why)
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
			f->manifests = arena_grow(f->arena, f->manifests, f->n_manifests,
			                          sizeof(struct action_manifest *));
			f->manifests[f->n_manifests++] = made;
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

static bool take_apart(struct actions_finding *f, const char *uses, struct remote *ret)
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
static const char *judge(struct actions_finding *f, struct known *k, const struct remote *r)
{
	const char *policy = f->policy_name ? f->policy_name : "a policy";

	if (!policy_allows_action(f->memory->policy, r->name))
		return refuse(k, SPEC_NOTE_REFUSED, "is not allowed by the policy",
		              arena_printf(f->arena, "in %s: actions: { allow: [ \"%s\" ] }",
		                           policy, r->repository));
	if (f->memory->policy->pin == ACTIONS_PIN_SHA && !is_commit(r->ref))
		return refuse(k, SPEC_NOTE_REFUSED,
		              "names no commit, and the policy asks for one (actions.pin: sha)",
		              arena_printf(f->arena, "%s@COMMIT, or in %s: actions: { pin: tag }",
		                           r->name, policy));
	if (!f->memory->policy->mirror && !f->memory->policy->from.url && !f->bring)
		return refuse(k, SPEC_NOTE_MISSING, "is not on this host",
		              arena_printf(f->arena,
		                           "in %s: actions: { from: https://github.com }, or { "
		                           "mirror: DIRECTORY }, which holds %s@%s or a "
		                           "repository %s",
		                           policy, r->repository, r->ref, r->repository));
	return "fine";
}

static int open_store(struct actions_finding *f)
{
	const struct identity plain = { .host_uid = getuid(), .host_gid = getgid() };
	char dir[512];

	if (f->memory->store.fd >= 0)
		return 0;
	int r = job_dirs_actions(f->state_dir, f->id ? f->id : &plain, dir, f->memory->err);
	return r < 0 ? r : store_open(dir, &f->memory->store, f->memory->err);
}

/* In the order in which they are asked: 1: it is there; 0: it is not, or may not be used (@why);
 * -errno: nothing more is looked for. */
struct place {
	const struct store_asked *asked;
	struct store_took_action *ret;
	struct dd_err *why;
};

static int look_in_mirror(struct actions_finding *f, const struct place *p)
{
	struct store_asked asked = *p->asked;
	asked.mirror = f->memory->policy->mirror;
	asked.commit = NULL; /* what it has is held against the lock as it is */
	int r = f->memory->policy->mirror ? store_take(&f->memory->store, &asked, p->ret, p->why)
	                                  : dd_err_say(p->why, ENOENT, "there is no mirror");
	return r == 0 ? 1 : r == -ENOENT && f->memory->policy->from.url ? 0 : r;
}

static int look_in_store(struct actions_finding *f, const struct place *p)
{
	return p->asked->commit ? store_known(&f->memory->store, f->memory->policy->from.url,
	                                      p->asked, p->ret, p->why)
	                        : 0;
}

static int take_fetched(struct actions_finding *f, const struct place *p, const char *mirror)
{
	struct store_asked asked = *p->asked;
	asked.mirror = mirror;
	int r = store_take(&f->memory->store, &asked, p->ret, p->why);
	if (r < 0)
		return r;
	(void)snprintf(p->ret->source, sizeof(p->ret->source), "%.400s/%.190s",
	               f->memory->policy->from.url, asked.repository);
	r = store_note(&f->memory->store, f->memory->policy->from.url, &asked, p->ret, p->why);
	return r < 0 ? r : 1;
}

static int look_at_forge(struct actions_finding *f, const struct place *p)
{
	struct dd_err ignored = { 0 };
	char name[64], path[600];
	dd_auto_fd int fd = -1;

	if (!f->fetch)
		return dd_err_say(p->why, ENOENT,
		                  "%.200s has not been asked for it yet: `drydock run` and "
		                  "`drydock actions lock` do that",
		                  f->memory->policy->from.url);
	int r = store_make_room(&f->memory->store, name, &fd, p->why);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%.500s/%.64s", f->memory->store.path, name);
	r = f->fetch(f->fetch_arg, p->asked, path, p->why);
	if (r == 0)
		r = take_fetched(f, p, path);
	(void)store_drop_room(&f->memory->store, name, &ignored);
	return r;
}

/* A commit that is named, or that was agreed on, is that one wherever its name points to by now. */
static const char *agreed_commit(struct actions_finding *f, const struct remote *r)
{
	const struct actions_found found = { .repository = r->repository, .ref = r->ref };
	if (is_commit(r->ref))
		return r->ref;
	return f->lock ? actions_lock_commit(f->lock, &found) : NULL;
}

static const struct actions_wanted *brought_of(const struct actions_finding *f,
                                               const struct remote *r)
{
	const struct actions_memory *m = f->memory;
	for (size_t i = 0; i < m->n_brought; i++)
		if (strcasecmp(m->brought[i].repository, r->repository) == 0 &&
		    strcmp(m->brought[i].ref, r->ref) == 0)
			return &m->brought[i];
	return NULL;
}

/* The server's word of what it gave, held against what the operator said. */
static bool is_what_was_asked(struct actions_finding *f, struct known *k, const struct remote *r,
                              const struct actions_wanted *brought)
{
	const char *name = brought->resolved;

	if (brought->why)
		return true; /* there is nothing to hold */
	if (is_commit(r->ref) && strcasecmp(brought->commit, r->ref) != 0)
		(void)refuse(k, SPEC_NOTE_REFUSED,
		             arena_printf(f->arena,
		                          "is another commit by its server's word: `%.64s`",
		                          brought->commit),
		             "");
	else if (name && strcasecmp(name, r->repository) != 0 &&
	         !policy_allows_action(f->memory->policy, name))
		(void)refuse(k, SPEC_NOTE_REFUSED,
		             arena_printf(f->arena,
		                          "is %.150s by now, which the policy does not allow",
		                          name),
		             arena_printf(f->arena, "in %s: actions: { allow: [ \"%s\" ] }",
		                          f->policy_name ? f->policy_name : "a policy", name));
	return !k->why;
}

/* An archive does not say which commit it is; who gave it does. As a place: 1, 0 or -errno. */
static int look_at_brought(struct actions_finding *f, const struct actions_wanted *brought,
                           const struct place *p)
{
	struct store_asked asked = *p->asked;
	asked.mirror = f->mirror;
	asked.commit = NULL;
	if (!brought || brought->why)
		return dd_err_say(p->why, ENOENT, "%.250s",
		                  brought ? brought->why : "nobody brought it");
	int r = store_take(&f->memory->store, &asked, p->ret, p->why);
	if (r == 0 && !p->ret->commit[0] && is_commit(brought->commit)) {
		(void)snprintf(p->ret->commit, sizeof(p->ret->commit), "%s", brought->commit);
		r = store_pin(&f->memory->store, asked.repository, p->ret->commit, p->ret->sha256,
		              p->why);
	}
	return r < 0 ? r : 1;
}

static bool is_brought(const struct actions_finding *f)
{
	return f->bring && !f->memory->policy->mirror;
}

static int take(struct actions_finding *f, struct known *k, const struct remote *r,
                struct store_took_action *ret)
{
	static int (*const places[])(struct actions_finding *,
	                             const struct place *) = { look_in_mirror, look_in_store,
		                                               look_at_forge };
	const struct store_asked asked = { .repository = r->repository,
		                           .ref = r->ref,
		                           .commit = agreed_commit(f, r) };
	struct dd_err why = { 0 };
	const struct place place = { &asked, ret, &why };
	int result = open_store(f);

	if (result < 0)
		return result;
	if (is_brought(f)) {
		const struct actions_wanted *brought = brought_of(f, r);
		if (brought && !is_what_was_asked(f, k, r, brought))
			return 0;
		result = look_at_brought(f, brought, &place);
	}
	for (size_t i = 0; result == 0 && !is_brought(f) && i < ARRAY_LEN(places); i++)
		result = places[i](f, &place);
	if (result > 0)
		return 1;
	if (result == -ECANCELED)
		return dd_err_say(f->memory->err, ECANCELED, "%s", why.msg);
	(void)refuse(k, result == -ENOENT ? SPEC_NOTE_MISSING : SPEC_NOTE_REFUSED,
	             arena_printf(f->arena, "cannot be had: %s", why.msg), "");
	return 0;
}

static void keep(struct actions_finding *f, struct known *k, const struct remote *r,
                 const struct store_took_action *took)
{
	struct spec_action *action = arena_alloc(f->arena, sizeof(*action));

	f->found = arena_grow(f->arena, f->found, f->n_found, sizeof(*f->found));
	f->found[f->n_found++] = (struct actions_found){
		.uses = k->uses,
		.manifest = k->manifest,
		.repository = r->repository,
		.path = r->path,
		.ref = r->ref,
		.tree = arena_strdup(f->arena, took->tree),
		.sha256 = arena_strdup(f->arena, took->sha256),
		.commit = took->commit[0] ? arena_strdup(f->arena, took->commit) : NULL,
		.source = arena_strdup(f->arena, took->source),
		.named = took->ref_is[0] ? took->ref_is : "files",
		.from = strncmp(took->source, "https://", 8) == 0 ? f->memory->policy->from.url
		                                                  : f->memory->policy->mirror,
	};
	*action = (struct spec_action){ .source = f->found[f->n_found - 1].source,
		                        .sha256 = f->found[f->n_found - 1].sha256,
		                        .commit = f->found[f->n_found - 1].commit };
	k->action = action;
}

/* Before its manifest is read: what is not what was agreed on is not looked at. */
static bool is_agreed(struct actions_finding *f, struct known *k, const struct remote *r,
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

static int find_remote(struct actions_finding *f, struct known *k)
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
	if (f->memory->policy->pin == ACTIONS_PIN_TAG && strcmp(took.ref_is, "branch") == 0) {
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
		return dd_err_set(f->memory->err, errno, "open %s", took.tree);
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
static void find_local(struct actions_finding *f, struct known *k)
{
	static const char root[] = PLACE_WORKSPACE;
	const char *why = NULL;
	const char *place = wf_workdir(f->arena,
	                               arena_printf(f->arena, "%s/%s", root, k->uses + 2));

	if (f->workspace_fd < 0 || strncmp(place, root, sizeof(root) - 1) != 0)
		return;
	place += sizeof(root) - 1;
	k->manifest = read_manifest(f, f->workspace_fd, *place ? place + 1 : "",
	                            *place ? place + 1 : ".", &why);
	if (k->manifest)
		k->action = arena_alloc(f->arena, sizeof(*k->action));
}

/* ---- any ---- */

static bool is_built_in(const char *uses)
{
	static const char checkout[] = "actions/checkout@";
	return strncasecmp(uses, checkout, sizeof(checkout) - 1) == 0;
}

static const struct spec_action *built_in(struct actions_finding *f, const char *uses)
{
	struct spec_action *action = arena_alloc(f->arena, sizeof(*action));
	*action = (struct spec_action){ .uses = uses, .kind = "built in" };
	return action;
}

static int visit(struct actions_finding *f, const char *uses, unsigned depth,
                 const struct known **ret);

static const char *shown_of(struct actions_finding *f, const struct wf_step *step)
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
static int visit_steps(struct actions_finding *f, struct known *k, unsigned depth)
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

static int look_at(struct actions_finding *f, struct known *k, unsigned depth)
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

/* What stands behind one `uses:`; not yet what that uses. */
static int know(struct actions_finding *f, const char *uses, struct known **ret)
{
	struct actions_memory *m = f->memory;
	int r = 0;

	for (size_t i = 0; i < m->n_known; i++)
		if (strcmp(m->known[i].uses, uses) == 0) {
			*ret = &m->known[i];
			return 0;
		}
	if (m->n_known == KNOWN_MAX)
		return dd_err_say(m->err, E2BIG, "more than %d different actions", KNOWN_MAX);
	struct known *k = *ret = &m->known[m->n_known++];
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
	return r;
}

static int visit(struct actions_finding *f, const char *uses, unsigned depth,
                 const struct known **ret)
{
	struct known *k = NULL;
	int r = know(f, uses, &k);

	if (r < 0)
		return r;
	*ret = k;
	if (k->looked || depth >= DEPTH_MAX)
		return 0;
	k->looked = true;
	return look_at(f, k, depth);
}

/* ---- what somebody has to bring first ---- */

struct level {
	const char **uses;
	size_t n;
};

static void level_add(struct actions_finding *f, struct level *level, const char *uses)
{
	level->uses = arena_grow(f->arena, level->uses, level->n, sizeof(*level->uses));
	level->uses[level->n++] = uses;
}

/* Those of @level that nobody knows yet and that may run, in one question. */
static int bring_level(struct actions_finding *f, const struct level *level)
{
	struct actions_memory *m = f->memory;
	size_t before = m->n_brought;

	for (size_t i = 0; i < level->n; i++) {
		struct known judged = { .uses = level->uses[i] };
		struct remote r;
		if (wf_uses_kind(level->uses[i]) != WF_USES_REPOSITORY ||
		    is_built_in(level->uses[i]) || !take_apart(f, level->uses[i], &r) ||
		    !judge(f, &judged, &r) || brought_of(f, &r))
			continue;
		m->brought = arena_grow(f->arena, m->brought, m->n_brought, sizeof(*m->brought));
		m->brought[m->n_brought++] = (struct actions_wanted){ .repository = r.repository,
			                                              .ref = r.ref };
	}
	return m->n_brought == before
	               ? 0
	               : f->bring(f->bring_arg, m->brought + before, m->n_brought - before, m->err);
}

/* Level by level: what an action uses is known only when it is there. */
static int bring_all(struct actions_finding *f, const struct wf_job *job)
{
	struct level level = { .n = 0 };
	int r = 0;

	for (size_t i = 0; i < job->n_steps; i++)
		if (job->steps[i].uses)
			level_add(f, &level, job->steps[i].uses->text);
	for (unsigned depth = 0; r == 0 && level.n > 0 && depth < DEPTH_MAX; depth++) {
		struct level next = { .n = 0 };
		r = bring_level(f, &level);
		for (size_t i = 0; r == 0 && i < level.n; i++) {
			struct known *k = NULL;
			r = know(f, level.uses[i], &k);
			for (size_t s = 0;
			     r == 0 && k->manifest && !k->why &&
			     k->manifest->kind == ACTION_COMPOSITE && s < k->manifest->n_steps;
			     s++)
				if (k->manifest->steps[s].uses)
					level_add(f, &next, k->manifest->steps[s].uses->text);
		}
		level = next;
	}
	return r;
}

/* ---- the jobs ---- */

static void add_note(struct actions_finding *f, struct job_spec *spec, const struct wf_step *step,
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

static void list_runtimes(struct actions_finding *f)
{
	const struct policy_actions *policy = f->memory->policy;
	struct actions_runtime *all = arena_array(f->arena, policy->n_nodes, sizeof(*all));
	for (size_t i = 0; i < policy->n_nodes; i++)
		all[i] = (struct actions_runtime){ .major = policy->nodes[i].major,
			                           .dir = policy->nodes[i].dir };
	f->runtimes = all;
	f->n_runtimes = policy->n_nodes;
}

static void remember(struct actions_finding *f)
{
	f->memory = arena_alloc(f->arena, sizeof(*f->memory));
	*f->memory = (struct actions_memory){
		.policy = policy_actions_of(f->policy),
		.store = STORE_NONE,
		.known = arena_array(f->arena, KNOWN_MAX, sizeof(*f->memory->known)),
	};
	list_runtimes(f);
}

int actions_find_job(struct actions_finding *f, const struct wf_job *job, struct job_spec *spec,
                     struct dd_err *err)
{
	int r = 0;

	if (!f->memory)
		remember(f);
	f->memory->err = err;
	if (is_brought(f) && (r = bring_all(f, job)) < 0)
		return r;
	for (size_t i = 0; i < job->n_steps; i++) {
		const struct wf_step *step = &job->steps[i];
		struct spec_step *told = (struct spec_step *)(uintptr_t)&spec->steps[i];
		const struct known *k = NULL;
		if (!step->uses || told->recipe.nothing ||
		    wf_uses_kind(step->uses->text) == WF_USES_DOCKER)
			continue;
		if ((r = visit(f, step->uses->text, 0, &k)) < 0)
			return r;
		told->action = k->action;
		if (k->why)
			add_note(f, spec, step, k);
	}
	return 0;
}

void actions_find_end(struct actions_finding *f)
{
	(void)f; /* the store stays held: what is in it is in use until the jobs are over */
}

void actions_find_done(struct actions_finding *f)
{
	for (size_t i = 0; i < f->n_manifests; i++)
		action_manifest_free(f->manifests[i]);
	f->n_manifests = 0;
	if (f->memory)
		store_close(&f->memory->store);
}
