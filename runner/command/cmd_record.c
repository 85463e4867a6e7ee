// SPDX-License-Identifier: Apache-2.0
/* cmd_record.c - checks a record, shows it in a terminal, or makes a page of it.
 *
 * Runs in the command line, as whoever asks; the file is foreign, so every byte of it is escaped.
 * `schema` prints what a line may hold (configs/record.schema.json is its output).
 * Exit codes: 0 the chain holds, 1 it holds but the run did not end (verify only), 2 usage, 4 the
 * record was tampered with or is torn, 5 it cannot be read or the output cannot be written.
 */
#include "commands.h"

#include "base/named_path.h"
#include "drydock/fd.h"
#include "lease/signed_head.h"
#include "record/event_fields.h"
#include "record/record.h"
#include "record/record_events.h"
#include "view/record_view.h"
#include "base/text_escape.h"

#include <argp.h>
#include <fcntl.h>
#include <stdlib.h>

struct args {
	const char *verb, *path;
	const char *key, *signature;
	bool events, json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;
	switch (key) {
	case 'e':
		a->events = true;
		return 0;
	case 'J':
		a->json = true;
		return 0;
	case 'k':
		a->key = arg;
		return 0;
	case 's':
		a->signature = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (a->verb && a->path)
			return ARGP_ERR_UNKNOWN;
		*(a->verb ? &a->path : &a->verb) = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->path && !(a->verb && strcmp(a->verb, "schema") == 0))
			argp_error(state, "name a verb and a record");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int exit_code(int r)
{
	return r == 0 ? 0 : r == -ENODATA ? 1 : r == -EBADMSG ? 4 : 5;
}

static int complain(const struct dd_err *err, int r)
{
	char safe[sizeof(err->msg) * TEXT_ESCAPE_MAX + 1];
	(void)text_escape(safe, err->msg, strlen(err->msg));
	(void)fprintf(stderr, "drydock: %s\n", safe);
	return exit_code(r);
}

/* Whoever asks for a signature gets a yes only for one. */
static int verify_signature(const struct args *a, const struct record_state *state)
{
	struct dd_err err = { 0 };
	char when[40];
	int r = signed_head_verify(a->key, a->path, a->signature, state->lines, state->head, when,
	                           &err);
	if (r < 0)
		return complain(&err, r == -ENOENT ? -EBADMSG : r);
	char safe[sizeof(when) * TEXT_ESCAPE_MAX + 1];
	safe[text_escape(safe, when, strlen(when))] = '\0';
	(void)printf("signed %s with the key of %s\n", safe, a->key);
	return 0;
}

static int verify(const struct args *a)
{
	struct dd_err err = { 0 };
	struct record_state state;
	uint64_t lines = 0;
	int r = record_verify(a->path, &lines, &err);
	if (r < 0)
		return complain(&err, r);
	dd_auto_fd int fd = -1;
	if (named_open(a->path, O_RDONLY | O_NONBLOCK, 0, &fd, NULL, &err) < 0 ||
	    record_scan(fd, &state, NULL, NULL, NULL) < 0)
		return 5;
	(void)printf("the chain holds: %llu lines, head %s\n", (unsigned long long)lines,
	             state.head);
	return a->key ? verify_signature(a, &state) : 0;
}

static int draw_timeline(const struct record_facts *facts, struct dd_err *err)
{
	const struct record_view_options opt = record_view_options();
	return record_show_timeline(facts, &opt, stdout, err);
}

static int draw_report(const struct record_facts *facts, struct dd_err *err)
{
	return record_report_html(facts, stdout, err);
}

/* A torn last line is drawn with a warning, and still is no clean record. */
static int draw(const char *path, int (*how)(const struct record_facts *facts, struct dd_err *err))
{
	struct dd_err err = { 0 };
	struct record_facts *facts = NULL;
	int r = record_facts_load(path, &facts, &err);
	if (r == 0)
		r = how(facts, &err);
	if (r == 0 && fflush(stdout) != 0)
		r = dd_err_set(&err, EIO, "write the output");
	if (r == 0 && facts->torn_bytes)
		r = dd_err_say(&err, EBADMSG, "the last line is torn");
	record_facts_free(facts);
	return r < 0 ? complain(&err, r) : 0;
}

static int show(const struct args *a)
{
	struct dd_err err = { 0 };
	if (!a->events && !a->json)
		return draw(a->path, draw_timeline);
	int r = record_show_events(a->path, a->json, stdout, &err);
	return r < 0 ? complain(&err, r) : 0;
}

static int report(const struct args *a)
{
	return draw(a->path, draw_report);
}

static int schema(const struct args *a)
{
	struct dd_err err = { 0 };
	json_t *all = event_schema();
	int r = !all || json_dumpf(all, stdout, JSON_INDENT(1)) < 0 || putchar('\n') == EOF ||
	                        fflush(stdout) != 0
	                ? dd_err_set(&err, EIO, "write the output")
	                : 0;
	(void)a;
	json_decref(all);
	return r < 0 ? complain(&err, r) : 0;
}

static const struct verb_row {
	const char *name;
	int (*run)(const struct args *a);
	bool options; /* takes --events and --json */
	bool keys;    /* takes --key and --signature */
	bool record;  /* takes a record */
} verbs[] = {
	{ "verify", verify, false, true, true },
	{ "show", show, true, false, true },
	{ "report", report, false, false, true },
	{ "schema", schema, false, false, false },
};

int cmd_record(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ .name = "events",
		  .key = 'e',
		  .doc = "show: one line for each event instead of the timeline" },
		{ .name = "json", .key = 'J', .doc = "show: each event as a line of JSON" },
		{ .name = "key",
		  .key = 'k',
		  .arg = "FILE",
		  .doc = "verify: that it was signed (`run --record-key`), with the key whose "
		         "public half this is: PEM, or an issuer's key set" },
		{ .name = "signature",
		  .key = 's',
		  .arg = "FILE",
		  .doc = "verify: the signature is here, not in RECORD.sig" },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "verify RECORD\nshow RECORD\nreport RECORD\nschema",
		.doc = "Check that the chain of a record holds, look at it as a timeline, write "
		       "a page for a browser to standard output, or print the JSON Schema of its "
		       "lines.",
	};
	struct args a = { 0 };
	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
		return 2;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(a.verb, verbs[i].name) == 0 &&
		    (verbs[i].options || !(a.events || a.json)) &&
		    (verbs[i].keys || !(a.key || a.signature)) && (a.key || !a.signature) &&
		    verbs[i].record == (a.path != NULL))
			return verbs[i].run(&a);
	(void)fprintf(
		stderr,
		"drydock record: there are verify (with --key, and then --signature), show (with "
		"--events or --json), report and schema (without a record)\n");
	return 2;
}
