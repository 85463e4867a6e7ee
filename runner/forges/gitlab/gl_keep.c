// SPDX-License-Identifier: Apache-2.0
/* gl_keep.c - see gl_keep.h.
 *
 * Runs in: the process of a job (planning), supervisor (command lines). Keys and patterns are the
 * job's: they are data in the store and arguments of a program, never text of a script. */
#include "gl_keep.h"

#include "gl_artifacts.h"
#include "job/job_cache.h"
#include "job/job_voice.h"
#include "model/places.h"

#include <ctype.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATTERN_ARGS_MAX = 1500, TRACKED_MAX = 16 * 1024 * 1024, SEGMENTS_MAX = 256 };

#define PROGRAM_DIR  PLACE_ACTIONS "/drydock"
#define TRACKED_PATH PLACE_SCRIPTS "/tracked"

/* ---- keys ---- */

static char *decoded(struct plan_arena *arena, const char *text)
{
	char *ret = arena_strdup(arena, text), *to = ret;
	for (const char *at = text; *at; at++) {
		bool dot = strncasecmp(at, "%2e", 3) == 0, slash = strncasecmp(at, "%2f", 3) == 0;
		*to++ = (char)(dot ? '.' : slash || *at == '\\' ? '/' : *at);
		at += dot || slash ? 2 : 0;
	}
	*to = '\0';
	return ret;
}

static size_t trimmed(const char *text)
{
	size_t len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	return len;
}

const char *gl_cache_key(struct plan_arena *arena, const char *text)
{
	char *rest = NULL, *parts[SEGMENTS_MAX];
	const char *ret = "";
	size_t n = 0;
	for (char *part = strtok_r(decoded(arena, text), "/", &rest); part;
	     part = strtok_r(NULL, "/", &rest)) {
		if (strcmp(part, "..") == 0)
			n -= n > 0;
		else if (strcmp(part, ".") != 0 && n < SEGMENTS_MAX)
			parts[n++] = part;
	}
	while (n > 0 && trimmed(parts[n - 1]) == 0)
		n--;
	if (n == 0)
		return NULL;
	parts[n - 1][trimmed(parts[n - 1])] = '\0';
	for (size_t i = 0; i < n; i++)
		ret = arena_printf(arena, "%s%s%s", ret, i ? "/" : "", parts[i]);
	return strlen(ret) <= JOB_CACHE_KEY_MAX ? ret : NULL;
}

static void note(struct gl_keep *keep, struct plan_arena *arena, const char *text)
{
	keep->notes = arena_grow(arena, keep->notes, keep->n_notes, sizeof(*keep->notes));
	keep->notes[keep->n_notes++] = text;
}

/* What ends so is what protected refs wrote, by GitLab's own rule for names. */
static bool says_protected(const char *key)
{
	static const char ending[] = "-protected";
	size_t len = strlen(key);
	while (len > 0 && (key[len - 1] == '.' || isspace((unsigned char)key[len - 1])))
		len--;
	return len >= sizeof(ending) - 1 &&
	       strncmp(key + len - (sizeof(ending) - 1), ending, sizeof(ending) - 1) == 0;
}

static void add_key(struct gl_cache_plan *c, const char *key)
{
	if (key && c->n_keys < GL_KEYS_MAX)
		c->keys[c->n_keys++] = key;
}

static int plan_cache(struct gl_keep *keep, const struct gl_job *job, const struct gl_cache *cache,
                      const struct pair *vars, size_t n_vars, struct plan_arena *arena,
                      struct dd_err *err)
{
	struct gl_cache_plan c = { .cache = cache };
	const char *policy = gl_expand_plain(arena, vars, n_vars, cache->policy);
	const char *text = gl_expand_plain(arena, vars, n_vars, cache->key);
	const char *last = gl_job_last(job, "CACHE_FALLBACK_KEY");
	policy = *policy ? policy : "pull-push";
	c.pull = strcmp(policy, "pull-push") == 0 || strcmp(policy, "pull") == 0;
	c.push = strcmp(policy, "pull-push") == 0 || strcmp(policy, "push") == 0;
	if (!c.pull && !c.push)
		return dd_err_say(err, EINVAL,
		                  "cache: its policy is pull, push or pull-push, not `%.60s`",
		                  policy);
	if (!*text)
		text = arena_printf(arena, "%s/%s", job->name, job->git.ref);
	add_key(&c, gl_cache_key(arena, text));
	if (c.n_keys == 0) {
		note(keep, arena,
		     arena_printf(arena,
		                  "cache: nothing is left of the key `%.100s`: this cache "
		                  "is neither restored nor kept",
		                  text));
		return 0;
	}
	for (size_t i = 0; i < cache->fallback_keys.n; i++)
		add_key(&c, gl_cache_key(arena, gl_expand_plain(arena, vars, n_vars,
		                                                cache->fallback_keys.items[i])));
	last = last && *last ? gl_cache_key(arena, gl_expand_plain(arena, vars, n_vars, last))
	                     : NULL;
	if (last && says_protected(last))
		note(keep, arena,
		     "CACHE_FALLBACK_KEY ends in -protected, which is GitLab's own ending, and is "
		     "not obeyed");
	else
		add_key(&c, last);
	keep->caches = arena_grow(arena, keep->caches, keep->n_caches, sizeof(*keep->caches));
	keep->caches[keep->n_caches++] = c;
	return 0;
}

/* ---- the program ---- */

static int find_program(struct gl_keep *keep, struct plan_arena *arena, struct dd_err *err)
{
	static const char gone[] = " (deleted)";
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n <= 0)
		return dd_err_set(err, errno, "find drydock's own program");
	path[n] = '\0';
	char *end = strstr(path, gone); /* a newer one lies there now */
	if (end && !end[sizeof(gone) - 1])
		*end = '\0';
	const char *name = basename(arena_strdup(arena, path));
	const char *dir = dirname(arena_strdup(arena, path));
	keep->shown = (struct recipe_shown){ .source = dir, .target = PROGRAM_DIR, .digest = dir };
	keep->program = arena_printf(arena, PROGRAM_DIR "/%s", name);
	return 0;
}

int gl_keep_make(const struct gl_job *job, const char *url, const struct pair *vars, size_t n_vars,
                 struct plan_arena *arena, struct gl_keep *ret, struct dd_err *err)
{
	int r = 0;
	*ret = (struct gl_keep){ .version = arena_printf(arena, "gitlab zip %.300s", url) };
	for (size_t i = 0; r == 0 && i < job->n_caches; i++)
		r = plan_cache(ret, job, &job->caches[i], vars, n_vars, arena, err);
	if (r == 0 && (ret->n_caches || job->n_dependencies))
		r = find_program(ret, arena, err);
	return r;
}

void gl_keep_recipe(const struct gl_keep *keep, const char *name, const char *verb,
                    struct plan_arena *arena, struct recipe *ret)
{
	const char **argv = arena_array(arena, 4, sizeof(*argv));
	argv[0] = keep->program;
	argv[1] = "in-step";
	argv[2] = verb;
	*ret = (struct recipe){ .name = name,
		                .argv = argv,
		                .shown = &keep->shown,
		                .n_shown = 1,
		                .workdir = PLACE_WORKSPACE };
}

/* ---- what a step has to do ---- */

const char *const *gl_unpack_argv(const struct gl_keep *keep, struct plan_arena *arena,
                                  const struct gl_region *regions, size_t n, uint64_t bytes_max)
{
	const char **argv = arena_array(arena, 5 + 2 * n, sizeof(*argv));
	size_t k = 0;
	argv[k++] = keep->program;
	argv[k++] = "in-step";
	argv[k++] = "unpack";
	argv[k++] = arena_printf(arena, "%llu", (unsigned long long)bytes_max);
	for (size_t i = 0; i < n; i++) {
		argv[k++] = arena_printf(arena, "%llu", (unsigned long long)regions[i].at);
		argv[k++] = arena_printf(arena, "%llu", (unsigned long long)regions[i].len);
	}
	return argv;
}

struct tracked_list {
	char *bytes;
	size_t len, cap;
};

static int add_tracked(void *arg, const char *path, uint64_t size, const char *sha256, bool tracked)
{
	struct tracked_list *t = arg;
	size_t n = strlen(path) + 1;
	(void)size;
	(void)sha256;
	if (!tracked)
		return 0;
	if (t->len + n > TRACKED_MAX)
		return -E2BIG;
	if (t->len + n > t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 65536;
		cap = cap < t->len + n ? t->len + n : cap;
		char *more = realloc(t->bytes, cap);
		if (!more)
			return -ENOMEM;
		t->bytes = more;
		t->cap = cap;
	}
	memcpy(t->bytes + t->len, path, n);
	t->len += n;
	return 0;
}

static int list_tracked(struct gl_keep *keep, struct plan_arena *arena, const struct job *job,
                        struct dd_err *err)
{
	struct tracked_list t = { .bytes = NULL };
	int r = job_voice_files(job, add_tracked, &t);
	if (r == 0) {
		char *own = arena_alloc(arena, t.len + 1);
		if (t.len)
			memcpy(own, t.bytes, t.len);
		keep->tracked = (struct recipe_file){ TRACKED_PATH, own, t.len };
	}
	free(t.bytes);
	return r == 0 ? 0
	              : dd_err_say(err, -r,
	                           "`untracked` takes names of at most %d bytes in all that git "
	                           "knows",
	                           TRACKED_MAX);
}

/* As GitLab's runner calls them; "10": as zlib likes best. */
static const char *level_of(const char *text)
{
	static const char *const levels[][2] = {
		{ "fastest", "0" }, { "fast", "1" }, { "slow", "7" }, { "slowest", "9" }
	};
	for (size_t i = 0; text && i < ARRAY_LEN(levels); i++)
		if (strcmp(levels[i][0], text) == 0)
			return levels[i][1];
	return "10";
}

static const char *value_of(const struct pair *vars, size_t n, const char *name)
{
	for (size_t i = n; i-- > 0;)
		if (strcmp(vars[i].name, name) == 0)
			return vars[i].value;
	return NULL;
}

int gl_pack_argv(struct gl_keep *keep, struct plan_arena *arena, const struct gl_cache *cache,
                 const struct job *job, const struct pair *vars, size_t n_vars, uint64_t bytes_max,
                 const char *const **ret, struct dd_err *err)
{
	const char **argv = arena_array(arena, PATTERN_ARGS_MAX + 1, sizeof(*argv));
	size_t k = 0;
	int r = cache->untracked ? list_tracked(keep, arena, job, err) : 0;
	if (r < 0)
		return r;
	argv[k++] = keep->program;
	argv[k++] = "in-step";
	argv[k++] = "pack";
	argv[k++] = arena_printf(arena, "%llu", (unsigned long long)bytes_max);
	argv[k++] = level_of(value_of(vars, n_vars, "CACHE_COMPRESSION_LEVEL"));
	argv[k++] = cache->untracked ? TRACKED_PATH : "-";
	for (size_t i = 0; i < cache->paths.n; i++) {
		const char *globs[GL_GLOBS_MAX];
		const char *text = gl_expand_plain(arena, vars, n_vars, cache->paths.items[i]);
		size_t n = gl_globs(arena, text, globs);
		if (k + n + 1 > PATTERN_ARGS_MAX)
			return dd_err_say(err, E2BIG, "its `paths` are more than %d patterns",
			                  PATTERN_ARGS_MAX);
		argv[k++] = arena_printf(arena, ":%.300s%s", text,
		                         n ? "" : " (outside of the project, or no pattern)");
		for (size_t g = 0; g < n; g++)
			argv[k++] = globs[g];
	}
	*ret = argv;
	return 0;
}
