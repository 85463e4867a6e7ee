// SPDX-License-Identifier: Apache-2.0
/* checkout.c - reads the inputs of actions/checkout and says what is done. Runs in: supervisor.
 *
 * Every input is done or refused by its name. The values are commit content and strangers' words:
 * they are checked for shape here and handed to the script in variables. A token is in one variable
 * of that process alone; nothing writes it down (C-11). */
#include "checkout.h"

#include "model/places.h"

#include <string.h>

#define CA_PATH PLACE_SCRIPTS "/authorities.pem"

#define INPUT(name_)                                                                               \
	{                                                                                          \
		.name = (name_)                                                                    \
	}

const struct action_manifest_input checkout_inputs[CHECKOUT_INPUTS] = {
	INPUT("repository"),
	INPUT("ref"),
	INPUT("token"),
	INPUT("ssh-key"),
	INPUT("ssh-known-hosts"),
	INPUT("ssh-strict"),
	INPUT("ssh-user"),
	INPUT("persist-credentials"),
	INPUT("path"),
	INPUT("clean"),
	INPUT("filter"),
	INPUT("sparse-checkout"),
	INPUT("sparse-checkout-cone-mode"),
	INPUT("fetch-depth"),
	INPUT("fetch-tags"),
	INPUT("show-progress"),
	INPUT("lfs"),
	INPUT("submodules"),
	INPUT("set-safe-directory"),
	INPUT("github-server-url"),
	INPUT("allow-unsafe-pr-checkout"),
};

static const char *input(const struct engine_use *use, const char *name)
{
	const struct expr_value *v = expr_object_get(use->inputs.object, name, strlen(name));
	return v && v->text ? v->text : "";
}

static const char *of_github(const struct job_engine *e, const char *name)
{
	const struct expr_value *v = e->github.kind == EXPR_OBJECT
	                                     ? expr_object_get(e->github.object, name, strlen(name))
	                                     : NULL;
	return v && v->kind == EXPR_STRING && v->text ? v->text : "";
}

static int refuse(struct job_engine *e, const char *name, const char *why)
{
	(void)snprintf(e->why, sizeof(e->why), "`%s` of a checkout: %s", name, why);
	return -EINVAL;
}

static bool is_true(const char *text)
{
	return strcasecmp(text, "true") == 0;
}

/* ---- shapes ---- */

static bool is_flag(const char *text)
{
	return !*text || is_true(text) || strcasecmp(text, "false") == 0;
}

static bool is_of(const char *text, const char *more)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	for (; *text; text++)
		if (!strchr(letters, *text) && !strchr(more, *text))
			return false;
	return true;
}

/* "owner/name", neither of which is a word of paths. */
static bool is_repository(const char *text)
{
	const char *slash = strchr(text, '/');
	return slash && slash != text && slash[1] && !strchr(slash + 1, '/') &&
	       is_of(text, "/._-") && text[0] != '.' && slash[1] != '.' && text[0] != '-' &&
	       slash[1] != '-' && strlen(text) < 250;
}

/* What git takes for the name of a ref, more narrowly: no option, no range, no pattern. */
static bool is_ref(const char *text)
{
	return *text != '-' && *text != '/' && !strstr(text, "..") && !strstr(text, "//") &&
	       !strpbrk(text, " \t\n\r~^:?*[\\\"'`$;&|<>(){}\x7f") && strlen(text) < 250;
}

/* Below the workspace, by its own text. */
static bool is_path(const char *text)
{
	if (*text == '/' || *text == '-' || strlen(text) > 1000 || strpbrk(text, "\n\r"))
		return false;
	for (const char *at = text; *at;) {
		size_t len = strcspn(at, "/");
		if ((len == 2 && strncmp(at, "..", 2) == 0) ||
		    (len == 4 && strncasecmp(at, ".git", 4) == 0))
			return false;
		at += len;
		at += *at == '/';
	}
	return true;
}

/* "https://host[:port]", without a path or a user. */
static bool is_server(const char *text)
{
	static const char first[] = "https://";
	size_t n = sizeof(first) - 1;
	return strncmp(text, first, n) == 0 && text[n] && is_of(text + n, ".-:") &&
	       strlen(text) < 250;
}

/* ---- inputs that are not done ---- */

static const struct {
	const char *name, *why;
} not_done[] = {
	{ "ssh-key", "it is not done: a checkout fetches over https, with `token`, or with a "
	             "credential of the policy that is given `as: { git: HOST }`" },
	{ "ssh-known-hosts", "it is not done: a checkout fetches over https" },
};

static int check_shapes(struct job_engine *e, const struct engine_use *use)
{
	static const char *const flags[] = { "persist-credentials",
		                             "clean",
		                             "sparse-checkout-cone-mode",
		                             "fetch-tags",
		                             "show-progress",
		                             "lfs",
		                             "set-safe-directory",
		                             "allow-unsafe-pr-checkout" };
	const char *repository = input(use, "repository"),
		   *server = input(use, "github-server-url"),
		   *submodules = input(use, "submodules"), *depth = input(use, "fetch-depth"),
		   *filter = input(use, "filter");

	for (size_t i = 0; i < ARRAY_LEN(not_done); i++)
		if (*input(use, not_done[i].name))
			return refuse(e, not_done[i].name, not_done[i].why);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (!is_flag(input(use, flags[i])))
			return refuse(e, flags[i], "it is neither true nor false");
	if (*repository && !is_repository(repository))
		return refuse(e, "repository", "it is no OWNER/NAME");
	if (!is_ref(input(use, "ref")))
		return refuse(e, "ref", "it is no name of a ref, and no commit");
	if (!is_path(input(use, "path")))
		return refuse(e, "path", "it is not below the workspace, or in a .git");
	if (*server && !is_server(server))
		return refuse(e, "github-server-url", "it is no https://HOST");
	if (!is_flag(submodules) && strcasecmp(submodules, "recursive") != 0)
		return refuse(e, "submodules", "it is neither true, false nor recursive");
	if (strlen(depth) > 9 || strspn(depth, "0123456789") != strlen(depth))
		return refuse(e, "fetch-depth", "it is no number");
	if (*filter && (!is_of(filter, ":=+%") || strlen(filter) > 100))
		return refuse(e, "filter", "it is no filter of objects");
	return 0;
}

/* ---- what is done ---- */

struct checkout_vars {
	struct pair *vars;
	size_t n;
};

static void set(struct checkout_vars *v, const char *name, const char *value)
{
	v->vars[v->n++] = (struct pair){ .name = name, .value = value };
}

static const char *word(bool truth)
{
	return truth ? "true" : "false";
}

/* The tree of the job's own repository; else another one. */
static bool is_own(const struct job_engine *e, const char *repository)
{
	const char *own = of_github(e, "repository");
	return !*repository || (*own && strcasecmp(repository, own) == 0);
}

/* As it stands, where a ref is asked for that it stands on. */
static bool is_own_ref(const struct job_engine *e, const char *ref)
{
	const char *own = of_github(e, "ref");
	return !*ref || (*own && strcmp(ref, own) == 0) ||
	       (strlen(ref) >= 40 && strcasecmp(ref, of_github(e, "sha")) == 0);
}

/* At its forge the job's own tree is one commit, wherever its branch is by now. */
static const char *ref_of(const struct job_engine *e, const struct engine_use *use,
                          const char *repository)
{
	const char *ref = input(use, "ref"), *sha = of_github(e, "sha");
	return e->world.sources && is_own(e, repository) && is_own_ref(e, ref) && is_ref(sha) &&
	                       *sha
	               ? sha
	               : ref;
}

static void make_vars(struct job_engine *e, const struct engine_use *use, const char *kind)
{
	struct engine_turn *now = &e->now;
	struct checkout_vars v = { .vars = arena_array(now->arena, 24, sizeof(*v.vars)) };
	const char *repository = input(use, "repository"), *path = input(use, "path"),
		   *server = input(use, "github-server-url"), *depth = input(use, "fetch-depth"),
		   *sparse = input(use, "sparse-checkout"), *filter = input(use, "filter"),
		   *submodules = input(use, "submodules");

	if (!*repository)
		repository = of_github(e, "repository");
	if (!*server)
		server = of_github(e, "server_url");
	set(&v, "CHECKOUT_KIND", kind);
	set(&v, "CHECKOUT_ROOT", PLACE_WORKSPACE);
	set(&v, "CHECKOUT_PATH", path);
	set(&v, "CHECKOUT_REF", ref_of(e, use, repository));
	set(&v, "CHECKOUT_SERVER", is_server(server) ? server : "https://github.com");
	set(&v, "CHECKOUT_REPOSITORY", is_repository(repository) ? repository : "");
	set(&v, "CHECKOUT_TOKEN", input(use, "token"));
	set(&v, "CHECKOUT_DEPTH", *depth ? depth : "1");
	set(&v, "CHECKOUT_TAGS", word(is_true(input(use, "fetch-tags"))));
	set(&v, "CHECKOUT_CLEAN", word(strcasecmp(input(use, "clean"), "false") != 0));
	set(&v, "CHECKOUT_FILTER", *filter ? filter : *sparse ? "blob:none" : "");
	set(&v, "CHECKOUT_SPARSE", sparse);
	set(&v, "CHECKOUT_CONE",
	    word(strcasecmp(input(use, "sparse-checkout-cone-mode"), "false") != 0));
	set(&v, "CHECKOUT_SUBMODULES",
	    strcasecmp(submodules, "recursive") == 0 ? "recursive"
	    : is_true(submodules)                    ? "true"
	                                             : "");
	/* git reads these before any file */
	set(&v, "GIT_CONFIG_NOSYSTEM", "1");
	set(&v, "GIT_CONFIG_GLOBAL", "/dev/null");
	set(&v, "GIT_TERMINAL_PROMPT", "0");
	set(&v, "GIT_LFS_SKIP_SMUDGE", "1");
	if (e->world.sources && e->world.sources->ca)
		set(&v, "GIT_SSL_CAINFO", CA_PATH);
	now->values =
		(struct env_layer){ .origin = "drydock", .vars = v.vars, .n = v.n, .fixed = true };
}

void checkout_outputs(struct job_engine *e)
{
	const char *const rows[][2] = { { "ref", of_github(e, "ref") },
		                        { "commit", of_github(e, "sha") } };
	struct expr_value outputs;
	struct dd_err err = { 0 };

	if (engine_outputs_of(e, e->now.step, &outputs, &err) < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		(void)expr_object_set(&e->mem, outputs.object, rows[i][0], strlen(rows[i][0]),
		                      expr_text(arena_strdup(e->arena, rows[i][1])));
}

/* Of the forge, besides those of the host, where the operator named one. */
static void add_authorities(struct job_engine *e)
{
	struct recipe_file *files = arena_array(e->now.arena, 2, sizeof(*files));
	files[0] = e->event_file;
	files[1] = (struct recipe_file){ .path = CA_PATH,
		                         .bytes = e->world.sources->ca,
		                         .len = e->world.sources->ca_len };
	e->now.recipe.files = files;
	e->now.recipe.n_files = 2;
}

int checkout_main(struct job_engine *e, struct engine_use *use)
{
	struct engine_turn *now = &e->now;
	const char *path = input(use, "path"), *ref = input(use, "ref");
	const bool own = is_own(e, input(use, "repository")), same = own && is_own_ref(e, ref),
		   root = !*path || strcmp(path, ".") == 0 || strcmp(path, "./") == 0;
	int r = check_shapes(e, use);

	if (r < 0)
		return r;
	if (same && root && !e->world.sources && !*input(use, "sparse-checkout")) {
		checkout_outputs(e);
		now->recipe.nothing = "the workspace already is the checkout";
		return 0;
	}
	if (!own && is_true(input(use, "lfs")))
		return refuse(e, "lfs",
		              "it is not done for another repository: fetch what is needed in a "
		              "`run:` step with git-lfs");
	const char **argv = arena_array(now->arena, 3, sizeof(*argv));
	const char *script = arena_printf(now->arena, PLACE_SCRIPTS "/%s", now->grant->label);
	argv[0] = "sh";
	argv[1] = script;
	now->recipe.argv = argv;
	now->recipe.script = checkout_script;
	now->recipe.script_path = script;
	now->recipe.workdir = PLACE_WORKSPACE;
	make_vars(e, use, !own || e->world.sources ? "fetch" : same ? "copy" : "own");
	now->brings_sources = own && root && e->world.sources;
	engine_recipe_rest(e);
	if (e->world.sources && e->world.sources->ca)
		add_authorities(e);
	return 0;
}
