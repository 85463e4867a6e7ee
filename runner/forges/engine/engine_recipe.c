// SPDX-License-Identifier: Apache-2.0
/* engine_recipe.c - what the step at hand runs: its name, script, shell and directory, computed the
 * moment before it runs. Runs in: supervisor. */
#include "checkout.h"
#include "engine_uses.h"

#include "forges/actions/shell_command.h"
#include "forges/actions/wf_spec.h"
#include "forges/actions/inject.h"
#include "model/places.h"

#include <limits.h>
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

	now->name = now->frame->outer ? "(a step of an action)" : now->grant->name;
	if (now->stage == STAGE_POST) {
		now->name = arena_printf(now->arena, "Post %s", now->use->name);
		return;
	}
	if (engine_text(e, node, &now->mem, &text) < 0 || text.len == 0)
		return;
	if (!step->name && text.outsider)
		return; /* a script is not read into a name with somebody's text in it */
	now->name = step->name
	                    ? first_line(now->arena, text.text)
	                    : arena_printf(now->arena, "Run %s", first_line(now->arena, text.text));
	if (!*now->name)
		now->name = now->grant->name;
	if (now->stage == STAGE_PRE)
		now->name = arena_printf(now->arena, "Pre %s", now->name);
}

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

/* ---- values that an outsider can write ---- */

enum { VALUE_MAX = 100 * 1024 };

static bool is_certain(const char *outsider)
{
	return strncmp(outsider, "github", 6) == 0;
}

static int refuse_piece(struct job_engine *e, const struct template_piece *piece, const char *why)
{
	const char *policy = e->plan->policy_path ? e->plan->policy_path : "a policy";
	if (!piece->outsider) {
		(void)snprintf(
			e->why, sizeof(e->why),
			"%s:%u:%u: `${{ %.*s }}` is a secret, and no script's text holds one: "
			"%s. Write `env: { VALUE: \"${{ %.*s }}\" }` for the step and \"$VALUE\" "
			"in its script",
			piece->at.file ? piece->at.file : "", piece->at.line, piece->at.column,
			(int)(piece->expression_len > 100 ? 100 : piece->expression_len),
			piece->expression ? piece->expression : "", why,
			(int)(piece->expression_len > 100 ? 100 : piece->expression_len),
			piece->expression ? piece->expression : "");
		return -EINVAL;
	}
	(void)snprintf(e->why, sizeof(e->why),
	               "%s:%u:%u: `${{ %.*s }}` can be written by somebody outside (%.150s): %s. "
	               "Write `env: { VALUE: \"${{ %.*s }}\" }` for the step and \"$VALUE\" in its "
	               "script (or, in %s, `injection: allow`)",
	               piece->at.file ? piece->at.file : "", piece->at.line, piece->at.column,
	               (int)(piece->expression_len > 100 ? 100 : piece->expression_len),
	               piece->expression ? piece->expression : "", piece->outsider, why,
	               (int)(piece->expression_len > 100 ? 100 : piece->expression_len),
	               piece->expression ? piece->expression : "", policy);
	return -EINVAL;
}

/* What a variable cannot hold, and what would not stay one value where scripts hand it on. */
static const char *unfit(const struct template_piece *piece, const char *script)
{
	if (memchr(piece->text, '\0', piece->len))
		return "it holds a NUL, which no variable can";
	if (piece->len > VALUE_MAX)
		return "it is longer than a variable may be (100 KiB)";
	if (memchr(piece->text, '\n', piece->len) &&
	    (strstr(script, "GITHUB_ENV") || strstr(script, "GITHUB_PATH")))
		return "it has several lines, and the script writes variables for later steps, a "
		       "line each";
	return NULL;
}

static int pass_values(struct job_engine *e, const struct template_piece *pieces, size_t n,
                       const struct inject_result *done)
{
	struct engine_turn *now = &e->now;
	struct pair *vars = arena_array(now->arena, n, sizeof(*vars));
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		if (!done->passed[i])
			continue;
		const char *why = unfit(&pieces[i], done->script);
		if (why)
			return refuse_piece(e, &pieces[i], why);
		if (!now->saw_outsider)
			now->saw_outsider = pieces[i].outsider;
		vars[k] = (struct pair){ .name = arena_printf(now->arena, INJECT_VARIABLE "%zu",
			                                      k + 1),
			                 .value = pieces[i].text };
		k++;
	}
	now->values =
		(struct env_layer){ .origin = "expressions", .vars = vars, .n = k, .fixed = true };
	return 0;
}

/* ---- script ---- */

static int make_script(struct job_engine *e, const char *shell)
{
	struct engine_turn *now = &e->now;
	struct wf_errors errors = { .n = 0 };
	struct template_piece *pieces = NULL;
	struct inject_result done;
	size_t n = 0;

	if (template_pieces(now->step->run, &e->scope, &now->mem, &pieces, &n, &errors) < 0) {
		engine_why(e, &errors);
		return -EINVAL;
	}
	struct inject_piece *parts = arena_array(now->arena, n, sizeof(*parts));
	bool outsiders = false;
	for (size_t i = 0; i < n; i++) {
		const char *fit = engine_secrets_fit(e, now->arena, pieces[i].text);
		if (fit != pieces[i].text) {
			pieces[i].text = fit;
			pieces[i].len = strlen(fit);
		}
		bool secret = engine_secrets_in(e, pieces[i].text);
		bool outsider = pieces[i].outsider && e->plan->injection != INJECTION_ALLOW;
		outsiders |= outsider;
		parts[i] = (struct inject_piece){
			.text = pieces[i].text,
			.len = pieces[i].len,
			.outsider = outsider || secret,
			.certain = secret || (outsider && is_certain(pieces[i].outsider))
		};
		if (!outsider && memchr(pieces[i].text, '\0', pieces[i].len)) {
			(void)snprintf(e->why, sizeof(e->why), "its script holds a NUL");
			return -EINVAL;
		}
	}
	enum inject_shell kind = e->plan->injection == INJECTION_REFUSE && outsiders
	                                 ? INJECT_OTHER
	                                 : inject_shell_of(shell, now->has_bash);
	if (!inject_rewrite(now->arena, kind, parts, n, &done))
		return refuse_piece(e, &pieces[done.refused],
		                    e->plan->injection == INJECTION_REFUSE && outsiders
		                            ? "the policy says `injection: refuse`"
		                            : done.why);
	now->recipe.script = unix_lines(now->arena, done.script, strlen(done.script));
	return pass_values(e, pieces, n, &done);
}

/* Shell and script: where a value stands depends on who reads it. */
static int make_command(struct job_engine *e)
{
	struct engine_turn *now = &e->now;
	/* defaults are for the job's own steps: one in an action names its shell */
	const char *shell = now->frame->outer ? NULL : e->default_shell;
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
	                  &err) < 0) {
		(void)snprintf(e->why, sizeof(e->why), "%s", err.msg);
		return -EINVAL;
	}
	now->has_bash = strcmp(now->recipe.argv[0], "bash") == 0;
	if (make_script(e, shell) < 0)
		return -EINVAL;
	now->recipe.script = shell_script(now->arena, shell, now->recipe.script);
	return 0;
}

/* An empty text is a directory, too: the workspace, whatever the default is. */
static int make_directory(struct job_engine *e)
{
	struct engine_turn *now = &e->now;
	const char *dir = e->default_directory && !now->frame->outer ? e->default_directory : "";
	struct expr_value text;

	if (now->step->working_directory) {
		if (engine_text(e, now->step->working_directory, &now->mem, &text) < 0)
			return -EINVAL;
		dir = text.text;
	}
	if (strlen(dir) >= PATH_MAX) {
		(void)snprintf(e->why, sizeof(e->why),
		               "working-directory `%.60s...` is longer than a path may be", dir);
		return -EINVAL;
	}
	now->recipe.workdir = wf_workdir(now->arena, dir);
	if (!now->recipe.workdir)
		(void)snprintf(e->why, sizeof(e->why), "working-directory `%s` lies in /proc", dir);
	return now->recipe.workdir ? 0 : -EINVAL;
}

int engine_recipe_make(struct job_engine *e)
{
	struct engine_turn *now = &e->now;

	now->recipe.name = now->name;
	if (!now->frame->outer && now->stage == STAGE_MAIN)
		now->recipe.nothing = now->grant->written->recipe.nothing;
	if (now->recipe.nothing) {
		if (now->step->uses) /* what is known ahead is a checkout of the workspace */
			checkout_outputs(e);
		return 0;
	}
	if (now->stage != STAGE_MAIN)
		return engine_use_stage(e);
	if (now->step->uses)
		return engine_use_begin(e);
	if (make_command(e) < 0 || make_directory(e) < 0)
		return -EINVAL;
	engine_use_inside(e);
	engine_recipe_rest(e);
	return 0;
}
