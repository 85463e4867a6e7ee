// SPDX-License-Identifier: Apache-2.0
/* job_voice.c - see job_voice.h. Runs in: supervisor. */
#include "job_voice.h"

#include "job.h"
#include "input/read_file.h"
#include "lease/mask_text.h"
#include "record/event_write.h"
#include "model/places.h"
#include "step_run.h"
#include "tree/hash_apart.h"

#include "base/url_strip.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SAID_MAX = 1900, WHY_MAX = 500, SUMMARY_SHOWN_MAX = 100, HASH_MS = 120 * 1000 };

void job_voice_note(const struct job *job, unsigned grant, enum sink_level level, const char *fmt,
                    ...)
{
	char text[SAID_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (grant)
		sink_note(&job->sinks, NULL, level, "step %u: %s", grant, text);
	else
		sink_note(&job->sinks, NULL, level, "%s", text);
}

int job_voice_mask(struct job *job, const char *value, size_t len, struct dd_err *err)
{
	return mask_add(job->mask, value, len, err);
}

void job_voice_mask_word(struct job *job, const char *word)
{
	mask_word(job->mask, word);
}

int job_voice_mask_said(struct job *job, const char *value, size_t len, struct dd_err *err)
{
	return step_run_mask(job, value, len, err);
}

bool job_voice_is_masked(const struct job *job, const char *text, size_t len)
{
	return mask_holds(job->mask) && mask_would_change(job->mask, text, len);
}

int job_voice_not_run(struct job *job, unsigned grant, const char *name, const char *stage,
                      bool failed, const char *why, struct dd_err *err)
{
	const struct grant *of = &job->plan->grants[grant - 1];
	char clean[WHY_MAX];
	dd_auto_free char *shown = url_strip_dup(name);

	if (!shown)
		return dd_err_set(err, ENOMEM, "record a step that is not run");
	(void)snprintf(clean, sizeof(clean), "%s", why);
	mask_text(job->mask, clean, sizeof(clean));
	const struct facts_not_run facts = { .id = of->id,
		                             .name = shown,
		                             .outcome = failed ? "failure" : "skipped",
		                             .stage = stage,
		                             .why = clean };
	job_voice_note(job, grant, failed ? SINK_WARN : SINK_NOTE, "%s: %s: %s",
	               failed ? "failed before it began" : "skipped", name, why);
	char named[WHY_MAX];
	(void)snprintf(named, sizeof(named), "%s", shown);
	mask_text(job->mask, named, sizeof(named));
	if (!stage)
		sink_not_run(&job->sinks, of, named, failed, clean);
	return record_step_not_run(job->rec, of->ref, of->phase, &facts, err);
}

void job_voice_forgiven(const struct job *job, unsigned grant)
{
	job_voice_note(job, grant, SINK_NOTE,
	               "it failed, and continue-on-error lets the job go on");
	sink_forgiven(&job->sinks, &job->plan->grants[grant - 1]);
}

int job_voice_withheld(struct job *job, unsigned grant, bool is_path, const char *name,
                       const char *reason, unsigned from, struct dd_err *err)
{
	const struct grant *of = &job->plan->grants[grant - 1];
	char clean[WHY_MAX];

	(void)snprintf(clean, sizeof(clean), "%s", name);
	mask_text(job->mask, clean, sizeof(clean));
	const struct facts_withheld facts = { .kind = is_path ? "path" : "env",
		                              .name = clean,
		                              .why = reason,
		                              .from = job->plan->grants[from - 1].ref };
	job_voice_note(job, grant, SINK_WARN,
	               "%s %s of step %u does not reach this step, which is trusted more: %s; to "
	               "allow it, write in %s: phases.push.carry: { %s: [ \"%s\" ] }",
	               is_path ? "PATH entry" : "variable", clean, from, reason,
	               job->plan->policy_path ? job->plan->policy_path : "a policy",
	               is_path ? "path" : "env", clean);
	return record_env_withheld(job->rec, of->ref, of->phase, &facts, err);
}

int job_voice_secret_absent(struct job *job, unsigned grant, const char *name, const char *why,
                            struct dd_err *err)
{
	const struct grant *of = &job->plan->grants[grant - 1];
	char clean[WHY_MAX];

	(void)snprintf(clean, sizeof(clean), "%s", name);
	mask_text(job->mask, clean, sizeof(clean));
	return record_cred_absent(job->rec, of->ref, of->phase,
	                          &(struct facts_lease){ .name = clean, .result = why }, err);
}

static int64_t known(unsigned n)
{
	return n ? (int64_t)n : FACTS_ABSENT;
}

int job_voice_annotation(struct job *job, unsigned grant, const struct voice_annotation *what,
                         struct dd_err *err)
{
	const struct grant *of = &job->plan->grants[grant - 1];
	const char *texts[] = { what->title, what->file, what->message, what->code };
	char clean[ARRAY_LEN(texts)][2 * WHY_MAX];

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		(void)snprintf(clean[i], sizeof(clean[i]), "%s", texts[i] ? texts[i] : "");
		mask_text(job->mask, clean[i], sizeof(clean[i]));
	}
	const struct facts_annotation facts = { .level = what->level,
		                                .title = what->title ? clean[0] : NULL,
		                                .file = what->file ? clean[1] : NULL,
		                                .message = clean[2],
		                                .code = what->code ? clean[3] : NULL,
		                                .line = known(what->line),
		                                .end_line = known(what->end_line),
		                                .column = known(what->column),
		                                .end_column = known(what->end_column) };
	struct voice_annotation told = *what;
	told.title = what->title ? clean[0] : NULL;
	told.file = what->file ? clean[1] : NULL;
	told.message = clean[2];
	told.code = what->code ? clean[3] : NULL;
	sink_annotation(&job->sinks, of, &told);
	return record_annotation(job->rec, of->ref, of->phase, &facts, err);
}

static void show_summary(const struct job *job, unsigned grant, const char *text)
{
	unsigned lines = 0;
	for (const char *at = text; *at; lines++) {
		size_t n = strcspn(at, "\n");
		if (lines == SUMMARY_SHOWN_MAX) {
			job_voice_note(job, grant, SINK_NOTE,
			               "the rest of its summary is in the record");
			return;
		}
		job_voice_note(job, grant, SINK_NOTE, "summary: %.*s", (int)n, at);
		at += n + (at[n] == '\n');
	}
}

int job_voice_summary(struct job *job, unsigned grant, const char *text, size_t len,
                      struct dd_err *err)
{
	const struct grant *of = &job->plan->grants[grant - 1];
	size_t kept = len < FACTS_TEXT_MAX - 1 ? len : FACTS_TEXT_MAX - 1;
	dd_auto_free char *clean = calloc(1, kept + 8);

	if (!clean)
		return dd_err_set(err, ENOMEM, "keep a summary");
	for (size_t i = 0; i < kept; i++)
		clean[i] = (char)(text[i] ? text[i] : ' ');
	mask_text(job->mask, clean, kept + 8);
	show_summary(job, grant, clean);
	sink_summary(&job->sinks, of, clean, strlen(clean));
	const struct facts_summary facts = { .text = clean,
		                             .bytes = (int64_t)len,
		                             .cut = kept < len };
	return record_step_summary(job->rec, of->ref, of->phase, &facts, err);
}

int job_voice_file(const struct job *job, const char *path, size_t max, char **ret, size_t *ret_len,
                   struct dd_err *err)
{
	dd_auto_fd int fd = step_run_open(job, path, err);
	dd_auto_free char *bytes = fd < 0 ? NULL : malloc(max + 1);
	size_t len = 0;

	if (fd < 0)
		return fd;
	if (!bytes)
		return dd_err_set(err, ENOMEM, "read a file of the step");
	while (len <= max) {
		ssize_t n = read(fd, bytes + len, max + 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dd_err_say(err, errno, "%s", strerrordesc_np(errno));
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > max)
		return dd_err_say(err, E2BIG, "it has more than %zu bytes", max);
	*ret = bytes;
	*ret_len = len;
	bytes = NULL;
	return 0;
}

bool job_voice_has_file(const struct job *job, const char *path)
{
	dd_auto_fd int fd = step_run_open(job, path, NULL);
	return fd >= 0;
}

/* A push step that does not share the workspace sees the checkout as it was fetched. */
static int tree_of(const struct job *job, unsigned grant)
{
	const struct grant *of = grant ? &job->plan->grants[grant - 1] : NULL;
	bool own = of && of->phase == DD_PHASE_PUSH && of->terms->view != WORKSPACE_SHARED;
	return own && job->tree.pristine_fd >= 0 ? job->tree.pristine_fd : job->tree.work_fd;
}

int job_voice_hash(const struct job *job, unsigned grant, const char *const *patterns, size_t n,
                   bool follow, char ret_hex[65], struct dd_err *err)
{
	const struct hash_files what = {
		.root_path = PLACE_WORKSPACE, .patterns = patterns, .n = n, .follow = follow
	};
	return tree_hash_apart(tree_of(job, grant), &what, HASH_MS, ret_hex, err);
}

/* Commit content, or what a step made of it. */
static int open_beneath(int dir, const char *path, struct dd_err *err)
{
	const struct open_how how = { .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		                      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
		                                 RESOLVE_NO_MAGICLINKS };
	long fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));

	if (fd >= 0)
		return (int)fd;
	if (errno == ELOOP)
		return dd_err_say(err, ELOOP, "%.200s is a symbolic link, or lies behind one",
		                  path);
	return errno == ENOENT || errno == ENOTDIR ? -ENOENT
	                                           : dd_err_set(err, errno, "open %.200s", path);
}

int job_voice_read(const struct job *job, unsigned grant, const char *path, size_t max, char **ret,
                   size_t *ret_len, struct dd_err *err)
{
	const struct grant *of = &job->plan->grants[grant - 1];

	if (of->phase == DD_PHASE_PUSH && of->terms->view == WORKSPACE_ARTIFACTS)
		return dd_err_say(err, EACCES,
		                  "%.200s: a push step with `workspace: artifacts` has no checkout",
		                  path);
	dd_auto_fd int fd = open_beneath(tree_of(job, grant), path, err);
	return fd < 0 ? fd : read_fd_bounded(fd, path, max, ret, ret_len, err);
}

/* ---- files of the workspace ---- */

struct voice_files {
	const struct job *job;
	job_voice_file_fn fn;
	void *arg;
};

static int one_file(void *arg, enum manifest_change what, const char *path, uint64_t size,
                    const char *sha256)
{
	const struct voice_files *f = arg;
	const char *found;
	(void)what;
	if (manifest_find(f->job->tree.now, path, &found, &size) < 0) /* no regular file */
		return 0;
	return f->fn(f->arg, path, size, sha256, tracked_has(f->job->tree.tracked, path));
}

int job_voice_files(const struct job *job, job_voice_file_fn fn, void *arg)
{
	struct voice_files f = { job, fn, arg };
	return manifest_each(job->tree.now, one_file, &f);
}

int job_voice_take(struct job *job, const char *path, uint64_t size, const char *sha256, int to_fd,
                   struct dd_err *err)
{
	int r = artifact_copy(job->tree.work_fd, to_fd, path, sha256,
	                      (struct tree_owner){ .change = false }, err);
	if (r < 0)
		return r;
	return record_artifact(
		job->rec, NULL,
		&(struct facts_artifact){ .path = path, .size = (int64_t)size, .sha256 = sha256 },
		err);
}
