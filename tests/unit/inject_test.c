// SPDX-License-Identifier: Apache-2.0
/* inject_test.c - scripts around an outsider's value, with real shells: nothing of the value is
 * run, and a value that means nothing to a shell gives what it would give as a part of the script.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runner/forges/actions/inject.h"

#include "drydock/err.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* @ is the value, everywhere */
static const struct row {
	const char *script;
	bool only_bash;
} passed[] = {
	/* by itself */
	{ "echo @", false },
	{ "echo a@b", false },
	{ "echo @; echo @", false },
	{ "printf '%s\\n' @ x", false },
	{ "for x in @; do echo \"[$x]\"; done", false },
	{ "X=@\necho \"$X\"", false },
	{ "X=a@b Y=c; echo \"$X$Y\"", false },
	{ "export X=@; echo \"$X\"", false },
	{ "X=@ env | grep ^X=", false },
	{ "if [ @ = hello ]; then echo yes; else echo no; fi", false },
	{ "test @ && echo yes", false },
	{ "case @ in hello) echo h;; *) echo other;; esac", false },
	{ "case x in (a|b) echo no;; x) echo @;; esac; echo @", false },
	{ "true && echo @ || echo no", false },
	{ "! false && echo @", false },
	{ "{ echo @; }", false },
	{ "( echo @ )", false },
	{ "f() { echo \"f:$1\"; }; f @", false },
	{ "f() { echo @; }\nf", false },
	{ "while read -r l; do echo \"$l-\"@; done <<E\na\nE", false },
	{ "echo --flag=@", false },
	{ "echo $(echo @)", false },
	{ "echo `echo @`", false },
	{ "echo x >\"$T/\"@; ls \"$T\" | grep -v ran", false },
	{ "echo a 2>&1 @", false },
	{ "echo \\\n  @", false },
	{ "own() { \"$@@\"; }; echo @", false },
	/* in double quotes */
	{ "echo \"@\"", false },
	{ "echo \"a @ b @\"", false },
	{ "echo \"$(echo \"@\")\"", false },
	{ "echo \"`echo @`\"", false },
	{ "X=\"@\"; echo \"$X\"", false },
	{ "[ \"@\" = \"hello\" ] && echo same || echo other", false },
	{ "case \"@\" in\n  hel*) echo h ;;\n  *)\n    echo other ;;\nesac", false },
	{ "echo \"it's @\" # and @", false },
	{ "echo \"\\\"@\\\"\"", false },
	{ "printf '%s\\n' \"--title=@\"", false },
	/* in single quotes */
	{ "echo '@'", false },
	{ "echo 'a \"@\" $b'", false },
	{ "echo 'x'@'y'", false },
	{ "echo '{\"title\": \"@\"}'", false },
	{ "echo $'a\\t@\\'b'", true },
	/* comments */
	{ "# @\necho a", false },
	{ "echo a # @\necho b", false },
	{ "echo a#@", false },
	/* here documents and here strings */
	{ "cat <<E\nx @ y\nE\necho after", false },
	{ "cat <<-E\n\tx @\n\tE\necho after", false },
	{ "cat <<E >/dev/null; echo @\nx @\nE", false },
	{ "cat <<A; cat <<B\n@\nA\n-@\nB", false },
	{ "cat <<'E'\nx $y\nE\necho @", false },
	{ "cat <<< @", true },
	{ "cat <<< \"@\"", true },
	/* bash's own */
	{ "[[ @ == hello ]] && echo same || echo other", true },
	{ "[[ \"@\" =~ ^hel ]] && echo same || echo other", true },
	{ "[[ -n @ && @ != x ]] && echo yes", true },
	{ "A=(@ b); echo \"${A[0]}\" \"${#A[@@]}\"", true },
	{ "A=(\n  @\n  b\n)\necho \"${A[0]}\"", true },
	{ "echo {@,b}", true },
	{ "((1 + 1)) && echo @", true },
	{ "for ((i = 0; i < 2; i++)); do echo \"$i\" @; done", true },
	{ "cat <(echo @)", true },
	{ "echo $((1 + (2))) ${X:-y} $[3] @", true },
	{ "local_() { local x=@; echo \"$x\"; }; local_", true },
	{ "declare x=@; echo \"$x\"", true },
	/* other programs, with the value as an argument of theirs */
	{ "sh -c 'echo \"$1\"' x @", false },
	{ "git() { echo \"$@@\"; }; git commit -m \"@\"", false },
	{ "python3 -c 'import sys; print(sys.argv[1])' \"$(echo @)\"", false },
	{ "cat >\"$T/notes.md\" <<E\n@\nE\ncat \"$T/notes.md\"", false },
	{ "echo \"@\" | cat | tr -d x", false },
	{ "echo \"@\" | python3 /dev/stdin </dev/null", false },
	{ "{\n  echo \"a\"\n  echo @\n} | cat", false },
};

static const struct refused_row {
	const char *script, *why;
} refused[] = {
	{ "a=([\"@\"]=1)", "a subscript" },
	{ "a=(x [@]=1)", "a subscript" },
	{ "declare -A a=([@]=1)", "a subscript" },
	{ "n=1; declare -i n; n=\"@\"", "calculates" },
	{ "f() { n=\"@\"; }; typeset -ri n; f", "calculates" },
	{ "declare -n r; r=@", "calculates" },
	{ "PS4=\"@\"; set -x; :", "programs run" },
	{ "BASH_ENV=\"@\" bash -c :", "programs run" },
	{ "export BASH_ENV=@; bash -c :", "programs run" },
	{ "env GIT_SSH_COMMAND=\"@\" git fetch", "programs run" },
	{ "PATH=\"$PATH:@\"", "programs run" },
	{ "git -c \"alias.x=!@\" x", "as code" },
	{ "git clone --upload-pack=\"@\" x y", "as code" },
	{ "tar cf /dev/null --checkpoint-action=exec=\"@\" .", "as code" },
	{ "tar -I \"@\" -cf x .", "as code" },
	{ "compgen -C \"@\"", "as code" },
	{ "compgen -W \"@\"", "as code" },
	{ "@", "a command" },
	{ "@ x", "a command" },
	{ "a@", "a command" },
	{ "./@.sh", "a command" },
	{ "true; @", "a command" },
	{ "if @; then :; fi", "a command" },
	{ "true | @", "a command" },
	{ "X=1 @", "a command" },
	{ "sudo @", "a command" },
	{ "sudo -u x @", "a command" },
	{ "time -p @", "a command" },
	{ "exec @", "a command" },
	{ "env A=1 @", "a command" },
	{ "xargs @", "a command" },
	{ "timeout 5 @", "a command" },
	{ "f() { @; }", "a command" },
	{ "f() { @\n}", "a command" },
	{ "case x in x) @;; esac", "a command" },
	{ "{ @; }", "a command" },
	{ "( @ )", "a command" },
	{ "$(@)", "a command" },
	{ "\"@\"", "a command" },
	{ "'@'", "a command" },
	{ "`echo @`", "would be a command" },
	{ "$(echo @)", "would be a command" },
	{ "echo $((@))", "arithmetic" },
	{ "echo $((1 + @ * 2))", "arithmetic" },
	{ "((x = @))", "arithmetic" },
	{ "for ((i = 0; i < @; i++)); do :; done", "arithmetic" },
	{ "echo $[@]", "arithmetic" },
	{ "echo \"$((@))\"", "arithmetic" },
	{ "[[ @ -eq 1 ]]", "as code" },
	{ "[[ \"@\" -gt 1 ]] && echo x", "as code" },
	{ "[[ -v @ ]]", "as code" },
	{ "[ -v @ ]", "as code" },
	{ "test -v \"@\"", "as code" },
	{ "let @", "as code" },
	{ "declare -i x=@", "as code" },
	{ "printf -v @ x", "as code" },
	{ "a[@]=1", "subscript" },
	{ "echo ${a[@]}", "part of ${ }" },
	{ "echo ${x:-@}", "part of ${ }" },
	{ "echo \"${x:@}\"", "part of ${ }" },
	{ "echo $@", "name of a variable" },
	{ "echo \"$@\"", "name of a variable" },
	{ "echo \\@", "backslash" },
	{ "echo \"\\@\"", "backslash" },
	{ "export @", "name of a variable" },
	{ "env @ make", "a command" },
	{ "for @ in a; do :; done", "a name" },
	{ "eval @", "as code" },
	{ "eval \"echo '@'\"", "as code" },
	{ "eval \"$(echo @)\"", "as code" },
	{ "sh -c \"echo @\"", "as code" },
	{ "bash -ec 'echo @'", "as code" },
	{ "bash -c \"echo @\" && true", "as code" },
	{ "sudo bash -c 'echo @'", "as code" },
	{ "docker run --rm x sh -c 'echo @'", "as code" },
	{ "find . -exec sh -c 'echo @' \\;", "as code" },
	{ "ssh host echo @", "as code" },
	{ "python3 -c \"print('@')\"", "as code" },
	{ "python -c 'print(\"@\")'", "as code" },
	{ "node -e \"console.log('@')\"", "as code" },
	{ "node --eval \"@\"", "as code" },
	{ "perl -pe 's/x/@/' f", "as code" },
	{ "sed \"s/x/@/\" f", "as code" },
	{ "awk \"{print \\\"x @\\\"}\"", "as code" },
	{ "make V=@", "as code" },
	{ "psql db -c \"select '@'\"", "as code" },
	{ "trap 'echo @' EXIT", "as code" },
	{ "source @", "as code" },
	{ "read @", "as code" },
	{ "bash <<E\necho @\nE", "run as code" },
	{ "cat <<E | bash\necho @\nE", "run as code" },
	{ "python3 - <<E\nprint('@')\nE", "run as code" },
	{ "ssh host <<E\necho @\nE", "run as code" },
	{ "bash <<< @", "runs what it reads" },
	{ "echo \"@\" | bash", "runs what it reads" },
	{ "echo \"@\" | sudo sh", "runs what it reads" },
	{ "echo \"@\" | cat | python3 -", "runs what it reads" },
	{ "{\n  echo @\n} | bash", "runs what it reads" },
	{ "for x in @; do echo $x; done | sh", "runs what it reads" },
	{ "cat >x.py <<E\nprint('@')\nE", "run as code" },
	{ "echo \"@\" >run.sh", "file of code" },
	{ "echo \"@\" >>\"$HOME/.bashrc\"", "file of code" },
	{ "{\n echo a\n echo @\n} > x.sh", "file of code" },
	{ "cat <<'E'\n@\nE", "quoted here document" },
	{ "cat <<\\E\n@\nE", "quoted here document" },
	{ "cat <<E\n$(echo @)\nE", "in a here document" },
	{ "cat <<E\n`echo @`\nE", "in a here document" },
	{ "cat <<@\nx\n@", "end mark" },
	{ "echo \"@", "ends inside" },
	{ "echo $(echo @", "ends inside" },
};

/* ---- running ---- */

static char dir[] = "/tmp/drydock-inject-XXXXXX";
static char ran[64];

/* Its output, or what stops a script. */
static const char *run(const char *shell, const char *script, const char *value)
{
	static char out[65536];
	size_t len = 0;
	ssize_t n;
	int ends[2], status;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char name[32];
		(void)clearenv();
		(void)setenv("PATH", "/usr/bin:/bin", 1);
		(void)setenv("T", dir, 1);
		for (int i = 1; value && i < 8; i++) {
			(void)snprintf(name, sizeof(name), INJECT_VARIABLE "%d", i);
			(void)setenv(name, value, 1);
		}
		(void)dup2(open("/dev/null", O_RDWR), 0);
		(void)dup2(ends[1], 1);
		(void)dup2(ends[1], 2);
		if (chdir(dir) == 0)
			(void)execl(shell, shell, "-c", script, NULL);
		_exit(99);
	}
	(void)close(ends[1]);
	while ((n = read(ends[0], out + len, sizeof(out) - 1 - len)) > 0)
		len += (size_t)n;
	(void)close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	out[len] = '\0';
	return out;
}

/* ---- scripts ---- */

/* @@ is a @ of the script itself. */
static size_t cut(const char *script, const char *value, bool certain, struct inject_piece ret[32])
{
	size_t n = 0;
	static char text[32][512];
	const char *at = script;
	while (*at) {
		size_t len = 0;
		while (*at && (*at != '@' || at[1] == '@')) {
			at += *at == '@';
			text[n][len++] = *at++;
		}
		text[n][len] = '\0';
		ret[n] = (struct inject_piece){ .text = text[n], .len = len };
		n++;
		if (*at != '@')
			break;
		ret[n++] = (struct inject_piece){
			.text = value, .len = strlen(value), .outsider = true, .certain = certain
		};
		at++;
	}
	return n;
}

static const char *spliced(const struct inject_piece *pieces, size_t n)
{
	static char text[8192];
	size_t len = 0;
	for (size_t i = 0; i < n; i++) {
		memcpy(text + len, pieces[i].text, pieces[i].len);
		len += pieces[i].len;
	}
	text[len] = '\0';
	return text;
}

static const struct {
	const char *path;
	enum inject_shell shell;
} shells[] = {
	{ "/bin/bash", INJECT_BASH },
	{ "/bin/dash", INJECT_SH },
};

static const char *const plain[] = { "hello", "feature/x-1", "v1.2.3", "a_b", "1" };

static void what_means_nothing_to_a_shell_gives_what_it_gives_as_a_part_of_the_script(void **state)
{
	(void)state;
	for (size_t s = 0; s < ARRAY_LEN(shells); s++)
		for (size_t i = 0; i < ARRAY_LEN(passed); i++)
			for (size_t v = 0; v < ARRAY_LEN(plain); v++) {
				if (passed[i].only_bash && shells[s].shell != INJECT_BASH)
					continue;
				struct plan_arena *arena = arena_new();
				struct inject_piece pieces[32];
				struct inject_result done;
				size_t n = cut(passed[i].script, plain[v], true, pieces);
				if (!inject_rewrite(arena, shells[s].shell, pieces, n, &done))
					fail_msg("refused: %s: %s", passed[i].script, done.why);
				char *want = strdup(run(shells[s].path, spliced(pieces, n), NULL));
				const char *got = run(shells[s].path, done.script, plain[v]);
				if (strcmp(want, got) != 0)
					fail_msg("%s of\n%s\nbecame\n%s\nand prints\n%s\ninstead "
					         "of\n%s",
					         shells[s].path, passed[i].script, done.script, got,
					         want);
				free(want);
				arena_free(arena);
			}
}

static const char *const hostile[] = {
	"$(touch ran)",
	"`touch ran`",
	"\"; touch ran; \"",
	"'; touch ran; '",
	"\"$(touch ran)\"",
	"'$(touch ran)'",
	"\ntouch ran\n",
	"; touch ran #",
	"| touch ran",
	"& touch ran &",
	") ; touch ran ; (",
	"}; touch ran; {",
	";; esac; touch ran; case x in",
	"E\ntouch ran\ncat <<E",
	"a[$(touch ran)]",
	"${x:-$(touch ran)}",
	"<(touch ran)",
	">ran",
	"\\\ntouch ran",
	"x; touch ran; x",
	"-c touch${IFS}ran",
	"'\"$(touch ran)\"'",
	"$'; touch ran; '",
	"touch ran",
};

static void nothing_of_a_value_is_run(void **state)
{
	(void)state;
	struct stat st;
	for (size_t s = 0; s < ARRAY_LEN(shells); s++)
		for (size_t i = 0; i < ARRAY_LEN(passed); i++)
			for (size_t v = 0; v < ARRAY_LEN(hostile); v++) {
				if (passed[i].only_bash && shells[s].shell != INJECT_BASH)
					continue;
				struct plan_arena *arena = arena_new();
				struct inject_piece pieces[32];
				struct inject_result done;
				size_t n = cut(passed[i].script, hostile[v], v % 2, pieces);
				assert_true(
					inject_rewrite(arena, shells[s].shell, pieces, n, &done));
				const char *out = run(shells[s].path, done.script, hostile[v]);
				if (stat(ran, &st) == 0)
					fail_msg("%s ran `%s` of\n%s\nwhich became\n%s\n%s",
					         shells[s].path, hostile[v], passed[i].script,
					         done.script, out);
				arena_free(arena);
			}
}

static void in_quotes_every_byte_of_a_value_arrives(void **state)
{
	(void)state;
	static const char *const scripts[] = {
		"printf %s \"@\"",
		"printf %s '@'",
		"X=@; printf %s \"$X\"",
		"cat <<E\n@\nE",
		"case \"@\" in *) printf %s \"@\";; esac",
		"printf %s @",
	};
	for (size_t s = 0; s < ARRAY_LEN(shells); s++)
		for (size_t i = 0; i < ARRAY_LEN(scripts) - 1; i++)
			for (size_t v = 0; v < ARRAY_LEN(hostile); v++) {
				struct plan_arena *arena = arena_new();
				struct inject_piece pieces[32];
				struct inject_result done;
				size_t n = cut(scripts[i], hostile[v], true, pieces);
				assert_true(
					inject_rewrite(arena, shells[s].shell, pieces, n, &done));
				const char *out = run(shells[s].path, done.script, hostile[v]);
				if (strncmp(out, hostile[v], strlen(hostile[v])) != 0)
					fail_msg("`%s` gave `%s` for `%s`", done.script, out,
					         hostile[v]);
				arena_free(arena);
			}
}

static void where_it_would_be_parsed_all_the_same_it_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		for (size_t v = 0; v < 2; v++) {
			struct plan_arena *arena = arena_new();
			struct inject_piece pieces[32];
			struct inject_result done;
			size_t n = cut(refused[i].script, v ? "$(touch ran)" : "hello", !v, pieces);
			if (inject_rewrite(arena, INJECT_BASH, pieces, n, &done))
				fail_msg("passed: %s\nas %s", refused[i].script, done.script);
			if (!strstr(done.why, refused[i].why))
				fail_msg("%s: `%s`, not `%s`", refused[i].script, done.why,
				         refused[i].why);
			assert_true(pieces[done.refused].outsider);
			arena_free(arena);
		}
}

static void what_only_may_be_an_outsiders_is_put_in_where_it_means_nothing(void **state)
{
	(void)state;
	static const char *const values[] = { "v1.2.3", "main", "a/b_c-d", "" };
	for (size_t v = 0; v < ARRAY_LEN(values); v++) {
		struct plan_arena *arena = arena_new();
		struct inject_piece pieces[32];
		struct inject_result done;
		size_t n = cut("print('@')", values[v], false, pieces);
		assert_true(inject_rewrite(arena, INJECT_OTHER, pieces, n, &done));
		assert_string_equal(done.script, spliced(pieces, n));
		assert_false(done.passed[1]);
		n = cut("print('@')", values[v], true, pieces);
		assert_false(inject_rewrite(arena, INJECT_OTHER, pieces, n, &done));
		/* one is put in, the other is handed over: numbers follow those that are */
		n = cut("echo $((@)) @", values[v], false, pieces);
		if (values[v][0] && inject_rewrite(arena, INJECT_BASH, pieces, n, &done))
			assert_non_null(strstr(done.script, "${" INJECT_VARIABLE "1}"));
		arena_free(arena);
	}
	assert_false(inject_is_plain("-x", 2));
	assert_false(inject_is_plain("a=b", 3));
	assert_false(inject_is_plain("a b", 3));
	assert_false(inject_is_plain("a\0b", 3));
	assert_false(inject_is_plain("\xc3\xa4", 2));
}

static void the_shell_is_the_last_one_that_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *shell;
		enum inject_shell want;
	} rows[] = {
		{ NULL, INJECT_BASH },
		{ "bash", INJECT_BASH },
		{ "sh", INJECT_SH },
		{ "python", INJECT_OTHER },
		{ "pwsh", INJECT_OTHER },
		{ "zsh {0}", INJECT_OTHER },
		{ "/usr/bin/env -u ENV /bin/sh -eu {0}", INJECT_SH },
		{ "script -q -e -c \"bash {0}\"", INJECT_BASH },
		{ "perl {0}", INJECT_OTHER },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(inject_shell_of(rows[i].shell, true), rows[i].want);
	assert_int_equal(inject_shell_of(NULL, false), INJECT_SH);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(ran, sizeof(ran), "%s/ran", dir);
	return 0;
}

static int teardown(void **state)
{
	char command[80];
	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			what_means_nothing_to_a_shell_gives_what_it_gives_as_a_part_of_the_script),
		cmocka_unit_test(nothing_of_a_value_is_run),
		cmocka_unit_test(in_quotes_every_byte_of_a_value_arrives),
		cmocka_unit_test(where_it_would_be_parsed_all_the_same_it_is_refused),
		cmocka_unit_test(what_only_may_be_an_outsiders_is_put_in_where_it_means_nothing),
		cmocka_unit_test(the_shell_is_the_last_one_that_is_named),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, teardown);
}
