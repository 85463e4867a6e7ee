// SPDX-License-Identifier: Apache-2.0
/* policy_terms.h - the values that a policy gives to steps, as every room above knows them. */
#ifndef RUNNER_POLICY_TERMS_H
#define RUNNER_POLICY_TERMS_H

#include "drydock/sandbox.h"
#include "input/diag.h"
#include "model/pair.h"

#include <stdbool.h>
#include <stdint.h>

/* Where a credential comes from; lease/source.c has a row for each. */
enum lease_from {
	LEASE_FROM_FILE = 1,
	LEASE_FROM_ENV,
	LEASE_FROM_SYSTEMD,
	LEASE_FROM_FORGE, /* the last of those that come whole, and that nobody is asked for */
	LEASE_FROM_VAULT,
	LEASE_FROM_OIDC,
	LEASE_FROM_GITHUB_APP,
	LEASE_FROM__COUNT
};
/* Is somebody asked for it over the network? */
static inline bool lease_is_issued(enum lease_from from)
{
	return from > LEASE_FROM_FORGE;
}

enum exchange_form {
	EXCHANGE_RFC8693 = 0,
	EXCHANGE_AWS,
	EXCHANGE_AZURE,
	EXCHANGE_GCP,
	EXCHANGE__COUNT
};
extern const char *const exchange_form_names[EXCHANGE__COUNT];

/* Whom to ask, as whom, and what to take of the answer. NULL and 0: not said. */
struct lease_issuer {
	const char *url, *ca, *certificate, *key; /* files; `key` of github-app: the app's own */
	const char *identity, *audience; /* a file with a token, or an issuer's directory */
	const char *mount, *role, *namespace_, *read, *field, *user, *janitor;
	unsigned wrap_sec;
	enum exchange_form form;
	const char *scope, *resource, *client, *account, *revoke;
	const char *app, *installation;
	const char *const *repositories; /* NULL-terminated */
	const struct pair *permissions;
	size_t n_permissions;
};

/* How it is handed over; lease_form() has a row for each. */
enum lease_as {
	LEASE_AS_ENV = 1,
	LEASE_AS_FILE,
	LEASE_AS_FD,
	LEASE_AS_GIT,
	LEASE_AS_NETRC,
	LEASE_AS_NPMRC,
	LEASE_AS_DOCKER,
	LEASE_AS_PIP,
	LEASE_AS_CARGO,
	LEASE_AS__COUNT
};
/* As a policy, a plan and a record spell them; [0] is NULL. */
extern const char *const lease_from_names[LEASE_FROM__COUNT];
extern const char *const lease_as_names[LEASE_AS__COUNT];

/* The same for people: "variable", "file", ...; and of a source. */
const char *lease_as_shown(enum lease_as as);
const char *lease_from_shown(enum lease_from from);
/* Is its source a path of this host? */
static inline bool lease_is_file(enum lease_from from)
{
	return from == LEASE_FROM_FILE || from == LEASE_FROM_SYSTEMD;
}

/* One part of a secret and what it is called in the step: a variable or a file. */
struct lease_target {
	const char *name;
	const char *field; /* of the secret; NULL: the one that its source means */
	/* that holds it or says where it is; NULL: none is set for it alone */
	const char *variable;
};

enum { LEASE_TARGETS_MAX = 16 };

/* What a client reads its credential from. */
struct lease_form {
	const char *file; /* below SANDBOX_CREDENTIALS_DIR, shared by all of this form; or NULL */
	/* variables that say where, NULL-terminated: of the file, or of its directory */
	const char *const *file_vars, *const *dir_vars;
	/* a user goes with the secret: NULL: none is asked for; "": the policy must say it */
	const char *user;
	/* bytes that its syntax gives a meaning to, so that no value may have them */
	const char *never;
	bool by_host; /* its target is a host, and a user may stand before it */
};
const struct lease_form *lease_form(enum lease_as as);
/* Every variable that a credential of this form sets, at most LEASE_VARIABLES_MAX; returns how
 * many. */
enum { LEASE_VARIABLES_MAX = LEASE_TARGETS_MAX + 4 };
size_t lease_variables(enum lease_as as, const struct lease_target *targets, size_t n,
                       const char *ret[LEASE_VARIABLES_MAX]);

/* What becomes of a value that an outsider can write and that a script is written around. */
enum injection_policy {
	INJECTION_REFUSE = 0, /* the step fails */
	INJECTION_PASS,  /* it reaches the script in a variable, where that keeps its meaning */
	INJECTION_ALLOW, /* it becomes a part of the script, as on GitHub */
};
extern const char *const injection_names[]; /* as a policy spells them */

/* `cache:` and `artifacts:`: which phases may read and write, as bits of enum dd_phase, and how
 * much there is. */
struct store_terms {
	unsigned cache_read, cache_write, artifact_read, artifact_write;
	uint64_t cache_bytes;    /* of a repository, written by jobs of the same trust */
	uint64_t artifact_bytes; /* of a run */
	unsigned cache_keep_sec; /* since an entry was last asked for */
};

/* Of so many variables of one step no rule that asks about them matches. */
enum { STEP_VARIABLES_MAX = 256 };

struct step_limits {
	struct sandbox_limits sandbox; /* what the kernel enforces per step */
	/* of the job's writable places, measured by the supervisor while a step runs */
	uint64_t files;
	uint64_t disk_bytes;   /* likewise */
	uint64_t log_bytes;    /* of one step's output; default 64 MiB */
	uint64_t record_bytes; /* of the job's record; the operator's alone */
	/* of one step: the smaller of policy `time` and timeout-minutes; default 360 min */
	unsigned time_sec;
};

/* what the repository's own .drydock.yml asked for and does not get (G-06); its texts are commit
 * content */
struct policy_narrowed {
	const char *key, *asked, *allowed;
	struct diag_mark mark; /* in that file */
	const char *why;
};

#endif
