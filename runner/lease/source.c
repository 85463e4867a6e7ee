// SPDX-License-Identifier: Apache-2.0
/* source.c - the table of sources. Data only. */
#include "source.h"

#include "courier.h"

#define STATIC  "wiped here; a static secret stays valid at its issuer"
#define EXPIRES "wiped here; nobody can revoke it, it ends by itself"

static const struct lease_source sources[LEASE_FROM__COUNT] = {
	[LEASE_FROM_FILE] = { source_file_look, source_file_grant, NULL, STATIC },
	[LEASE_FROM_ENV] = { source_env_look, source_held_grant, NULL, STATIC },
	[LEASE_FROM_SYSTEMD] = { source_file_look, source_file_grant, NULL, STATIC },
	[LEASE_FROM_FORGE] = { source_forge_look, source_held_grant, NULL, STATIC },
	[LEASE_FROM_VAULT] = { source_issuer_look, source_issuer_grant, courier_revoke, EXPIRES },
	[LEASE_FROM_OIDC] = { source_issuer_look, source_issuer_grant, courier_revoke, EXPIRES },
	[LEASE_FROM_GITHUB_APP] = { source_issuer_look, source_issuer_grant, courier_revoke,
	                            EXPIRES },
};

const struct lease_source *lease_source_of(enum lease_from from)
{
	return &sources[from];
}
