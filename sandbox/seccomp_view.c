// SPDX-License-Identifier: Apache-2.0
/* seccomp_view.c - turns a parsed seccomp profile into one row for each system call: the answer,
 * the line and its reason.
 *
 * Runs in: command line and supervisor. Takes struct seccomp_profile as the filter's compiler does,
 * and never reads the text itself. */
#include "drydock/seccomp_view.h"

#include "drydock/fd.h"
#include "seccomp_internal.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>

static const char why_default[] = "no line of the profile names it";
static const char why_extra[] = "the policy allows it besides the profile (sandbox.syscalls)";

struct seccomp_view {
	struct seccomp_profile prof; /* owns the reasons */
	char *path, *base_path;
	struct seccomp_view_call *calls;
	size_t n_calls;
	char *names[SECCOMP_NR_MAX]; /* libseccomp hands them out as heap */
};

static void view_cleanup(struct seccomp_view **view)
{
	seccomp_view_free(*view);
}

void seccomp_view_free(struct seccomp_view *view)
{
	if (!view)
		return;
	seccomp_profile_done(&view->prof);
	for (size_t i = 0; i < ARRAY_LEN(view->names); i++)
		free(view->names[i]);
	free(view->calls);
	free(view->path);
	free(view->base_path);
	free(view);
}

static void set_answer(struct seccomp_view_call *call, uint32_t ret)
{
	call->err = 0;
	if (ret == SECCOMP_RET_ALLOW) {
		call->answer = SECCOMP_ANSWER_ALLOW;
	} else if (ret == SECCOMP_RET_KILL_PROCESS) {
		call->answer = SECCOMP_ANSWER_KILL;
	} else {
		call->answer = SECCOMP_ANSWER_ERRNO;
		call->err = (int)(ret & SECCOMP_RET_DATA);
	}
}

/* The parser has made sure that a named call has a first line and one that decides. */
static void read_rules(const struct seccomp_view *view, int nr, struct seccomp_view_call *ret)
{
	const struct seccomp_call *said = &view->prof.calls[nr];
	ret->named = said->named;
	ret->never = said->never_line > 0;
	ret->line = said->named ? said->first_line : view->prof.default_line;
	ret->why = why_default;
	ret->file = said->from_base ? view->base_path : view->path;
	set_answer(ret, view->prof.default_ret);
	for (size_t i = 0; i < view->prof.n_rules; i++) {
		const struct seccomp_rule *rule = &view->prof.rules[i];
		if (rule->nr != nr)
			continue;
		if (rule->line == said->first_line)
			ret->why = rule->why;
		if (rule->tell)
			ret->tell = rule->tell;
		if (rule->n_conds == 0)
			set_answer(ret, rule->ret);
	}
	if (said->conditional)
		ret->answer = SECCOMP_ANSWER_DEPENDS;
}

/* Only what exists here has a row: known to libseccomp for this architecture, or given a number by
 * the profile. */
static int add_calls(struct seccomp_view *view, struct dd_err *err)
{
	view->calls = calloc(SECCOMP_NR_MAX, sizeof(*view->calls));
	if (!view->calls)
		return dd_err_set(err, ENOMEM, "seccomp profile %s", view->path);
	for (int nr = 0; nr < SECCOMP_NR_MAX; nr++) {
		view->names[nr] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
		const char *name = view->names[nr] ? view->names[nr]
		                                   : view->prof.calls[nr].new_name;
		if (!name)
			continue;
		struct seccomp_view_call *call = &view->calls[view->n_calls++];
		*call = (struct seccomp_view_call){ .name = name, .nr = nr };
		read_rules(view, nr, call);
	}
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct seccomp_view_call *)a)->name,
	              ((const struct seccomp_view_call *)b)->name);
}

static struct seccomp_view_call *seccomp_view_find_it(const struct seccomp_view *view,
                                                      const char *name)
{
	const struct seccomp_view_call key = { .name = name };
	return bsearch(&key, view->calls, view->n_calls, sizeof(key), compare_names);
}

/* The profile itself says whether the name may be added; a call that was allowed before keeps its
 * own reason. */
static int allow_extra(struct seccomp_view *view, const char *name, struct dd_err *err)
{
	int r = seccomp_profile_allow(view->path, name, &view->prof, err);
	struct seccomp_view_call *call = r < 0 ? NULL : seccomp_view_find_it(view, name);
	if (!call || call->answer == SECCOMP_ANSWER_ALLOW)
		return r;
	*call = (struct seccomp_view_call){ .name = call->name,
		                            .nr = call->nr,
		                            .answer = SECCOMP_ANSWER_ALLOW,
		                            .named = true,
		                            .why = why_extra };
	return 0;
}

/* The base stands beside the profile, as in seccomp_profile_load(). */
static bool name_files(struct seccomp_view *view, const char *path)
{
	const char *slash = strrchr(path, '/');
	view->path = strdup(path);
	if (asprintf(&view->base_path, "%.*s%s", slash ? (int)(slash - path) + 1 : 0, path,
	             view->prof.base) < 0)
		view->base_path = NULL;
	return view->path && view->base_path;
}

int seccomp_view_load(const char *path, const char *const *extra, struct seccomp_view **ret,
                      struct dd_err *err)
{
	__attribute__((cleanup(view_cleanup))) struct seccomp_view *view = calloc(1, sizeof(*view));
	if (!view)
		return dd_err_set(err, ENOMEM, "seccomp profile %s", path);
	int r = seccomp_profile_load(path, &view->prof, err);
	if (r < 0)
		return r;
	if (!name_files(view, path))
		return dd_err_set(err, ENOMEM, "seccomp profile %s", path);
	r = add_calls(view, err);
	if (r < 0)
		return r;
	qsort(view->calls, view->n_calls, sizeof(*view->calls), compare_names);
	for (size_t i = 0; extra && extra[i]; i++) {
		r = allow_extra(view, extra[i], err);
		if (r < 0)
			return r;
	}
	*ret = view;
	view = NULL;
	return 0;
}

size_t seccomp_view_count(const struct seccomp_view *view)
{
	return view->n_calls;
}

const struct seccomp_view_call *seccomp_view_at(const struct seccomp_view *view, size_t i)
{
	return i < view->n_calls ? &view->calls[i] : NULL;
}

const struct seccomp_view_call *seccomp_view_find(const struct seccomp_view *view, const char *name)
{
	return seccomp_view_find_it(view, name);
}
