// SPDX-License-Identifier: Apache-2.0
/* egress_set_files.c - package managers whose configuration is read as files, line by line: apt's
 * sources, cargo's config, apk's repositories.
 *
 * Runs in: command line and supervisor. The files are the operator's. */
#include "egress_set_readers.h"

#include "drydock/fd.h"
#include "input/read_file.h"
#include "input/tool_ask.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static void apt_one_line(struct set_reading *s, char *line, void *state)
{
	(void)state;
	line += strspn(line, " \t");
	if (strncmp(line, "deb", 3) != 0)
		return;
	line[strcspn(line, "#")] = '\0';
	set_add_words(s, line, "sources");
}

/* deb822: stanzas of "Field: value", continued by a leading blank; "Enabled: no" switches one off,
 * wherever in it that stands. */
struct stanza {
	char uris[4096];
	bool in_uris, disabled;
};

static void stanza_end(struct set_reading *s, struct stanza *st)
{
	if (!st->disabled)
		set_add_words(s, st->uris, "sources");
	*st = (struct stanza){ 0 };
}

static void stanza_append(struct set_reading *s, struct stanza *st, const char *value)
{
	size_t len = strlen(st->uris);
	if (len + strlen(value) + 2 > sizeof(st->uris))
		s->full = true; /* refused later, not cut */
	else
		(void)snprintf(st->uris + len, sizeof(st->uris) - len, " %s", value);
}

static void apt_deb822(struct set_reading *s, char *line, void *state)
{
	struct stanza *st = state;
	line[strcspn(line, "\r")] = '\0';
	if (line[0] == '#')
		return;
	if (line[strspn(line, " \t")] == '\0') {
		stanza_end(s, st);
		return;
	}
	bool more = line[0] == ' ' || line[0] == '\t';
	if (!more)
		st->in_uris = strncasecmp(line, "URIs:", 5) == 0;
	if (st->in_uris)
		stanza_append(s, st, more ? line : line + 5);
	if (strncasecmp(line, "Enabled:", 8) == 0) {
		const char *value = line + 8 + strspn(line + 8, " \t");
		static const char *const no[] = { "no", "false", "without", "off", "disable" };
		for (size_t i = 0; i < ARRAY_LEN(no); i++)
			st->disabled |= strncasecmp(value, no[i], strlen(no[i])) == 0;
	}
}

static int apt_file(struct set_reading *s, const char *path, struct dd_err *err)
{
	struct stanza stanza = { 0 };
	if (set_ends_with(path, ".list"))
		return set_each_line(s, path, apt_one_line, NULL, err);
	int r = set_each_line(s, path, apt_deb822, &stanza, err);
	if (r == 0)
		stanza_end(s, &stanza);
	return r;
}

static int apt_directory(struct set_reading *s, const char *dir, struct dd_err *err)
{
	DIR *d = opendir(dir);
	int r = 0;
	if (!d)
		return errno == ENOENT ? 0 : dd_err_set(err, errno, "open %s", dir);
	for (struct dirent *e = readdir(d); e && r == 0; e = readdir(d))
		if (set_ends_with(e->d_name, ".list") || set_ends_with(e->d_name, ".sources"))
			r = apt_file(s, arena_printf(s->arena, "%s/%s", dir, e->d_name), err);
	(void)closedir(d);
	return r;
}

/* apt says itself where its files are: Dir::Etc, which APT_CONFIG may move. */
int set_ask_apt(struct set_reading *s, struct dd_err *err)
{
	static const char *const argv[] = { "apt-config", "shell",
		                            "list",       "Dir::Etc::sourcelist/f",
		                            "parts",      "Dir::Etc::sourceparts/d",
		                            "proxy",      "Acquire::http::Proxy",
		                            "sproxy",     "Acquire::https::Proxy",
		                            NULL };
	static const char *const env[] = { "APT_CONFIG", NULL };
	dd_auto_free char *text = NULL;
	char *save = NULL;
	int r = tool_ask(argv, env, &text, err);
	if (r < 0)
		return dd_err_ctx(err, r, "use: apt");
	for (char *line = strtok_r(text, "\n", &save); line && r == 0;
	     line = strtok_r(NULL, "\n", &save)) {
		char *open = strchr(line, '\''), *close = open ? strchr(open + 1, '\'') : NULL;
		if (!close)
			continue;
		*close = '\0';
		if (strncmp(line, "list=", 5) == 0)
			r = apt_file(s, open + 1, err);
		else if (strncmp(line, "parts=", 6) == 0)
			r = apt_directory(s, open + 1, err);
		else if (strstr(line, "proxy=") && strcmp(open + 1, "DIRECT") != 0 &&
		         set_add_proxy(s, open + 1, strlen(open + 1), "Acquire::Proxy") < 0)
			r = dd_err_say(err, EINVAL, "its proxy names no host");
	}
	return r < 0 ? dd_err_ctx(err, r, "use: apt") : 0;
}

/* `registry = "sparse+https://..."` and `index = "..."`, in any table: sources, registries; `proxy`
 * of [http]. */
static void cargo_line(struct set_reading *s, char *line, void *state)
{
	(void)state;
	line += strspn(line, " \t");
	size_t len = strcspn(line, " \t=");
	bool proxy = len == 5 && strncmp(line, "proxy", 5) == 0;
	bool wanted = (len == 8 && strncmp(line, "registry", 8) == 0) ||
	              (len == 5 && strncmp(line, "index", 5) == 0) || proxy;
	char *value = wanted ? strchr(line, '=') : NULL;
	char *open = value ? strpbrk(value, "\"'") : NULL;
	char *close = open ? strchr(open + 1, *open) : NULL;
	if (!close)
		return;
	open++;
	if (strncmp(open, "sparse+", 7) == 0)
		open += 7;
	if (proxy)
		(void)set_add_proxy(s, open, (size_t)(close - open), "proxy");
	else
		(void)set_add_url(s, open, (size_t)(close - open), "config");
}

/* cargo has no stable command for this. Its config lies in CARGO_HOME (else ~/.cargo), and
 * registries may be named in the environment. */
int set_ask_cargo(struct set_reading *s, struct dd_err *err)
{
	extern char **environ;
	const char *cargo = getenv("CARGO_HOME"), *home = getenv("HOME");
	const char *dir = cargo ? cargo : arena_printf(s->arena, "%s/.cargo", home ? home : "");
	int r = set_each_line(s, arena_printf(s->arena, "%s/config.toml", dir), cargo_line, NULL,
	                      err);
	if (r == 0)
		r = set_each_line(s, arena_printf(s->arena, "%s/config", dir), cargo_line, NULL,
		                  err);
	if (r < 0)
		return dd_err_ctx(err, r, "use: cargo");
	for (char **e = environ; *e; e++) {
		const char *value = strchr(*e, '=');
		if (!value || strncmp(*e, "CARGO_REGISTRIES_", 17) != 0 ||
		    !set_ends_with(arena_strndup(s->arena, *e, (size_t)(value - *e)), "_INDEX"))
			continue;
		value += strncmp(value + 1, "sparse+", 7) == 0 ? 8 : 1;
		(void)set_add_url(s, value, strlen(value), "environment");
	}
	if (s->n == 0) /* where it goes then is compiled into cargo; no file and no command says it,
	                  and drydock knows no registry by name */
		return dd_err_say(err, EINVAL,
		                  "use: cargo: no file of cargo on this host names an index; its "
		                  "built-in one cannot be asked for. Name one in "
		                  "%.150s/config.toml ([source.NAME] registry = \"...\"), or list "
		                  "the hosts in egress/cargo.yml",
		                  dir);
	return 0;
}

/* ---- apk: one address a line, perhaps behind an @tag ---- */

static void apk_line(struct set_reading *s, char *line, void *state)
{
	(void)state;
	line[strcspn(line, "#")] = '\0';
	set_add_words(s, line, "repositories");
}

int set_read_apk(struct set_reading *s, const char *path, struct dd_err *err)
{
	int r = set_each_line(s, path, apk_line, NULL, err);
	if (r < 0)
		return dd_err_ctx(err, r, "use: apk");
	return s->n ? 0
	            : dd_err_say(err, ENOENT,
	                         "use: apk: %s is missing, or names no http or https destination",
	                         path);
}

int set_ask_apk(struct set_reading *s, struct dd_err *err)
{
	return set_read_apk(s, "/etc/apk/repositories", err);
}
