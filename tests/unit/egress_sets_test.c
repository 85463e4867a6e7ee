// SPDX-License-Identifier: Apache-2.0
/* egress_sets_test.c - `use:` asks the tools of this host, in a clean place, and never invents a
 * destination. The tools are fakes in a directory of the test's own. */
#include "runner/policy/egress_set_readers.h"

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
#include <zip.h>

static char dir[64], old_path[4096], old_home[4096];
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

static void make_dir(const char *name)
{
	char path[200];
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(mkdir(path, 0755), 0);
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
	(void)snprintf(old_home, sizeof(old_home), "%s", getenv("HOME") ? getenv("HOME") : "/");
	arena = arena_new();
	return setenv("PATH", dir, 1) | setenv("HOME", dir, 1) | setenv("CARGO_HOME", dir, 1) |
	       setenv("UNRELATED_SECRET", "x", 1);
}

static void remove_below(const char *path)
{
	DIR *d = opendir(path);
	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
		char name[600];
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
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
	return setenv("PATH", old_path, 1) | setenv("HOME", old_home, 1) | unsetenv("CARGO_HOME");
}

static int ask(const char *name, struct egress_set *set, struct dd_err *err)
{
	*set = (struct egress_set){ 0 };
	return egress_set_ask(arena, name, NULL, set, err);
}

static void assert_entry(const struct egress_set *set, size_t i, const char *host, uint16_t port,
                         const char *origin)
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
	fake_tool("npm", "[ \"$*\" = 'config list --json' ] && echo "
	                 "'{\"registry\":\"https://R.test/npm/\",\"@a:registry\":\"http://"
	                 "u:p@s.test:8080/\",\"x\":1}'");
	assert_int_equal(ask("npm", &set, &err), 0);
	assert_int_equal(set.n, 2);
	assert_entry(&set, 0, "r.test", 443, "npm: registry");
	/* and nothing of the user info */
	assert_entry(&set, 1, "s.test", 8080, "npm: @a:registry");
}

static void pip_names_all_its_indexes(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	fake_tool("pip3", "echo \"global.index-url='https://i.test/simple'\"; echo "
	                  "\":env:.extra-index-url='https://e.test/s https://f.test/s'\"; echo "
	                  "\"global.timeout='5'\"");
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
	(void)snprintf(script, sizeof(script),
	               "echo \"list='%s/sources.list'\"; echo \"parts='%s/'\"", dir, dir);
	fake_tool("apt-config", script);
	write_file("sources.list",
	           "# deb http://no.test x\ndeb [arch=amd64] http://a.test/debian x main\n", 0644);
	write_file("b.sources",
	           "Types: deb\nURIs: https://b.test/d\n https://c.test/d\nSuites: x\n\nURIs: "
	           "http://off.test\nEnabled: no\n",
	           0644);
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
	write_file("config.toml",
	           "[source.m]\nregistry = \"sparse+https://m.test/index/\"\n[registries.x]\nindex "
	           "= 'https://x.test:444/git'\n",
	           0644);
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
	fake_tool("npm", "[ \"$PWD\" = / ] && [ -z \"$UNRELATED_SECRET\" ] && echo "
	                 "'{\"registry\":\"https://clean.test/\"}'");
	assert_int_equal(ask("npm", &set, &err), 0);
	assert_entry(&set, 0, "clean.test", 443, "npm: registry");
}

static void a_missing_failing_or_silent_tool_is_an_error_that_names_it(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	static const char *const scripts[] = { NULL, "exit 3", "echo '{}'", "echo no json",
		                               "echo '{\"registry\":\"ftp://x.test\"}'" };
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		if (scripts[i])
			fake_tool("npm", scripts[i]);
		assert_true(ask("npm", &set, &err) < 0);
		assert_non_null(strstr(err.msg, "npm"));
		assert_int_equal(set.n, 0);
	}
	static const char *const names[] = { "gem", "maven", "nuget" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(ask(names[i], &set, &err), -ENOENT);
		assert_non_null(strstr(err.msg, names[i]));
	}
	assert_int_equal(ask("nosuch", &set, &err), -EINVAL);
	assert_int_equal(ask("../npm", &set, &err), -EINVAL);
}

static const struct egress_entry *entry_of(const struct egress_set *set, const char *host)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->entries[i].host, host) == 0)
			return &set->entries[i];
	return NULL;
}

/* A proxy is an entry whose first bytes the gate does not hold to its name: they name somebody
 * else. */
static void assert_proxy(const struct egress_set *set, const char *host, uint16_t port)
{
	const struct egress_entry *e = entry_of(set, host);
	if (!e) {
		fail_msg("no entry for %s", host);
		return;
	}
	assert_int_equal(e->port, port);
	assert_int_equal(e->tls, EGRESS_TLS_RAW);
	assert_non_null(strstr(e->why, "proxy"));
}

static void proxies_that_the_tools_are_told_to_use_belong_to_their_sets(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	fake_tool("npm", "echo "
	                 "'{\"registry\":\"https://r.test/\",\"https-proxy\":\"http://"
	                 "u:p@proxy.test:3128/\",\"proxy\":null}'");
	assert_int_equal(ask("npm", &set, &err), 0);
	assert_proxy(&set, "proxy.test", 3128);
	fake_tool("npm", "echo '{\"registry\":\"https://r.test/\",\"proxy\":\"not a host\"}'");
	assert_int_equal(ask("npm", &set, &err), -EINVAL);
	fake_tool("pip3", "echo \"global.index-url='https://i.test/s'\"; echo "
	                  "\"global.proxy='proxy.test:8080'\"");
	assert_int_equal(ask("pip", &set, &err), 0);
	assert_proxy(&set, "proxy.test", 8080);
	write_file(
		"config.toml",
		"[http]\nproxy = \"proxy.test:8080\"\n[source.m]\nregistry = \"https://m.test/\"\n",
		0644);
	assert_int_equal(ask("cargo", &set, &err), 0);
	assert_proxy(&set, "proxy.test", 8080);
	fake_tool("apt-config", "echo \"list='/nonexistent'\"; echo "
	                        "\"proxy='http://proxy.test:3142'\"; echo \"sproxy='DIRECT'\"");
	assert_int_equal(ask("apt", &set, &err), 0);
	assert_int_equal(set.n, 1);
	assert_proxy(&set, "proxy.test", 3142);
}

static void pip_without_an_index_goes_where_its_own_help_says(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	fake_tool(
		"pip3",
		"[ $1 = config ] && exit; [ \"$*\" = 'download --help' ] && printf '  -i, "
		"--index-url <url>  Base URL (default\\n     https://help.test/simple). This\\n'");
	assert_int_equal(ask("pip", &set, &err), 0);
	assert_int_equal(set.n, 1);
	assert_entry(&set, 0, "help.test", 443, "pip: default index-url");
}

static void go_asks_no_checksum_database_that_it_is_told_to_leave_alone(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	fake_tool("go", "echo https://p.test; echo sum.test; echo '*'");
	assert_int_equal(ask("go", &set, &err), 0);
	assert_int_equal(set.n, 1);
	fake_tool("go", "echo https://p.test; echo sum.test; echo corp.test");
	assert_int_equal(ask("go", &set, &err), 0);
	assert_int_equal(set.n, 2);
}

static void gem_names_its_sources_and_its_proxy(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	fake_tool("gem", "[ \"$*\" = 'sources --list' ] && printf '*** CURRENT SOURCES "
	                 "***\\n\\nhttps://gems.test/\\nhttp://own.test:8808\\n'");
	write_file(
		".gemrc",
		"---\n:sources:\n- https://not-read.test\nhttp_proxy: \"http://proxy.test:3128\"\n",
		0644);
	assert_int_equal(ask("gem", &set, &err), 0);
	assert_int_equal(set.n, 3);
	assert_entry(&set, 0, "gems.test", 443, "gem: sources");
	assert_entry(&set, 1, "own.test", 8808, "gem: sources");
	assert_proxy(&set, "proxy.test", 3128);
}

static void nuget_names_the_sources_that_are_switched_on_and_its_proxy(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	fake_tool("dotnet", "[ \"$*\" = 'nuget list source --format Short' ] && printf 'E "
	                    "https://feed.test/v3/index.json\\r\\nD https://off.test/\\nEM "
	                    "https://machine.test/\\n'");
	make_dir(".nuget");
	make_dir(".nuget/NuGet");
	write_file(
		".nuget/NuGet/NuGet.Config",
		"<?xml version='1.0'?><configuration><config><add key='globalPackagesFolder' "
		"value='/x'/>"
		"<add key='http_proxy' value='http://proxy.test:3128'/></config></configuration>",
		0644);
	assert_int_equal(ask("nuget", &set, &err), 0);
	assert_int_equal(set.n, 3);
	assert_entry(&set, 0, "feed.test", 443, "nuget: sources");
	assert_entry(&set, 1, "machine.test", 443, "nuget: sources");
	assert_proxy(&set, "proxy.test", 3128);
	write_file(".nuget/NuGet/NuGet.Config",
	           "<!DOCTYPE x [<!ENTITY e 'http://e.test'>]><configuration/>", 0644);
	assert_int_equal(ask("nuget", &set, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "document types"));
}

static void apk_names_the_hosts_of_its_file(void **state)
{
	(void)state;
	char path[200];
	struct dd_err err = { 0 };
	struct set_reading s = { .arena = arena,
		                 .name = "apk",
		                 .entries = arena_array(arena, SET_ENTRIES_MAX,
		                                        sizeof(struct egress_entry)) };
	(void)snprintf(path, sizeof(path), "%s/repositories", dir);
	assert_int_equal(set_read_apk(&s, path, &err), -ENOENT);
	write_file("repositories",
	           "https://mirror.test/v3/main\n@edge "
	           "http://edge.test/main\n#https://no.test/x\n/media/cdrom/apks\n",
	           0644);
	assert_int_equal(set_read_apk(&s, path, &err), 0);
	assert_int_equal(s.n, 2);
	assert_string_equal(s.entries[0].host, "mirror.test");
	assert_string_equal(s.entries[1].host, "edge.test");
}

/* ---- Maven: an installation of the test's own, with a jar that holds a super POM ---- */

static void maven_home(const char *pom)
{
	char path[200], script[300];
	make_dir("maven");
	make_dir("maven/lib");
	make_dir("maven/conf");
	make_dir(".m2");
	(void)snprintf(path, sizeof(path), "%s/maven/lib/maven-model-builder-3.9.test.jar", dir);
	zipFile zip = zipOpen(path, APPEND_STATUS_CREATE);
	zip_fileinfo info = { 0 };
	assert_non_null(zip);
	assert_int_equal(zipOpenNewFileInZip(zip, "org/apache/maven/model/pom-4.0.0.xml", &info,
	                                     NULL, 0, NULL, 0, NULL, Z_DEFLATED, 6),
	                 ZIP_OK);
	assert_int_equal(zipWriteInFileInZip(zip, pom, (unsigned)strlen(pom)), ZIP_OK);
	assert_int_equal(zipCloseFileInZip(zip), ZIP_OK);
	assert_int_equal(zipClose(zip, NULL), ZIP_OK);
	(void)snprintf(script, sizeof(script),
	               "echo 'Apache Maven 3.9'; echo 'Maven home: %s/maven'", dir);
	fake_tool("mvn", script);
}

#define SUPER_POM                                                                                  \
	"<project "                                                                                \
	"xmlns='http://maven.apache.org/POM/4.0.0'><repositories><repository><id>main</"           \
	"id><url>https://main.test/maven2</url>"                                                   \
	"</repository></repositories><pluginRepositories><pluginRepository><id>main</"             \
	"id><url>https://main.test/maven2</url></pluginRepository>"                                \
	"</pluginRepositories></project>"

static void maven_names_the_repository_that_its_own_jar_says(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	maven_home(SUPER_POM);
	assert_int_equal(ask("maven", &set, &err), 0);
	assert_int_equal(set.n, 1);
	assert_entry(&set, 0, "main.test", 443, "maven: repository main");
}

static void mavens_mirrors_and_proxies_stand_for_its_repositories(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	maven_home(SUPER_POM);
	write_file("maven/conf/settings.xml",
	           "<settings><mirrors><mirror><mirrorOf>external:http:*</mirrorOf><url>http://"
	           "0.0.0.0/</url><blocked>true</blocked>"
	           "</mirror></mirrors></settings>",
	           0644);
	write_file(".m2/settings.xml",
	           "<settings><!-- <mirror><mirrorOf>*</mirrorOf></mirror> "
	           "--><mirrors><mirror><id>m</id><mirrorOf>*,!own</mirrorOf>"
	           "<url>https://mirror.test:8443/all</url></mirror></"
	           "mirrors><proxies><proxy><active>false</active><host>off.test</host></proxy>"
	           "<proxy><host>proxy.test</host><port>3128</port></proxy></"
	           "proxies><profiles><profile><repositories><repository><id>own</id>"
	           "<url>https://own.test/r</url></repository><repository><id>plain</id><url>http:/"
	           "/plain.test/r</url></repository></repositories>"
	           "</profile></profiles></settings>",
	           0644);
	assert_int_equal(ask("maven", &set, &err), 0);
	assert_int_equal(set.n, 3);
	assert_entry(&set, 0, "mirror.test", 8443, "maven: mirror of main");
	assert_entry(&set, 1, "own.test", 443, "maven: repository own");
	assert_proxy(&set, "proxy.test", 3128);
	write_file(".m2/settings.xml",
	           "<settings><mirrors><mirror><mirrorOf>main</mirrorOf><url>${env.MIRROR}</url></"
	           "mirror></mirrors></settings>",
	           0644);
	assert_int_equal(ask("maven", &set, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "mirror of main"));
	write_file(".m2/settings.xml", "<settings>", 0644);
	assert_int_equal(ask("maven", &set, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "settings.xml:1"));
}

static void a_mirror_that_blocks_takes_its_repositories_away(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	maven_home(SUPER_POM);
	write_file(".m2/settings.xml",
	           "<settings><mirrors><mirror><mirrorOf>external:http:*</mirrorOf><url>http://"
	           "0.0.0.0/</url><blocked>true</blocked></mirror>"
	           "</mirrors><profiles><profile><repositories><repository><id>plain</"
	           "id><url>http://plain.test/r</url></repository></repositories></profile>"
	           "</profiles></settings>",
	           0644);
	assert_int_equal(ask("maven", &set, &err), 0);
	assert_int_equal(set.n, 1);
	assert_entry(&set, 0, "main.test", 443, "maven: repository main");
}

static void every_entry_says_why_and_whence(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	fake_tool("npm", "echo '{\"registry\":\"https://r.test/\"}'");
	assert_int_equal(ask("npm", &set, &err), 0);
	assert_string_equal(set.entries[0].why, "npm on this host is configured to use it");
	for (size_t i = 0; i < egress_set_rows_n; i++) {
		if (egress_set_rows[i].ask)
			continue;
		/* every service has its file */
		assert_int_equal(
			egress_set_ask(arena, egress_set_rows[i].name, "configs/", &set, &err), 0);
		for (size_t k = 0; k < set.n; k++) {
			assert_non_null(set.entries[k].origin);
			assert_string_not_equal(set.entries[k].why, "the operator lists it");
		}
	}
}

static void an_unknown_name_has_a_nearest_one(void **state)
{
	(void)state;
	assert_string_equal(egress_set_nearest("nmp"), "npm");
	assert_string_equal(egress_set_nearest("githubapi"), "github-api");
	assert_null(egress_set_nearest("something-else"));
}

static void a_flood_of_output_is_cut_off(void **state)
{
	(void)state;
	struct egress_set set;
	struct dd_err err = { 0 };
	fake_tool("npm",
	          "while :; do echo "
	          "0123456789012345678901234567890123456789012345678901234567890123456789; done");
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
	static const struct {
		const char *url, *host;
		uint16_t port;
	} rows[] = {
		{ "https://a.test", "a.test", 443 },
		{ "HTTP://A.test:81/x?y", "a.test", 81 },
		{ "https://u@v:p@a.test/", "a.test", 443 },
		{ "https://a.test\\@b.test", "a.test", 443 },
		{ "ftp://a.test", NULL, 0 },
		{ "https://", NULL, 0 },
		{ "https://a.test:", NULL, 0 },
		{ "https://a.test:0", NULL, 0 },
		{ "https://a.test:99999", NULL, 0 },
		{ "https://[::1]/", NULL, 0 },
		{ "a.test", NULL, 0 },
		{ "https://127.1/", NULL, 0 },
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
		WITH_DIR(proxies_that_the_tools_are_told_to_use_belong_to_their_sets),
		WITH_DIR(pip_without_an_index_goes_where_its_own_help_says),
		WITH_DIR(go_asks_no_checksum_database_that_it_is_told_to_leave_alone),
		WITH_DIR(gem_names_its_sources_and_its_proxy),
		WITH_DIR(nuget_names_the_sources_that_are_switched_on_and_its_proxy),
		WITH_DIR(apk_names_the_hosts_of_its_file),
		WITH_DIR(maven_names_the_repository_that_its_own_jar_says),
		WITH_DIR(mavens_mirrors_and_proxies_stand_for_its_repositories),
		WITH_DIR(a_mirror_that_blocks_takes_its_repositories_away),
		WITH_DIR(every_entry_says_why_and_whence),
		cmocka_unit_test(an_unknown_name_has_a_nearest_one),
		cmocka_unit_test(urls_split_or_are_refused),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
