// SPDX-License-Identifier: Apache-2.0
/* bench_policy.c - what a long policy costs: loading 10,000 entries (aim: 50 ms), one verdict
 * over them (aim: 1 microsecond), and a plan of many steps over a long list.
 *
 * Prints rows "group what median min unit ratio" for scripts/bench; the ratio is that of the median
 * to its aim. */
#include "runner/grant/plan.h"
#include "runner/policy/policy_model.h"
#include "runner/policy/policy_narrow.h"

#include "drydock/err.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ENTRIES = 10000, LOADS = 15, BATCHES = 200, PER_BATCH = 500 };

static double now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static void report(const char *what, double *v, size_t n, const char *unit, double aim)
{
	qsort(v, n, sizeof(*v), by_value);
	printf("policy\t%s\t%.3f\t%.3f\t%s\t%.2f of the aim\n", what, v[n / 2], v[0], unit,
	       v[n / 2] / aim);
}

static char *long_policy(size_t *ret_len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_len);
	if (!f)
		exit(1);
	(void)fputs("version: 1\nphases:\n  fetch:\n    egress:\n", f);
	for (int i = 0; i < ENTRIES; i++)
		(void)fprintf(f,
		              "      - { host: \"%shost%d.example.com\", port: 443, why: \"library "
		              "%d\" }\n",
		              i % 4 ? "" : "*.", i, i);
	if (fclose(f) != 0)
		exit(1);
	return text;
}

static struct policy *load(const char *text, size_t len)
{
	struct diag_list diags = { 0 };
	struct policy *policy = NULL;
	if (policy_parse("bench.yml", text, len, &policy, &diags) < 0) {
		diag_print(stderr, &diags, text, len);
		exit(1);
	}
	return policy;
}

static void bench_names(const struct egress_list *list, const char *what, const char *host,
                        uint16_t port, bool allow)
{
	static double us[BATCHES];
	for (size_t i = 0; i < BATCHES; i++) {
		double start = now_us();
		for (size_t k = 0; k < PER_BATCH; k++)
			if (egress_verdict_name(list, host, port).allow != allow)
				exit(1);
		us[i] = (now_us() - start) / PER_BATCH;
	}
	report(what, us, BATCHES, "us", 1);
}

/* Names all over the table, so that its memory is not warm by chance. */
static void bench_spread(const struct egress_list *list)
{
	static double us[BATCHES];
	static char hosts[PER_BATCH][40];
	for (size_t i = 0; i < PER_BATCH; i++)
		(void)snprintf(hosts[i], sizeof(hosts[i]), "x.host%zu.example.com",
		               i * 7919 % ENTRIES);
	for (size_t i = 0; i < BATCHES; i++) {
		double start = now_us();
		size_t allowed = 0;
		for (size_t k = 0; k < PER_BATCH; k++)
			allowed += egress_verdict_name(list, hosts[k], 443).allow;
		us[i] = (now_us() - start) / PER_BATCH;
		if (allowed == 0 || allowed == PER_BATCH)
			exit(1);
	}
	report("verdict, 10000 entries, different names", us, BATCHES, "us", 1);
}

static void bench_address(const struct egress_list *list)
{
	static double us[BATCHES];
	const struct in_addr addr = { htonl(0xcb007101) };
	for (size_t i = 0; i < BATCHES; i++) {
		double start = now_us();
		for (size_t k = 0; k < PER_BATCH; k++)
			if (egress_verdict_addr(list, addr, 443).allow)
				exit(1);
		us[i] = (now_us() - start) / PER_BATCH;
	}
	report("verdict, 10000 entries, an address", us, BATCHES, "us", 1);
}

/* The most that a repository's file and a workflow make of each other: 7,600 hosts below one
 * wildcard of the operator's, 200 rules that match nothing, 1,000 steps. */
static void bench_plan(void)
{
	enum { HOSTS = 7600, RULES = 200, STEPS = 1000, PLANS = 9 };
	static const char operators[] =
		"version: 1\nsteps: [ { phase: fetch, match: { id: 's*' } } ]\n"
		"phases: { fetch: { egress: [ { host: '*.corp.test' } ] } }\n";
	static double narrow_ms[PLANS], plan_ms[PLANS];
	struct spec_step *steps = calloc(STEPS, sizeof(*steps));
	char *text = NULL, (*ids)[8] = calloc(STEPS, sizeof(*ids));
	size_t len;
	FILE *f = open_memstream(&text, &len);
	if (!f || !steps || !ids)
		exit(1);
	(void)fputs("version: 1\nsteps:\n", f);
	for (int i = 0; i < RULES; i++)
		(void)fprintf(f, "- { phase: build, match: { run: 'make *%03d*x' } }\n", i);
	(void)fputs("phases:\n fetch:\n  egress:\n", f);
	for (int i = 0; i < HOSTS; i++)
		(void)fprintf(f, "  - { host: h%d.corp.test }\n", i);
	if (fclose(f) != 0)
		exit(1);
	for (int i = 0; i < STEPS; i++) {
		(void)snprintf(ids[i], sizeof(ids[i]), "s%d", i);
		steps[i].facts = (struct spec_facts){ .id = ids[i],
			                              .job = "j",
			                              .run = "make all check install" };
		steps[i].recipe.name = steps[i].label = ids[i];
	}
	for (size_t i = 0; i < PLANS; i++) {
		struct job_spec spec = { .id = "j", .steps = steps, .n_steps = STEPS };
		struct diag_list diags = { 0 };
		struct plan *plan = NULL;
		struct policy *policy = load(operators, sizeof(operators) - 1);
		event_local(&spec.event);
		double start = now_us();
		if (policy_narrow_parse(policy, ".drydock.yml", text, len, &diags) < 0)
			exit(1);
		double narrowed = now_us();
		if (plan_make(&spec, policy, &plan, &diags) < 0)
			exit(1);
		plan_ms[i] = (now_us() - narrowed) / 1000;
		narrow_ms[i] = (narrowed - start) / 1000;
		plan_free(plan);
		policy_free(policy);
	}
	report("narrow to 7600 hosts and 200 rules", narrow_ms, PLANS, "ms", 100);
	report("plan 1000 steps by 200 rules and 7600 hosts", plan_ms, PLANS, "ms", 200);
	free(steps);
	free(ids);
	free(text);
}

int main(void)
{
	static double ms[LOADS];
	static char deep[EGRESS_HOST_MAX + 1];
	size_t len;
	char *text = long_policy(&len);
	for (size_t i = 0; i < LOADS; i++) {
		double start = now_us();
		struct policy *policy = load(text, len);
		ms[i] = (now_us() - start) / 1000;
		policy_free(policy);
	}
	report("load a policy of 10000 entries", ms, LOADS, "ms", 50);

	struct policy *policy = load(text, len);
	struct egress_list list = policy->phases[DD_PHASE_FETCH].egress;
	double start = now_us();
	void *memory = malloc(egress_index_size(list.n));
	list.index = egress_index_make(memory, list.entries, list.n);
	double made[] = { (now_us() - start) / 1000 };
	report("index of 10000 entries", made, 1, "ms", 50);
	bench_names(&list, "verdict, 10000 entries, exact", "host9999.example.com", 443, true);
	bench_names(&list, "verdict, 10000 entries, wildcard", "a.b.host9996.example.com", 443,
	            true);
	bench_names(&list, "verdict, 10000 entries, not in it", "not.in.the.list.example.com", 443,
	            false);
	bench_names(&list, "verdict, 10000 entries, other port", "host9999.example.com", 80, false);
	for (size_t i = 0; i < 200; i++)
		deep[i] = i % 2 ? '.' : 'a';
	(void)strcpy(deep + 200, "host9996.example.com");
	bench_names(&list, "verdict, 10000 entries, 103 labels", deep, 443, true);
	bench_spread(&list);
	bench_address(&list);
	bench_plan();
	free(memory);
	policy_free(policy);
	free(text);
	return 0;
}
