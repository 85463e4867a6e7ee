// SPDX-License-Identifier: Apache-2.0
/* job_voice.h - what a job's script may say and ask besides its orders: to those who listen, to the
 * record, to the mask.
 *
 * The job is handed to a script by job_script.begins() and lives until the last call of the script
 * has returned. Called in the supervisor only. Every text may be hostile: what is told is masked
 * and escaped on its way.
 */
#ifndef RUNNER_JOB_VOICE_H
#define RUNNER_JOB_VOICE_H

#include "job_sink.h"

struct job;

/* A sentence of the front end's. @grant: the written step that it is about, from 1; 0: the job. */
__attribute__((format(printf, 4, 5))) void job_voice_note(const struct job *job, unsigned grant,
                                                          enum sink_level level, const char *fmt,
                                                          ...);

/* From now on no line of the job shows @value. -EINVAL: too short or too long for that; -E2BIG: too
 * many of them. */
int job_voice_mask(struct job *job, const char *value, size_t len, struct dd_err *err);
/* What stands in the place of masked values, as people know it from the forge; static text. */
void job_voice_mask_word(struct job *job, const char *word);
/* The same from within the script's said(), while the step prints: from its next line on. */
int job_voice_mask_said(struct job *job, const char *value, size_t len, struct dd_err *err);
/* Would anything of @text be masked? True also when nobody can tell. */
bool job_voice_is_masked(const struct job *job, const char *text, size_t len);

/* Record that `secrets.@name` is empty for a step that names it. */
int job_voice_secret_absent(struct job *job, unsigned grant, const char *name, const char *why,
                            struct dd_err *err);

/* A step that was not run, and whose turn is over: its condition did not hold, or something failed
 * before it. @stage: of one that the written step @grant brought, as in recipe.h; NULL: it is that
 * step itself. @failed: that counts as its failure. */
int job_voice_not_run(struct job *job, unsigned grant, const char *name, const char *stage,
                      bool failed, const char *why, struct dd_err *err);
/* What ended last of the written step @grant failed, and continue-on-error lets that pass. */
void job_voice_forgiven(const struct job *job, unsigned grant);
/* A variable, or an entry of PATH, that the written step @from left and the more trusted @grant
 * does not get. */
int job_voice_withheld(struct job *job, unsigned grant, bool is_path, const char *name,
                       const char *reason, unsigned from, struct dd_err *err);

/* Something that a step, or a tool in it, says about a file. Nothing in it is clean. */
struct voice_annotation {
	const char *level;                           /* "notice", "warning", "error" */
	const char *title, *code, *file, *message;   /* but for message: NULL where there is none */
	unsigned line, end_line, column, end_column; /* 0: not known */
};
int job_voice_annotation(struct job *job, unsigned grant, const struct voice_annotation *what,
                         struct dd_err *err);

/* What a step wrote for people to read when the job is over. Shown and recorded. */
int job_voice_summary(struct job *job, unsigned grant, const char *text, size_t len,
                      struct dd_err *err);

/* The bytes of the file at @path, as the step at hand sees it, at most @max of them; the caller
 * frees them. From within said() only: the step may be changing it. -ENXIO: it is in none of the
 * job's directories. */
int job_voice_file(const struct job *job, const char *path, size_t max, char **ret, size_t *ret_len,
                   struct dd_err *err);
/* Is there such a regular file now? */
bool job_voice_has_file(const struct job *job, const char *path);

/* Every regular file of the workspace as it stood when the step that ran last had ended. @tracked:
 * it came with the sources. @fn may stop by returning non-zero, which is returned. */
typedef int (*job_voice_file_fn)(void *arg, const char *path, uint64_t size, const char *sha256,
                                 bool tracked);
int job_voice_files(const struct job *job, job_voice_file_fn fn, void *arg);
/* Copy one of them to the same path below @to_fd, if it still is what its digest says, and record
 * it as an artifact. */
int job_voice_take(struct job *job, const char *path, uint64_t size, const char *sha256, int to_fd,
                   struct dd_err *err);

/* hashFiles (tree/hash_files.h) over the workspace as @grant sees it, in a process of its own and
 * at most two minutes long. @follow: links to directories, too. */
int job_voice_hash(const struct job *job, unsigned grant, const char *const *patterns, size_t n,
                   bool follow, char ret_hex[65], struct dd_err *err);

/* The file @path of the workspace as @grant sees it: a regular one that is reached without links,
 * at most @max bytes. Heap, NUL-terminated. -ENOENT: it is not there; otherwise @err says why it is
 * not taken. */
int job_voice_read(const struct job *job, unsigned grant, const char *path, size_t max, char **ret,
                   size_t *ret_len, struct dd_err *err);

#endif
