// SPDX-License-Identifier: Apache-2.0
/* shell_command.c - one row per shell, as GitHub's runner starts it. Pure, but for one look at
 * whether the host has bash.
 *
 * The default is not `bash`: it has no pipefail. Scripts depend on the difference. */
#include "shell_command.h"

#include <stdbool.h>
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
	{ "pwsh", ".ps1", { "pwsh", "-command", ". '{0}'" } },
	{ "powershell", ".ps1", { "powershell", "-command", ". '{0}'" } },
	{ "cmd", ".cmd", { NULL } },
};

static const struct shell_row default_bash = { "", ".sh", { "bash", "-e", "{0}" } };
static const struct shell_row default_sh = { "", ".sh", { "sh", "-e", "{0}" } };
/* Debian has no `python` without a package that nobody installs. */
static const struct shell_row python3 = { "python", ".py", { "python3", "{0}" } };

enum { WORDS_MAX = 64 };

/* A step sees the host's /usr read-only, and its PATH begins there: the host's program is the
 * step's. */
static bool has(const char *program)
{
	static const char *const dirs[] = { "/usr/local/bin", "/usr/bin", "/bin" };
	char path[64];
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dirs[i], program);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static const struct shell_row *find(const char *shell)
{
	if (!shell)
		return has("bash") ? &default_bash : &default_sh;
	if (strcmp(shell, "python") == 0 && !has("python") && has("python3"))
		return &python3;
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

/* One word as GitHub's runner hands it over: blanks end it, double quotes keep them, a backslash
 * means itself but in front of a quote. */
static const char *next_word(struct plan_arena *arena, const char **at)
{
	char *word = arena_alloc(arena, strlen(*at) + 1), *to = word;
	bool quoted = false;
	for (; **at && (quoted || (**at != ' ' && **at != '\t')); (*at)++) {
		size_t slashes = strspn(*at, "\\");
		bool before_quote = (*at)[slashes] == '"';
		for (size_t i = 0; i < (before_quote ? slashes / 2 : slashes); i++)
			*to++ = '\\';
		*at += slashes;
		if (before_quote && slashes % 2)
			*to++ = '"';
		else if (before_quote && quoted && (*at)[1] == '"')
			*to++ = *++*at;
		else if (before_quote)
			quoted = !quoted;
		else if (slashes)
			(*at)--; /* what follows is looked at next */
		else
			*to++ = **at;
	}
	return word;
}

static int custom(struct plan_arena *arena, const char *shell, const char *script,
                  const char *const **ret, struct dd_err *err)
{
	if (!strstr(shell, "{0}"))
		return dd_err_say(err, EINVAL,
		                  "shell `%.100s` is unknown and has no {0} for the script; known: "
		                  "bash, sh, python, pwsh",
		                  shell);
	if (strpbrk(shell, "'\n\r"))
		return dd_err_say(err, EINVAL,
		                  "shell `%.100s`: single quotes mean nothing here, and a line "
		                  "cannot end; use double quotes",
		                  shell);
	const char **argv = arena_array(arena, WORDS_MAX + 1, sizeof(*argv));
	size_t n = 0;
	for (const char *at = shell + strspn(shell, " \t"); *at; at += strspn(at, " \t")) {
		if (n == WORDS_MAX)
			return dd_err_say(err, EINVAL, "shell has more than %d words", WORDS_MAX);
		argv[n++] = with_script(arena, next_word(arena, &at), script);
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
		                  "shell `%s` is not supported yet; use bash, sh, python or pwsh",
		                  row->name);
	const char **argv = arena_array(arena, ARRAY_LEN(row->argv) + 1, sizeof(*argv));
	const char *script = arena_printf(arena, "%s%s", script_base, row->extension);
	for (size_t i = 0; i < ARRAY_LEN(row->argv) && row->argv[i]; i++)
		argv[i] = with_script(arena, row->argv[i], script);
	*ret_argv = argv;
	*ret_script = script;
	return 0;
}

const char *shell_script(struct plan_arena *arena, const char *shell, const char *script)
{
	if (!shell || (strcmp(shell, "pwsh") != 0 && strcmp(shell, "powershell") != 0))
		return script;
	return arena_printf(arena,
	                    "$ErrorActionPreference = 'stop'\n%s\n"
	                    "if ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit "
	                    "$LASTEXITCODE }",
	                    script);
}
