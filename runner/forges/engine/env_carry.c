// SPDX-License-Identifier: Apache-2.0
/* env_carry.c - one row for each kind of name, with its reason. Pure; the names are hostile.
 *
 * What loads code into a program, what a program runs or reads because of it, and what says to whom
 * it talks: a step that publishes would do with its credential what the build wanted. Everything
 * else is data, and crosses. */
#include "env_carry.h"

#include "drydock/err.h"

#include <string.h>
#include <strings.h>

#define LOADER  "the dynamic loader loads code by it"
#define SHELL   "a shell runs or reads code by it"
#define INTERP  "an interpreter loads code by it"
#define JVM     "a Java machine loads code by it"
#define GIT     "git runs programs and takes its configuration by it"
#define FINDS   "programs are found by it"
#define TOOLCFG "the tool takes its configuration or its plugins by it"
#define RUNS    "programs are started by it"
#define PROXY   "it says through whom programs talk"
#define TRUST   "it says whom programs believe"
#define PLACE   "programs look for their configuration there"

static const struct carry_row {
	const char *name; /* ends in * for all that begin so, begins with * for all that end so */
	const char *reason;
} rows[] = {
	{ "LD_*", LOADER },
	{ "DYLD_*", LOADER },
	{ "GCONV_PATH", LOADER },
	{ "GETCONF_DIR", LOADER },
	{ "GLIBC_TUNABLES", LOADER },
	{ "MALLOC_*", LOADER },
	{ "NLSPATH", LOADER },
	{ "LOCPATH", LOADER },
	{ "OPENSSL_*", LOADER },
	{ "SSL_CERT_*", TRUST },
	{ "*_CA_BUNDLE", TRUST },
	{ "*_CA_CERTS", TRUST },
	{ "NODE_EXTRA_CA_CERTS", TRUST },
	{ "NODE_TLS_REJECT_UNAUTHORIZED", TRUST },
	{ "BASH_ENV", SHELL },
	{ "BASH_FUNC_*", SHELL },
	{ "BASHOPTS", SHELL },
	{ "SHELLOPTS", SHELL },
	{ "BASH_*", SHELL },
	{ "ENV", SHELL },
	{ "IFS", SHELL },
	{ "PS0", SHELL },
	{ "PS1", SHELL },
	{ "PS2", SHELL },
	{ "PS4", SHELL },
	{ "PROMPT_COMMAND", SHELL },
	{ "CDPATH", SHELL },
	{ "GLOBIGNORE", SHELL },
	{ "FPATH", SHELL },
	{ "ZDOTDIR", SHELL },
	{ "SHELL", SHELL },
	{ "PSModulePath", SHELL },
	{ "NODE_*", INTERP },
	{ "BUN_*", INTERP },
	{ "DENO_*", INTERP },
	{ "ELECTRON_*", INTERP },
	{ "PYTHON*", INTERP },
	{ "VIRTUAL_ENV", INTERP },
	{ "PERL5*", INTERP },
	{ "PERLLIB", INTERP },
	{ "PERL_*", INTERP },
	{ "RUBY*", INTERP },
	{ "GEM_*", INTERP },
	{ "BUNDLE_*", TOOLCFG },
	{ "LUA_*", INTERP },
	{ "PHP_*", INTERP },
	{ "PHPRC", INTERP },
	{ "R_*", INTERP },
	{ "JULIA_*", INTERP },
	{ "TCLLIBPATH", INTERP },
	{ "GUILE_*", INTERP },
	{ "ERL_*", INTERP },
	{ "ERLANG_*", INTERP },
	{ "ELIXIR_*", INTERP },
	{ "DOTNET_*", INTERP },
	{ "COMPlus_*", INTERP },
	{ "CORECLR_*", INTERP },
	{ "COR_*", INTERP },
	{ "MONO_*", INTERP },
	{ "JAVA_*", JVM },
	{ "_JAVA_*", JVM },
	{ "JDK_*", JVM },
	{ "JRE_*", JVM },
	{ "JVM_*", JVM },
	{ "CLASSPATH", JVM },
	{ "MAVEN_*", JVM },
	{ "MVN_*", JVM },
	{ "M2_*", JVM },
	{ "GRADLE_*", JVM },
	{ "ANT_*", JVM },
	{ "SBT_*", JVM },
	{ "KOTLIN_*", JVM },
	{ "GIT_*", GIT },
	{ "SSH_*", RUNS },
	{ "*_ASKPASS", RUNS },
	{ "EDITOR", RUNS },
	{ "VISUAL", RUNS },
	{ "PAGER", RUNS },
	{ "*_PAGER", RUNS },
	{ "*_EDITOR", RUNS },
	{ "BROWSER", RUNS },
	{ "LESSOPEN", RUNS },
	{ "LESSCLOSE", RUNS },
	{ "PATH", FINDS },
	{ "*_HOME", FINDS },
	{ "HOME", PLACE },
	{ "XDG_*", PLACE },
	{ "TMPDIR", PLACE },
	{ "NETRC", PLACE },
	{ "GNUPGHOME", PLACE },
	{ "HOSTALIASES", PROXY },
	{ "RES_OPTIONS", PROXY },
	{ "LOCALDOMAIN", PROXY },
	{ "*_PROXY", PROXY },
	{ "CC", RUNS },
	{ "CXX", RUNS },
	{ "AR", RUNS },
	{ "MAKE", RUNS },
	{ "MAKEFLAGS", RUNS },
	{ "MFLAGS", RUNS },
	{ "GNUMAKEFLAGS", RUNS },
	{ "MAKEFILES", RUNS },
	{ "*FLAGS", RUNS },
	{ "*_WRAPPER", RUNS },
	{ "*_LAUNCHER", RUNS },
	{ "RUSTC*", RUNS },
	{ "RUSTDOC*", RUNS },
	{ "RUSTUP_*", RUNS },
	{ "CARGO_*", TOOLCFG },
	{ "GOPATH", FINDS },
	{ "GOROOT", FINDS },
	{ "GOPROXY", PROXY },
	{ "GOFLAGS", RUNS },
	{ "GOENV", TOOLCFG },
	{ "GOTOOLCHAIN", RUNS },
	{ "GOBIN", FINDS },
	{ "GONOSUMDB", TRUST },
	{ "GONOSUMCHECK", TRUST },
	{ "GOSUMDB", TRUST },
	{ "GOINSECURE", TRUST },
	{ "GOPRIVATE", TRUST },
	{ "CGO_*", RUNS },
	{ "NPM_*", TOOLCFG },
	{ "YARN_*", TOOLCFG },
	{ "PNPM_*", TOOLCFG },
	{ "COREPACK_*", TOOLCFG },
	{ "PIP_*", TOOLCFG },
	{ "UV_*", TOOLCFG },
	{ "POETRY_*", TOOLCFG },
	{ "TWINE_*", TOOLCFG },
	{ "CONDA_*", TOOLCFG },
	{ "NUGET_*", TOOLCFG },
	{ "COMPOSER_*", TOOLCFG },
	{ "DOCKER_*", TOOLCFG },
	{ "BUILDKIT_*", TOOLCFG },
	{ "BUILDX_*", TOOLCFG },
	{ "CONTAINER*", TOOLCFG },
	{ "KUBECONFIG", TOOLCFG },
	{ "HELM_*", TOOLCFG },
	{ "TF_*", TOOLCFG },
	{ "AWS_*", TOOLCFG },
	{ "AZURE_*", TOOLCFG },
	{ "CLOUDSDK_*", TOOLCFG },
	{ "GOOGLE_*", TOOLCFG },
	{ "GH_*", TOOLCFG },
	{ "CURL_*", TOOLCFG },
	{ "WGETRC", TOOLCFG },
	{ "RSYNC_*", RUNS },
	{ "TAR_OPTIONS", RUNS },
	{ "RPM_*", TOOLCFG },
	{ "DPKG_*", TOOLCFG },
	{ "APT_*", TOOLCFG },
	{ "CMAKE_*", RUNS },
	{ "PKG_CONFIG*", RUNS },
	{ "ACTIONS_*", "GitHub's clients talk to whom it says" },
};

static int fits(const struct carry_row *row, const char *name, size_t len)
{
	size_t n = strlen(row->name);

	if (row->name[0] == '*')
		return len >= n - 1 && strncasecmp(row->name + 1, name + len - (n - 1), n - 1) == 0;
	if (row->name[n - 1] == '*')
		return len >= n - 1 && strncasecmp(row->name, name, n - 1) == 0;
	return len == n && strncasecmp(row->name, name, n) == 0;
}

const char *env_carry_reason(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (fits(&rows[i], name, len))
			return rows[i].reason;
	return NULL;
}
