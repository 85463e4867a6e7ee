// SPDX-License-Identifier: Apache-2.0
/* egress_set_maven.c - where Maven on this host goes: the repositories of its own super POM and of
 * its settings, behind mirrors and proxies.
 *
 * Runs in: command line and supervisor. Maven is asked where it is installed; the repository that
 * every project has by default stands in a file inside one of its jars, so no address is known
 * here. A POM of a project is never read: it is commit content. */
#include "egress_set_readers.h"

#include "drydock/fd.h"
#include "input/read_file.h"
#include "input/tool_ask.h"
#include "input/xml_leaves.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unzip.h>

enum { REPOSITORIES_MAX = 64, POM_MAX = 256 * 1024 };

#define SUPER_POM   "org/apache/maven/model/pom-4.0.0.xml"
#define BUILDER_JAR "maven-model-builder-"

struct repository {
	const char *id, *url;
};

struct mirror {
	const char *of, *url;
	bool blocked;
};

struct proxy {
	const char *host, *port;
	bool off;
};

struct maven {
	struct plan_arena *arena;
	/* the last one is being read; likewise below */
	struct repository repositories[REPOSITORIES_MAX], repository;
	struct mirror mirrors[REPOSITORIES_MAX], mirror;
	struct proxy proxies[REPOSITORIES_MAX], proxy;
	size_t n_repositories, n_mirrors, n_proxies;
	bool full;
};

static const struct leaf_row {
	const char *path; /* end of the element's path */
	size_t offset;    /* of the text in struct maven */
} leaf_rows[] = {
	{ "/repository/id", offsetof(struct maven, repository.id) },
	{ "/repository/url", offsetof(struct maven, repository.url) },
	{ "/pluginRepository/id", offsetof(struct maven, repository.id) },
	{ "/pluginRepository/url", offsetof(struct maven, repository.url) },
	{ "/mirror/mirrorOf", offsetof(struct maven, mirror.of) },
	{ "/mirror/url", offsetof(struct maven, mirror.url) },
	{ "/proxy/host", offsetof(struct maven, proxy.host) },
	{ "/proxy/port", offsetof(struct maven, proxy.port) },
};

static void element_ends(struct maven *m, const char *path)
{
	bool repository = set_ends_with(path, "/repository") ||
	                  set_ends_with(path, "/pluginRepository");
	m->full |= m->n_repositories == REPOSITORIES_MAX || m->n_mirrors == REPOSITORIES_MAX ||
	           m->n_proxies == REPOSITORIES_MAX;
	if (m->full)
		return;
	if (repository && m->repository.url)
		m->repositories[m->n_repositories++] = m->repository;
	if (set_ends_with(path, "/mirrors/mirror") && m->mirror.url)
		m->mirrors[m->n_mirrors++] = m->mirror;
	if (set_ends_with(path, "/proxies/proxy") && m->proxy.host && !m->proxy.off)
		m->proxies[m->n_proxies++] = m->proxy;
	if (repository)
		m->repository = (struct repository){ 0 };
	if (set_ends_with(path, "/mirror"))
		m->mirror = (struct mirror){ 0 };
	if (set_ends_with(path, "/proxy"))
		m->proxy = (struct proxy){ 0 };
}

static void on_leaf(void *state, const char *path, const char *text)
{
	struct maven *m = state;
	if (!text) {
		element_ends(m, path);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(leaf_rows); i++)
		if (set_ends_with(path, leaf_rows[i].path))
			*(const char **)(void *)((char *)m + leaf_rows[i].offset) =
				arena_strdup(m->arena, text);
	if (set_ends_with(path, "/mirror/blocked"))
		m->mirror.blocked = strcmp(text, "true") == 0;
	if (set_ends_with(path, "/proxy/active"))
		m->proxy.off = strcmp(text, "true") != 0;
}

/* ---- mirrors: "*", "external:*", "external:http:*", an id, a list of those, "!id" to leave one out ---- */

static bool word_is(const char *word, size_t len, const char *text)
{
	return strlen(text) == len && memcmp(word, text, len) == 0;
}

static bool is_local(const char *url)
{
	return strncmp(url, "file:", 5) == 0 || strstr(url, "://localhost") ||
	       strstr(url, "://127.");
}

static bool mirror_stands_for(const struct mirror *mirror, const struct repository *repository)
{
	const char *id = repository->id ? repository->id : "", *at = mirror->of ? mirror->of : "";
	bool stands = false;
	while (*at) {
		at += strspn(at, ", \t\n");
		size_t len = strcspn(at, ", \t\n");
		if (at[0] == '!' && word_is(at + 1, len - 1, id))
			return false;
		stands |= word_is(at, len, "*") || word_is(at, len, id) ||
		          (word_is(at, len, "external:*") && !is_local(repository->url)) ||
		          (word_is(at, len, "external:http:*") && !is_local(repository->url) &&
		           strncmp(repository->url, "http:", 5) == 0);
		at += len;
	}
	return stands;
}

static int add_repository(struct set_reading *s, const struct maven *m,
                          const struct repository *repository, struct dd_err *err)
{
	const char *url = repository->url,
		   *what = arena_printf(s->arena, "repository %s",
	                                repository->id ? repository->id : "without id");
	for (size_t i = 0; i < m->n_mirrors; i++) {
		if (!mirror_stands_for(&m->mirrors[i], repository))
			continue;
		if (m->mirrors[i].blocked)
			return 0;
		url = m->mirrors[i].url;
		what = arena_printf(s->arena, "mirror of %s",
		                    repository->id ? repository->id : "a repository");
		break;
	}
	if (is_local(url) || set_add_url(s, url, strlen(url), what) == 0)
		return 0;
	return dd_err_say(err, EINVAL, "%.100s is no http or https address: `%.100s`", what, url);
}

static int add_all(struct set_reading *s, const struct maven *m, struct dd_err *err)
{
	int r = m->full ? dd_err_say(err, EINVAL, "more than %d repositories, mirrors or proxies",
	                             REPOSITORIES_MAX)
	                : 0;
	for (size_t i = 0; i < m->n_repositories && r == 0; i++)
		r = add_repository(s, m, &m->repositories[i], err);
	for (size_t i = 0; i < m->n_proxies && r == 0; i++) {
		const char *proxy = arena_printf(s->arena, "%s:%s", m->proxies[i].host,
		                                 m->proxies[i].port ? m->proxies[i].port : "8080");
		if (set_add_proxy(s, proxy, strlen(proxy), "proxy") < 0)
			r = dd_err_say(err, EINVAL, "a proxy of its settings names no host");
	}
	return r;
}

/* ---- files ---- */

static int read_settings(struct maven *m, const char *path, struct dd_err *err)
{
	char *text = NULL;
	size_t len = 0;
	int r = read_file_bounded(path, READ_FILE_TEXT_MAX, &text, &len, err);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = xml_leaves(path, text, len, on_leaf, m, err);
	free(text);
	return r;
}

static int read_super_pom(struct maven *m, const char *jar, struct dd_err *err)
{
	dd_auto_free char *text = malloc(POM_MAX);
	unzFile zip = text ? unzOpen(jar) : NULL;
	int n = -1;
	if (zip && unzLocateFile(zip, SUPER_POM, 1) == UNZ_OK &&
	    unzOpenCurrentFile(zip) == UNZ_OK) {
		n = unzReadCurrentFile(zip, text, POM_MAX);
		if (unzCloseCurrentFile(zip) !=
		    UNZ_OK) /* a checksum that does not hold, or more than POM_MAX */
			n = -1;
	}
	if (zip)
		(void)unzClose(zip);
	if (n <= 0)
		return dd_err_say(err, EINVAL, "cannot read " SUPER_POM " in %.300s", jar);
	return xml_leaves(jar, text, (size_t)n, on_leaf, m, err);
}

static int find_jar(struct maven *m, const char *home, const char **ret, struct dd_err *err)
{
	const char *lib = arena_printf(m->arena, "%s/lib", home), *found = NULL;
	DIR *d = opendir(lib);
	if (!d)
		return dd_err_set(err, errno, "open %s", lib);
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		if (strncmp(e->d_name, BUILDER_JAR, strlen(BUILDER_JAR)) == 0 &&
		    set_ends_with(e->d_name, ".jar"))
			found = arena_printf(m->arena, "%s/%s", lib, e->d_name);
	(void)closedir(d);
	if (!found)
		return dd_err_say(err, ENOENT, "there is no " BUILDER_JAR "*.jar in %.300s", lib);
	*ret = found;
	return 0;
}

static int find_home(struct maven *m, const char **ret, struct dd_err *err)
{
	static const char *const argv[] = { "mvn", "--batch-mode", "--version", NULL };
	static const char *const env[] = { "JAVA_HOME", "JAVACMD", "M2_HOME", "MAVEN_HOME", NULL };
	static const char key[] = "Maven home: ";
	dd_auto_free char *text = NULL;
	int r = tool_ask(argv, env, &text, err);
	if (r < 0)
		return r;
	char *at = strstr(text, key);
	if (!at)
		return dd_err_say(err, EINVAL, "`mvn --version` does not say where Maven is");
	at += strlen(key);
	*ret = arena_strndup(m->arena, at, strcspn(at, "\r\n"));
	return 0;
}

int set_ask_maven(struct set_reading *s, struct dd_err *err)
{
	struct maven *m = arena_alloc(s->arena, sizeof(*m));
	const char *home = NULL, *jar = NULL, *user = getenv("HOME");
	m->arena = s->arena;
	int r = find_home(m, &home, err);
	if (r == 0)
		r = find_jar(m, home, &jar, err);
	if (r == 0)
		r = read_super_pom(m, jar, err);
	if (r == 0 && user)
		r = read_settings(m, arena_printf(m->arena, "%s/.m2/settings.xml", user), err);
	if (r == 0)
		r = read_settings(m, arena_printf(m->arena, "%s/conf/settings.xml", home), err);
	if (r == 0)
		r = add_all(s, m, err);
	return r < 0 ? dd_err_ctx(err, r, "use: maven") : 0;
}

/* ---- NuGet.Config, which is XML as well: <config><add key="http_proxy" value="..."/></config> ---- */

struct nuget {
	struct set_reading *s;
	bool is_proxy, wrong;
};

static void on_nuget(void *state, const char *path, const char *text)
{
	struct nuget *n = state;
	if (!text)
		n->is_proxy = false;
	else if (set_ends_with(path, "config/add@key"))
		n->is_proxy = strcmp(text, "http_proxy") == 0;
	else if (set_ends_with(path, "config/add@value") && n->is_proxy)
		n->wrong |= set_add_proxy(n->s, text, strlen(text), "http_proxy") < 0;
}

int nuget_proxy(struct set_reading *s, struct dd_err *err)
{
	struct nuget n = { .s = s };
	char *text = NULL;
	size_t len = 0;
	const char *home = getenv("HOME"),
		   *path = arena_printf(s->arena, "%s/.nuget/NuGet/NuGet.Config", home ? home : "");
	int r = read_file_bounded(path, READ_FILE_TEXT_MAX, &text, &len, err);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r == 0)
		r = xml_leaves(path, text, len, on_nuget, &n, err);
	free(text);
	if (r == 0 && n.wrong)
		r = dd_err_say(err, EINVAL, "http_proxy in %.200s names no host", path);
	return r < 0 ? dd_err_ctx(err, r, "use: nuget") : 0;
}
