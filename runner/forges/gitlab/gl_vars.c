// SPDX-License-Identifier: Apache-2.0
/* gl_vars.c - assembles and expands the variables of a job, and takes the secrets out.
 *
 * Runs in: the process of a job. A secret is what is masked, a file, not public, holds the job's
 * token, or was expanded from one of those: GitLab hands all of them over at once, and what a
 * runner can do is to withhold them (docs/gitlab.md). */
#include "gl_vars.h"

#include "base/version.h"
#include "model/places.h"

#include <ctype.h>
#include <string.h>
#include <sys/mman.h>

enum { EXPANDED_MAX = 4 * 1024 * 1024 };

static bool is_secret(const struct gl_var *v)
{
	return v->masked || v->file || !v->is_public;
}

/* ---- expansion ---- */

static const struct gl_var *last_of(const struct gl_var *vars, size_t n, const char *key,
                                    size_t len)
{
	while (n-- > 0)
		if (strncmp(vars[n].key, key, len) == 0 && !vars[n].key[len])
			return &vars[n];
	return NULL;
}

static bool is_name_char(char c, bool first)
{
	return c == '_' || isalpha((unsigned char)c) || (!first && isdigit((unsigned char)c));
}

/* The name behind a `$` at @at; 0: there is none. @ret_whole: bytes that the reference takes. */
static size_t name_at(const char *at, const char **ret_name, size_t *ret_whole)
{
	size_t n = 0;
	bool braces = at[1] == '{';
	const char *name = at + 1 + braces;
	while (is_name_char(name[n], n == 0))
		n++;
	*ret_name = name;
	*ret_whole = 1 + (size_t)braces * 2 + n;
	return braces && name[n] != '}' ? 0 : n;
}

static const char *value_of(struct plan_arena *arena, const struct gl_var *v)
{
	return v->file ? arena_printf(arena, PLACE_TEMP "/%s", v->key) : v->value;
}

char *gl_expand(struct plan_arena *arena, const struct gl_var *vars, size_t n, const char *value,
                bool *ret_secret)
{
	size_t cap = strlen(value) + 1, len = 0;
	char *out = arena_alloc(arena, cap);
	while (*value && len < EXPANDED_MAX) {
		const char *name, *add = value;
		size_t whole = 1, add_len = 1, name_len;
		if (*value == '$' && value[1] == '$') {
			whole = 2;
		} else if (*value == '$' && (name_len = name_at(value, &name, &whole)) > 0) {
			const struct gl_var *v = last_of(vars, n, name, name_len);
			add = v ? value_of(arena, v) : "";
			add_len = strlen(add);
			/* the place of a file is no secret */
			*ret_secret = *ret_secret || (v && is_secret(v) && !v->file);
		} else if (*value == '$' && value[1] && strchr("0123456789*#@!?", value[1])) {
			whole = 2;
			add_len = 0;
		} else {
			whole = 1;
		}
		if (len + add_len + 1 > cap) {
			char *more = arena_alloc(arena, cap = 2 * (len + add_len + 1));
			memcpy(more, out, len);
			out = more;
		}
		memcpy(out + len, add, add_len);
		len += add_len;
		value += whole;
	}
	out[len] = '\0';
	return out;
}

/* ---- assembly ---- */

struct assembly {
	struct plan_arena *arena;
	struct gl_var *vars;
	size_t n;
};

static void put(struct assembly *a, const char *key, const char *value)
{
	a->vars[a->n++] = (struct gl_var){ .key = key, .value = value, .is_public = true };
}

enum { OWN_VARIABLES = 20 };

static void assemble(struct assembly *a, const struct gl_job *job,
                     const struct gl_runner_facts *facts)
{
	a->vars = arena_array(a->arena, job->n_vars + OWN_VARIABLES, sizeof(*a->vars));
	if (job->image)
		put(a, "CI_JOB_IMAGE", job->image);
	put(a, "CI_RUNNER_SHORT_TOKEN", facts->short_token);
	put(a, "CI_BUILDS_DIR", "/");
	put(a, "CI_PROJECT_DIR", PLACE_WORKSPACE);
	put(a, "CI_CONCURRENT_ID", "0");
	put(a, "CI_CONCURRENT_PROJECT_ID", "0");
	put(a, "CI_SERVER", "yes");
	put(a, "CI_JOB_TIMEOUT", arena_printf(a->arena, "%u", job->timeout_sec));
	for (size_t i = 0; i < job->n_vars; i++)
		if (strncmp(job->vars[i].key, "FF_", 3) != 0)
			a->vars[a->n++] = job->vars[i];
	put(a, "CI_DISPOSABLE_ENVIRONMENT", "true");
	put(a, "CI_RUNNER_VERSION", drydock_version());
	put(a, "CI_RUNNER_REVISION", drydock_version());
	put(a, "CI_RUNNER_EXECUTABLE_ARCH", "linux/amd64");
	put(a, "RUNNER_TEMP_PROJECT_DIR", PLACE_TEMP);
}

static bool holds_token(const struct gl_job *job, const char *value)
{
	return *job->token && strstr(value, job->token);
}

static int secret_room(int sharing, size_t len, char **ret, struct dd_err *err)
{
	void *room = mmap(NULL, len, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
	if (room == MAP_FAILED)
		return dd_err_set(err, errno, "memory for the secrets of the job");
	(void)madvise(room, len, MADV_DONTDUMP);
	*ret = room;
	return 0;
}

static struct lease_forge_secret keep(char **at, const char *name, const char *value)
{
	size_t len = strlen(value);
	struct lease_forge_secret one = { name, *at, len };
	memcpy(*at, value, len + 1);
	*at += len + 1;
	return one;
}

/* One value that came out of expansion, on its way to one of the three lists. */
struct expanded {
	const struct gl_var *var;
	char *value;
	bool secret;
};

int gl_vars_make(const struct gl_job *job, const struct gl_runner_facts *facts,
                 struct plan_arena *arena, struct gl_vars *ret, struct dd_err *err)
{
	struct assembly a = { .arena = arena };
	size_t n = 0, room = 2 * (strlen(job->token) + 1);
	assemble(&a, job, facts);
	struct expanded *all = arena_array(arena, a.n, sizeof(*all));
	for (size_t i = 0; i < a.n; i++) {
		const struct gl_var *v = &a.vars[i];
		if (last_of(a.vars, a.n, v->key, strlen(v->key)) != v)
			continue;
		struct expanded *one = &all[n++];
		*one = (struct expanded){ .var = v, .secret = is_secret(v) };
		one->value = v->raw || v->file
		                     ? arena_strdup(arena, v->value)
		                     : gl_expand(arena, a.vars, a.n, v->value, &one->secret);
		one->secret = one->secret || holds_token(job, one->value);
		room += one->secret ? strlen(one->value) + 1 : 0;
	}
	*ret = (struct gl_vars){ .plain = arena_array(arena, n + 1, sizeof(*ret->plain)),
		                 .secrets = arena_array(arena, n + 2, sizeof(*ret->secrets)),
		                 .masked = arena_array(arena, n + 1, sizeof(*ret->masked)) };
	ret->secret_len = room;
	int r = secret_room(MAP_PRIVATE, room, &ret->secret_memory, err);
	if (r == 0)
		r = secret_room(MAP_SHARED, room, &ret->masked_memory, err);
	if (r < 0)
		return r;
	char *at = ret->secret_memory, *masked_at = ret->masked_memory;
	ret->masked[ret->n_masked++] = keep(&masked_at, "CI_JOB_TOKEN", job->token);
	ret->secrets[ret->n_secrets++] = keep(&at, GL_TOKEN_NAME, job->token);
	for (size_t i = 0; i < n; i++) {
		if (!all[i].secret) {
			ret->plain[ret->n_plain++] = (struct pair){ .name = all[i].var->key,
				                                    .value = all[i].value };
			continue;
		}
		ret->secrets[ret->n_secrets++] = keep(&at, all[i].var->key, all[i].value);
		if (all[i].var->masked)
			ret->masked[ret->n_masked++] = keep(&masked_at, all[i].var->key,
			                                    all[i].value);
		explicit_bzero(all[i].value, strlen(all[i].value));
	}
	return 0;
}

void gl_vars_wipe(struct gl_vars *vars, bool masked)
{
	if (vars->secret_memory)
		explicit_bzero(vars->secret_memory, vars->secret_len);
	if (masked && vars->masked_memory)
		explicit_bzero(vars->masked_memory, vars->secret_len);
}
