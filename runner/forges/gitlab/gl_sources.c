// SPDX-License-Identifier: Apache-2.0
/* gl_sources.c - see gl_sources.h.
 *
 * Runs in: the process of a job. Names of branches, commits and addresses are hostile: they reach
 * git as arguments and never stand in the text of a script (CVE-2022-2251 was a branch's name). The
 * script is ours, and starts nothing of what it fetched: no hook, no filter, no submodule's
 * command.
 */
#include "gl_sources.h"

#include "courier/forge_wire.h"
#include "drydock/egress.h"
#include "gl_script.h"
#include "gl_vars.h"
#include "model/places.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ATTEMPTS_MAX = 10, ARGS_MAX = 140 };

/* $1 address, $2 commit, $3 depth or 0, $4 format, $5 checkout, $6 submodules, $7 their depth, $8
 * attempts, then flags of the fetch, --, and the refspecs. */
static const char script[] =
	"set -o errexit -o pipefail\n"
	"url=$1 sha=$2 depth=$3 format=$4 checkout=$5 submodules=$6 subdepth=$7 attempts=$8\n"
	"shift 8\n"
	"flags=()\n"
	"while [ \"$1\" != -- ]; do flags+=(\"$1\"); shift; done\n"
	"shift\n"
	"git=(git -c core.hooksPath=/dev/null -c submodule.recurse=false -c gc.auto=0 "
	"-c advice.detachedHead=false)\n"
	"if [ -n \"${DRYDOCK_ALIAS-}\" ]; then\n"
	"  address=$(getent ahostsv4 \"$DRYDOCK_ALIAS\") || { echo \"the forge is not reached\"; "
	"exit 1; }\n"
	"  git+=(-c \"http.curloptResolve=$DRYDOCK_NAME:${address%%[[:space:]]*}\")\n"
	"fi\n"
	"[ \"$depth\" = 0 ] || flags+=(\"--depth=$depth\")\n"
	"get() {\n"
	"  \"${git[@]}\" init --quiet --template= \"--object-format=$format\" . || return\n"
	"  \"${git[@]}\" remote add origin \"$url\" 2>/dev/null || :\n"
	"  echo \"Fetching changes...\"\n"
	"  \"${git[@]}\" fetch --no-recurse-submodules \"${flags[@]}\" -- origin \"$@\" || return\n"
	"  [ \"$checkout\" = true ] || return 0\n"
	"  echo \"Checking out ${sha:0:8} as detached HEAD\"\n"
	"  \"${git[@]}\" checkout --force --quiet --detach \"$sha\" || return\n"
	"  [ \"$(\"${git[@]}\" rev-parse HEAD)\" = \"$sha\" ] || { echo \"HEAD is not the commit "
	"of the "
	"job\"; return 1; }\n"
	"  [ \"$submodules\" = none ] && { echo \"Skipping Git submodules setup\"; return 0; }\n"
	"  sub=(submodule update --init --force)\n"
	"  [ \"$submodules\" = normal ] || sub+=(--recursive)\n"
	"  [ \"$subdepth\" = 0 ] || sub+=(\"--depth=$subdepth\")\n"
	"  echo \"Updating/initializing submodules\"\n"
	"  \"${git[@]}\" submodule sync --quiet || return\n"
	"  \"${git[@]}\" \"${sub[@]}\"\n"
	"}\n"
	"for ((i = 1; ; i++)); do\n"
	"  get \"$@\" && break\n"
	"  [ \"$i\" -lt \"$attempts\" ] || exit 1\n"
	"  echo \"Retrying... ($((attempts - i)) left)\"\n"
	"  sleep 5\n"
	"done\n"
	"if [ -e .gitattributes ] && grep -q filter=lfs .gitattributes; then\n"
	"  echo \"drydock: this repository keeps files in Git LFS, which is not fetched: they are "
	"left as pointers\"\n"
	"fi\n";

/* What a job may say to `git fetch`: what changes which refs come, and what is shown. */
static const char *const fetch_flags[] = { "--prune",   "-p", "--no-prune", "--quiet",     "-q",
	                                   "--tags",    "-t", "--no-tags",  "--force",     "-f",
	                                   "--verbose", "-v", "--progress", "--prune-tags" };

static void note(struct gl_sources *s, const char *text)
{
	if (s->n_notes < ARRAY_LEN(s->notes))
		s->notes[s->n_notes++] = text;
}

static const char *variable(const struct gl_job *job, const char *name, const char *fallback)
{
	const char *value = gl_job_last(job, name);
	return value && *value ? value : fallback;
}

static bool is_hex(const char *text)
{
	size_t n = strspn(text, "0123456789abcdef");
	return !text[n] && (n == 40 || n == 64);
}

static bool is_refspec(const char *text)
{
	if (strncmp(text, "+refs/", 6) != 0 && strncmp(text, "refs/", 5) != 0)
		return false;
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f || strchr("\\?[~^", *text))
			return false;
	return true;
}

static long number_of(const struct gl_job *job, const char *name, long fallback, long most)
{
	char *end;
	const char *text = gl_job_last(job, name);
	if (!text || !isdigit((unsigned char)*text))
		return fallback;
	long n = strtol(text, &end, 10);
	return *end || n < 0 ? fallback : n > most ? most : n;
}

/* Flags of the job that are known, as words onto @args. */
static size_t add_flags(struct gl_sources *s, const struct gl_job *job, struct plan_arena *arena,
                        const char **args)
{
	char *text = arena_strdup(arena, variable(job, "GIT_FETCH_EXTRA_FLAGS", "--prune --quiet"));
	size_t n = 0;
	char *rest = NULL;
	if (strcmp(text, "none") == 0)
		return 0;
	for (char *word = strtok_r(text, " \t\n", &rest); word && n < 20;
	     word = strtok_r(NULL, " \t\n", &rest)) {
		bool known = false;
		for (size_t i = 0; i < ARRAY_LEN(fetch_flags); i++)
			known |= strcmp(word, fetch_flags[i]) == 0;
		if (known)
			args[n++] = word;
		else
			note(s, arena_printf(arena,
			                     "GIT_FETCH_EXTRA_FLAGS: `%.60s` is left out: this "
			                     "step holds the job's token, and takes only flags "
			                     "that it knows",
			                     word));
	}
	return n;
}

/* What a step takes for itself: there the forge gets another name, which git is told. */
#define ALIAS "forge.drydock.internal"

static bool is_this_host(const char *name)
{
	size_t len = strlen(name);
	return strcasecmp(name, "localhost") == 0 ||
	       (len > 10 && strcasecmp(name + len - 10, ".localhost") == 0);
}

/* Host, port and name of the repository's server, which is the GitLab that sent the job. */
static int find_forge(const struct gl_job *job, const char *url, struct plan_arena *arena,
                      struct gl_sources *ret, const char **ret_url, struct dd_err *err)
{
	const char *repo = job->git.repo_url, *at = strstr(repo, "://");
	char host[EGRESS_HOST_MAX + 1];
	bool wildcard = false;
	if (!at || strncmp(repo, "https://", 8) != 0 || !wire_same_origin(repo, url))
		return dd_err_say(
			err, EINVAL,
			"the sources are not at the GitLab that sent the job: the step that "
			"fetches them reaches that one alone, by https://");
	at += 3;
	size_t len = strcspn(at, "/?#");
	const char *user = memrchr(at, '@', len);
	const char *rest = user ? user + 1 : at;
	len -= (size_t)(rest - at);
	*ret_url = arena_printf(arena, "https://%s", rest);
	const char *target = arena_strndup(arena, rest, len);
	const char *colon = strchr(target, ':');
	long port = colon ? strtol(colon + 1, NULL, 10) : 443;
	const char *name = arena_strndup(arena, target, strcspn(target, ":"));
	struct in_addr address = { 0 };
	bool number = inet_pton(AF_INET, name, &address) == 1;
	bool here = is_this_host(name);
	if (*name == '[' || port <= 0 || port > 65535 ||
	    (number && (ntohl(address.s_addr) >> 24) == 127) ||
	    (!number && !here && (egress_host_parse(name, host, &wildcard, err) < 0 || wildcard)))
		return dd_err_say(
			err, EINVAL,
			"sources cannot be fetched from %.100s: a step has a 127.0.0.1 of "
			"its own, and the gate knows names and IPv4 addresses",
			target);
	ret->forge = (struct spec_forge){ .host = number ? NULL
		                                  : here ? ALIAS
		                                         : arena_strdup(arena, host),
		                          .address = address.s_addr,
		                          .pin = here ? "127.0.0.1" : NULL,
		                          .port = (unsigned short)port,
		                          .target = target,
		                          .user = "gitlab-ci-token",
		                          .secret = GL_TOKEN_NAME,
		                          .origin = "the registration of this runner" };
	ret->alias_name = here ? arena_printf(arena, "%s:%ld", name, port) : NULL;
	return 0;
}

static int check_git(const struct gl_job *job, struct dd_err *err)
{
	if (!is_hex(job->git.sha))
		return dd_err_say(err, EINVAL, "the commit of the job is no name of a commit");
	if (job->git.refspecs.n == 0 || job->git.refspecs.n > 100)
		return dd_err_say(err, EINVAL, "GitLab names nothing to fetch");
	for (size_t i = 0; i < job->git.refspecs.n; i++)
		if (!is_refspec(job->git.refspecs.items[i]))
			return dd_err_say(err, EINVAL, "`%.80s` is nothing that can be fetched",
			                  job->git.refspecs.items[i]);
	if (*variable(job, "GIT_CLONE_PATH", ""))
		return dd_err_say(err, EINVAL,
		                  "the sources lie in " PLACE_WORKSPACE
		                  " here: GIT_CLONE_PATH is not obeyed");
	return 0;
}

static const char *submodules_of(struct gl_sources *s, const struct gl_job *job)
{
	const char *strategy = variable(job, "GIT_SUBMODULE_STRATEGY", "none");
	static const char *const ignored[] = { "GIT_SUBMODULE_PATHS", "GIT_SUBMODULE_UPDATE_FLAGS",
		                               "GIT_CLONE_EXTRA_FLAGS" };
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		if (*variable(job, ignored[i], ""))
			note(s,
			     i == 0   ? "GIT_SUBMODULE_PATHS is not obeyed: all submodules come"
			     : i == 1 ? "GIT_SUBMODULE_UPDATE_FLAGS is not obeyed"
			              : "GIT_CLONE_EXTRA_FLAGS is not obeyed: sources are fetched");
	if (strcmp(strategy, "normal") == 0 || strcmp(strategy, "recursive") == 0)
		return strategy;
	return "none";
}

static void make_env(struct gl_sources *ret, const char *authorities, size_t len,
                     const struct gl_job *job, struct plan_arena *arena)
{
	size_t n = 0;
	ret->env[n++] = (struct pair){ .name = "GIT_TERMINAL_PROMPT", .value = "0" };
	ret->env[n++] = (struct pair){ .name = "GIT_ALLOW_PROTOCOL", .value = "https" };
	ret->env[n++] = (struct pair){ .name = "GIT_LFS_SKIP_SMUDGE", .value = "1" };
	ret->env[n++] = (struct pair){ .name = "GIT_CONFIG_NOSYSTEM", .value = "1" };
	if (authorities) {
		ret->file = (struct recipe_file){ GL_CA_PATH, authorities, len };
		ret->recipe.files = &ret->file;
		ret->recipe.n_files = 1;
		ret->env[n++] = (struct pair){ .name = "GIT_SSL_CAINFO", .value = GL_CA_PATH };
	}
	if (ret->alias_name) {
		ret->env[n++] = (struct pair){ .name = "DRYDOCK_ALIAS", .value = ALIAS };
		ret->env[n++] = (struct pair){ .name = "DRYDOCK_NAME", .value = ret->alias_name };
	}
	if (gl_is_true(gl_job_last(job, "GIT_SUBMODULE_FORCE_HTTPS"))) {
		ret->env[n++] = (struct pair){ .name = "GIT_CONFIG_PARAMETERS",
			                       .value = arena_printf(
						       arena, "'url.https://%s/.insteadof=git@%s:'",
						       ret->forge.target, ret->forge.host) };
	}
	ret->layer = (struct env_layer){ .origin = "drydock", .vars = ret->env, .n = n };
	ret->recipe.env = &ret->layer;
	ret->recipe.n_env = 1;
}

int gl_sources_make(const struct gl_job *job, const char *url, const char *authorities, size_t len,
                    struct plan_arena *arena, struct gl_sources *ret, struct dd_err *err)
{
	const char *strategy = gl_job_last(job, "GIT_STRATEGY"), *repo;
	const char **args = arena_array(arena, ARGS_MAX, sizeof(*args));
	size_t n = 0;
	*ret = (struct gl_sources){ .strategy = GL_SOURCES_NONE };
	if (strategy && (strcmp(strategy, "none") == 0 || strcmp(strategy, "empty") == 0))
		return 0;
	if (strategy && *strategy && strcmp(strategy, "fetch") != 0 &&
	    strcmp(strategy, "clone") != 0)
		return dd_err_say(err, EINVAL,
		                  "GIT_STRATEGY is none, empty, fetch or clone, not "
		                  "`%.40s`",
		                  strategy);
	int r = check_git(job, err);
	if (r == 0)
		r = find_forge(job, url, arena, ret, &repo, err);
	if (r < 0)
		return r;
	ret->strategy = GL_SOURCES_FETCH;
	const char *checkout = variable(job, "GIT_CHECKOUT", "true");
	long subdepth = number_of(job, "GIT_SUBMODULE_DEPTH", (long)job->git.depth, 1000000000);
	const char *const head[] = {
		"bash",
		"--noprofile",
		"--norc",
		GL_SCRIPT_PATH,
		repo,
		job->git.sha,
		arena_printf(arena, "%lld", job->git.depth),
		strcmp(job->git.object_format, "sha256") == 0 ? "sha256" : "sha1",
		gl_is_true(checkout) ? "true" : "false",
		submodules_of(ret, job),
		arena_printf(arena, "%ld", subdepth),
		arena_printf(arena, "%ld", number_of(job, "GET_SOURCES_ATTEMPTS", 1, ATTEMPTS_MAX))
	};
	for (size_t i = 0; i < ARRAY_LEN(head); i++)
		args[n++] = head[i];
	n += add_flags(ret, job, arena, args + n);
	args[n++] = "--";
	for (size_t i = 0; i < job->git.refspecs.n; i++)
		args[n++] = job->git.refspecs.items[i];
	ret->recipe = (struct recipe){ .name = "get_sources",
		                       .argv = args,
		                       .script = script,
		                       .script_path = GL_SCRIPT_PATH,
		                       .workdir = PLACE_WORKSPACE };
	make_env(ret, authorities, len, job, arena);
	return 0;
}
