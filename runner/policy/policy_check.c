// SPDX-License-Identifier: Apache-2.0
/* policy_check.c - what single values of a policy cannot show: rules that never match, entries that
 * contradict or repeat each other, credentials that collide. Pure; every finding is a load error
 * (X-10). */
#include "policy_model.h"

#include "drydock/err.h"
#include "drydock/netns.h"

#include <arpa/inet.h>
#include <stdlib.h>
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
			if (asks_nothing(&policy->rules[k]) ||
			    !policy_rule_covers(&policy->rules[k], &policy->rules[i]))
				continue;
			diag_add(diags, policy->rules[i].mark,
			         "put the narrower rule first, or take it out",
			         "this rule can never match: the rule at line %u comes first and "
			         "matches all of it",
			         policy->rules[k].mark.line);
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
	if (a->private_ok != b->private_ok || a->tls != b->tls || a->ech != b->ech)
		return false;
	for (size_t i = 0; i < EGRESS_PINS_MAX; i++)
		if (!a->pins[i] != !b->pins[i] ||
		    (a->pins[i] && strcmp(a->pins[i], b->pins[i]) != 0))
			return false;
	return true;
}

/* By destination, and by place in the list among the same. */
static int by_destination(const void *a, const void *b, void *entries)
{
	const size_t i = *(const size_t *)a, k = *(const size_t *)b;
	const struct egress_entry *x = (const struct egress_entry *)entries + i,
				  *y = (const struct egress_entry *)entries + k;
	if (!x->host != !y->host)
		return x->host ? -1 : 1;
	int r = x->host ? strcmp(x->host, y->host) : memcmp(&x->cidr, &y->cidr, sizeof(x->cidr));
	r = r ? r : (int)x->port - (int)y->port;
	r = r ? r : x->host ? (int)x->wildcard - (int)y->wildcard : (int)x->prefix - (int)y->prefix;
	return r ? r : i < k ? -1 : 1;
}

/* Those at @order[0..n) have one destination. An entry that repeats one of a `use:` set is fine
 * when it says the same; two that the operator wrote are a mistake either way. The first decides
 * what "the same" is; whoever differs from it is named. */
static void check_repeats(const struct policy_phase *phase, const size_t *order, size_t n,
                          struct diag_list *diags)
{
	const struct egress_entry *e = phase->egress.entries;
	const size_t first = order[0];
	const size_t *written = phase->entry_sets[first] ? NULL : &order[0];
	for (size_t i = 1; i < n; i++) {
		bool same = same_terms(&e[first], &e[order[i]]), own = !phase->entry_sets[order[i]];
		if (!same)
			diag_add(diags, phase->entry_marks[order[i]], "keep one of them",
			         "this entry contradicts the one at line %u",
			         phase->entry_marks[first].line);
		else if (own && written)
			diag_add(diags, phase->entry_marks[order[i]], "keep one of them",
			         "this entry repeats the one at line %u",
			         phase->entry_marks[*written].line);
		else if (own)
			written = &order[i];
	}
}

static void repeated_entries(const struct policy *policy, const struct policy_phase *phase,
                             struct diag_list *diags)
{
	const struct egress_entry *e = phase->egress.entries;
	size_t n = phase->egress.n, *order = arena_array(policy->arena, n, sizeof(*order));
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	qsort_r(order, n, sizeof(*order), by_destination, (void *)(uintptr_t)e);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && same_destination(&e[order[i]], &e[order[end]]); end++)
			;
		check_repeats(phase, order + i, end - i, diags);
	}
}

/* Whoever may write the lines behind it chooses what runs: enough to ask for downloads, not to hold
 * what publishes. */
static void first_lines(const struct policy *policy, struct diag_list *diags)
{
	for (size_t i = 0; i < policy->n_rules; i++)
		if (policy->rules[i].glob[RULE_FIRST_LINE] &&
		    policy->rules[i].phase == DD_PHASE_PUSH)
			diag_add(diags, policy->rules[i].first_line_mark,
			         "match the whole script with `run`, or the step's `id`",
			         "`first_line` cannot choose push: it says nothing about the lines "
			         "that follow");
}

static bool special_address(const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return egress_addr_special((const struct sockaddr *)&v4) &&
		       !egress_addr_is_metadata((const struct sockaddr *)&v4);
	if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		return egress_addr_special((const struct sockaddr *)&v6) &&
		       !egress_addr_is_metadata((const struct sockaddr *)&v6);
	return false;
}

/* Names that stand in the step's own /etc/hosts. */
static bool is_the_step_itself(const char *host)
{
	static const char *const names[] = { "localhost", "ip6-localhost", "ip6-loopback",
		                             "drydock" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(host, names[i]) == 0)
			return true;
	return false;
}

/* What the wall will say, said here at its line. */
static void impossible_entries(const struct policy_phase *phase, struct diag_list *diags)
{
	size_t blocks = 0;
	for (size_t i = 0; i < phase->egress.n; i++) {
		const struct egress_entry *e = &phase->egress.entries[i];
		const char *fault = net_entry_fault(e);
		if (fault)
			diag_add(diags, phase->entry_marks[i], NULL,
			         "this entry cannot be enforced: %s", fault);
		if (!e->host && ++blocks == NET_BLOCKS_MAX + 1)
			diag_add(diags, phase->entry_marks[i], "join blocks, or use names",
			         "more than %d `cidr` entries in one list", NET_BLOCKS_MAX);
		if (e->host && !e->wildcard && is_the_step_itself(e->host))
			diag_add(diags, phase->entry_marks[i],
			         "for a service of this host write `{ host: service.test, address: "
			         "127.0.0.1, port: 8080, private: allow }`, and let the step use "
			         "that "
			         "name",
			         "`%s` is the step itself: no program asks the gate for it",
			         e->host);
	}
}

/* An entry that the gate would always refuse is a question to the operator now, not to the person
 * who waits for the job. */
static void dead_entries(const struct policy_phase *phase, struct diag_list *diags)
{
	static const char hint[] = "add `private: allow` if that is meant";
	for (size_t i = 0; i < phase->egress.n; i++) {
		const struct egress_entry *e = &phase->egress.entries[i];
		struct sockaddr_in block = { .sin_family = AF_INET, .sin_addr = e->cidr };
		if (e->private_ok || net_entry_fault(e))
			continue;
		if (!e->host && egress_addr_special((const struct sockaddr *)&block))
			diag_add(diags, phase->entry_marks[i], hint, "this block is not public: %s",
			         egress_addr_special((const struct sockaddr *)&block));
		for (size_t k = 0; k < EGRESS_PINS_MAX && e->pins[k]; k++)
			if (special_address(e->pins[k]))
				diag_add(diags, phase->entry_marks[i], hint,
				         "address %s is not public", e->pins[k]);
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

static bool has_variable(const struct policy_credential *cred, const char *name)
{
	const char *own[LEASE_VARIABLES_MAX];
	size_t n = lease_variables(cred->as, cred->targets, cred->n_targets, own);
	for (size_t i = 0; i < n; i++)
		if (strcmp(own[i], name) == 0)
			return true;
	return false;
}

/* What stands below SANDBOX_CREDENTIALS_DIR because of it. */
static bool has_file(const struct policy_credential *cred, const char *name)
{
	const char *shared = lease_form(cred->as)->file;
	bool named = cred->as == LEASE_AS_FILE;
	for (size_t i = 0; named && i < cred->n_targets; i++)
		if (strcmp(cred->targets[i].name, name) == 0)
			return true;
	return shared && strcmp(shared, name) == 0;
}

/* Two of one form share its file and its variables, and differ in what they are for. */
static const char *both_want(const struct policy_credential *a, const struct policy_credential *b)
{
	const char *vars[LEASE_VARIABLES_MAX];
	bool share = a->as == b->as && lease_form(a->as)->file;
	size_t n = share ? 0 : lease_variables(a->as, a->targets, a->n_targets, vars);
	for (size_t i = 0; i < n; i++)
		if (has_variable(b, vars[i]))
			return vars[i];
	for (size_t i = 0; i < a->n_targets; i++) {
		if (a->as == LEASE_AS_FILE && has_file(b, a->targets[i].name))
			return a->targets[i].name;
		for (size_t k = 0; a->as == b->as && k < b->n_targets; k++)
			if (strcmp(a->targets[i].name, b->targets[k].name) == 0)
				return a->targets[i].name;
	}
	return !share && lease_form(a->as)->file && has_file(b, lease_form(a->as)->file)
	               ? lease_form(a->as)->file
	               : NULL;
}

static void same_target(const struct policy *policy, size_t i, struct diag_list *diags)
{
	const struct policy_credential *a = &policy->credentials[i];
	for (size_t k = 0; k < i; k++) {
		const struct policy_credential *b = &policy->credentials[k];
		const char *name = a->phase == b->phase && share_a_step(a, b) ? both_want(a, b)
		                                                              : NULL;
		if (name)
			diag_add(diags, a->mark, NULL,
			         "credentials `%s` and `%s` both want to be `%s` in one step",
			         b->name, a->name, name);
	}
}

static void credential_in_env(const struct policy *policy, const struct policy_credential *cred,
                              struct diag_list *diags)
{
	const struct policy_phase *phase = &policy->phases[cred->phase];
	for (size_t i = 0; i < phase->n_env; i++)
		if (has_variable(cred, phase->env[i].name))
			diag_add(diags, phase->env_marks[i], NULL,
			         "`%s` is also what credential `%s` is called", phase->env[i].name,
			         cred->name);
}

/* A value that comes whole has no parts to choose from. */
static void parts_of_whole(const struct policy_credential *cred, struct diag_list *diags)
{
	for (size_t i = 0; i < cred->n_targets; i++)
		if (cred->targets[i].field && cred->from && cred->from <= LEASE_FROM_FORGE) {
			diag_add(diags, cred->from_mark, "name one variable or file",
			         "credential `%s`: what comes from `%s` has no part `%s`",
			         cred->name, lease_from_names[cred->from], cred->targets[i].field);
			return;
		}
}

/* What a client asks for besides the secret. */
static void user_of_form(const struct policy_credential *cred, struct diag_list *diags)
{
	if (cred->n_targets && cred->user && !*cred->user && cred->from &&
	    cred->from <= LEASE_FROM_FORGE)
		diag_add(diags, cred->mark, "write USER@HOST",
		         "credential `%s`: `%s` needs a user beside the secret", cred->name,
		         lease_as_names[cred->as]);
}

void policy_check(const struct policy *policy, struct diag_list *diags)
{
	unreachable_rules(policy, diags);
	first_lines(policy, diags);
	for (int p = 0; p < DD_PHASE__COUNT; p++) {
		repeated_entries(policy, &policy->phases[p], diags);
		impossible_entries(&policy->phases[p], diags);
		dead_entries(&policy->phases[p], diags);
	}
	for (size_t i = 0; i < policy->n_credentials; i++) {
		same_target(policy, i, diags);
		credential_in_env(policy, &policy->credentials[i], diags);
		parts_of_whole(&policy->credentials[i], diags);
		user_of_form(&policy->credentials[i], diags);
	}
}
