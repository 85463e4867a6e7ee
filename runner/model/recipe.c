// SPDX-License-Identifier: Apache-2.0
/* recipe.c - judges a recipe the moment before it is run.
 *
 * Runs in: supervisor. Its texts are hostile, and so may be what they were evaluated from. The
 * sandbox checks working directory and program again, from inside. */
#include "recipe.h"

#include "places.h"

#include <string.h>

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);
	return path && strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0') &&
	       !strstr(path, "/../") &&
	       (strlen(path) < 3 || strcmp(path + strlen(path) - 3, "/..") != 0);
}

static bool is_script_path(const char *path)
{
	size_t len = strlen(PLACE_SCRIPTS);
	return is_below(path, PLACE_SCRIPTS) && path[len] == '/' && path[len + 1] &&
	       path[len + 1] != '.' && !strchr(path + len + 1, '/');
}

static int check_files(const struct recipe *recipe, struct dd_err *err)
{
	if (recipe->script && !is_script_path(recipe->script_path))
		return dd_err_say(err, EINVAL, "the script of step `%.80s` lies elsewhere",
		                  recipe->name);
	if (recipe->n_files > RECIPE_FILES_MAX)
		return dd_err_say(err, EINVAL, "step `%.80s` is given more than %d files",
		                  recipe->name, RECIPE_FILES_MAX);
	for (size_t i = 0; i < recipe->n_files; i++) {
		const char *path = recipe->files[i].path;
		bool twice = recipe->script && is_script_path(path) &&
		             strcmp(path, recipe->script_path) == 0;
		for (size_t k = 0; k < i; k++)
			twice |= strcmp(path, recipe->files[k].path) == 0;
		if (twice || !is_script_path(path))
			return dd_err_say(err, EINVAL, "a file of step `%.80s` lies elsewhere",
			                  recipe->name);
	}
	return 0;
}

static int check_shown(const struct recipe *recipe, struct dd_err *err)
{
	if (recipe->n_shown > RECIPE_SHOWN_MAX)
		return dd_err_say(err, EINVAL, "step `%.80s` is shown more than %d directories",
		                  recipe->name, RECIPE_SHOWN_MAX);
	for (size_t i = 0; i < recipe->n_shown; i++)
		if (!is_below(recipe->shown[i].target, PLACE_ACTIONS) ||
		    recipe->shown[i].source[0] != '/' || !recipe->shown[i].digest)
			return dd_err_say(err, EINVAL, "a directory of step `%.80s` lies elsewhere",
			                  recipe->name);
	return 0;
}

static int check_channel(const struct recipe *recipe, struct dd_err *err)
{
	size_t n = 0;
	for (; recipe->channel && recipe->channel[n]; n++) {
		const char *name = recipe->channel[n];
		size_t len = strlen(name);
		if (n == RECIPE_CHANNEL_MAX)
			return dd_err_say(err, EINVAL, "a step leaves more than %d files",
			                  RECIPE_CHANNEL_MAX);
		if (len == 0 || len > RECIPE_CHANNEL_NAME_MAX ||
		    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
			return dd_err_say(err, EINVAL,
			                  "a file of a step's channel cannot be called `%.40s`",
			                  name);
	}
	return 0;
}

/* Whatever environ can hold: programs read names that no shell can (`my-option`). */
static bool is_env_name(const char *name)
{
	const char *at = name;
	while ((unsigned char)*at > ' ' && *at != '=' && *at != 0x7f)
		at++;
	return *name && !*at;
}

static int check_env(const struct recipe *recipe, struct dd_err *err)
{
	for (size_t i = 0; i < recipe->n_env; i++)
		for (size_t k = 0; k < recipe->env[i].n; k++)
			if (!is_env_name(recipe->env[i].vars[k].name))
				return dd_err_say(err, EINVAL,
				                  "`%.80s` cannot be a variable's name",
				                  recipe->env[i].vars[k].name);
	return 0;
}

int recipe_check(const struct recipe *recipe, struct dd_err *err)
{
	if (!recipe->name || !recipe->name[0])
		return dd_err_say(err, EINVAL, "a step has no name");
	if (recipe->nothing)
		return 0;
	if (!recipe->argv || !recipe->argv[0])
		return dd_err_say(err, EINVAL, "the command of step `%.80s` is not known",
		                  recipe->name);
	if (!recipe->workdir || recipe->workdir[0] != '/' || !is_below(recipe->workdir, ""))
		return dd_err_say(
			err, EINVAL,
			"the working directory of step `%.80s` is not absolute, or has .. in it",
			recipe->name);
	int r = check_files(recipe, err);
	if (r == 0)
		r = check_shown(recipe, err);
	if (r == 0)
		r = check_channel(recipe, err);
	return r < 0 ? r : check_env(recipe, err);
}
