// SPDX-License-Identifier: Apache-2.0
/* inject_commands.c - see inject_commands.h. Runs in: supervisor and command line. */
#include "inject_commands.h"

#include "drydock/err.h"

#include <string.h>

const char *inject_base_name(const char *word)
{
	const char *slash = strrchr(word, '/');
	return slash ? slash + 1 : word;
}

static const struct inject_command commands[] = {
	{ "eval", INJECT_ALWAYS, NULL },
	{ "source", INJECT_ALWAYS, NULL },
	{ ".", INJECT_ALWAYS, NULL },
	{ "trap", INJECT_ALWAYS, NULL },
	{ "let", INJECT_ALWAYS, NULL },
	{ "alias", INJECT_ALWAYS, NULL },
	{ "ssh", INJECT_ALWAYS, NULL },
	{ "awk", INJECT_ALWAYS, NULL },
	{ "gawk", INJECT_ALWAYS, NULL },
	{ "mawk", INJECT_ALWAYS, NULL },
	{ "nawk", INJECT_ALWAYS, NULL },
	{ "sed", INJECT_ALWAYS, NULL },
	{ "gsed", INJECT_ALWAYS, NULL },
	{ "ed", INJECT_ALWAYS, NULL },
	{ "ex", INJECT_ALWAYS, NULL },
	{ "vi", INJECT_ALWAYS, NULL },
	{ "vim", INJECT_ALWAYS, NULL },
	{ "expect", INJECT_ALWAYS, NULL },
	{ "m4", INJECT_ALWAYS, NULL },
	{ "bc", INJECT_ALWAYS, NULL },
	{ "dc", INJECT_ALWAYS, NULL },
	{ "at", INJECT_ALWAYS, NULL },
	{ "batch", INJECT_ALWAYS, NULL },
	{ "make", INJECT_ALWAYS, NULL },
	{ "gmake", INJECT_ALWAYS, NULL },
	{ "parallel", INJECT_ALWAYS, NULL },
	{ "watch", INJECT_ALWAYS, NULL },
	{ "tmux", INJECT_ALWAYS, NULL },
	{ "screen", INJECT_ALWAYS, NULL },
	{ "gdb", INJECT_ALWAYS, NULL },
	{ "cmd", INJECT_ALWAYS, NULL },
	{ "sh", INJECT_BY_OPTION | INJECT_READS_STDIN, "cs" },
	{ "bash", INJECT_BY_OPTION | INJECT_READS_STDIN, "cs" },
	{ "dash", INJECT_BY_OPTION | INJECT_READS_STDIN, "cs" },
	{ "ash", INJECT_BY_OPTION | INJECT_READS_STDIN, "cs" },
	{ "ksh", INJECT_BY_OPTION | INJECT_READS_STDIN, "cs" },
	{ "zsh", INJECT_BY_OPTION | INJECT_READS_STDIN, "cs" },
	{ "fish", INJECT_BY_OPTION | INJECT_READS_STDIN, "cC" },
	{ "busybox", INJECT_BY_OPTION | INJECT_READS_STDIN, "c" },
	{ "su", INJECT_BY_OPTION | INJECT_ANYWHERE | INJECT_READS_STDIN, "c" },
	{ "runuser", INJECT_BY_OPTION | INJECT_ANYWHERE | INJECT_READS_STDIN, "c" },
	{ "script", INJECT_BY_OPTION | INJECT_ANYWHERE, "c" },
	{ "flock", INJECT_BY_OPTION | INJECT_ANYWHERE, "c" },
	{ "python*", INJECT_BY_OPTION | INJECT_READS_STDIN, "c" },
	{ "pypy*", INJECT_BY_OPTION | INJECT_READS_STDIN, "c" },
	{ "perl*", INJECT_BY_OPTION | INJECT_READS_STDIN, "eEpnFiIM" },
	{ "ruby*", INJECT_BY_OPTION | INJECT_READS_STDIN, "epnrI" },
	{ "node", INJECT_BY_OPTION | INJECT_READS_STDIN, "ep" },
	{ "nodejs", INJECT_BY_OPTION | INJECT_READS_STDIN, "ep" },
	{ "deno", INJECT_ALWAYS, NULL },
	{ "bun", INJECT_BY_OPTION | INJECT_READS_STDIN, "e" },
	{ "php*", INJECT_BY_OPTION | INJECT_READS_STDIN, "rBRE" },
	{ "lua*", INJECT_BY_OPTION | INJECT_READS_STDIN, "el" },
	{ "R", INJECT_BY_OPTION | INJECT_READS_STDIN, "e" },
	{ "Rscript", INJECT_BY_OPTION | INJECT_READS_STDIN, "e" },
	{ "julia", INJECT_BY_OPTION | INJECT_READS_STDIN, "eE" },
	{ "osascript", INJECT_BY_OPTION | INJECT_READS_STDIN, "e" },
	{ "pwsh", INJECT_BY_OPTION | INJECT_READS_STDIN, "cC" },
	{ "groovy", INJECT_BY_OPTION | INJECT_READS_STDIN, "e" },
	{ "psql", INJECT_BY_OPTION | INJECT_ANYWHERE | INJECT_READS_STDIN, "cv" },
	{ "mysql", INJECT_BY_OPTION | INJECT_ANYWHERE | INJECT_READS_STDIN, "e" },
	{ "mariadb", INJECT_BY_OPTION | INJECT_ANYWHERE | INJECT_READS_STDIN, "e" },
	{ "sqlite3", INJECT_ALWAYS | INJECT_READS_STDIN, NULL },
	{ "test", INJECT_BY_OPTION | INJECT_ANYWHERE, "v" },
	{ "[", INJECT_BY_OPTION | INJECT_ANYWHERE, "v" },
	{ "printf", INJECT_BY_OPTION | INJECT_PRINTS, "v" },
	{ "echo", INJECT_PRINTS, NULL },
	{ "wait", INJECT_BY_OPTION | INJECT_ANYWHERE, "p" },
	{ "read", INJECT_ALWAYS, NULL },
	{ "mapfile", INJECT_ALWAYS, NULL },
	{ "readarray", INJECT_ALWAYS, NULL },
	{ "getopts", INJECT_ALWAYS, NULL },
	{ "unset", INJECT_ALWAYS, NULL },
	{ "enable", INJECT_ALWAYS, NULL },
	{ "complete", INJECT_ALWAYS, NULL },
	{ "compgen", INJECT_ALWAYS, NULL },
	{ "bind", INJECT_ALWAYS, NULL },
	{ "git", INJECT_BY_OPTION | INJECT_ANYWHERE, "c" }, /* alias.x=!command, core.pager */
	{ "tar", INJECT_BY_OPTION | INJECT_ANYWHERE, "FI" },
	{ "rsync", INJECT_BY_OPTION | INJECT_ANYWHERE, "e" },
	{ "export", INJECT_DECLARES, NULL },
	{ "readonly", INJECT_DECLARES, NULL },
	{ "local", INJECT_DECLARES | INJECT_BY_OPTION | INJECT_ANYWHERE, "in" },
	{ "declare", INJECT_DECLARES | INJECT_BY_OPTION | INJECT_ANYWHERE, "in" },
	{ "typeset", INJECT_DECLARES | INJECT_BY_OPTION | INJECT_ANYWHERE, "in" },
	{ "env", INJECT_PREFIX | INJECT_DECLARES | INJECT_BY_OPTION, "S" },
	{ "sudo", INJECT_PREFIX, NULL },
	{ "doas", INJECT_PREFIX, NULL },
	{ "exec", INJECT_PREFIX, NULL },
	{ "command", INJECT_PREFIX, NULL },
	{ "builtin", INJECT_PREFIX, NULL },
	{ "nohup", INJECT_PREFIX, NULL },
	{ "nice", INJECT_PREFIX, NULL },
	{ "ionice", INJECT_PREFIX, NULL },
	{ "setsid", INJECT_PREFIX, NULL },
	{ "stdbuf", INJECT_PREFIX, NULL },
	{ "timeout", INJECT_PREFIX, NULL },
	{ "chroot", INJECT_PREFIX, NULL },
	{ "unshare", INJECT_PREFIX, NULL },
	{ "nsenter", INJECT_PREFIX, NULL },
	{ "strace", INJECT_PREFIX, NULL },
	{ "xargs", INJECT_PREFIX, NULL },
	{ "unbuffer", INJECT_PREFIX, NULL },
	{ "xvfb-run", INJECT_PREFIX, NULL },
	{ "fakeroot", INJECT_PREFIX, NULL },
	{ "retry", INJECT_PREFIX, NULL },
};

const struct inject_command *inject_command_named(const char *word)
{
	const char *name = inject_base_name(word);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		size_t n = strlen(commands[i].name);
		if (commands[i].name[n - 1] == '*' ? strncmp(name, commands[i].name, n - 1) == 0
		                                   : strcmp(name, commands[i].name) == 0)
			return &commands[i];
	}
	return NULL;
}

bool inject_is_code_option(const struct inject_command *row, const char *word)
{
	static const char *const longs[] = {
		"--eval",       "--exec",          "--execute",      "--command",
		"--print",      "--expression",    "--rcfile",       "--init-file",
		"--config",     "--upload-pack",   "--receive-pack", "--checkpoint-action",
		"--to-command", "--use-compress-", "--info-script",  "--new-volume-",
		"--rsh",
	};
	if (word[0] != '-' && word[0] != '+')
		return false;
	if (word[1] == '-') {
		for (size_t i = 0; i < ARRAY_LEN(longs); i++)
			if (strncmp(word, longs[i], strlen(longs[i])) == 0)
				return true;
		return false;
	}
	return row->letters && strpbrk(word + 1, row->letters);
}

bool inject_is_code_file(const char *word)
{
	static const char *const ends[] = { ".sh",      ".bash",    ".py",       ".js",  ".mjs",
		                            ".cjs",     ".ts",      ".rb",       ".pl",  ".php",
		                            ".ps1",     ".lua",     ".r",        ".mk",  ".c",
		                            ".go",      ".rs",      ".java",     ".kt",  ".groovy",
		                            ".gradle",  ".sql",     ".awk",      ".sed", ".bashrc",
		                            ".profile", "Makefile", "Dockerfile" };
	size_t len = strlen(word);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		size_t n = strlen(ends[i]);
		if (len >= n && strcmp(word + len - n, ends[i]) == 0)
			return true;
	}
	return false;
}

bool inject_is_run_variable(const char *word)
{
	static const char *const names[] = {
		"PS0",
		"PS4",
		"PROMPT_COMMAND",
		"BASH_ENV",
		"ENV",
		"SHELLOPTS",
		"BASHOPTS",
		"EDITOR",
		"VISUAL",
		"PAGER",
		"MANPAGER",
		"BROWSER",
		"LESSOPEN",
		"LESSCLOSE",
		"SSH_ASKPASS",
		"SUDO_ASKPASS",
		"GIT_ASKPASS",
		"GIT_SSH_COMMAND",
		"GIT_SSH",
		"GIT_EDITOR",
		"GIT_PAGER",
		"GIT_SEQUENCE_EDITOR",
		"GIT_EXTERNAL_DIFF",
		"GIT_PROXY_COMMAND",
		"GIT_CONFIG_PARAMETERS",
		"RSYNC_RSH",
		"MAKEFLAGS",
		"GNUMAKEFLAGS",
		"PERL5OPT",
		"PERL5DB",
		"RUBYOPT",
		"NODE_OPTIONS",
		"JAVA_TOOL_OPTIONS",
		"_JAVA_OPTIONS",
		"JDK_JAVA_OPTIONS",
		"TAR_OPTIONS",
		"LD_PRELOAD",
		"LD_AUDIT",
		"LD_LIBRARY_PATH",
		"PATH",
	};
	size_t len = strcspn(word, "=+[");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strlen(names[i]) == len && strncmp(names[i], word, len) == 0)
			return true;
	return strncmp(word, "GIT_CONFIG_VALUE_", 17) == 0;
}
