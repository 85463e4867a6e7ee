// SPDX-License-Identifier: Apache-2.0
/* shell_command.c - one row per shell, as GitHub's runner starts it. Pure, but for one look at
 * whether the host has bash.
 *
 * The default is not `bash`: it has no pipefail. Scripts depend on the difference. */
#include "shell_command.h"

#include <string.h>
#include <unistd.h>

struct shell_row {
	const char *name, *extension;
	const char *argv[8]; /* "{0}" is the script; empty: not supported */
};

static const struct shell_row rows[] = {
	{ "bash", ".sh", { "bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "{0}" } },
	{ "sh", ".sh", { "sh", "-e", "{0}" } },
	{ "python", ".py", { "python", "{0}" } },
	{ "pwsh", ".ps1", { NULL } },
	{ "powershell", ".ps1", { NULL } },
	{ "cmd", ".cmd", { NULL } },
};

static const struct shell_row default_bash = { "", ".sh", { "bash", "-e", "{0}" } };
static const struct shell_row default_sh = { "", ".sh", { "sh", "-e", "{0}" } };

enum { WORDS_MAX = 64 };

static const struct shell_row *find(const char *shell)
{
	/* A step sees the host's /usr read-only, and its PATH begins there: the host's bash is the
	 * step's. */
	if (!shell)
		return access("/usr/bin/bash", X_OK) == 0 || access("/bin/bash", X_OK) == 0
		               ? &default_bash
		               : &default_sh;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, shell) == 0)
			return &rows[i];
	return NULL;
}

static const char *with_script(struct plan_arena *arena, const char *word, const char *script)
{
	const char *at = strstr(word, "{0}");
	if (!at)
		return word;
	return arena_printf(arena, "%.*s%s%s", (int)(at - word), word, script, at + 3);
}

/* Words are split at blanks, without quoting: what needs more belongs into a script of its own. */
static int custom(struct plan_arena *arena, const char *shell, const char *script,
                  const char *const **ret, struct dd_err *err)
{
	if (!strstr(shell, "{0}"))
		return dd_err_say(err, EINVAL,
		                  "shell `%.100s` is unknown and has no {0} for the script; known: "
		                  "bash, sh, python",
		                  shell);
	if (strpbrk(shell, "\"'\\\n\r\t"))
		return dd_err_say(err, EINVAL,
		                  "shell `%.100s`: quotes, backslashes and tabs are not supported",
		                  shell);
	const char **argv = arena_array(arena, WORDS_MAX + 1, sizeof(*argv));
	size_t n = 0;
	for (const char *at = shell + strspn(shell, " "); *at; at += strspn(at, " ")) {
		size_t len = strcspn(at, " ");
		if (n == WORDS_MAX)
			return dd_err_say(err, EINVAL, "shell has more than %d words", WORDS_MAX);
		argv[n++] = with_script(arena, arena_strndup(arena, at, len), script);
		at += len;
	}
	if (strstr(argv[0], script))
		return dd_err_say(err, EINVAL, "shell `%.100s`: the program stands in front of {0}",
		                  shell);
	*ret = argv;
	return 0;
}

int shell_command(struct plan_arena *arena, const char *shell, const char *script_base,
                  const char *const **ret_argv, const char **ret_script, struct dd_err *err)
{
	const struct shell_row *row = find(shell);
	if (!row) {
		int r = custom(arena, shell, script_base, ret_argv, err);
		if (r == 0)
			*ret_script = script_base;
		return r;
	}
	if (!row->argv[0])
		return dd_err_say(err, ENOTSUP,
		                  "shell `%s` is not supported yet; use bash, sh or python",
		                  row->name);
	const char **argv = arena_array(arena, ARRAY_LEN(row->argv) + 1, sizeof(*argv));
	const char *script = arena_printf(arena, "%s%s", script_base, row->extension);
	for (size_t i = 0; i < ARRAY_LEN(row->argv) && row->argv[i]; i++)
		argv[i] = with_script(arena, row->argv[i], script);
	*ret_argv = argv;
	*ret_script = script;
	return 0;
}
