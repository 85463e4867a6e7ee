// SPDX-License-Identifier: Apache-2.0
/* fuzz_policy_narrow.c - any bytes as a repository's .drydock.yml: complaints, or a policy that
 * allows nothing that the operator's does not. */
#include "runner/policy/policy_model.h"
#include "runner/policy/policy_narrow.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const char operators[] =
	"version: 1\n"
	"steps: [ { phase: fetch, match: { id: f } }, { phase: push, match: { id: p } } ]\n"
	"phases:\n"
	"  fetch:\n"
	"    egress: [ { host: a.test }, { host: '*.b.test', private: allow }, { host: x.b.test, "
	"address: 10.0.0.1, private: allow, tls: raw }, { cidr: 45.1.0.0/16, port: 22 } ]\n"
	"    env: { A: b }\n"
	"  push: { egress: [ { host: p.test } ], artifacts: [ 'dist/**' ] }\n"
	"credentials: { c: { from: { file: /c }, for: { phase: push, steps: [ p, q ] }, as: { env: "
	"C } } }\n"
	"limits: { pids: 100, memory: 1GiB, time: 10m }\n"
	"sandbox: { read: [ /opt/x ] }\n";

static struct policy *parse_operators(void)
{
	struct diag_list diags = { 0 };
	struct policy *policy = NULL;
	if (policy_parse("op.yml", operators, sizeof(operators) - 1, &policy, &diags) < 0)
		abort();
	return policy;
}

static void assert_narrower(bool holds)
{
	if (!holds)
		abort();
}

static void compare_phase(const struct policy_phase *wide, const struct policy_phase *narrow)
{
	assert_narrower(narrow->egress.job.upload_bytes <= wide->egress.job.upload_bytes &&
	                narrow->egress.connections <= wide->egress.connections &&
	                narrow->egress.job.wildcard_names <= wide->egress.job.wildcard_names &&
	                narrow->egress.job.cidr_addresses <= wide->egress.job.cidr_addresses &&
	                narrow->egress.step.upload_bytes <= wide->egress.step.upload_bytes &&
	                narrow->n_env == wide->n_env);
	for (size_t i = 0; i < narrow->egress.n; i++) {
		const struct egress_entry *e = &narrow->egress.entries[i];
		char host[EGRESS_HOST_MAX + 8];
		if (!e->host) {
			assert_narrower(egress_verdict_addr(&wide->egress, e->cidr, e->port).allow);
			continue;
		}
		(void)snprintf(host, sizeof(host), "%s%s", e->wildcard ? "*." : "", e->host);
		struct egress_verdict v = egress_verdict_name(&wide->egress, host, e->port);
		assert_narrower(v.allow && e->private_ok <= v.entry->private_ok &&
		                e->tls <= v.entry->tls && e->ech <= v.entry->ech);
		assert_narrower(!v.entry->pins[0] == !e->pins[0]);
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct diag_list diags = { 0 };
	struct policy *wide = parse_operators(), *narrow = parse_operators();
	if (policy_narrow_parse(narrow, ".drydock.yml", (const char *)data, size, &diags) == 0) {
		for (int p = 0; p < DD_PHASE__COUNT; p++)
			compare_phase(&wide->phases[p], &narrow->phases[p]);
		assert_narrower(narrow->n_credentials <= wide->n_credentials &&
		                narrow->limits.sandbox.pids <= 100 &&
		                narrow->limits.time_sec <= 600 &&
		                narrow->limits.sandbox.memory_bytes > 0 &&
		                narrow->limits.sandbox.memory_bytes <= 1ULL << 30);
	} else if (diags.n == 0) {
		abort(); /* a refusal without a reason */
	}
	policy_free(wide);
	policy_free(narrow);
	diag_list_done(&diags);
	return 0;
}
