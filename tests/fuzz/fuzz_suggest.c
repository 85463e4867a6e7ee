// SPDX-License-Identifier: Apache-2.0
/* fuzz_suggest.c - any events in a record whose chain holds: a policy that loads and refuses
 * nothing of it, or a warning; and always the same. */
#include "runner/policy/policy.h"
#include "runner/advise/suggest.h"

#include "record_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void suggest(const struct record_facts *facts, struct suggestion *ret)
{
	const struct suggest_options options = { .no_sets = true,
		                                 .profile_dir = "configs/seccomp" };
	struct dd_err err = { 0 };
	if (suggest_policy(&facts, 1, &options, ret, &err) < 0) {
		if (err.code == 0)
			abort();
		*ret = (struct suggestion){ .text = NULL };
	}
}

static void check(const struct record_facts *facts)
{
	struct suggestion one, two;
	struct diag_list diags = { 0 };
	struct policy *policy = NULL;
	suggest(facts, &one);
	suggest(facts, &two);
	if (!one.text != !two.text || (one.text && strcmp(one.text, two.text) != 0))
		abort();
	if (one.text && policy_parse("fuzz", one.text, one.len, &policy, &diags) < 0 &&
	    !one.warnings[0])
		abort();
	policy_free(policy);
	diag_list_done(&diags);
	if (one.text) {
		suggestion_done(&one);
		suggestion_done(&two);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record_facts *facts = NULL;
	char path[64];
	write_record(path, data, size);
	if (record_facts_load(path, &facts, NULL) == 0)
		check(facts);
	record_facts_free(facts);
	return 0;
}
