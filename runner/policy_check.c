// SPDX-License-Identifier: Apache-2.0
/* policy_check.c - what single values of a policy cannot show: rules that never match, entries that contradict or repeat each other,
 * credentials that collide. Pure; every finding is a load error. */
#include "policy_model.h"

#include "drydock/err.h"

#include <arpa/inet.h>
#include <string.h>

static bool asks_nothing(const struct policy_rule *rule) /* complained about already */
{
	for (int f = 0; f < RULE__COUNT; f++)
		if (rule->glob[f])
			return false;
	return true;
}

static void unreachable_rules(const struct policy *policy, struct diag_list *diags)
{
	for (size_t i = 0; i < policy->n_rules; i++)
		for (size_t k = 0; k < i; k++) {
			if (asks_nothing(&policy->rules[k]) || !policy_rule_covers(&policy->rules[k], &policy->rules[i]))
				continue;
			diag_add(diags, policy->rules[i].mark, "put the narrower rule first, or take it out",
				 "this rule can never match: the rule at line %u comes first and matches all of it", policy->rules[k].mark.line);
			break;
		}
}

static bool same_destination(const struct egress_entry *a, const struct egress_entry *b)
{
	if (a->port != b->port || !a->host != !b->host)
		return false;
	if (a->host)
		return a->wildcard == b->wildcard && strcmp(a->host, b->host) == 0;
	return a->prefix == b->prefix && a->cidr.s_addr == b->cidr.s_addr;
}

static bool same_terms(const struct egress_entry *a, const struct egress_entry *b)
{
	if (a->private_ok != b->private_ok || a->tls != b->tls)
		return false;
	for (size_t i = 0; i < EGRESS_PINS_MAX; i++)
		if (!a->pins[i] != !b->pins[i] || (a->pins[i] && strcmp(a->pins[i], b->pins[i]) != 0))
			return false;
	return true;
}

/* The origin of a written entry is its own place; of a set's it is "npm: registry". */
static bool is_from_set(const struct policy_phase *phase, size_t i)
{
	const struct diag_mark *mark = &phase->entry_marks[i];
	char place[32];
	(void)snprintf(place, sizeof(place), ":%u:%u", mark->line, mark->column);
	size_t len = strlen(phase->egress.entries[i].origin), tail = strlen(place);
	return len < tail || strcmp(phase->egress.entries[i].origin + len - tail, place) != 0;
}

/* An entry that repeats one of a `use:` set is fine when it says the same; two that the operator wrote are a mistake either way. */
static void repeated_entries(const struct policy_phase *phase, struct diag_list *diags)
{
	const struct egress_entry *e = phase->egress.entries;
	size_t n = phase->egress.n < 2000 ? phase->egress.n : 2000; /* quadratic; real lists are short, and longer ones fail in the gate's compiler */
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++) {
			if (!same_destination(&e[i], &e[k]))
				continue;
			bool same = same_terms(&e[i], &e[k]);
			if (same && (is_from_set(phase, i) || is_from_set(phase, k)))
				continue;
			diag_add(diags, phase->entry_marks[i], "keep one of them", "this entry %s the one at line %u",
				 same ? "repeats" : "contradicts", phase->entry_marks[k].line);
			break;
		}
}

static bool special_address(const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return egress_addr_special((const struct sockaddr *)&v4) && !egress_addr_is_metadata((const struct sockaddr *)&v4);
	if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		return egress_addr_special((const struct sockaddr *)&v6) && !egress_addr_is_metadata((const struct sockaddr *)&v6);
	return false;
}

/* An entry that the gate would always refuse is a question to the operator now, not to the person who waits for the job. */
static void dead_entries(const struct policy_phase *phase, struct diag_list *diags)
{
	static const char hint[] = "add `private: allow` if that is meant";
	for (size_t i = 0; i < phase->egress.n; i++) {
		const struct egress_entry *e = &phase->egress.entries[i];
		struct sockaddr_in block = { .sin_family = AF_INET, .sin_addr = e->cidr };
		if (e->private_ok)
			continue;
		if (!e->host && egress_addr_special((const struct sockaddr *)&block))
			diag_add(diags, phase->entry_marks[i], hint, "this block is not public: %s", egress_addr_special((const struct sockaddr *)&block));
		for (size_t k = 0; k < EGRESS_PINS_MAX && e->pins[k]; k++)
			if (special_address(e->pins[k]))
				diag_add(diags, phase->entry_marks[i], hint, "address %s is not public", e->pins[k]);
	}
}

static bool share_a_step(const struct policy_credential *a, const struct policy_credential *b)
{
	for (size_t i = 0; i < a->n_steps; i++)
		for (size_t k = 0; k < b->n_steps; k++)
			if (strcmp(a->steps[i], b->steps[k]) == 0)
				return true;
	return false;
}

static void same_target(const struct policy *policy, size_t i, struct diag_list *diags)
{
	const struct policy_credential *a = &policy->credentials[i];
	for (size_t k = 0; k < i; k++) {
		const struct policy_credential *b = &policy->credentials[k];
		if (!a->target || !b->target || strcmp(a->target, b->target) != 0 || !share_a_step(a, b))
			continue;
		diag_add(diags, a->mark, NULL, "credentials `%s` and `%s` both want to be `%s` in one step", b->name, a->name, a->target);
	}
}

static void credential_in_env(const struct policy *policy, const struct policy_credential *cred, struct diag_list *diags)
{
	const struct policy_phase *phase = &policy->phases[cred->phase];
	for (size_t i = 0; cred->target && i < phase->n_env; i++)
		if (strcmp(phase->env[i].name, cred->target) == 0)
			diag_add(diags, phase->env_marks[i], NULL, "`%s` is also what credential `%s` is called", cred->target, cred->name);
}

void policy_check(const struct policy *policy, struct diag_list *diags)
{
	unreachable_rules(policy, diags);
	for (int p = 0; p < DD_PHASE__COUNT; p++) {
		repeated_entries(&policy->phases[p], diags);
		dead_entries(&policy->phases[p], diags);
	}
	for (size_t i = 0; i < policy->n_credentials; i++) {
		same_target(policy, i, diags);
		credential_in_env(policy, &policy->credentials[i], diags);
	}
}
