// SPDX-License-Identifier: Apache-2.0
/* run_manifests.h - runs GitHub's own manifests of actions (action-manifests/\*.yml, MIT): they
 * come without expectations, so what the reader says is held against the lines of the file
 * themselves. A file that its name calls invalid, or without a key that must be there, has to be
 * refused. */
#ifndef TESTS_CONFORMANCE_RUN_MANIFESTS_H
#define TESTS_CONFORMANCE_RUN_MANIFESTS_H

#include "tally.h"

#include "runner/forges/actions/action_manifest.h"

#include <strings.h>

/* The value of the first line `KEY: value` of the text, without quotes, into @out. */
static inline bool manifest_line(const char *text, const char *key, char out[200])
{
	size_t len = strlen(key);
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		const char *at = line + strspn(line, " -");
		if (strncmp(at, key, len) != 0 || at[len] != ':')
			continue;
		at += len + 1;
		at += strspn(at, " ");
		size_t n = strcspn(at, "\r\n#");
		while (n > 0 && at[n - 1] == ' ')
			n--;
		if (n >= 2 && (at[0] == '\'' || at[0] == '"') && at[n - 1] == at[0])
			at++, n -= 2;
		(void)snprintf(out, 200, "%.*s", (int)n, at);
		return true;
	}
	out[0] = '\0';
	return false;
}

static inline bool manifest_has(const char *text, const char *key, const char *have)
{
	char want[200];
	bool written = manifest_line(text, key, want);
	return written ? have && strcmp(have, want) == 0 : !have;
}

static inline enum action_manifest_kind manifest_wanted(const char *text)
{
	char using[200];
	if (!manifest_line(text, "using", using))
		return manifest_line(text, "plugin", using) ? ACTION_PLUGIN : ACTION_NONE;
	return strncasecmp(using, "node", 4) == 0    ? ACTION_NODE
	       : strcasecmp(using, "docker") == 0    ? ACTION_DOCKER
	       : strcasecmp(using, "composite") == 0 ? ACTION_COMPOSITE
	                                             : ACTION_NONE;
}

static inline size_t manifest_count(const char *text, const char *item)
{
	size_t n = 0;
	for (const char *at = strstr(text, item); at; at = strstr(at + 1, item))
		n++;
	return n;
}

static inline const char *manifest_differs(const struct action_manifest *m, const char *text)
{
	char word[200];
	if (m->kind != manifest_wanted(text))
		return "the kind";
	if (!manifest_has(text, "name", m->name) && m->kind != ACTION_COMPOSITE)
		return "the name";
	if (m->kind == ACTION_NODE &&
	    (!manifest_has(text, "main", m->main) || !manifest_has(text, "pre", m->pre) ||
	     !manifest_has(text, "post", m->post)))
		return "the files of the stages";
	if (m->kind == ACTION_DOCKER &&
	    (!manifest_has(text, "image", m->image) || !manifest_has(text, "entrypoint", m->main) ||
	     !manifest_has(text, "pre-entrypoint", m->pre) ||
	     !manifest_has(text, "post-entrypoint", m->post)))
		return "the image or its entry points";
	if (m->kind == ACTION_DOCKER && manifest_line(text, "args", word) != (m->args != NULL))
		return "the arguments";
	if (m->kind == ACTION_COMPOSITE &&
	    m->n_steps != manifest_count(text, "run:") + manifest_count(text, "uses:"))
		return "the steps";
	if (m->kind == ACTION_NODE || m->kind == ACTION_DOCKER) {
		if (!m->pre_if || !m->post_if)
			return "a condition is not there";
		if (!manifest_line(text, "post-if", word) &&
		    strcmp(m->post_if->text, "always()") != 0)
			return "the default of post-if";
	}
	if ((manifest_line(text, "inputs", word) && m->n_inputs == 0) ||
	    (manifest_line(text, "outputs", word) && m->n_outputs == 0))
		return "inputs or outputs";
	return NULL;
}

static inline void run_manifest(const char *dir, const char *name, struct tally *t)
{
	struct wf_errors *errors = calloc(1, sizeof(*errors));
	struct action_manifest *m = NULL;
	size_t len = 0;
	char *text = tally_read(dir, name, &len);
	bool wrong = strstr(name, "invalid") || strstr(name, "without_using");

	if (!text || !errors) {
		tally_fail(t, "%s: cannot be read", name);
	} else if (action_manifest_parse(name, text, len, &m, errors) < 0) {
		if (wrong)
			tally_pass(t);
		else
			tally_fail(t, "%s: refused at %u:%u: %s", name, errors->items[0].at.line,
			           errors->items[0].at.column, errors->items[0].text);
	} else if (wrong) {
		tally_fail(t, "%s: accepted", name);
	} else {
		const char *what = manifest_differs(m, text);
		if (what)
			tally_fail(t, "%s: %s", name, what);
		else
			tally_pass(t);
	}
	action_manifest_free(m);
	if (errors)
		wf_errors_done(errors);
	free(errors);
	free(text);
}

static inline bool run_manifests(const char *dir, struct tally *t)
{
	return tally_files(dir, ".yml", t, run_manifest);
}

#endif
