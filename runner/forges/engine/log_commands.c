// SPDX-License-Identifier: Apache-2.0
/* log_commands.c - see log_commands.h. Runs in: supervisor. */
#include "log_commands.h"

#include "drydock/err.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *const log_command_names[LOG__COUNT] = {
	[LOG_ADD_MASK] = "add-mask",
	[LOG_DEBUG] = "debug",
	[LOG_NOTICE] = "notice",
	[LOG_WARNING] = "warning",
	[LOG_ERROR] = "error",
	[LOG_GROUP] = "group",
	[LOG_ENDGROUP] = "endgroup",
	[LOG_ECHO] = "echo",
	[LOG_STOP] = "stop-commands",
	[LOG_ADD_MATCHER] = "add-matcher",
	[LOG_REMOVE_MATCHER] = "remove-matcher",
	[LOG_SET_OUTPUT] = "set-output",
	[LOG_SAVE_STATE] = "save-state",
	[LOG_SET_ENV] = "set-env",
	[LOG_ADD_PATH] = "add-path",
	[LOG_REPO_PATH] = "internal-set-repo-path",
};

static enum log_command_kind named(const char *name, size_t len)
{
	for (int i = 1; i < LOG__COUNT; i++)
		if (strlen(log_command_names[i]) == len &&
		    strncasecmp(log_command_names[i], name, len) == 0)
			return (enum log_command_kind)i;
	return LOG_NONE;
}

/* ---- escapes ---- */

struct escape_row {
	const char *code;
	char means;
};

/* %25 is undone last, in one pass: what it gives is not looked at again. */
static const struct escape_row of_data[] = { { "%0D", '\r' }, { "%0A", '\n' }, { "%25", '%' } };
static const struct escape_row of_property[] = {
	{ "%0D", '\r' }, { "%0A", '\n' }, { "%3A", ':' }, { "%2C", ',' }, { "%25", '%' }
};
static const struct escape_row of_old[] = {
	{ "%3B", ';' }, { "%0D", '\r' }, { "%0A", '\n' }, { "%5D", ']' }, { "%25", '%' }
};

static const char *unescape(struct plan_arena *arena, const char *text, size_t len,
                            const struct escape_row *rows, size_t n, size_t *ret_len)
{
	char *out = arena_alloc(arena, len + 1), *to = out;
	for (size_t i = 0; i < len;) {
		size_t k = 0;
		while (k < n && (len - i < 3 || memcmp(text + i, rows[k].code, 3) != 0))
			k++;
		const char *from = k < n ? &rows[k].means : &text[i];
		*to++ = *from;
		i += k < n ? 3 : 1;
	}
	*ret_len = (size_t)(to - out);
	return out;
}

/* ---- the two forms ---- */

static void read_properties(struct plan_arena *arena, const char *text, size_t len, char between,
                            const struct escape_row *rows, size_t n_rows, struct log_command *ret)
{
	const char *end = text + len;
	size_t ignored;

	while (text < end && ret->n_properties < LOG_PROPERTIES_MAX) {
		const char *next = memchr(text, between, (size_t)(end - text));
		const char *stop = next ? next : end;
		const char *equals = memchr(text, '=', (size_t)(stop - text));
		if (equals) {
			ret->properties[ret->n_properties].key =
				arena_strndup(arena, text, (size_t)(equals - text));
			ret->properties[ret->n_properties].value =
				unescape(arena, equals + 1, (size_t)(stop - equals) - 1, rows,
			                 n_rows, &ignored);
			ret->n_properties++;
		}
		text = next ? next + 1 : end;
	}
}

static void trim(const char **text, size_t *len)
{
	while (*len > 0 && isspace((unsigned char)**text)) {
		(*text)++;
		(*len)--;
	}
	while (*len > 0 && isspace((unsigned char)(*text)[*len - 1]))
		(*len)--;
}

/* @info: "name key=value...". */
static bool read_info(struct plan_arena *arena, const char *info, size_t len, char between,
                      const struct escape_row *rows, size_t n_rows, struct log_command *ret)
{
	const char *blank = memchr(info, ' ', len);
	size_t name_len = blank ? (size_t)(blank - info) : len;

	*ret = (struct log_command){ .kind = named(info, name_len) };
	if (ret->kind == LOG_NONE)
		return false;
	if (blank) {
		const char *text = blank + 1;
		size_t rest = len - name_len - 1;
		trim(&text, &rest);
		read_properties(arena, text, rest, between, rows, n_rows, ret);
	}
	return true;
}

static bool read_new(struct plan_arena *arena, const char *line, size_t len,
                     struct log_command *ret)
{
	while (len > 0 && isspace((unsigned char)*line)) {
		line++;
		len--;
	}
	if (len < 4 || line[0] != ':' || line[1] != ':')
		return false;
	const char *end = memmem(line + 2, len - 2, "::", 2);
	if (!end || !read_info(arena, line + 2, (size_t)(end - line) - 2, ',', of_property,
	                       ARRAY_LEN(of_property), ret))
		return false;
	ret->data = unescape(arena, end + 2, len - (size_t)(end - line) - 2, of_data,
	                     ARRAY_LEN(of_data), &ret->data_len);
	return true;
}

static bool read_old(struct plan_arena *arena, const char *line, size_t len,
                     struct log_command *ret)
{
	const char *begin = memmem(line, len, "##[", 3);
	if (!begin)
		return false;
	size_t rest = len - (size_t)(begin - line) - 3;
	const char *info = begin + 3, *end = memchr(info, ']', rest);
	if (!end ||
	    !read_info(arena, info, (size_t)(end - info), ';', of_old, ARRAY_LEN(of_old), ret))
		return false;
	ret->data = unescape(arena, end + 1, rest - (size_t)(end - info) - 1, of_old,
	                     ARRAY_LEN(of_old), &ret->data_len);
	return true;
}

bool log_command_read(struct plan_arena *arena, const char *line, size_t len,
                      struct log_command *ret)
{
	return read_new(arena, line, len, ret) || read_old(arena, line, len, ret);
}

const char *log_command_property(const struct log_command *command, const char *key)
{
	const char *found = NULL;
	for (size_t i = 0; i < command->n_properties; i++)
		if (strcasecmp(command->properties[i].key, key) == 0 &&
		    command->properties[i].value[0])
			found = command->properties[i].value;
	return found;
}

bool log_command_resumes(const char *line, size_t len, const char *token)
{
	size_t n = strlen(token);
	while (len > 0 && isspace((unsigned char)*line)) {
		line++;
		len--;
	}
	return len >= n + 4 && memcmp(line, "::", 2) == 0 && strncasecmp(line + 2, token, n) == 0 &&
	       memcmp(line + 2 + n, "::", 2) == 0;
}

bool log_command_stop_token(const char *token)
{
	return *token && named(token, strlen(token)) == LOG_NONE &&
	       strcasecmp(token, "pause-logging") != 0;
}

/* ---- places ---- */

static unsigned number(const struct log_command *command, const char *key)
{
	const char *text = log_command_property(command, key);
	unsigned long value = 0;
	if (!text || text[strspn(text, "0123456789")] || strlen(text) > 9)
		return 0;
	for (; *text; text++)
		value = value * 10 + (unsigned long)(*text - '0');
	return (unsigned)value;
}

void log_command_place(const struct log_command *command, struct log_place *ret)
{
	struct log_place p = { .line = number(command, "line"),
		               .end_line = number(command, "endLine"),
		               .column = number(command, "col"),
		               .end_column = number(command, "endColumn") };
	if (!p.line)
		p.line = p.end_line;
	if (!p.column)
		p.column = p.end_column;
	if (!p.line)
		p.column = p.end_column = 0;
	if (p.end_line && p.line != p.end_line)
		p.column = p.end_column = 0;
	if (p.end_line < p.line)
		p.end_line = 0;
	if (p.end_column < p.column)
		p.end_column = 0;
	*ret = p;
}
