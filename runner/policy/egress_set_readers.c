// SPDX-License-Identifier: Apache-2.0
/* egress_set_readers.c - package managers that say themselves where they go: npm, pip, go, gem,
 * nuget are started and asked.
 *
 * Runs in: command line and supervisor. The answers are the operator's configuration; addresses
 * with user info are split, and the user info is never kept. */
#include "egress_set_readers.h"

#include "drydock/fd.h"
#include "input/read_file.h"
#include "input/tool_ask.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- npm: `npm config list --json`, keys `registry`, `@scope:registry` and those of a proxy ---- */

static int add_npm(struct set_reading *s, const char *key, const json_t *value)
{
	if (!json_is_string(value) || json_string_length(value) == 0)
		return 0;
	if (strcmp(key, "proxy") == 0 || strcmp(key, "https-proxy") == 0 ||
	    strcmp(key, "http-proxy") == 0)
		return set_add_proxy(s, json_string_value(value), json_string_length(value), key);
	if (strcmp(key, "registry") == 0 || set_ends_with(key, ":registry"))
		return set_add_url(s, json_string_value(value), json_string_length(value), key);
	return 0;
}

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
		return dd_err_say(err, EINVAL,
		                  "use: npm: `npm config list --json` did not print a JSON object");
	}
	json_object_foreach(root, key, value) if (add_npm(s, key, value) < 0) r = dd_err_say(
		err, EINVAL,
		"use: npm: `%.60s` is set to something that is no http or https address", key);
	json_decref(root);
	return r;
}

/* ---- pip: `pip config list`, lines like global.index-url='https://...' ---- */

static const char *const pip_env[] = { "PIP_*", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "VIRTUAL_ENV",
	                               NULL };

/* Without `index-url`, pip goes where its own help says: "--index-url <url> ... (default
 * https://...)". */
static int add_pip_default(struct set_reading *s, const char *pip, struct dd_err *err)
{
	const char *const argv[] = { pip, "download", "--help", NULL };
	dd_auto_free char *text = NULL;
	int r = tool_ask(argv, pip_env, &text, err);
	if (r < 0)
		return r;
	char *option = strstr(text, "--index-url"),
	     *open = option ? strstr(option, "(default") : NULL,
	     *close = open ? strchr(open, ')') : NULL;
	if (close) {
		*close = '\0';
		set_add_words(s, open + strlen("(default"), "default index-url");
	}
	return 0;
}

int set_ask_pip(struct set_reading *s, struct dd_err *err)
{
	static const char *const argv3[] = { "pip3", "config", "list", NULL }, *const argv[] = {
		"pip", "config", "list", NULL
	};
	static const char *const keys[] = { "index-url", "extra-index-url", "find-links" };
	dd_auto_free char *text = NULL;
	char *save = NULL;
	bool has_index = false;
	int r = tool_ask(argv3, pip_env, &text, err);
	const char *pip = r == -ENOENT ? "pip" : "pip3";
	if (r == -ENOENT)
		r = tool_ask(argv, pip_env, &text, err);
	if (r < 0)
		return dd_err_ctx(err, r, "use: pip");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(line, '=');
		if (!value)
			continue;
		*value++ = '\0';
		const char *dot = strrchr(line, '.');
		has_index |= dot && strcmp(dot, ".index-url") == 0;
		for (size_t i = 0; dot && i < ARRAY_LEN(keys); i++)
			if (strcmp(dot + 1, keys[i]) == 0)
				set_add_words(s, value, keys[i]);
		size_t len;
		const char *word = set_find_word(value, &len);
		if (dot && strcmp(dot + 1, "proxy") == 0 &&
		    set_add_proxy(s, word, len, "proxy") < 0)
			return dd_err_say(
				err, EINVAL,
				"use: pip: `proxy` is set to something that names no host");
	}
	r = has_index ? 0 : add_pip_default(s, pip, err);
	return r < 0 ? dd_err_ctx(err, r, "use: pip") : 0;
}

/* ---- go: `go env GOPROXY GOSUMDB GONOSUMDB`, one per line ---- */

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
	static const char *const argv[] = { "go", "env", "GOPROXY", "GOSUMDB", "GONOSUMDB", NULL };
	static const char *const env[] = {
		"GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOSUMCHECK",    "GOENV",
		"GOROOT",  "GOPATH",  "GOPRIVATE", "XDG_CONFIG_HOME", NULL
	};
	dd_auto_free char *text = NULL;
	char *save = NULL;
	int r = tool_ask(argv, env, &text, err);
	if (r < 0)
		return dd_err_ctx(err, r, "use: go");
	char *sumdb = strchr(text, '\n'), *exempt = sumdb ? strchr(sumdb + 1, '\n') : NULL;
	if (sumdb)
		*sumdb++ = '\0';
	if (exempt)
		*exempt++ = '\0';
	if (exempt && strncmp(exempt, "*\n", 2) == 0) /* no module at all is looked up there */
		sumdb = NULL;
	for (char *one = strtok_r(text, ",|", &save); one; one = strtok_r(NULL, ",|", &save)) {
		if (strcmp(one, "direct") == 0 || strcmp(one, "off") == 0)
			/* "direct" means any host of any module: that is no allowlist, so those
			 * need entries of their own */
			continue;
		if (set_add_url(s, one, strlen(one), "GOPROXY") < 0)
			return dd_err_say(err, EINVAL,
			                  "use: go: GOPROXY holds something that is no http or "
			                  "https address");
	}
	if (s->n > 0 && sumdb && add_go_sumdb(s, sumdb) < 0)
		return dd_err_say(err, EINVAL,
		                  "use: go: GOSUMDB is set to something that names no host");
	return 0;
}

/* ---- gem: `gem sources --list`, an address a line; a proxy in its own file ---- */

static void gemrc_line(struct set_reading *s, char *line, void *state)
{
	char *value = line + strspn(line, ": ");
	if (strncmp(value, "http_proxy:", 11) != 0)
		return;
	value += 11 + strspn(value + 11, " \t\"'");
	value[strcspn(value, " \t\"'#\r")] = '\0';
	if (value[0] && set_add_proxy(s, value, strlen(value), "http_proxy") < 0)
		*(bool *)state = true;
}

int set_ask_gem(struct set_reading *s, struct dd_err *err)
{
	static const char *const argv[] = { "gem", "sources", "--list", NULL };
	static const char *const env[] = { "GEMRC", "GEM_*", "RUBYOPT", NULL };
	dd_auto_free char *text = NULL;
	const char *home = getenv("HOME"), *gemrc = getenv("GEMRC");
	bool wrong = false;
	int r = tool_ask(argv, env, &text, err);
	if (r < 0)
		return dd_err_ctx(err, r, "use: gem");
	set_add_words(s, text, "sources");
	r = set_each_line(s, gemrc ? gemrc : arena_printf(s->arena, "%s/.gemrc", home ? home : ""),
	                  gemrc_line, &wrong, err);
	if (r == 0)
		r = set_each_line(s, "/etc/gemrc", gemrc_line, &wrong, err);
	if (r == 0 && wrong)
		r = dd_err_say(err, EINVAL, "`http_proxy` of gem names no host");
	return r < 0 ? dd_err_ctx(err, r, "use: gem") : 0;
}

/* ---- nuget: `dotnet nuget list source --format Short`, "E address" for each one that is switched on ---- */

int set_ask_nuget(struct set_reading *s, struct dd_err *err)
{
	static const char *const argv[] = { "dotnet",   "nuget", "list", "source",
		                            "--format", "Short", NULL };
	static const char *const env[] = { "DOTNET_*", "NUGET_*", "XDG_DATA_HOME", NULL };
	dd_auto_free char *text = NULL;
	char *save = NULL;
	int r = tool_ask(argv, env, &text, err);
	if (r < 0)
		return dd_err_ctx(err, r, "use: nuget");
	for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save))
		if (line[0] == 'E' && strchr(line, ' '))
			set_add_words(s, strchr(line, ' '), "sources");
	return nuget_proxy(s, err);
}
