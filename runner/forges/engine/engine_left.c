// SPDX-License-Identifier: Apache-2.0
/* engine_left.c - what a step left in its files, in GitHub's order: path, env, summary, state,
 * output. Runs in: supervisor, when no process of the step is left.
 *
 * A file counts whole or not at all, and one that cannot be read fails the step: half of a list of
 * variables is another list. The others of the step still count, as there. */
#include "engine_uses.h"

#include <string.h>

static int apply_path(struct job_engine *e, const struct command_pairs *pairs, struct dd_err *err)
{
	return engine_paths_written(e, pairs, err);
}

static int apply_env(struct job_engine *e, const struct command_pairs *pairs, struct dd_err *err)
{
	for (size_t i = 0; i < pairs->n; i++) {
		const struct command_pair *p = &pairs->items[i];
		if (!engine_is_env_name(p->name, p->name_len))
			return dd_err_say(err, EINVAL, "`%.60s` cannot be a variable's name",
			                  p->name);
		if (memchr(p->value, '\0', p->value_len))
			return dd_err_say(err, EINVAL,
			                  "the value of `%.60s` holds a NUL, which no variable can",
			                  p->name);
	}
	return engine_env_written(e, pairs, err);
}

/* For the later stages of this use of the action, and for nobody else. */
static int apply_state(struct job_engine *e, const struct command_pairs *pairs, struct dd_err *err)
{
	for (size_t i = 0; e->now.use && i < pairs->n; i++) {
		const struct command_pair *p = &pairs->items[i];
		const char *name = expr_strndup(&e->mem, p->name, p->name_len);
		struct expr_value value;
		if (memchr(p->value, '\0', p->value_len))
			return dd_err_say(err, EINVAL,
			                  "the value of `%.60s` holds a NUL, which no variable can",
			                  p->name);
		if (!name || !expr_copy_string(&e->mem, p->value, p->value_len, &value) ||
		    !expr_object_set(&e->mem, e->now.use->state.object, name, p->name_len, value))
			return engine_no_memory(err);
	}
	return 0;
}

static int apply_output(struct job_engine *e, const struct command_pairs *pairs, struct dd_err *err)
{
	struct expr_value outputs;

	if (!e->now.step->id_written || pairs->n == 0)
		return 0; /* nobody can ask for them */
	if (engine_outputs_of(e, e->now.step, &outputs, err) < 0)
		return -E2BIG;
	for (size_t i = 0; i < pairs->n; i++) {
		const struct command_pair *p = &pairs->items[i];
		const char *name = expr_strndup(&e->mem, p->name, p->name_len);
		struct expr_value value;
		if (!name || !expr_copy_string(&e->mem, p->value, p->value_len, &value))
			return engine_no_memory(err);
		value.outsider = engine_origin(e, "steps.%s.outputs.%s", e->now.step->id, name);
		if (!expr_object_set(&e->mem, outputs.object, name, p->name_len, value))
			return engine_no_memory(err);
	}
	return 0;
}

static const struct file_row {
	const char *variable;
	bool (*read)(struct plan_arena *arena, const char *bytes, size_t len,
	             struct command_pairs *ret);
	int (*apply)(struct job_engine *e, const struct command_pairs *pairs, struct dd_err *err);
} files[ENGINE_FILES] = {
	[FILE_PATH] = { "GITHUB_PATH", command_paths_read, apply_path },
	[FILE_ENV] = { "GITHUB_ENV", command_pairs_read, apply_env },
	[FILE_SUMMARY] = { "GITHUB_STEP_SUMMARY", NULL, NULL },
	[FILE_STATE] = { "GITHUB_STATE", command_pairs_read, apply_state },
	[FILE_OUTPUT] = { "GITHUB_OUTPUT", command_pairs_read, apply_output },
};

/* As lines that end with LF, all of them: what GitHub keeps of a summary. */
static char *summary_lines(struct plan_arena *arena, const char *text, size_t len, size_t *ret_len)
{
	char *out = arena_alloc(arena, len + 2), *to = out;
	for (size_t i = 0; i < len; i++)
		if (text[i] != '\r')
			*to++ = text[i];
		else if (i + 1 == len || text[i + 1] != '\n')
			*to++ = '\n';
	if (to > out && to[-1] != '\n')
		*to++ = '\n';
	*to = '\0';
	*ret_len = (size_t)(to - out);
	return out;
}

static bool read_summary(struct job_engine *e, const struct step_file *file)
{
	struct dd_err err = { 0 };
	size_t len;
	const char *text = summary_lines(e->now.arena, file->bytes, file->len, &len);
	if (len == 0 || job_voice_summary(e->job, e->now.grant->index, text, len, &err) == 0)
		return true;
	(void)snprintf(e->why, sizeof(e->why), "its summary is not kept: %s", err.msg);
	return false;
}

/* Does a secret reach over the `=`? Then a value of several lines was written as one: its second
 * line became a name, which is not masked and goes on to other steps. */
static int check_names(struct job_engine *e, const struct command_pairs *pairs, struct dd_err *err)
{
	for (size_t i = 0; i < pairs->n; i++) {
		const struct command_pair *p = &pairs->items[i];
		const char *line = arena_printf(e->now.arena, "%s=%s", p->name, p->value);
		if (!job_voice_is_masked(e->job, p->name, p->name_len) &&
		    (job_voice_is_masked(e->job, p->value, p->value_len) ||
		     !job_voice_is_masked(e->job, line, strlen(line))))
			continue;
		return dd_err_say(err, EINVAL,
		                  "a line of a secret stands where a name belongs: a value of "
		                  "several lines is written as NAME<<MARK, its lines, MARK");
	}
	return 0;
}

static bool read_file(struct job_engine *e, const struct file_row *row,
                      const struct step_file *file)
{
	struct command_pairs pairs = { .n = 0 };
	struct dd_err err = { 0 };

	if (!file->bytes) {
		(void)snprintf(e->why, sizeof(e->why), "%s is not taken: %s", row->variable,
		               file->why);
		return row->read == NULL;
	}
	if (!row->read)
		return read_summary(e, file);
	if (!row->read(e->now.arena, file->bytes, file->len, &pairs)) {
		(void)snprintf(e->why, sizeof(e->why),
		               "%s cannot be read, nothing of it counts: %s", row->variable,
		               pairs.why);
		return false;
	}
	if ((row->read == command_paths_read || check_names(e, &pairs, &err) == 0) &&
	    row->apply(e, &pairs, &err) == 0)
		return true;
	(void)snprintf(e->why, sizeof(e->why), "%s: %s", row->variable, err.msg);
	return false;
}

int engine_left_read(struct job_engine *e, const struct step_left *left, struct dd_err *err)
{
	int r = 0;
	(void)err;

	for (size_t i = 0; i < left->n && i < ENGINE_FILES; i++)
		if (!read_file(e, &files[i], &left->files[i])) {
			engine_complain(e, "%s", e->why);
			r = -EINVAL;
		}
	return r;
}
