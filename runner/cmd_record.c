// SPDX-License-Identifier: Apache-2.0
/* cmd_record.c - checks a record and makes it readable.
 *
 * Runs in the command line, as whoever asks; the file is foreign, so every byte of it is escaped. Exit
 * codes: 0 the chain holds, 1 it holds but the
 * run did not end, 2 usage, 4 the record was tampered with, 5 it cannot be read.
 */
#include "commands.h"

#include "drydock/fd.h"
#include "record.h"
#include "text_escape.h"

#include <argp.h>
#include <fcntl.h>
#include <stdlib.h>

struct args {
	const char *verb, *path;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;
	if (key == ARGP_KEY_ARG && !a->verb) {
		a->verb = arg;
		return 0;
	}
	if (key == ARGP_KEY_ARG && !a->path) {
		a->path = arg;
		return 0;
	}
	if (key == ARGP_KEY_END && !a->path)
		argp_error(state, "name a verb and a record");
	return ARGP_ERR_UNKNOWN;
}

static int exit_code(int r)
{
	return r == 0 ? 0 : r == -ENODATA ? 1 : r == -EBADMSG ? 4 : 5;
}

static void print_escaped(FILE *out, const char *text)
{
	size_t len = strlen(text);
	dd_auto_free char *safe = malloc(len * TEXT_ESCAPE_MAX + 1);
	if (!safe)
		return;
	(void)text_escape(safe, text, len);
	(void)fputs(safe, out);
}

static int verify(const char *path)
{
	struct dd_err err = { 0 };
	struct record_state state;
	uint64_t lines = 0;
	int r = record_verify(path, &lines, &err);
	if (r < 0) {
		print_escaped(stderr, err.msg);
		(void)fputc('\n', stderr);
		return exit_code(r);
	}
	dd_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || record_scan(fd, &state, NULL, NULL, NULL) < 0)
		return 5;
	(void)printf("the chain holds: %llu lines, head %s\n", (unsigned long long)lines, state.head);
	return 0;
}

struct show {
	json_int_t start_ns;
	bool       started;
};

static const char *const not_shown[] = { "seq", "time", "mono_ns", "run", "job", "step", "phase", "event", "prev" };

static bool is_shown(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(not_shown); i++)
		if (strcmp(name, not_shown[i]) == 0)
			return false;
	return true;
}

static void show_field(const char *name, const json_t *value)
{
	(void)fputc(' ', stdout);
	print_escaped(stdout, name);
	(void)fputc('=', stdout);
	if (json_is_string(value)) {
		print_escaped(stdout, json_string_value(value));
		return;
	}
	dd_auto_free char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	print_escaped(stdout, text ? text : "?");
}

static void show_word(const json_t *value, int width)
{
	const char *text = json_is_string(value) ? json_string_value(value) : "-";
	(void)fputc(' ', stdout);
	print_escaped(stdout, text);
	for (int n = (int)strlen(text); n < width; n++)
		(void)fputc(' ', stdout);
}

static int show_line(void *arg, json_t *line)
{
	struct show *s = arg;
	json_int_t now = json_integer_value(json_object_get(line, "mono_ns"));
	if (!s->started)
		s->start_ns = now;
	s->started = true;
	(void)printf("%+10.3fs", (double)(now - s->start_ns) / 1e9);
	show_word(json_object_get(line, "step"), 16);
	show_word(json_object_get(line, "phase"), 5);
	show_word(json_object_get(line, "event"), 12);
	const char *name;
	json_t *value;
	json_object_foreach(line, name, value)
		if (is_shown(name))
			show_field(name, value);
	(void)fputc('\n', stdout);
	return 0;
}

static int show(const char *path)
{
	struct dd_err err = { 0 };
	struct record_state state;
	struct show s = { 0 };
	dd_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r = fd < 0 ? dd_err_set(&err, errno, "open the record %s", path) : record_scan(fd, &state, show_line, &s, &err);
	if (r == 0 && state.torn_bytes > 0)
		r = dd_err_say(&err, EBADMSG, "the last line is torn");
	if (r == 0)
		return 0;
	print_escaped(stderr, err.msg);
	(void)fputc('\n', stderr);
	return exit_code(r);
}

static const struct verb_row {
	const char *name;
	int (*run)(const char *path);
} verbs[] = { { "verify", verify }, { "show", show } };

int cmd_record(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse,
		.args_doc = "verify RECORD\nshow RECORD",
		.doc = "Check that the chain of a record holds, or read it: one line for each event, times since the first.",
	};
	struct args a = { 0 };
	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
		return 2;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(a.verb, verbs[i].name) == 0)
			return verbs[i].run(a.path);
	(void)fprintf(stderr, "record: unknown verb; there are verify and show\n");
	return 2;
}
