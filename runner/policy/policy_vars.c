// SPDX-License-Identifier: Apache-2.0
/* policy_vars.c - which variables may decide what a script runs, although its text stays the same.
 *
 * Pure. The names are the workflow's (hostile). A rule that opens the gate for a text does not
 * match where one of these is set, unless it names it (G-16). Tables cannot know every tool, so
 * besides them counts every name that the script itself mentions, or that begins with one of its
 * words: what `frob fetch` is told by FROB_PLUGIN or by $TARGET is not in a table. What is left are
 * variables that only code of the repository reads, and that code may read its files as well. */
#include "policy_model.h"

#include <ctype.h>
#include <string.h>

enum { NAME_MAX_LOOKED_AT = 128, SCRIPT_MAX_LOOKED_AT = 64 * 1024 };

/* They belong to tools, and whatever their value they only change how something looks or talks.
 * The tables are words in capitals: the case of a name is not looked at. */
static const char harmless[] =
	"CARGO_TERM_COLOR DEBIAN_FRONTEND DOTNET_CLI_TELEMETRY_OPTOUT DOTNET_NOLOGO "
	"DOTNET_VERSION GO_VERSION JAVA_VERSION NODE_ENV NODE_VERSION NPM_CONFIG_AUDIT "
	"NPM_CONFIG_FUND NPM_CONFIG_LOGLEVEL NPM_CONFIG_PROGRESS "
	"NPM_CONFIG_UPDATE_NOTIFIER PHP_VERSION PIP_DISABLE_PIP_VERSION_CHECK "
	"PIP_NO_INPUT PIP_PROGRESS_BAR PYTHON_VERSION PYTHONDONTWRITEBYTECODE "
	"PYTHONHASHSEED PYTHONUNBUFFERED PY_COLORS RUBY_VERSION RUST_BACKTRACE RUST_LOG "
	"RUST_VERSION TERM";

/* The loader, the shell, and what many programs start or read because of it. */
static const char whole[] =
	"_ AR AS BROWSER CC CDPATH CLASSPATH CPATH CPP CXX EDITOR ENV FC FCEDIT FPATH "
	"GLOBIGNORE HOME HOSTALIASES IFS INPUTRC LD LESS LESSCLOSE LESSOPEN LEX "
	"LOCALDOMAIN LOCPATH MAIL MAKE MANPAGER MANPATH NLSPATH NM OBJC OBJCOPY OBJDUMP "
	"OLDPWD OPENER PAGER PATH POSIXLY_CORRECT PROMPT_COMMAND PS0 PS1 PS2 PS3 PS4 "
	"PWD RANLIB RC SHELL STRIP SUDO_ASKPASS TMOUT TMPDIR TMP TEMP TEMPDIR TERMCAP "
	"TERMINFO USER VISUAL WINDRES YACC ZDOTDIR";

/* The same, by how they begin: this much decides also what an action does, whose code is its own.
 */
static const char loader[] = "BASH DYLD GCONV GLIBC LD_ MALLOC NODE OPENSSL SHELLOPTS";

/* Tools whose variables name code, configuration, plugins or places. */
static const char first[] =
	"_JAVA ACLOCAL ALL_PROXY ANDROID ANSIBLE ANT_ APT_ AUTO AWS AZURE BAZEL "
	"BAZELISK BUILDAH BUILDKIT BUN_ BUNDLE CABAL CARGO CCACHE CGO_ CLANG CLOUDSDK "
	"CMAKE COMPILER COMPLUS COMPOSE CONAN CONDA CONFIG_ CONTAINER COREPACK CORECLR "
	"CPAN CRAN CTEST CURL DART DBUS DEB DENO DIRENV DISTCC DOCKER DOTNET DPKG DUB_ "
	"ELECTRON ELIXIR EMACS ERL ETC_ FAKEROOT FLUTTER FTP_ GCC GEM GETCONF GH_ GHC "
	"GIT GNUPG GO GPG GRADLE HELM HEX_ HG HTTP ICU_ JAVA JDK JRE JULIA JVM KOTLIN "
	"KRB5 KUBE LIBRARY LIBTOOL LLVM LUA M2_ MAKE MAVEN MESON MIX_ MSBUILD MVN MYSQL "
	"NETRC NINJA NIX NO_PROXY NPM NUGET NVM OCAML OPAM PACKER PERL PG PHP PIP PKG_ "
	"PLAYWRIGHT PNPM PODMAN POETRY PUPPETEER PY QEMU R_ RBENV REQUESTS RES_ RESOLV "
	"RPM RSYNC RUBY RUST RVM SBT SCCACHE SCONS SETUPTOOLS SKOPEO SSH SSL STACK_ SVN "
	"SWIFT SYSTEMD TAR_ TCL TERRAFORM TEX TF_ TWINE UV_ VCPKG VIM VIRTUALENV WGET "
	"XDG_ XML YARN ZIG";

/* What such variables are called, whoever reads them. */
static const char last[] =
	"ARGS ASKPASS CMD COMMAND CONF CONFIG CONFIGFILE EDITOR ENTRYPOINT EVAL EXEC "
	"EXECUTABLE FLAGS HOME HOOK HOOKS INIT INTERPRETER LAUNCHER LIB LIBRARIES "
	"LIBRARY LIBS LOADER MODULE MODULES OPTIONS OPTS OPT OVERRIDE OVERRIDES PAGER "
	"PATH PATHS PLUGIN PLUGINS PRELOAD PREFIX PROGRAM PROXY RC REQUIRE RUNNER "
	"SCRIPT SCRIPTS SHELL STARTUP TOOL TOOLCHAIN TOOLS WRAPPER";

/* How a word of a table can be held against a name, both in capitals. */
static bool is_whole(const char *name, const char *word, size_t len)
{
	return strncmp(name, word, len) == 0 && name[len] == '\0';
}

static bool is_first(const char *name, const char *word, size_t len)
{
	return strncmp(name, word, len) == 0;
}

static bool is_last(const char *name, const char *word, size_t len)
{
	size_t all = strlen(name);
	return all >= len && memcmp(name + all - len, word, len) == 0;
}

static bool fits(const char *name, const char *table,
                 bool (*how)(const char *name, const char *word, size_t len))
{
	for (const char *word = table; *word;) {
		size_t len = strcspn(word, " ");
		if (how(name, word, len))
			return true;
		word += len + (word[len] == ' ');
	}
	return false;
}

static bool is_word_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Does @word, @len bytes and in capitals, stand in @script by itself, in whatever case? */
static bool is_word_of(const char *script, const char *word, size_t len)
{
	for (const char *at = script; *at;) {
		if (!is_word_byte(*at)) {
			at++;
			continue;
		}
		size_t n = 0;
		while (is_word_byte(at[n]))
			n++;
		if (n == len && strncasecmp(at, word, len) == 0)
			return true;
		at += n;
	}
	return false;
}

bool policy_variable_decides(const char *name, const char *script)
{
	char upper[NAME_MAX_LOOKED_AT];
	size_t len = strlen(name);
	if (len >= sizeof(upper))
		return true;
	for (size_t i = 0; i <= len; i++)
		upper[i] = (char)toupper((unsigned char)name[i]);
	if (fits(upper, harmless, is_whole))
		return false;
	if (fits(upper, whole, is_whole) || fits(upper, loader, is_first))
		return true;
	if (!script)
		return false;
	if (fits(upper, first, is_first) || fits(upper, last, is_last))
		return true;
	size_t head = strcspn(upper, "_");
	return strnlen(script, SCRIPT_MAX_LOOKED_AT) == SCRIPT_MAX_LOOKED_AT ||
	       is_word_of(script, upper, len) || (head > 0 && is_word_of(script, upper, head));
}
