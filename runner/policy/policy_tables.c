// SPDX-License-Identifier: Apache-2.0
/* policy_tables.c - where each table of keys stands in a policy. Data only. */
#include "policy_tables.h"

#include "drydock/err.h"
#include "policy_model.h"

const struct policy_table policy_tables[] = {
	{ "", &policy_top_keys },
	{ "for", &policy_for_keys },
	{ "trust", &policy_trust_keys },
	{ "steps[]", &policy_rule_keys },
	{ "steps[].match", &policy_match_keys },
	{ "phases", &policy_phases_keys },
	{ "phases.*", &policy_phase_keys },
	{ "phases.*.carry", &policy_carry_keys },
	{ "phases.*.egress[]", &policy_entry_keys },
	{ "credentials.*", &policy_credential_keys },
	{ "credentials.*.from", &policy_from_keys },
	{ "credentials.*.from.vault", &policy_vault_keys },
	{ "credentials.*.from.oidc", &policy_oidc_keys },
	{ "credentials.*.from.github-app", &policy_github_app_keys },
	{ "credentials.*.for", &policy_binding_keys },
	{ "credentials.*.as", &policy_as_keys },
	{ "actions", &policy_actions_keys },
	{ "actions.from", &policy_actions_from_keys },
	{ "limits", &policy_limit_keys },
	{ "sandbox", &policy_sandbox_keys },
	{ "cache", &policy_cache_keys },
	{ "artifacts", &policy_artifacts_keys },
};
const size_t policy_tables_n = ARRAY_LEN(policy_tables);
