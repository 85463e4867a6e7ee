// SPDX-License-Identifier: Apache-2.0
/* gl_sources.h - the step that fetches the sources: git in a sandbox of its own, which reaches the
 * GitLab and nothing else and holds the job's token for git alone. */
#ifndef RUNNER_GL_SOURCES_H
#define RUNNER_GL_SOURCES_H

#include "gl_job.h"
#include "model/job_spec.h"

#define GL_CA_PATH "/run/drydock/step/ca.pem"

enum gl_strategy { GL_SOURCES_NONE = 0, GL_SOURCES_FETCH };

struct gl_sources {
	enum gl_strategy strategy;
	struct spec_forge forge;
	struct recipe recipe;
	struct recipe_file file; /* authorities */
	const char *alias_name; /* "localhost:8443": what git calls a forge on this host, or NULL */
	struct pair env[10];
	struct env_layer layer;
	const char *notes[8]; /* what of the job's wishes is not done */
	size_t n_notes;
};

/* @url: of the GitLab, as registered. @authorities: one file's bytes with all that are trusted, or
 * NULL. -EINVAL: the job asks for what cannot be fetched; @err says what. Pure. */
int gl_sources_make(const struct gl_job *job, const char *url, const char *authorities, size_t len,
                    struct plan_arena *arena, struct gl_sources *ret, struct dd_err *err);

#endif
