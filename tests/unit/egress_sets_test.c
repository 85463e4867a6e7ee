// SPDX-License-Identifier: Apache-2.0
/* egress_sets_test.c - `use:` asks the tools of this host, in a clean place, and never invents a destination. The tools are fakes in a directory of
 * the test's own. */
#include "../../runner/egress_sets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char dir[64], old_path[4096];
static struct plan_arena *arena;

static void write_file(const char *name, const char *text, mode_t mode)
{
	char path[200];
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void fake_tool(const char *name, const char *script)
{
	char text[2000];
	(void)snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
	write_file(name, text, 0755);
}

static int setup(void **state)
{
	(void)state;
	(void)strcpy(dir, "/tmp/drydock-sets-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(old_path, sizeof(old_path), "%s", getenv("PATH"));
	arena = arena_new();
	return setenv("PATH", dir, 1) | setenv("CARGO_HOME", dir, 1) | setenv("UNRELATED_SECRET", "x", 1);
}

static void remove_below(const char *path)
{
	DIR *d = opendir(path);
	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
		char name[600];
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (unlink(name) < 0)
			remove_below(name);
	}
	if (d)
		(void)closedir(d);
	(void)rmdir(path);
}

static int teardown(void **state)
{
	(void)state;
	remove_below(dir);
	arena_free(arena);
	arena = NULL;
	return setenv("PATH", old_path, 1) | unsetenv("CARGO_HOME");
}

static int ask(const char *name, struct egress_set *set, struct dd_err *err)
{
	*set = (struct egress_set){ 0 };
	return egress_set_ask(arena, name, NULL, set, err);
}

static void assert_entry(const struct egress_set *set, size_t i, const char *host, uint16_t port, const char *origin)
{
	assert_true(i < set->n);
	assert_string_equal(set->entries[i].host, host);
	assert_int_equal(set->entries[i].port, port);
	assert_string_equal(set->entries[i].origin, origin);
}

static void npm_names_its_registry_and_those_of_scopes(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	fake_tool("npm", "[ \"$*\" = 'config list --json' ] && echo '{\"registry\":\"https://R.test/npm/\",\"@a:registry\":\"http://u:p@s.test:8080/\",\"x\":1}'");
	assert_int_equal(ask("npm", &set, &err), 0);
	assert_int_equal(set.n, 2);
	assert_entry(&set, 0, "r.test", 443, "npm: registry");
	assert_entry(&set, 1, "s.test", 8080, "npm: @a:registry"); /* and nothing of the user info */
}

static void pip_names_all_its_indexes(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	fake_tool("pip3", "echo \"global.index-url='https://i.test/simple'\"; echo \":env:.extra-index-url='https://e.test/s https://f.test/s'\"; echo \"global.timeout='5'\"");
	assert_int_equal(ask("pip", &set, &err), 0);
	assert_int_equal(set.n, 3);
	assert_entry(&set, 0, "i.test", 443, "pip: index-url");
	assert_entry(&set, 2, "f.test", 443, "pip: extra-index-url");
}

static void go_names_its_proxies_and_its_checksum_database(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	fake_tool("go", "echo 'https://p.test|http://q.test,direct'; echo sum.test+abc");
	assert_int_equal(ask("go", &set, &err), 0);
	assert_int_equal(set.n, 3);
	assert_entry(&set, 1, "q.test", 80, "go: GOPROXY");
	assert_entry(&set, 2, "sum.test", 443, "go: GOSUMDB");
	fake_tool("go", "echo direct; echo off");
	assert_int_equal(ask("go", &set, &err), -EINVAL); /* "direct" is no allowlist */
}

static void apt_names_the_hosts_of_its_enabled_sources(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	char script[300];
	(void)snprintf(script, sizeof(script), "echo \"list='%s/sources.list'\"; echo \"parts='%s/'\"", dir, dir);
	fake_tool("apt-config", script);
	write_file("sources.list", "# deb http://no.test x\ndeb [arch=amd64] http://a.test/debian x main\n", 0644);
	write_file("b.sources", "Types: deb\nURIs: https://b.test/d\n https://c.test/d\nSuites: x\n\nURIs: http://off.test\nEnabled: no\n", 0644);
	assert_int_equal(ask("apt", &set, &err), 0);
	assert_int_equal(set.n, 3);
	assert_entry(&set, 0, "a.test", 80, "apt: sources");
}

static void cargo_names_what_its_own_config_says(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	assert_int_equal(ask("cargo", &set, &err), -EINVAL);
	write_file("config.toml", "[source.m]\nregistry = \"sparse+https://m.test/index/\"\n[registries.x]\nindex = 'https://x.test:444/git'\n", 0644);
	assert_int_equal(ask("cargo", &set, &err), 0);
	assert_int_equal(set.n, 2);
	assert_entry(&set, 0, "m.test", 443, "cargo: config");
	assert_entry(&set, 1, "x.test", 444, "cargo: config");
}

static void a_tool_runs_outside_any_repository_with_a_clean_environment(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	fake_tool("npm", "[ \"$PWD\" = / ] && [ -z \"$UNRELATED_SECRET\" ] && echo '{\"registry\":\"https://clean.test/\"}'");
	assert_int_equal(ask("npm", &set, &err), 0);
	assert_entry(&set, 0, "clean.test", 443, "npm: registry");
}

static void a_missing_failing_or_silent_tool_is_an_error_that_names_it(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	static const char *const scripts[] = { NULL, "exit 3", "echo '{}'", "echo no json", "echo '{\"registry\":\"ftp://x.test\"}'" };
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		if (scripts[i])
			fake_tool("npm", scripts[i]);
		assert_true(ask("npm", &set, &err) < 0);
		assert_non_null(strstr(err.msg, "npm"));
		assert_int_equal(set.n, 0);
	}
	assert_int_equal(ask("gem", &set, &err), -EINVAL);
}

static void a_flood_of_output_is_cut_off(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	fake_tool("npm", "while :; do echo 0123456789012345678901234567890123456789012345678901234567890123456789; done");
	assert_int_equal(ask("npm", &set, &err), -EFBIG);
}

static void an_operators_list_wins_over_the_tool(void **state)
{
	(void)state;
	struct egress_set set = { 0 };
	struct dd_err err = { 0 };
	char base[80], sub[90];
	(void)snprintf(base, sizeof(base), "%s/", dir);
	(void)snprintf(sub, sizeof(sub), "%s/egress", dir);
	assert_int_equal(mkdir(sub, 0755), 0);
	write_file("egress/npm.yml", "- { host: mine.test, port: 8443, why: mirror }\n", 0644);
	assert_int_equal(egress_set_ask(arena, "npm", base, &set, &err), 0);
	assert_entry(&set, 0, "mine.test", 8443, "npm: egress/npm.yml line 1");
	write_file("egress/npm.yml", "- { hots: mine.test }\n", 0644);
	assert_int_equal(egress_set_ask(arena, "npm", base, &set, &err), -EINVAL);
	assert_non_null(strstr(err.msg, ":1:5: unknown key `hots`"));
}

static void urls_split_or_are_refused(void **state)
{
	(void)state;
	static const struct { const char *url, *host; uint16_t port; } rows[] = {
		{ "https://a.test", "a.test", 443 }, { "HTTP://A.test:81/x?y", "a.test", 81 }, { "https://u@v:p@a.test/", "a.test", 443 },
		{ "https://a.test\\@b.test", "a.test", 443 },
		{ "ftp://a.test", NULL, 0 }, { "https://", NULL, 0 }, { "https://a.test:", NULL, 0 }, { "https://a.test:0", NULL, 0 },
		{ "https://a.test:99999", NULL, 0 }, { "https://[::1]/", NULL, 0 }, { "a.test", NULL, 0 }, { "https://127.1/", NULL, 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char host[EGRESS_HOST_MAX + 1] = "";
		uint16_t port = 0;
		int r = egress_url_split(rows[i].url, strlen(rows[i].url), host, &port);
		assert_int_equal(r, rows[i].host ? 0 : -EINVAL);
		if (rows[i].host) {
			assert_string_equal(host, rows[i].host);
			assert_int_equal(port, rows[i].port);
		}
	}
}

#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(npm_names_its_registry_and_those_of_scopes),
		WITH_DIR(pip_names_all_its_indexes),
		WITH_DIR(go_names_its_proxies_and_its_checksum_database),
		WITH_DIR(apt_names_the_hosts_of_its_enabled_sources),
		WITH_DIR(cargo_names_what_its_own_config_says),
		WITH_DIR(a_tool_runs_outside_any_repository_with_a_clean_environment),
		WITH_DIR(a_missing_failing_or_silent_tool_is_an_error_that_names_it),
		WITH_DIR(a_flood_of_output_is_cut_off),
		WITH_DIR(an_operators_list_wins_over_the_tool),
		cmocka_unit_test(urls_split_or_are_refused),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
