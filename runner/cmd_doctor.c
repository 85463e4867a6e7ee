// SPDX-License-Identifier: Apache-2.0
/* cmd_doctor.c - `drydock doctor`: what this host can and cannot enforce, each with the remedy.
 *
 * Runs in: the command line's own process, with the rights that a run would have. Exit 3 when a run would be refused.
 */
#include "commands.h"

#include "drydock/identity.h"
#include "drydock/sandbox.h"
#include "exit_code.h"

#include <argp.h>
#include <jansson.h>
#include <stdlib.h>

struct doctor_options {
	bool json;
};

struct diagnosis {
	struct identity               id;
	struct dd_err                 id_err; /* code 0: entered */
	const struct sandbox_feature *rows;
	size_t                        n;
	bool                          ok;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct doctor_options *opt = state->input;
	(void)arg;
	if (key == ARGP_KEY_ARG)
		argp_usage(state); /* does not return */
	if (key != 'j')
		return ARGP_ERR_UNKNOWN;
	opt->json = true;
	return 0;
}

static const char *identity_text(const struct diagnosis *d)
{
	return d->id_err.code ? "none" : identity_mode_name(d->id.mode);
}

static void print_text(const struct diagnosis *d)
{
	printf("%-14s %-9s %-8s %-46s %s\n", "FEATURE", "", "STATE", "FOR", "FOUND");
	for (size_t i = 0; i < d->n; i++) {
		const struct sandbox_feature *f = &d->rows[i];
		printf("%-14s %-9s %-8s %-46s %s\n", f->name, f->required ? "required" : "optional", f->present ? "yes" : "MISSING", f->need,
		       f->found);
		if (!f->present)
			printf("%-14s remedy: %s\n", "", f->remedy);
	}
	printf("\nidentity: %s%s%s\n", identity_text(d), d->id_err.code || d->id.note[0] ? ": " : "",
	       d->id_err.code ? d->id_err.msg : d->id.note);
	if (getenv("DRYDOCK_FAULT"))
		printf("DRYDOCK_FAULT is set: features are taken away on purpose\n");
	printf(d->ok ? "This host can enforce a run.\n" : "A run would be refused on this host.\n");
}

static int print_json(const struct diagnosis *d)
{
	json_t *rows = json_array();
	for (size_t i = 0; i < d->n; i++) {
		const struct sandbox_feature *f = &d->rows[i];
		json_t *row = json_pack("{s:s, s:s, s:b, s:b, s:s, s:s}", "name", f->name, "need", f->need, "required", f->required, "present",
		                        f->present, "found", f->found, "remedy", f->remedy);
		if (json_array_append_new(rows, row) < 0) {
			json_decref(rows);
			return DRYDOCK_EXIT_INTERNAL;
		}
	}
	json_t *all = json_pack("{s:o, s:s, s:s, s:b, s:b}", "features", rows, "identity", identity_text(d), "identity_note",
	                        d->id_err.code ? d->id_err.msg : d->id.note, "fault", getenv("DRYDOCK_FAULT") != NULL, "ok", d->ok);
	int r = all ? json_dumpf(all, stdout, JSON_INDENT(2)) : -1;
	json_decref(all);
	printf("\n");
	return r < 0 ? DRYDOCK_EXIT_INTERNAL : DRYDOCK_EXIT_OK;
}

static int diagnose(struct diagnosis *d, struct dd_err *err)
{
	bool entered = identity_enter(&d->id, &d->id_err) == 0;
	int n = sandbox_probe(&d->rows, err); /* also when no identity could be entered: the rows say why */
	if (n < 0)
		return n;
	d->n = (size_t)n;
	d->ok = entered;
	for (size_t i = 0; i < d->n; i++)
		d->ok = d->ok && (d->rows[i].present || !d->rows[i].required);
	return 0;
}

int cmd_doctor(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "json", 'j', NULL, 0, "print the result as JSON", 0 },
		{ NULL, 0, NULL, 0, NULL, 0 },
	};
	static const struct argp argp = { .options = options, .parser = parse_option,
		.doc = "Say what this host can and cannot enforce, each with the remedy.\vExit status 3: a run would be refused." };
	struct doctor_options opt = { .json = false };
	struct diagnosis d = { .n = 0 };
	struct dd_err err = { .code = 0 };

	argp_err_exit_status = DRYDOCK_EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &opt) != 0)
		return DRYDOCK_EXIT_USAGE;
	if (diagnose(&d, &err) < 0) {
		(void)fprintf(stderr, "drydock doctor: %s\n", err.msg);
		return DRYDOCK_EXIT_INTERNAL;
	}
	int r = DRYDOCK_EXIT_OK;
	if (opt.json)
		r = print_json(&d);
	else
		print_text(&d);
	if (r == DRYDOCK_EXIT_OK && fflush(stdout) != 0)
		r = DRYDOCK_EXIT_INTERNAL;
	return r != DRYDOCK_EXIT_OK ? r : d.ok ? DRYDOCK_EXIT_OK : DRYDOCK_EXIT_HOST;
}
