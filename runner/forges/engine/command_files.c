// SPDX-License-Identifier: Apache-2.0
/* command_files.c - see command_files.h. Runs in: supervisor, on what a step wrote. */
#include "command_files.h"

#include "base/text_escape.h"
#include "drydock/err.h"

#include <string.h>

enum { QUOTED_MAX = 60 };

struct reader {
	struct plan_arena *arena;
	const char *at, *end;
	unsigned line;
	struct command_pairs *ret;
};

/* ---- texts ---- */

static const char replacement[] = "\xef\xbf\xbd";

static size_t valid_len(const char *text, size_t len)
{
	size_t n = 0;
	while (n < len) {
		size_t one = (unsigned char)text[n] < 0x80 ? 1 : utf8_char_len(text + n, len - n);
		if (one == 0)
			break;
		n += one;
	}
	return n;
}

static const char *keep_text(struct plan_arena *arena, const char *text, size_t len,
                             size_t *ret_len)
{
	if (valid_len(text, len) == len) {
		*ret_len = len;
		return arena_strndup(arena, text, len);
	}
	char *out = arena_alloc(arena, len * (sizeof(replacement) - 1) + 1), *to = out;
	for (size_t i = 0; i < len;) {
		size_t n = valid_len(text + i, len - i);
		to = mempcpy(to, text + i, n);
		i += n;
		if (i < len) {
			to = mempcpy(to, replacement, sizeof(replacement) - 1);
			i++;
		}
	}
	*ret_len = (size_t)(to - out);
	return out;
}

static bool wrong(struct reader *r, const char *line, size_t len, const char *what)
{
	char shown[TEXT_ESCAPE_MAX * QUOTED_MAX + 1];
	(void)text_escape(shown, line, len < QUOTED_MAX ? len : QUOTED_MAX);
	(void)snprintf(r->ret->why, sizeof(r->ret->why), "line %u, `%.*s`%s: %s", r->line,
	               QUOTED_MAX, shown, len > QUOTED_MAX ? "..." : "", what);
	return false;
}

static bool add(struct reader *r, const char *name, size_t name_len, const char *value,
                size_t value_len)
{
	struct command_pair *pair;

	if (r->ret->n == COMMAND_PAIRS_MAX)
		return wrong(r, name, name_len, "more than 20000 entries");
	r->ret->items = arena_grow(r->arena, r->ret->items, r->ret->n, sizeof(*r->ret->items));
	pair = &r->ret->items[r->ret->n++];
	*pair = (struct command_pair){ 0 };
	if (name)
		pair->name = keep_text(r->arena, name, name_len, &pair->name_len);
	pair->value = keep_text(r->arena, value, value_len, &pair->value_len);
	return true;
}

/* ---- pairs ---- */

/* The line at hand without its LF. @ret_ended: it has one. */
static const char *next_line(struct reader *r, size_t *ret_len, bool *ret_ended)
{
	const char *line = r->at, *lf = memchr(line, '\n', (size_t)(r->end - line));
	*ret_ended = lf;
	*ret_len = (size_t)((lf ? lf : r->end) - line);
	r->at = lf ? lf + 1 : r->end;
	r->line++;
	return line;
}

/* From behind the line that names the delimiter to the line that is it. */
static bool read_lines(struct reader *r, const char *head, size_t head_len, size_t name_len)
{
	const char *mark = head + name_len + 2, *from = r->at, *to = r->at;
	const size_t mark_len = head_len - name_len - 2;

	if (name_len == 0 || mark_len == 0)
		return wrong(r, head, head_len, "a name, <<, and a delimiter belong here");
	while (r->at < r->end) {
		size_t len;
		bool ended;
		const char *line = next_line(r, &len, &ended);
		if (len == mark_len && memcmp(line, mark, len) == 0)
			return add(r, head, name_len, from, (size_t)(to - from));
		if (!ended)
			break;
		to = line + len;
	}
	return wrong(r, mark, mark_len, "this delimiter stands in no line of its own behind that");
}

static bool read_pair(struct reader *r)
{
	size_t len;
	bool ended;
	const char *line = next_line(r, &len, &ended);
	const char *equals = memchr(line, '=', len), *here = memmem(line, len, "<<", 2);

	if (len == 0)
		return true;
	if (here && (!equals || here < equals))
		return read_lines(r, line, len, (size_t)(here - line));
	if (!equals)
		return wrong(r, line, len, "neither NAME=VALUE nor NAME<<DELIMITER");
	if (equals == line)
		return wrong(r, line, len, "there is no name in front of the =");
	return add(r, line, (size_t)(equals - line), equals + 1, len - (size_t)(equals - line) - 1);
}

static void begin(struct reader *r, const char *bytes, size_t len)
{
	static const char bom[] = "\xef\xbb\xbf";
	*r->ret = (struct command_pairs){ .n = 0 };
	r->at = bytes;
	r->end = bytes + len;
	if (len >= 3 && memcmp(bytes, bom, 3) == 0)
		r->at += 3;
}

bool command_pairs_read(struct plan_arena *arena, const char *bytes, size_t len,
                        struct command_pairs *ret)
{
	struct reader r = { .arena = arena, .ret = ret };

	begin(&r, bytes, len);
	while (r.at < r.end)
		if (!read_pair(&r))
			return false;
	return true;
}

bool command_paths_read(struct plan_arena *arena, const char *bytes, size_t len,
                        struct command_pairs *ret)
{
	struct reader r = { .arena = arena, .ret = ret };

	begin(&r, bytes, len);
	while (r.at < r.end) {
		const char *line = r.at;
		while (r.at < r.end && *r.at != '\n' && *r.at != '\r')
			r.at++;
		size_t n = (size_t)(r.at - line);
		r.line++;
		if (memchr(line, '\0', n))
			return wrong(&r, line, n, "a path holds no NUL");
		if (n > 0 && !add(&r, NULL, 0, line, n))
			return false;
		r.at += r.at < r.end;
	}
	return true;
}
