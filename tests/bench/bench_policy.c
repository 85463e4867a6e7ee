// SPDX-License-Identifier: Apache-2.0
/* bench_policy.c - what a long policy costs: loading 10,000 entries (aim: 50 ms), and one verdict
 * over them (aim: 1 microsecond).
 *
 * Prints rows "group what median min unit ratio" for scripts/bench; the ratio is that of the median
 * to its aim. */
#include "runner/policy/policy_model.h"

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
	free(memory);
	policy_free(policy);
	free(text);
	return 0;
}
