// SPDX-License-Identifier: Apache-2.0
/* record_events.c - a record event by event: one line for people, or the event itself for tools.
 *
 * Runs in: command line. The chain is checked on the way; what comes before a bad line has been
 * printed when the bad line is found.
 */
#include "record_events.h"

#include "base/named_path.h"
#include "drydock/fd.h"
#include "event_fields.h"
#include "record.h"
#include "base/text_escape.h"

#include <fcntl.h>
#include <stdlib.h>

struct show {
	FILE *out;
	json_int_t start_ns;
	bool started, json;
};

enum { FIELD_SHOWN_MAX = 300 }; /* a script fills the screen; --json has all of it */

static void put_escaped(FILE *out, const char *text)
{
	size_t whole = strlen(text), len = whole > FIELD_SHOWN_MAX ? FIELD_SHOWN_MAX : whole;
	dd_auto_free char *safe = malloc(len * TEXT_ESCAPE_MAX + 1);
	if (!safe)
		return;
	(void)text_escape(safe, text, len);
	(void)fprintf(out, "%s%s", safe, len < whole ? "..." : "");
}

/* The common ones have columns of their own, or say nothing to people. */
static bool is_shown(const char *name)
{
	for (size_t i = 0; i < EVENT_COMMON; i++)
		if (strcmp(name, event_common[i].name) == 0)
			return event_common[i].may_be_absent;
	return true;
}

static void show_field(FILE *out, const char *name, const json_t *value)
{
	(void)fputc(' ', out);
	put_escaped(out, name);
	(void)fputc('=', out);
	if (json_is_string(value)) {
		put_escaped(out, json_string_value(value));
		return;
	}
	dd_auto_free char *text = json_dumps(value,
	                                     JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	put_escaped(out, text ? text : "?");
}

static void show_word(FILE *out, const json_t *value, int width)
{
	const char *text = json_is_string(value) ? json_string_value(value) : "-";
	(void)fputc(' ', out);
	put_escaped(out, text);
	for (int n = (int)strlen(text); n < width; n++)
		(void)fputc(' ', out);
}

static int show_text(const struct show *s, json_t *line)
{
	json_int_t now = json_integer_value(json_object_get(line, "mono_ns"));
	const char *name;
	json_t *value;
	(void)fprintf(s->out, "%5lld %+10.3fs",
	              (long long)json_integer_value(json_object_get(line, "seq")),
	              (double)(now - s->start_ns) / 1e9);
	show_word(s->out, json_object_get(line, "step"), 16);
	show_word(s->out, json_object_get(line, "phase"), 5);
	show_word(s->out, json_object_get(line, "event"), 12);
	json_object_foreach(line, name, value) if (is_shown(name)) show_field(s->out, name, value);
	return fputc('\n', s->out) == EOF ? -EIO : 0;
}

static int show_line(void *arg, json_t *line)
{
	struct show *s = arg;
	if (!s->started)
		s->start_ns = json_integer_value(json_object_get(line, "mono_ns"));
	s->started = true;
	if (!s->json)
		return show_text(s, line);
	return json_dumpf(line, s->out, JSON_COMPACT | JSON_ENSURE_ASCII) < 0 ||
	                       fputc('\n', s->out) == EOF
	               ? -EIO
	               : 0;
}

int record_show_events(const char *path, bool json, FILE *out, struct dd_err *err)
{
	struct record_state state = { .lines = 0 };
	struct show s = { .out = out, .json = json };
	dd_auto_fd int fd = -1;
	int r = named_open(path, O_RDONLY | O_NONBLOCK, 0, &fd, NULL, err);
	r = r < 0 ? dd_err_ctx(err, r, "the record") : record_scan(fd, &state, show_line, &s, err);
	if (r == 0 && state.torn_bytes > 0)
		r = dd_err_say(err, EBADMSG, "the last line is torn");
	return r;
}
