// SPDX-License-Identifier: Apache-2.0
/* lease_forms.c - how credentials are called and handed over: names, files, variables. Data only.
 *
 * What stands in the files is written by lease/deliver.c, when there is a value. */
#include "policy_terms.h"

#include "drydock/err.h"

#include <assert.h>

const char *const lease_from_names[LEASE_FROM__COUNT] = {
	[LEASE_FROM_FILE] = "file",
	[LEASE_FROM_ENV] = "env",
	[LEASE_FROM_SYSTEMD] = "systemd",
	[LEASE_FROM_FORGE] = "forge",
	[LEASE_FROM_VAULT] = "vault",
	[LEASE_FROM_OIDC] = "oidc",
	[LEASE_FROM_GITHUB_APP] = "github-app",
};

const char *const lease_as_names[LEASE_AS__COUNT] = {
	[LEASE_AS_ENV] = "env",       [LEASE_AS_FILE] = "file",   [LEASE_AS_FD] = "fd",
	[LEASE_AS_GIT] = "git",       [LEASE_AS_NETRC] = "netrc", [LEASE_AS_NPMRC] = "npmrc",
	[LEASE_AS_DOCKER] = "docker", [LEASE_AS_PIP] = "pip",     [LEASE_AS_CARGO] = "cargo",
};

const char *lease_as_shown(enum lease_as as)
{
	return as == LEASE_AS_ENV  ? "variable"
	       : as == LEASE_AS_FD ? "descriptor, its number in"
	                           : lease_as_names[as];
}

const char *lease_from_shown(enum lease_from from)
{
	return from == LEASE_FROM_ENV       ? "variable"
	       : from == LEASE_FROM_SYSTEMD ? "file of the service manager"
	       : from == LEASE_FROM_FORGE   ? "the forge's secret"
	                                    : lease_from_names[from];
}

#define VARS(...)                                                                                  \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

static const struct lease_form forms[LEASE_AS__COUNT] = {
	/* git asks a helper, which reads the file of that host; step_env.c tells git so */
	[LEASE_AS_GIT] = { .user = "x-access-token", .never = "\n\r", .by_host = true },
	/* no program agrees with another about quotes in it */
	[LEASE_AS_NETRC] = { .file = "netrc",
	                     .file_vars = VARS("NETRC"),
	                     .user = "",
	                     .never = " \t\n\r\"\\'#",
	                     .by_host = true },
	/* `;` and `#` begin a comment, `${` names a variable */
	[LEASE_AS_NPMRC] = { .file = "npmrc",
	                     .file_vars = VARS("NPM_CONFIG_USERCONFIG"),
	                     .never = " \t\n\r\"\\';#$",
	                     .by_host = true },
	[LEASE_AS_DOCKER] = { .file = "config.json",
	                      .file_vars = VARS("REGISTRY_AUTH_FILE"),
	                      .dir_vars = VARS("DOCKER_CONFIG"),
	                      .user = "",
	                      .never = "\n\r",
	                      .by_host = true },
	[LEASE_AS_PIP] = { .file = "pip.conf",
	                   .file_vars = VARS("PIP_CONFIG_FILE"),
	                   .user = "__token__",
	                   .never = "\n\r" },
	/* cargo asks a provider, which reads the file of that registry */
	[LEASE_AS_CARGO] = { .never = " \t\n\r" },
	[LEASE_AS_ENV] = { .never = "\n" },
};

const struct lease_form *lease_form(enum lease_as as)
{
	return &forms[as];
}

static size_t add_all(const char *const *names, const char *ret[LEASE_VARIABLES_MAX], size_t n)
{
	for (; names && *names && n < LEASE_VARIABLES_MAX; names++)
		ret[n++] = *names;
	return n;
}

size_t lease_variables(enum lease_as as, const struct lease_target *targets, size_t n,
                       const char *ret[LEASE_VARIABLES_MAX])
{
	size_t k = add_all(forms[as].dir_vars, ret, add_all(forms[as].file_vars, ret, 0));
	for (size_t i = 0; i < n && k < LEASE_VARIABLES_MAX; i++)
		if (targets[i].variable)
			ret[k++] = targets[i].variable;
	return k;
}
