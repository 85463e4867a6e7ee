// SPDX-License-Identifier: Apache-2.0
/* replay_calls.c - system calls of a recorded step against the profile and the additions of a
 * policy.
 *
 * Runs in: command line. A record only holds the calls that its own profile did not allow. Under
 * another profile the calls that were allowed then are not known one by one, so every one of them
 * counts as made. */
#include "replay_parts.h"

#include "input/config_path.h"
#include "drydock/seccomp_view.h"

#include <stdlib.h>
#include <string.h>

enum { OTHERS_MAX = 8 };

/* A profile that records were made with, compared once with the policy's. */
struct other {
	/* the first call that it allows and the policy does not; NULL: none */
	const char *name, *lacks;
};

struct replay_calls {
	struct seccomp_view *view; /* of the policy */
	struct other others[OTHERS_MAX];
	size_t n_others;
};

int replay_profile(const char *dir, const char *name, const char *const *extra,
                   struct seccomp_view **ret, struct dd_err *err)
{
	char path[512];
	int r = 0;
	if (dir)
		(void)snprintf(path, sizeof(path), "%s/%s.seccomp", dir, name);
	else
		r = config_path_seccomp(name, path, sizeof(path), err);
	return r < 0 ? r : seccomp_view_load(path, extra, ret, err);
}

void replay_calls_free(struct replay_calls *calls)
{
	if (calls)
		seccomp_view_free(calls->view);
	free(calls);
}

static int load_own(struct replay *r, struct dd_err *err)
{
	if (r->calls)
		return 0;
	struct replay_calls *calls = calloc(1, sizeof(*calls));
	if (!calls)
		return dd_err_set(err, ENOMEM, "read the seccomp profile");
	int code = replay_profile(r->profile_dir, r->policy->seccomp, r->policy->syscalls,
	                          &calls->view, err);
	if (code < 0) {
		free(calls);
		return dd_err_ctx(err, code, "sandbox.seccomp: %s", r->policy->seccomp);
	}
	r->calls = calls;
	return 0;
}

static bool allows(const struct seccomp_view *view, const char *name)
{
	const struct seccomp_view_call *call = seccomp_view_find(view, name);
	return call && call->answer == SECCOMP_ANSWER_ALLOW;
}

/* A call that depends on its arguments there must be allowed whatever they are here, or depend on
 * the very same lines. */
static const char *first_lack(const struct seccomp_view *theirs, const struct seccomp_view *ours)
{
	for (size_t i = 0; i < seccomp_view_count(theirs); i++) {
		const struct seccomp_view_call *call = seccomp_view_at(theirs, i);
		const struct seccomp_view_call *own = seccomp_view_find(ours, call->name);
		if (call->answer != SECCOMP_ANSWER_ALLOW && call->answer != SECCOMP_ANSWER_DEPENDS)
			continue;
		bool same_lines = own && own->answer == SECCOMP_ANSWER_DEPENDS &&
		                  call->answer == SECCOMP_ANSWER_DEPENDS &&
		                  own->line == call->line && own->file && call->file &&
		                  strcmp(own->file, call->file) == 0;
		if (!same_lines && !allows(ours, call->name))
			return call->name;
	}
	return NULL;
}

static const struct other *compare(struct replay *r, const char *name)
{
	struct replay_calls *calls = r->calls;
	for (size_t i = 0; i < calls->n_others; i++)
		if (strcmp(calls->others[i].name, name) == 0)
			return &calls->others[i];
	if (calls->n_others == OTHERS_MAX)
		return NULL;
	struct other *one = &calls->others[calls->n_others++];
	struct seccomp_view *theirs = NULL;
	*one = (struct other){ .name = name, .lacks = "?" };
	if (replay_profile(r->profile_dir, name, NULL, &theirs, NULL) == 0) {
		const char *lacks = first_lack(theirs, calls->view);
		one->lacks = arena_strdup(r->arena, lacks);
	}
	seccomp_view_free(theirs);
	return one;
}

static void judge_profile(const struct replay_step *s)
{
	const char *recorded = s->step->seccomp, *own = s->r->policy->seccomp;
	s->r->judged++;
	if (!recorded)
		replay_doubt(s, s->step->start.seq, "system call", own,
		             "the record does not name its seccomp profile",
		             replay_policy_key(s, "sandbox.seccomp"));
	if (!recorded || strcmp(recorded, own) == 0)
		return;
	const struct other *o = compare(s->r, recorded);
	if (!o || o->lacks)
		replay_doubt(s, s->step->start.seq, "system call", o ? o->lacks : "?",
		             arena_printf(s->r->arena,
		                          "the run had the profile %s, which allows it; %s does "
		                          "not, and the record cannot say whether it was made",
		                          recorded, own),
		             replay_policy_key(s, "sandbox.seccomp"));
}

static void judge_call(const struct replay_step *s, uint64_t seq, const char *name, const char *why)
{
	const struct seccomp_view *view = s->r->calls->view;
	const struct seccomp_view_call *call = seccomp_view_find(view, name);
	s->r->judged++;
	if (allows(view, name))
		return;
	const char *at = call && call->file && call->line
	                         ? arena_printf(s->r->arena, "%s:%u%s%s", call->file, call->line,
	                                        call->why ? ": " : "", call->why ? call->why : "")
	                         : replay_policy_key(s, "sandbox.syscalls");
	replay_refuse(s, seq, "system call", name, why, at);
}

int replay_calls(const struct replay_step *s, struct dd_err *err)
{
	const struct facts_step *step = s->step;
	int r = load_own(s->r, err);
	if (r < 0)
		return r;
	judge_profile(s);
	for (size_t i = 0; i < step->n_calls; i++) {
		const struct facts_syscall *call = &step->calls[i];
		bool continued = call->answer && strcmp(call->answer, "continued") == 0;
		if (!call->name || !call->answer)
			replay_doubt(s, call->at.seq, "system call", call->name ? call->name : "?",
			             "the record does not say what it was, or how it was answered",
			             NULL);
		else if (continued)
			judge_call(s, call->at.seq, call->name,
			           call->detail ? call->detail
			                        : "let through because the run was observed");
	}
	for (size_t i = 0; step->syscalls && step->syscalls[i]; i++)
		judge_call(s, step->start.seq, step->syscalls[i],
		           "the recorded policy allowed it besides the profile");
	return 0;
}
