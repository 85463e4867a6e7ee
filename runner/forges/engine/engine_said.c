// SPDX-License-Identifier: Apache-2.0
/* engine_said.c - what the lines of the step at hand mean: annotations, groups, masks. Runs in:
 * supervisor, for every line, so an ordinary one costs a look at its first bytes.
 *
 * Nothing printed sets anything but what is shown (L-03): a value is masked, a line is shown in
 * another form or not at all. What a step may cause by printing is bounded, and told when it is
 * over.
 */
#include "engine_parts.h"

#include "log_commands.h"

#include <string.h>
#include <strings.h>

enum {
	MASKS_MAX = 1000, /* of the whole job */
	TOKEN_MASKED = 6, /* longer ones cannot be guessed: they are kept so */
};

static void tell_once(struct job_engine *e, bool *told, enum sink_level level, const char *text)
{
	if (!*told)
		job_voice_note(e->job, e->now.grant->index, level, "%s", text);
	*told = true;
}

/* ---- masks ---- */

static void mask_one(struct job_engine *e, const char *value, size_t len)
{
	struct dd_err err = { 0 };

	if (e->n_masks == MASKS_MAX) {
		tell_once(
			e, &e->told_masks, SINK_WARN,
			"add-mask: more than 1000 values in one job; further ones are not masked");
		return;
	}
	e->n_masks++;
	if (job_voice_mask_said(e->job, value, len, &err) < 0)
		job_voice_note(e->job, e->now.grant->index, SINK_WARN, "add-mask: %s", err.msg);
}

/* The value, and each of its lines. */
static void add_mask(struct job_engine *e, const struct log_command *c)
{
	const char *at = c->data, *end = c->data + c->data_len;

	if (c->data_len == 0) {
		job_voice_note(e->job, e->now.grant->index, SINK_WARN,
		               "add-mask: there is no value behind it");
		return;
	}
	mask_one(e, c->data, c->data_len);
	if (!memchr(at, '\n', c->data_len) && !memchr(at, '\r', c->data_len))
		return;
	while (at < end) {
		size_t n = strcspn(at, "\r\n");
		if (n >= MASK_MIN)
			mask_one(e, at, n);
		at += n + (at + n < end);
	}
}

/* ---- annotations ---- */

static const char *one_line(struct plan_arena *arena, const char *text)
{
	char *out = arena_alloc(arena, 2 * strlen(text) + 1), *to = out;
	for (; *text; text++) {
		if (*text == '\n') {
			*to++ = ';';
			*to++ = ' ';
		} else if (*text != '\r') {
			*to++ = *text;
		}
	}
	*to = '\0';
	return out;
}

static const char *annotate(struct job_engine *e, struct plan_arena *arena,
                            const struct log_command *c)
{
	static const char *const levels[LOG__COUNT] = {
		[LOG_NOTICE] = "notice", [LOG_WARNING] = "warning", [LOG_ERROR] = "error"
	};
	const char *file = engine_file_of(log_command_property(c, "file")), *where = "";
	const char *title = log_command_property(c, "title");
	struct log_place place;

	log_command_place(c, &place);
	const struct voice_annotation a = { .level = levels[c->kind],
		                            .title = title,
		                            .file = file,
		                            .message = c->data,
		                            .line = place.line,
		                            .end_line = place.end_line,
		                            .column = place.column,
		                            .end_column = place.end_column };
	engine_annotate(e, &a);
	if (e->world.forge_lines)
		return arena_printf(arena, "##[%s]%s", levels[c->kind], one_line(arena, c->data));
	if (file && place.line && place.column)
		where = arena_printf(arena, "%s:%u:%u: ", file, place.line, place.column);
	else if (file && place.line)
		where = arena_printf(arena, "%s:%u: ", file, place.line);
	else if (file)
		where = arena_printf(arena, "%s: ", file);
	return arena_printf(arena, "%s: %s%s%s%s", levels[c->kind], where, title ? title : "",
	                    title ? ": " : "", one_line(arena, c->data));
}

/* ---- the other commands ---- */

static void stop(struct job_engine *e, const struct log_command *c)
{
	if (!log_command_stop_token(c->data) || c->data_len >= sizeof(e->now.token)) {
		job_voice_note(e->job, e->now.grant->index, SINK_ERROR,
		               "stop-commands: that token cannot be used; commands go on");
		e->now.command_failed = true;
		return;
	}
	(void)snprintf(e->now.token, sizeof(e->now.token), "%s", c->data);
	if (c->data_len > TOKEN_MASKED)
		mask_one(e, c->data, c->data_len);
}

static void set_echo(struct job_engine *e, const struct log_command *c)
{
	const char *text = c->data + strspn(c->data, " \t");
	if (strncasecmp(text, "on", 2) == 0 && !text[2 + strspn(text + 2, " \t")]) {
		e->now.echo = true;
	} else if (strncasecmp(text, "off", 3) == 0 && !text[3 + strspn(text + 3, " \t")]) {
		e->now.echo = false;
	} else {
		job_voice_note(e->job, e->now.grant->index, SINK_ERROR,
		               "echo: `on` or `off` belongs behind it");
		e->now.command_failed = true;
	}
}

static const struct dead_row {
	const char *text;
	bool fails; /* as on GitHub, where it was switched off for what it let anybody's output do
	             */
} dead[LOG__COUNT] = {
	[LOG_SET_OUTPUT] = { "::set-output:: does nothing here: nothing printed sets a value; "
	                     "write "
	                     "`echo \"NAME=VALUE\" >>\"$GITHUB_OUTPUT\"`",
	                     false },
	[LOG_SAVE_STATE] = { "::save-state:: does nothing here: nothing printed sets a value; "
	                     "write "
	                     "`echo \"NAME=VALUE\" >>\"$GITHUB_STATE\"`",
	                     false },
	[LOG_SET_ENV] = { "::set-env:: does nothing: nothing printed sets a variable; write `echo "
	                  "\"NAME=VALUE\" >>\"$GITHUB_ENV\"`",
	                  true },
	[LOG_ADD_PATH] = { "::add-path:: does nothing: nothing printed sets a variable; write "
	                   "`echo "
	                   "DIRECTORY >>\"$GITHUB_PATH\"`",
	                   true },
};

static void obey(struct job_engine *e, struct plan_arena *arena, const struct log_command *c,
                 struct step_said *ret)
{
	const char *instead = NULL;

	ret->hidden = true;
	switch (c->kind) {
	case LOG_ADD_MASK:
		add_mask(e, c);
		return; /* whatever `echo` says */
	case LOG_NOTICE:
	case LOG_WARNING:
	case LOG_ERROR:
		instead = annotate(e, arena, c);
		break;
	case LOG_DEBUG:
		instead = !e->debug ? NULL
		                    : arena_printf(arena, "%s%s",
		                                   e->world.forge_lines ? "##[debug]" : "debug: ",
		                                   one_line(arena, c->data));
		break;
	case LOG_GROUP:
		instead = arena_printf(arena, e->world.forge_lines ? "##[group]%s" : "--- %s ---",
		                       one_line(arena, c->data));
		break;
	case LOG_ENDGROUP:
		instead = e->world.forge_lines ? "##[endgroup]" : NULL;
		break;
	case LOG_ECHO:
		set_echo(e, c);
		break;
	case LOG_STOP:
		stop(e, c);
		break;
	case LOG_ADD_MATCHER:
		e->now.command_failed |= !engine_matchers_add(e, arena, c->data);
		break;
	case LOG_REMOVE_MATCHER:
		engine_matchers_remove(e, arena, c->data, log_command_property(c, "owner"));
		break;
	case LOG_SET_OUTPUT:
	case LOG_SAVE_STATE:
	case LOG_SET_ENV:
	case LOG_ADD_PATH:
		tell_once(e, &e->now.told_dead[c->kind - LOG_SET_OUTPUT],
		          dead[c->kind].fails ? SINK_ERROR : SINK_WARN, dead[c->kind].text);
		e->now.command_failed |= dead[c->kind].fails;
		break;
	case LOG_REPO_PATH:
	case LOG_NONE:
	case LOG__COUNT:
		break;
	}
	if (instead) {
		ret->hidden = false;
		ret->instead = instead;
		ret->len = strlen(instead);
	} else if (e->now.echo) {
		ret->hidden = false;
	}
}

static bool may_be_command(const char *line, size_t len)
{
	size_t n = 0;
	while (n < len && (line[n] == ' ' || line[n] == '\t'))
		n++;
	return (len - n >= 2 && line[n] == ':' && line[n + 1] == ':') ||
	       memmem(line, len, "##[", 3);
}

/* What is no command may be what a problem matcher looks for: then it is shown by its level. */
static void ask_matchers(struct job_engine *e, const char *text, size_t len, struct step_said *ret)
{
	const char *level = engine_matchers_ask(e, text, len);
	if (!level)
		return;
	arena_free(e->line);
	e->line = arena_new();
	ret->instead = arena_printf(e->line, e->world.forge_lines ? "##[%s]%.*s" : "%s: %.*s",
	                            level, (int)len, text);
	ret->len = strlen(ret->instead);
}

struct step_said engine_said(void *arg, enum step_stream stream, const char *text, size_t len)
{
	struct job_engine *e = arg;
	struct step_said ret = { .hidden = false };
	struct log_command command;
	(void)stream;

	if (may_be_command(text, len) && e->now.token[0] &&
	    log_command_resumes(text, len, e->now.token)) {
		e->now.token[0] = '\0';
		ret.hidden = !e->now.echo;
		return ret;
	}
	if (may_be_command(text, len) && !e->now.token[0]) {
		arena_free(e->line);
		e->line = arena_new();
		if (log_command_read(e->line, text, len, &command)) {
			obey(e, e->line, &command, &ret);
			return ret;
		}
	}
	ask_matchers(e, text, len, &ret);
	return ret;
}
