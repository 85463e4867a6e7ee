// SPDX-License-Identifier: Apache-2.0
/* engine_recipe.c - what the step at hand runs: its name, script, shell and directory, computed the
 * moment before it runs. Runs in: supervisor. */
#include "engine_parts.h"

#include "forges/actions/shell_command.h"
#include "forges/actions/taint.h"
#include "forges/actions/wf_spec.h"
#include "model/places.h"

#include <string.h>

/* ---- name ---- */

static const char *first_line(struct plan_arena *arena, const char *text)
{
	text += strspn(text, " \t\r\n");
	return arena_strndup(arena, text, strcspn(text, "\r\n"));
}

/* A name that cannot be evaluated is shown as it is written: it decides nothing. */
void engine_name_make(struct job_engine *e)
{
	struct engine_turn *now = &e->now;
	const struct wf_step *step = now->step;
	const struct template_node *node = step->name  ? step->name
	                                   : step->run ? step->run
	                                               : step->uses;
	struct expr_value text;

	now->name = now->grant->name;
	if (engine_text(e, node, &now->mem, &text) < 0 || text.len == 0)
		return;
	now->name = step->name
	                    ? first_line(now->arena, text.text)
	                    : arena_printf(now->arena, "Run %s", first_line(now->arena, text.text));
	if (!*now->name)
		now->name = now->grant->name;
}

/* ---- script ---- */

/* Lines end as Linux has them. */
static const char *unix_lines(struct plan_arena *arena, const char *text, size_t len)
{
	char *out = arena_alloc(arena, len + 1), *to = out;
	for (size_t i = 0; i < len; i++)
		if (text[i] != '\r' || i + 1 == len || text[i + 1] != '\n')
			*to++ = text[i];
	*to = '\0';
	return out;
}

static int make_script(struct job_engine *e)
{
	struct engine_turn *now = &e->now;
	struct wf_errors errors = { .n = 0 };
	struct template_piece *pieces = NULL;
	size_t n = 0, len = 0;

	if (template_pieces(now->step->run, &e->scope, &now->mem, &pieces, &n, &errors) < 0) {
		engine_why(e, &errors);
		return -EINVAL;
	}
	for (size_t i = 0; i < n; i++) {
		bool certain = pieces[i].outsider && strncmp(pieces[i].outsider, "github", 6) == 0;
		if (pieces[i].outsider &&
		    (certain || !taint_is_inert(pieces[i].text, pieces[i].len))) {
			(void)snprintf(e->why, sizeof(e->why),
			               "%s:%u:%u: `${{ %.*s }}` can be written by somebody outside "
			               "(%.100s), and would become a part of the script",
			               pieces[i].at.file ? pieces[i].at.file : "",
			               pieces[i].at.line, pieces[i].at.column,
			               (int)(pieces[i].expression_len > 100
			                             ? 100
			                             : pieces[i].expression_len),
			               pieces[i].expression ? pieces[i].expression : "",
			               pieces[i].outsider);
			return -EINVAL;
		}
		len += pieces[i].len;
	}
	char *text = arena_alloc(now->arena, len + 1), *at = text;
	for (size_t i = 0; i < n; i++)
		at = mempcpy(at, pieces[i].text, pieces[i].len);
	*at = '\0';
	if (memchr(text, '\0', len)) {
		(void)snprintf(e->why, sizeof(e->why), "its script holds a NUL");
		return -EINVAL;
	}
	now->recipe.script = unix_lines(now->arena, text, len);
	return 0;
}

static int make_shell(struct job_engine *e)
{
	struct engine_turn *now = &e->now;
	const char *shell = e->default_shell;
	struct expr_value text;
	struct dd_err err = { 0 };

	if (now->step->shell) {
		if (engine_text(e, now->step->shell, &now->mem, &text) < 0)
			return -EINVAL;
		if (text.len > 0)
			shell = text.text;
	}
	const char *base = arena_printf(now->arena, PLACE_SCRIPTS "/%s", now->grant->label);
	if (shell_command(now->arena, shell, base, &now->recipe.argv, &now->recipe.script_path,
	                  &err) == 0) {
		now->recipe.script = shell_script(now->arena, shell, now->recipe.script);
		return 0;
	}
	(void)snprintf(e->why, sizeof(e->why), "%s", err.msg);
	return -EINVAL;
}

/* An empty text is a directory, too: the workspace, whatever the default is. */
static int make_directory(struct job_engine *e)
{
	struct engine_turn *now = &e->now;
	const char *dir = e->default_directory ? e->default_directory : "";
	struct expr_value text;

	if (now->step->working_directory) {
		if (engine_text(e, now->step->working_directory, &now->mem, &text) < 0)
			return -EINVAL;
		dir = text.text;
	}
	if (wf_workdir(now->arena, dir, &now->recipe.workdir) == 0)
		return 0;
	(void)snprintf(e->why, sizeof(e->why), "working-directory `%.200s` leaves the workspace",
	               dir);
	return -EINVAL;
}

int engine_recipe_make(struct job_engine *e)
{
	const struct env_layer none = { .origin = "expressions" };
	struct engine_turn *now = &e->now;

	now->recipe.name = now->name;
	now->recipe.nothing = now->grant->written->recipe.nothing;
	if (now->recipe.nothing)
		return 0;
	if (!now->step->run) {
		(void)snprintf(e->why, sizeof(e->why), "`uses: %.100s` cannot be run",
		               now->step->uses->text);
		return -EINVAL;
	}
	if (make_script(e) < 0 || make_shell(e) < 0 || make_directory(e) < 0)
		return -EINVAL;
	now->recipe.files = &e->event_file;
	now->recipe.n_files = 1;
	now->recipe.channel = engine_file_names;
	now->recipe.time_sec = now->timeout_sec;
	engine_env_layers(e, &none);
	return 0;
}
