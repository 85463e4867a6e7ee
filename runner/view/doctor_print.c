// SPDX-License-Identifier: Apache-2.0
/* doctor_print.c - a diagnosis for people and for tools. What is missing comes first; 80 columns
 * are enough.
 *
 * Runs in: command line (an edge: it prints). The shape of the JSON is described in docs/doctor.md.
 */
#include "doctor_view.h"

#include "drydock/fd.h"
#include "base/text_escape.h"
#include "base/version.h"
#include "table.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 80, NAME_WIDTH = 15 };

static const struct area_row {
	const char *name, *title;
} areas[] = {
	{ "host", "this host" },
	{ "identity", "who runs what" },
	{ "isolation", "the sandbox of a step" },
	{ "network", "its network" },
	{ "locks", "its locks" },
	{ "limits", "its limits" },
};

static const char *identity_text(const struct diagnosis *d)
{
	return d->id_err.code ? "none" : identity_mode_name(d->id.mode);
}

static void identity_note(const struct diagnosis *d, char *out, size_t size)
{
	if (d->id_err.code)
		(void)snprintf(out, size, "%s", d->id_err.msg);
	else if (d->id.mode == IDENTITY_RANGE)
		(void)snprintf(out, size,
		               "host ids %u to %u; launcher, gate and steps have ids of their own",
		               (unsigned)d->id.host_range,
		               (unsigned)(d->id.host_range + d->id.ids - 2));
	else
		(void)snprintf(out, size, "launcher and steps share one id, which is weaker; %s",
		               d->id.note);
}

/* @text, broken between words at WIDTH; the first line begins after @label, the others below it. */
static void put_wrapped(FILE *out, const char *label, size_t indent, const char *text)
{
	dd_auto_free char *safe = malloc(strlen(text) * TEXT_ESCAPE_MAX + 1);
	size_t column = indent;
	bool first = true;

	if (!safe)
		return;
	(void)text_escape(safe, text, strlen(text));
	(void)fprintf(out, "%-*s", (int)indent, label);
	for (const char *p = safe; *p;) {
		p += strspn(p, " ");
		size_t len = strcspn(p, " ");
		if (len == 0)
			break;
		if (!first && column + 1 + len > WIDTH) {
			(void)fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
			first = true;
		}
		(void)fprintf(out, "%s%.*s", first ? "" : " ", (int)len, p);
		column += len + !first;
		first = false;
		p += len;
	}
	(void)fputc('\n', out);
}

/* One cause may take several features away; it is told once. */
static void put_missing(FILE *out, const struct sandbox_feature *f,
                        const struct sandbox_feature *before)
{
	bool same = before && strcmp(before->found, f->found) == 0;
	char label[80], as[80];
	(void)snprintf(label, sizeof(label), "  %-*s", NAME_WIDTH, f->name);
	(void)snprintf(as, sizeof(as), "as for %s", before ? before->name : "");
	put_wrapped(out, label, NAME_WIDTH + 3, f->need);
	put_wrapped(out, "    found", NAME_WIDTH + 3, same ? as : f->found);
	if (!same)
		put_wrapped(out, "    remedy", NAME_WIDTH + 3,
		            before && strcmp(before->remedy, f->remedy) == 0 ? as : f->remedy);
}

static size_t put_all_missing(FILE *out, const struct diagnosis *d, bool required,
                              const char *title)
{
	const struct sandbox_feature *before = NULL;
	size_t n = 0;
	for (size_t a = 0; a < ARRAY_LEN(areas); a++)
		for (size_t i = 0; i < d->n_features; i++) {
			const struct sandbox_feature *f = &d->features[i];
			if (f->present || f->required != required ||
			    strcmp(f->area, areas[a].name) != 0)
				continue;
			if (n++ == 0)
				(void)fprintf(out, "\n%s\n", title);
			put_missing(out, f, before);
			if (!before || (strcmp(before->found, f->found) != 0 &&
			                strcmp(before->remedy, f->remedy) != 0))
				before = f;
		}
	return n;
}

static const struct table_column area_columns[] = {
	{ NULL, TABLE_LEFT },
	{ NULL, TABLE_LEFT },
	{ NULL, TABLE_WRAP },
};

static void put_area(FILE *out, const struct diagnosis *d, const struct area_row *area)
{
	struct table *table = table_new(area_columns, ARRAY_LEN(area_columns), 2, WIDTH);
	(void)fprintf(out, "\n%s\n", area->title);
	for (size_t i = 0; i < d->n_features; i++) {
		const struct sandbox_feature *f = &d->features[i];
		bool found = f->present && strcmp(f->found, "yes") != 0;
		char name[80];
		if (strcmp(f->area, area->name) != 0)
			continue;
		/* the areas are aligned with each other */
		(void)snprintf(name, sizeof(name), "%-*s", NAME_WIDTH, f->name);
		table_row(table, (const char *const[]){ name, f->present ? "ok     " : "MISSING",
		                                        found ? f->found : f->need });
	}
	if (table_print(table, out) < 0)
		(void)fputs("  no memory to list it: --json does\n", out);
	table_free(table);
}

static void put_policy(FILE *out, const struct diagnosis *d)
{
	(void)fprintf(out, "\nMISSING for %s\n", d->policy);
	for (size_t i = 0; i < d->n_wants; i++) {
		const struct doctor_want *w = &d->wants[i];
		char label[200];
		if (w->mark.line)
			(void)snprintf(label, sizeof(label), "line %u, %s", w->mark.line, w->key);
		else
			(void)snprintf(label, sizeof(label), "%s (the default)", w->key);
		put_wrapped(out, "", 2, label);
		put_wrapped(out, "    found", NAME_WIDTH + 3, w->found);
		put_wrapped(out, "    remedy", NAME_WIDTH + 3, w->remedy);
	}
	if (d->wants_truncated)
		(void)fprintf(out, "  and more: only the first %d are shown\n", DOCTOR_WANTS_MAX);
}

static void put_statics(FILE *out, const struct diagnosis *d)
{
	(void)fprintf(out, "\nSTATIC in %s\n", d->policy);
	put_wrapped(
		out, "", 2,
		"These secrets stay valid when their step is over, until somebody changes them. "
		"Where their issuer can make one for each step, ask it: docs/credentials.md.");
	for (size_t i = 0; i < d->n_statics; i++) {
		char label[200];
		(void)snprintf(label, sizeof(label), "line %u, %s: %s", d->statics[i].mark.line,
		               d->statics[i].key, d->statics[i].from);
		put_wrapped(out, "", 2, label);
	}
}

static void put_verdict(FILE *out, const struct diagnosis *d)
{
	char note[700], line[800];
	if (!d->ok)
		put_wrapped(out, "", 0,
		            "A run would be REFUSED on this host: something that every run needs "
		            "is missing.");
	else if (d->n_wants)
		put_wrapped(out, "", 0,
		            "This host can enforce a run, but NOT this policy: a run with it would "
		            "be refused.");
	else if (d->policy)
		put_wrapped(out, "", 0, "This host can enforce this policy.");
	else
		put_wrapped(out, "", 0, "This host can enforce a run.");
	identity_note(d, note, sizeof(note));
	(void)snprintf(line, sizeof(line), "%s: %s", identity_text(d), note);
	put_wrapped(out, "identity", 10, line);
	if (getenv("DRYDOCK_FAULT"))
		put_wrapped(out, "", 0,
		            "DRYDOCK_FAULT is set: features are taken away on purpose.");
}

void doctor_print_text(const struct diagnosis *d, FILE *out)
{
	put_verdict(out, d);
	(void)put_all_missing(out, d, true, "MISSING, and every run needs it");
	if (d->n_wants)
		put_policy(out, d);
	if (d->n_statics)
		put_statics(out, d);
	(void)put_all_missing(out, d, false, "MISSING, and only some policies need it");
	for (size_t a = 0; a < ARRAY_LEN(areas); a++)
		put_area(out, d, &areas[a]);
}

/* ---- JSON ---- */

static json_t *features_json(const struct diagnosis *d)
{
	json_t *rows = json_array();
	for (size_t i = 0; i < d->n_features; i++) {
		const struct sandbox_feature *f = &d->features[i];
		(void)json_array_append_new(
			rows,
			json_pack("{s:s, s:s, s:s, s:b, s:b, s:s, s:s}", "name", f->name, "area",
		                  f->area, "need", f->need, "required", f->required, "present",
		                  f->present, "found", f->found, "remedy", f->remedy));
	}
	return rows;
}

static json_t *policy_json(const struct diagnosis *d)
{
	if (!d->policy)
		return json_null();
	json_t *rows = json_array();
	for (size_t i = 0; i < d->n_wants; i++) {
		const struct doctor_want *w = &d->wants[i];
		(void)json_array_append_new(rows, json_pack("{s:s, s:i, s:i, s:s, s:s}", "key",
		                                            w->key, "line", (int)w->mark.line,
		                                            "column", (int)w->mark.column, "found",
		                                            w->found, "remedy", w->remedy));
	}
	json_t *statics = json_array();
	for (size_t i = 0; i < d->n_statics; i++)
		(void)json_array_append_new(
			statics,
			json_pack("{s:s, s:i, s:i, s:s}", "key", d->statics[i].key, "line",
		                  (int)d->statics[i].mark.line, "column",
		                  (int)d->statics[i].mark.column, "from", d->statics[i].from));
	return json_pack("{s:s, s:b, s:o, s:o}", "path", d->policy, "ok", d->n_wants == 0,
	                 "missing", rows, "static", statics);
}

int doctor_print_json(const struct diagnosis *d, FILE *out)
{
	char note[700];
	identity_note(d, note, sizeof(note));
	json_t *root = json_pack("{s:s, s:o, s:s, s:s, s:b, s:o, s:b}", "version",
	                         drydock_version(), "features", features_json(d), "identity",
	                         identity_text(d), "identity_note", note, "fault",
	                         getenv("DRYDOCK_FAULT") != NULL, "policy", policy_json(d), "ok",
	                         d->ok && d->n_wants == 0);
	bool good = root && json_array_size(json_object_get(root, "features")) == d->n_features;
	good = good && json_dumpf(root, out, JSON_INDENT(2)) == 0 && fputc('\n', out) != EOF;
	json_decref(root);
	return good ? 0 : -EIO;
}
