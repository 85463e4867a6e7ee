// SPDX-License-Identifier: Apache-2.0
/* job_keep.c - copies what a failed step left to where the caller can look at it.
 *
 * Runs in: supervisor; job_keep_look() in the process that becomes the keeper. The trees are
 * hostile: they are read through tree/ only, beneath their root, following nothing. Order: copy
 * under a name that begins with a dot, take every granted value out of the copy, and only then give
 * it its name. What cannot be searched for credentials is not kept.
 */
#include "job_keep.h"

#include "job_tree.h"

#include "base/interrupt.h"
#include "base/size_text.h"
#include "base/text_escape.h"
#include "drydock/fd.h"
#include "grant/step_env.h"
#include "input/key_table.h"
#include "lease/mask_text.h"
#include "tree/holes.h"
#include "tree/tree_copy.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

enum { WITHIN_MS = 120000, CHUNK = 8192 };

struct keeping {
	struct job *job;
	const struct job_step *step;
	int fd; /* STATE/keep/RUN/.LABEL */
	uint64_t bytes, skipped, too_large, masked;
	struct mask_stream *mask; /* NULL: no value was ever granted in this job */
};

void job_keep_place(const struct job *job, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s/%s", job->dirs.keep, job->dirs.run);
}

static int enter(int at, const char *name, int *ret, struct dd_err *err)
{
	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return dd_err_set(err, errno, "make directory %s", name);
	*ret = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret < 0 || fchmod(*ret, 0700) < 0)
		return dd_err_set(err, errno, "open directory %s", name);
	return 0;
}

/* What the copy of each is called. */
static const char *const part_names[STEP_PLACE__COUNT] = {
	[STEP_WORK] = "work", [STEP_HOME] = "home", [STEP_TOOLS] = "tools",
	[STEP_TEMP] = "temp", [STEP_TMP] = "tmp",   [STEP_VAR_TMP] = "var-tmp",
};

/* ---- no credential stays ---- */

static int count_out(void *arg, const char *bytes, size_t len)
{
	uint64_t *n = arg;
	(void)bytes;
	*n += len;
	return 0;
}

/* Every value has more bytes than the three stars that replace it: what comes out shorter held one.
 */
static bool text_holds_value(struct keeping *k, const char *text, size_t len)
{
	uint64_t out = 0;
	return mask_feed(k->mask, text, len, count_out, &out) != 0 ||
	       mask_flush(k->mask, count_out, &out) != 0 || out != len;
}

/* 1: it does; 0; -errno: it cannot be said. */
static int file_holds_value(struct keeping *k, int fd, const struct stat *st)
{
	char buf[CHUNK];
	uint64_t in = 0, out = 0, size = (uint64_t)st->st_size;
	int r = 0;

	for (uint64_t at = 0, data, end; r == 0 && at < size; at = end) {
		file_next_data(fd, file_is_sparse(st), at, size, &data, &end);
		while (r == 0 && data < end) {
			size_t want = end - data < sizeof(buf) ? (size_t)(end - data) : sizeof(buf);
			ssize_t n = pread(fd, buf, want, (off_t)data);
			if (n <= 0)
				r = n < 0 ? -errno : -EBUSY;
			else if ((r = mask_feed(k->mask, buf, (size_t)n, count_out, &out)) == 0)
				r = in % ((uint64_t)64 * CHUNK) == 0 ? interrupt_check(NULL) : 0;
			in += n > 0 ? (uint64_t)n : 0;
			data += n > 0 ? (uint64_t)n : 0;
		}
	}
	explicit_bzero(buf, sizeof(buf));
	int flushed = mask_flush(k->mask, count_out, &out);
	return r < 0 ? r : flushed != 0 || in != out;
}

static int clean_file(struct keeping *k, const struct tree_entry *e, struct dd_err *err)
{
	static const char instead[] = "drydock: this file held the value of a credential, and is "
				      "not kept\n";
	struct stat st;
	dd_auto_fd int fd = open_beneath(e->dir_fd, e->name, O_RDWR | O_NONBLOCK | O_NOCTTY, 0);

	if (fd < 0 || fstat(fd, &st) < 0)
		return dd_err_set(err, fd < 0 ? -fd : errno, "open");
	int r = file_holds_value(k, fd, &st);
	if (r <= 0)
		return r < 0 ? dd_err_set(err, -r, "look for credentials") : 0;
	k->masked++;
	if (ftruncate(fd, 0) < 0 ||
	    pwrite(fd, instead, sizeof(instead) - 1, 0) != (ssize_t)sizeof(instead) - 1)
		return dd_err_set(err, errno, "take a credential out");
	return 0;
}

static int clean_link(struct keeping *k, const struct tree_entry *e, struct dd_err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(e->dir_fd, e->name, target, sizeof(target));

	if (n < 0)
		return dd_err_set(err, errno, "read the link");
	if (!text_holds_value(k, target, (size_t)n))
		return 0;
	k->masked++;
	return unlinkat(e->dir_fd, e->name, 0) < 0 ? dd_err_set(err, errno, "remove the link") : 0;
}

static int clean_visit(void *arg, enum tree_event what, const struct tree_entry *e,
                       struct dd_err *err)
{
	struct keeping *k = arg;
	int r = 0;

	if (what != TREE_ENTRY && what != TREE_ENTER)
		return 0;
	if (text_holds_value(k, e->name, strlen(e->name)))
		return dd_err_say(err, EPERM, "the name of a file in it holds a credential");
	if (what == TREE_ENTRY && S_ISREG(e->st.st_mode))
		r = clean_file(k, e, err);
	else if (what == TREE_ENTRY && S_ISLNK(e->st.st_mode))
		r = clean_link(k, e, err);
	return r;
}

/* ---- the trees ---- */

static int copy_part(struct keeping *k, const char *name, const char *path, struct dd_err *err)
{
	struct copy c = { .for_owner = true, .bytes_max = JOB_KEEP_BYTES - k->bytes };
	dd_auto_fd int to = -1;
	dd_auto_fd int from = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (from < 0)
		return errno == ENOENT ? 0 : dd_err_set(err, errno, "open %s", path);
	int r = enter(k->fd, name, &to, err);
	if (r < 0)
		return r;
	r = c.bytes_max ? copy_tree(&c, from, to, err)
	                : dd_err_say(err, EFBIG, "the parts before it took all the room");
	k->bytes += c.counts.bytes;
	k->skipped += c.counts.skipped;
	k->too_large += c.too_large;
	return r == 0 && k->mask ? tree_walk(to, TREE_INTERRUPT, clean_visit, k, err) : r;
}

/* Whole, or not at all: half a tree would mislead, and could hold what nobody searched. */
static void keep_part(struct keeping *k, const char *name, const char *path)
{
	struct dd_err why = { 0 }, removing = { 0 };

	if (!path[0] || copy_part(k, name, path, &why) == 0)
		return;
	sink_note(&k->job->sinks, k->step, SINK_WARN, "step %u: its %s is not kept: %s",
	          k->step->number, name, why.msg);
	interrupt_within(0);
	if (job_dirs_remove(k->fd, name, &removing) < 0)
		sink_note(&k->job->sinks, k->step, SINK_WARN, "step %u: %s", k->step->number,
		          removing.msg);
	interrupt_within(WITHIN_MS);
}

/* ---- what it was told and what it said ---- */

/* @text: owned by the caller; the mask shortens it in its place. */
static int keep_write_text(const struct keeping *k, const char *name, char *text,
                           struct dd_err *err)
{
	mask_text(k->job->mask, text, strlen(text) + 8);
	size_t len = strlen(text);
	dd_auto_fd int fd = openat(k->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return dd_err_set(err, errno, "create %s", name);
	for (size_t at = 0; at < len;) {
		ssize_t n = write(fd, text + at, len - at);
		if (n < 0 && errno != EINTR)
			return dd_err_set(err, errno, "write %s", name);
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* A text that is made line by line; the eight bytes are for mask_text(). */
struct text {
	char *bytes;
	size_t len;
	FILE *file;
};

static bool text_begin(struct text *t)
{
	*t = (struct text){ .bytes = NULL };
	t->file = open_memstream(&t->bytes, &t->len);
	return t->file != NULL;
}

static int keep_text_write(struct text *t, const struct keeping *k, const char *name,
                           struct dd_err *err)
{
	static const char room[8] = { 0 };
	bool whole = fwrite(room, sizeof(room), 1, t->file) == 1;
	int r = fclose(t->file) == 0 && whole ? keep_write_text(k, name, t->bytes, err)
	                                      : dd_err_set(err, ENOMEM, "write %s", name);
	free(t->bytes);
	return r;
}

static void put_escaped(FILE *f, const char *text)
{
	char out[TEXT_ESCAPE_MAX * 400 + 1];
	(void)text_escape(out, text, strnlen(text, 400));
	(void)fputs(out, f);
}

/* For a shell: `. ./environment`. */
static void put_variable(FILE *f, const struct step_env_row *row)
{
	if (!key_is_variable_name(row->name)) {
		(void)fputs("# not for a shell: ", f);
		put_escaped(f, row->name);
		(void)fputc('\n', f);
		return;
	}
	(void)fprintf(f, "export %s='", row->name);
	for (const char *p = row->value; *p; p++)
		(void)fputs(*p == '\'' ? "'\\''" : (char[2]){ *p, '\0' }, f);
	(void)fputs("'\n", f);
}

static int write_environment(const struct keeping *k, struct dd_err *err)
{
	const struct job_step *step = k->step;
	struct step_env env;
	struct text t;

	if (!text_begin(&t))
		return dd_err_set(err, ENOMEM, "write the environment");
	step_env_make(step->recipe, step->terms, step->leases, step->n_leases, &env);
	for (size_t i = 0; i < step->n_leases; i++)
		(void)fprintf(t.file, "# %s %s: credential %s, which is not kept\n",
		              step->leases[i].as == LEASE_AS_ENV ? "variable" : "file",
		              step->leases[i].target, step->leases[i].name);
	for (size_t i = 0; i < env.n; i++)
		put_variable(t.file, &env.rows[i]);
	step_env_done(&env);
	return keep_text_write(&t, k, "environment", err);
}

static int write_script(const struct keeping *k, struct dd_err *err)
{
	struct text t;

	if (!k->step->recipe->script)
		return 0;
	if (!text_begin(&t))
		return dd_err_set(err, ENOMEM, "write the script");
	(void)fputs(k->step->recipe->script, t.file);
	return keep_text_write(&t, k, "script", err);
}

static int write_about(const struct keeping *k, const struct step_result *result,
                       struct dd_err *err)
{
	const struct job_step *step = k->step;
	struct text t;

	if (!text_begin(&t))
		return dd_err_set(err, ENOMEM, "write the description");
	(void)fprintf(t.file, "run      %s\nstep     %u  ", k->job->dirs.run, step->number);
	put_escaped(t.file, step->name);
	(void)fprintf(t.file, "\nphase    %s: ", dd_phase_name(step->phase));
	put_escaped(t.file, step->grant->phase_why);
	(void)fprintf(t.file, "\noutcome  %s", step_outcome_names[result->outcome]);
	if (result->outcome == STEP_FAILED)
		(void)fprintf(t.file, result->signal ? " by signal %d" : " with exit code %d",
		              result->signal ? result->signal : result->exit_code);
	if (result->message[0])
		(void)fprintf(t.file, ": %s", result->message);
	(void)fputs("\nran      ", t.file);
	for (size_t i = 0; step->recipe->argv && step->recipe->argv[i]; i++) {
		(void)fputs(i ? " " : "", t.file);
		put_escaped(t.file, step->recipe->argv[i]);
	}
	if (step->recipe->script_path)
		(void)fprintf(t.file, "\nscript   was %s", step->recipe->script_path);
	(void)fputs("\nin       ", t.file);
	put_escaped(t.file, step->recipe->workdir ? step->recipe->workdir : "");
	for (size_t i = 0; i < STEP_PLACE__COUNT; i++)
		(void)fprintf(t.file, "\n%-8s was %s, %s", part_names[i], step_places[i].target,
		              step_places[i].what);
	(void)fputs(
		"\n\nA copy, made when the step had ended. Left out: values of credentials, "
		"setuid bits, sockets, FIFOs, devices.\nThe step wrote what lies here: outside of "
		"a sandbox, look at it and run nothing of it.\n",
		t.file);
	return keep_text_write(&t, k, "about", err);
}

/* Masked and escaped when it was written. */
static int copy_log(const struct keeping *k, struct dd_err *err)
{
	char name[JOB_STEP_NAME_MAX + 8];
	struct copy c = { .for_owner = true };
	dd_auto_fd int logs = open(k->job->dirs.logs,
	                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	(void)snprintf(name, sizeof(name), "%s.log", k->step->label);
	if (logs < 0 || faccessat(logs, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* it printed nothing, for it never began */
	int r = copy_file(&c, logs, name, k->fd, err);
	return r == 0 && renameat(k->fd, name, k->fd, "log") < 0
	               ? dd_err_set(err, errno, "copy the log")
	               : r;
}

/* ---- one step ---- */

static void keep_trees(struct keeping *k, const struct step_view *view)
{
	for (size_t i = 0; i < STEP_PLACE__COUNT; i++)
		keep_part(k, part_names[i], view->place[i]);
	keep_part(k, "channel", view->channel);
}

static int keep_texts(const struct keeping *k, const struct step_result *result, struct dd_err *err)
{
	int r;

	return (r = copy_log(k, err)) < 0 || (r = write_script(k, err)) < 0 ||
	                       (r = write_environment(k, err)) < 0
	               ? r
	               : write_about(k, result, err);
}

static void tell_kept(const struct keeping *k, const char *path)
{
	char size[16];

	sink_note(&k->job->sinks, k->step, SINK_NOTE, "step %u: its trees are kept (%s): %s",
	          k->step->number, size_text(k->bytes, size), path);
	if (k->masked)
		sink_note(&k->job->sinks, k->step, SINK_NOTE,
		          "step %u: %llu files or links held the value of a credential; of those "
		          "only "
		          "that is said",
		          k->step->number, (unsigned long long)k->masked);
	if (k->skipped)
		sink_note(&k->job->sinks, k->step, SINK_NOTE,
		          "step %u: %llu sockets, FIFOs or devices are not kept", k->step->number,
		          (unsigned long long)k->skipped);
	if (k->too_large)
		sink_note(&k->job->sinks, k->step, SINK_WARN,
		          "step %u: %llu files are not kept: the copy of a step has at most %s",
		          k->step->number, (unsigned long long)k->too_large,
		          size_text(JOB_KEEP_BYTES, size));
}

static int open_run(const struct job *job, int *ret, struct dd_err *err)
{
	dd_auto_fd int all = -1;
	int r = enter(AT_FDCWD, job->dirs.keep, &all, err);
	return r < 0 ? r : enter(all, job->dirs.run, ret, err);
}

static int keep_step(struct keeping *k, const struct step_view *view,
                     const struct step_result *result, struct dd_err *err)
{
	char making[JOB_STEP_NAME_MAX + 2];
	dd_auto_fd int run = -1;
	dd_auto_fd int fd = -1;
	int r = mask_holds(k->job->mask) ? mask_stream_new(k->job->mask, &k->mask, err) : 0;

	(void)snprintf(making, sizeof(making), ".%s", k->step->label);
	if (r < 0 || (r = open_run(k->job, &run, err)) < 0 ||
	    (r = enter(run, making, &fd, err)) < 0)
		return r;
	k->fd = fd;
	keep_trees(k, view);
	mask_stream_free(k->mask); /* or no text could be masked by a stream of its own */
	k->mask = NULL;
	r = keep_texts(k, result, err);
	if (r == 0 && renameat(run, making, run, k->step->label) < 0)
		r = dd_err_set(err, errno, "name %s", k->step->label);
	if (r < 0)
		(void)job_dirs_remove(run, making, NULL);
	return r;
}

static bool is_wanted(struct job *job, const struct job_step *step,
                      const struct step_result *result)
{
	if (!job->keep || !step_outcome_is_failure(result->outcome) ||
	    result->outcome == STEP_CANCELLED)
		return false;
	if (job->n_kept < JOB_KEEP_STEPS)
		return true;
	sink_note(&job->sinks, step, SINK_WARN,
	          "step %u: its trees are not kept: those of %d steps of this run are already",
	          step->number, JOB_KEEP_STEPS);
	return false;
}

void job_keep_step(struct job *job, const struct job_step *step, const struct step_view *view,
                   const struct step_result *result, char ret_path[600])
{
	struct keeping k = { .job = job, .step = step, .fd = -1 };
	struct dd_err err = { 0 };
	struct step_view shared;
	int n;

	ret_path[0] = '\0';
	if (!is_wanted(job, step, result))
		return;
	if (!view) {
		job_tree_shared(job, &shared);
		view = &shared;
	}
	interrupt_within(WITHIN_MS);
	int r = keep_step(&k, view, result, &err);
	interrupt_within(0);
	mask_stream_free(k.mask);
	if (r < 0) {
		sink_note(&job->sinks, step, SINK_WARN, "step %u: its trees are not kept: %s",
		          step->number, err.msg);
		return;
	}
	job->n_kept++;
	(void)snprintf(job->kept_step, sizeof(job->kept_step), "%s", step->label);
	n = snprintf(ret_path, 600, "%s/%s/%s", job->dirs.keep, job->dirs.run, step->label);
	if (n < 0 || n >= 600)
		ret_path[0] = '\0';
	tell_kept(&k, ret_path);
}

/* ---- of earlier runs ---- */

static int is_name(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

/* Of a run that is over: what it did not live to finish goes, and its directory if nothing is in
 * it. 1: something is left. */
static int sweep_run(int all, const char *run)
{
	struct dirent **names = NULL;
	dd_auto_fd int fd = openat(all, run, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int n = fd < 0 ? -1 : scandirat(fd, ".", &names, is_name, NULL);

	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] == '.')
			(void)job_dirs_remove(fd, names[i]->d_name, NULL);
		free(names[i]);
	}
	free(names);
	return fd >= 0 && unlinkat(all, run, AT_REMOVEDIR) < 0;
}

static bool run_lives(const struct job *job, const char *run)
{
	char path[300];
	(void)snprintf(path, sizeof(path), "../%.250s", run);
	return faccessat(job->dirs.root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void drop_run(const struct job *job, int all, const char *run)
{
	struct dd_err err = { 0 };

	if (job_dirs_remove(all, run, &err) < 0)
		sink_note(&job->sinks, NULL, SINK_WARN,
		          "cannot remove what --keep left in %s/%s: %s", job->dirs.keep, run,
		          err.msg);
	else
		sink_note(&job->sinks, NULL, SINK_NOTE,
		          "removed what --keep left of run %s: at most %d runs are kept", run,
		          JOB_KEEP_RUNS);
}

static int64_t time_of(int all, const char *run)
{
	struct stat st;
	return fstatat(all, run, &st, AT_SYMLINK_NOFOLLOW) < 0
	               ? 0
	               : (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

/* The oldest of @n comes first. */
static void bring_oldest(int all, struct dirent **names, int n)
{
	for (int i = 1; i < n; i++)
		if (time_of(all, names[i]->d_name) < time_of(all, names[0]->d_name)) {
			struct dirent *first = names[0];
			names[0] = names[i];
			names[i] = first;
		}
}

void job_keep_look(struct job *job)
{
	struct dirent **names = NULL;
	dd_auto_fd int all = open(job->dirs.keep, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int n = all < 0 ? 0 : scandirat(all, ".", &names, is_name, NULL);
	int left = 0, dropped = 0;

	for (int i = 0; i < n; i++) {
		if (!run_lives(job, names[i]->d_name) && sweep_run(all, names[i]->d_name))
			names[left++] = names[i];
		else
			free(names[i]);
	}
	for (; job->keep && left - dropped >= JOB_KEEP_RUNS; dropped++) {
		bring_oldest(all, names + dropped, left - dropped);
		drop_run(job, all, names[dropped]->d_name);
	}
	if (left > dropped)
		sink_note(
			&job->sinks, NULL, SINK_NOTE,
			"trees of failed steps of %d earlier run%s are kept in %s (--keep); remove "
			"that directory, or what you do not need of it",
			left - dropped, left - dropped == 1 ? "" : "s", job->dirs.keep);
	for (int i = 0; i < left; i++)
		free(names[i]);
	free(names);
}
