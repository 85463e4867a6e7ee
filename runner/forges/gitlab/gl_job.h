// SPDX-License-Identifier: Apache-2.0
/* gl_job.h - a GitLab job's message, bounded and judged once: past gl_job_parse() nobody looks at
 * its shape with suspicion again. Every text in it stays hostile.
 */
#ifndef RUNNER_GL_JOB_H
#define RUNNER_GL_JOB_H

#include "base/arena.h"
#include "drydock/err.h"
#include "model/event.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	GL_VARIABLES_MAX = 3000,
	GL_STEPS_MAX = 50,
	GL_ELEMENTS_MAX = 900, /* of all scripts together */
	GL_TEXT_MAX = 1024 * 1024,
	GL_TIMEOUT_DEFAULT_SEC = 7200,
	GL_ARTIFACTS_MAX = 50,
	GL_CACHES_MAX = 20,
	GL_DEPENDENCIES_MAX = 1000,
};

struct gl_var {
	const char *key, *value;
	bool is_public, masked, file, raw;
};

struct gl_step {
	const char *name; /* "script", "release", "after_script" */
	const char *const *script;
	size_t n_script;
};

struct gl_texts {
	const char *const *items;
	size_t n;
};

/* One upload: the archive, or a report. */
struct gl_artifact {
	const char *name, *when, *expire_in, *type, *format;
	struct gl_texts paths, exclude;
	bool untracked;
};

/* Of `cache:`. The server has put its own endings onto the key. */
struct gl_cache {
	const char *key, *policy, *when;
	struct gl_texts paths, fallback_keys;
	bool untracked;
};

/* Another job whose archive is unpacked before the script. */
struct gl_dependency {
	long long id;
	const char *name;
	long long size; /* as the server says; 0: it does not */
};

struct gl_git {
	const char *repo_url, *ref, *sha, *before_sha, *ref_type, *object_format;
	struct gl_texts refspecs;
	long long depth;
	bool protected_ref;
};

struct gl_job {
	long long id;
	const char *token;
	bool allow_git_fetch;
	const char *name, *stage, *project;
	long long project_id, pipeline_id;
	double queued_sec; /* negative: the server does not say */
	struct gl_git git;
	unsigned timeout_sec;
	const struct gl_var *vars; /* as they came: a name may stand there twice */
	size_t n_vars;
	const struct gl_step *steps;
	size_t n_steps;
	const char *image; /* NULL: none */
	struct gl_texts services;
	bool has_run, has_secrets, has_hooks;
	const struct gl_artifact *artifacts;
	size_t n_artifacts;
	const struct gl_cache *caches;
	size_t n_caches;
	const struct gl_dependency *dependencies; /* those that have files */
	size_t n_dependencies;
	bool trace_sections;
	struct gl_texts prefixes, failure_reasons;
};

/* -EINVAL: it cannot be used, and @err says why in words for whoever wrote the job; what of @ret is
 * filled in (id, token) is good. Fuzzed. */
int gl_job_parse(struct plan_arena *arena, const char *text, size_t len, struct gl_job *ret,
                 struct dd_err *err);

/* The value of the first variable of that name, as the server put it before anything of the
 * job's; NULL: there is none. */
const char *gl_job_first(const struct gl_job *job, const char *key);
/* Of the last one: what counts. */
const char *gl_job_last(const struct gl_job *job, const char *key);
/* Why it runs, by the forge's own word: what can be overridden in a job file does not count. */
void gl_job_event(const struct gl_job *job, struct event_facts *ret);
/* 1 t T true True TRUE. */
bool gl_is_true(const char *text);

#endif
