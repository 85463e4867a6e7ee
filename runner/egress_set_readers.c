// SPDX-License-Identifier: Apache-2.0
/* egress_set_readers.c - how each package manager says where it goes: npm, pip and go are asked, apt's and cargo's files are read.
 *
 * Runs in: command line and supervisor. The answers are the operator's configuration; addresses with user info are split, and the user
 * info is never kept. */
#include "egress_set_readers.h"

#include "drydock/fd.h"
#include "read_file.h"

#include <ctype.h>
#include <dirent.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *text, const char *tail)
{
	size_t a = strlen(text), b = strlen(tail);
	return a >= b && strcmp(text + a - b, tail) == 0;
}

/* --- npm: `npm config list --json`, keys `registry` and `@scope:registry` ---- */

int set_ask_npm(struct set_reading *s, struct dd_err *err)
{
	static const char *const argv[] = { "npm", "config", "list", "--json", NULL };
	static const char *const env[] = { "npm_config_*", "NPM_CONFIG_*", "PREFIX", NULL };
	dd_auto_free char *text = NULL;
	const char *key;
	json_t *value;
	int r = tool_ask(argv, env, &text, err);
	if (r < 0)
		return dd_err_ctx(err, r, "use: npm");
	json_t *root = json_loads(text, 0, NULL);
	if (!json_is_object(root)) {
		json_decref(root);
		return dd_err_say(err, EINVAL, "use: npm: `npm config list --json` did not print a JSON object");
	}
	json_object_foreach(root, key, value) {
		if (!json_is_string(value) || (strcmp(key, "registry") != 0 && !ends_with(key, ":registry")))
			continue;
		if (set_add_url(s, json_string_value(value), json_string_length(value), key) < 0)
			r = dd_err_say(err, EINVAL, "use: npm: `%.60s` is set to something that is no http or https address", key);
	}
	json_decref(root);
	return r;
}

/* --- pip: `pip config list`, lines like global.index-url='https://...' ---- */

static const char *find_words(const char *text, size_t *ret_len)
{
	text += strspn(text, " \t\n'\",[]");
	*ret_len = strcspn(text, " \t\n'\",[]");
	return text;
}

/* Every http(s) address among the words of @value. */
static void add_words(struct set_reading *s, const char *value, const char *what)
{
	size_t len;
	for (const char *at = find_words(value, &len); len > 0; at = find_words(at + len, &len)) {
		char word[2048] = "";
		if (len < sizeof(word)) {
			memcpy(word, at, len);
			char *newline = strstr(word, "\\n"); /* pip shows a list as one string with escapes */
			(void)set_add_url(s, word, newline ? (size_t)(newline - word) : len, what);
		}
	}
}

int set_ask_pip(struct set_reading *s, struct dd_err *err)
{
	static const char *const argv3[] = { "pip3", "config", "list", NULL }, *const argv[] = { "pip", "config", "list", NULL };
	static const char *const env[] = { "PIP_*", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "VIRTUAL_ENV", NULL };
	static const char *const keys[] = { "index-url", "extra-index-url", "find-links" };
	dd_auto_free char *text = NULL;
	char *save = NULL;
	int r = tool_ask(argv3, env, &text, err);
	if (r == -ENOENT)
		r = tool_ask(argv, env, &text, err);
	if (r < 0)
		return dd_err_ctx(err, r, "use: pip");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(line, '=');
		if (!value)
			continue;
		*value++ = '\0';
		const char *dot = strrchr(line, '.');
		for (size_t i = 0; dot && i < ARRAY_LEN(keys); i++)
			if (strcmp(dot + 1, keys[i]) == 0)
				add_words(s, value, keys[i]);
	}
	return 0;
}

/* --- go: `go env GOPROXY GOSUMDB`, one per line ---- */

static int add_go_sumdb(struct set_reading *s, char *sumdb)
{
	char host[EGRESS_HOST_MAX + 1];
	char *url = strchr(sumdb, ' ');
	if (strcmp(sumdb, "off") == 0 || sumdb[0] == '\0')
		return 0;
	if (url)
		return set_add_url(s, url + 1, strlen(url + 1), "GOSUMDB");
	if (egress_host_canonical(sumdb, strcspn(sumdb, "+"), host) < 0)
		return -EINVAL;
	set_add(s, host, 443, "GOSUMDB", NULL);
	return 0;
}

int set_ask_go(struct set_reading *s, struct dd_err *err)
{
	static const char *const argv[] = { "go", "env", "GOPROXY", "GOSUMDB", NULL };
	static const char *const env[] = { "GOPROXY", "GOSUMDB", "GOENV", "GOROOT", "GOPATH", "GOPRIVATE", "XDG_CONFIG_HOME", NULL };
	dd_auto_free char *text = NULL;
	char *save = NULL;
	int r = tool_ask(argv, env, &text, err);
	if (r < 0)
		return dd_err_ctx(err, r, "use: go");
	char *sumdb = strchr(text, '\n');
	if (sumdb) {
		*sumdb++ = '\0';
		sumdb[strcspn(sumdb, "\n")] = '\0';
	}
	for (char *one = strtok_r(text, ",|", &save); one; one = strtok_r(NULL, ",|", &save)) {
		if (strcmp(one, "direct") == 0 || strcmp(one, "off") == 0)
			continue; /* "direct" means any host of any module: that is no allowlist, so those need entries of their own */
		if (set_add_url(s, one, strlen(one), "GOPROXY") < 0)
			return dd_err_say(err, EINVAL, "use: go: GOPROXY holds something that is no http or https address");
	}
	if (s->n > 0 && sumdb && add_go_sumdb(s, sumdb) < 0)
		return dd_err_say(err, EINVAL, "use: go: GOSUMDB is set to something that names no host");
	return 0;
}

/* --- files: apt's sources, cargo's config ---- */

typedef void (*line_fn)(struct set_reading *s, char *line, void *state);

static int each_line(struct set_reading *s, const char *path, line_fn fn, void *state, struct dd_err *err)
{
	char *text = NULL;
	size_t len = 0;
	int r = read_file_bounded(path, READ_FILE_TEXT_MAX, &text, &len, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	for (char *line = text, *next; line; line = next) { /* not strtok: empty lines end a stanza */
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		fn(s, line, state);
	}
	free(text);
	return 0;
}

static void apt_one_line(struct set_reading *s, char *line, void *state)
{
	(void)state;
	line += strspn(line, " \t");
	if (strncmp(line, "deb", 3) != 0)
		return;
	line[strcspn(line, "#")] = '\0';
	add_words(s, line, "sources");
}

/* deb822: stanzas of "Field: value", continued by a leading blank; "Enabled: no" switches one off, wherever in it that stands. */
struct stanza {
	char uris[4096];
	bool in_uris, disabled;
};

static void stanza_end(struct set_reading *s, struct stanza *st)
{
	if (!st->disabled)
		add_words(s, st->uris, "sources");
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
	if (ends_with(path, ".list"))
		return each_line(s, path, apt_one_line, NULL, err);
	int r = each_line(s, path, apt_deb822, &stanza, err);
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
		if (ends_with(e->d_name, ".list") || ends_with(e->d_name, ".sources"))
			r = apt_file(s, arena_printf(s->arena, "%s/%s", dir, e->d_name), err);
	(void)closedir(d);
	return r;
}

/* apt says itself where its files are: Dir::Etc, which APT_CONFIG may move. */
int set_ask_apt(struct set_reading *s, struct dd_err *err)
{
	static const char *const argv[] = {
		"apt-config", "shell", "list", "Dir::Etc::sourcelist/f", "parts", "Dir::Etc::sourceparts/d", NULL
	};
	static const char *const env[] = { "APT_CONFIG", NULL };
	dd_auto_free char *text = NULL;
	char *save = NULL;
	int r = tool_ask(argv, env, &text, err);
	if (r < 0)
		return dd_err_ctx(err, r, "use: apt");
	for (char *line = strtok_r(text, "\n", &save); line && r == 0; line = strtok_r(NULL, "\n", &save)) {
		char *open = strchr(line, '\''), *close = open ? strchr(open + 1, '\'') : NULL;
		if (!close)
			continue;
		*close = '\0';
		if (strncmp(line, "list=", 5) == 0)
			r = apt_file(s, open + 1, err);
		else if (strncmp(line, "parts=", 6) == 0)
			r = apt_directory(s, open + 1, err);
	}
	return r < 0 ? dd_err_ctx(err, r, "use: apt") : 0;
}

/* `registry = "sparse+https://..."` and `index = "..."`, in any table: sources, registries. */
static void cargo_line(struct set_reading *s, char *line, void *state)
{
	(void)state;
	line += strspn(line, " \t");
	size_t len = strcspn(line, " \t=");
	bool wanted = (len == 8 && strncmp(line, "registry", 8) == 0) || (len == 5 && strncmp(line, "index", 5) == 0);
	char *value = wanted ? strchr(line, '=') : NULL;
	char *open = value ? strpbrk(value, "\"'") : NULL;
	char *close = open ? strchr(open + 1, *open) : NULL;
	if (!close)
		return;
	open++;
	if (strncmp(open, "sparse+", 7) == 0)
		open += 7;
	(void)set_add_url(s, open, (size_t)(close - open), "config");
}

/* cargo has no stable command for this. Its config lies in CARGO_HOME (else ~/.cargo), and registries may be named in the environment. */
int set_ask_cargo(struct set_reading *s, struct dd_err *err)
{
	extern char **environ;
	const char *cargo = getenv("CARGO_HOME"), *home = getenv("HOME");
	const char *dir = cargo ? cargo : arena_printf(s->arena, "%s/.cargo", home ? home : "");
	int r = each_line(s, arena_printf(s->arena, "%s/config.toml", dir), cargo_line, NULL, err);
	if (r == 0)
		r = each_line(s, arena_printf(s->arena, "%s/config", dir), cargo_line, NULL, err);
	if (r < 0)
		return dd_err_ctx(err, r, "use: cargo");
	for (char **e = environ; *e; e++) {
		const char *value = strchr(*e, '=');
		if (!value || strncmp(*e, "CARGO_REGISTRIES_", 17) != 0 || !ends_with(arena_strndup(s->arena, *e, (size_t)(value - *e)), "_INDEX"))
			continue;
		value += strncmp(value + 1, "sparse+", 7) == 0 ? 8 : 1;
		(void)set_add_url(s, value, strlen(value), "environment");
	}
	return 0;
}
