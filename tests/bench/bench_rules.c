// SPDX-License-Identifier: Apache-2.0
/* bench_rules.c - what the wall costs: set-up, one admission, closing, reading back; and a verdict
 * over long lists.
 *
 * Prints lines "name min median" in microseconds. Each round has a network namespace of its own,
 * like a step.
 */
#include "drydock/egress.h"
#include "drydock/fault.h"
#include "drydock/fd.h"
#include "drydock/netns.h"

#include "netpolicy/wall/plan_model.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <sched.h>
#include <time.h>

enum { ROUNDS = 60, VERDICTS = 200 };

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

static void report(const char *name, double *us, size_t n)
{
	qsort(us, n, sizeof(*us), by_value);
	printf("rules.%s_us %.2f %.2f\n", name, us[0], us[n / 2]);
}

static void die(const char *what, const struct dd_err *err)
{
	(void)fprintf(stderr, "bench_rules: %s: %s\n", what,
	              err ? err->msg : strerrordesc_np(errno));
	exit(1);
}

static struct samples {
	double send[ROUNDS], setup[ROUNDS], verify[ROUNDS], admit[ROUNDS], counters[ROUNDS],
		close[ROUNDS];
} samples;

/* The batch alone, in a namespace that is thrown away afterwards. */
static void round_send(const struct net_plan *plan, size_t i)
{
	struct dd_err err = { 0 };
	if (unshare(CLONE_NEWNET) < 0)
		die("unshare", NULL);
	dd_auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	double start = now_us();
	if (nl_batch_send(fd, &plan->nft, nft_last_object(&plan->nft), &err) < 0)
		die("send", &err);
	samples.send[i] = now_us() - start;
}

static void round_life(const struct net_plan *plan, size_t i)
{
	struct dd_err err = { 0 };
	struct net_counters counters;
	int fds[NET_FD__COUNT], r;
	if (unshare(CLONE_NEWNET) < 0)
		die("unshare", NULL);
	double t0 = now_us();
	r = net_inside_setup(plan, fds, &err);
	double t1 = now_us();
	if (r == 0)
		r = net_rules_verify(fds[NET_FD_RULES], plan, true, &err);
	double t2 = now_us();
	if (r == 0)
		r = net_rules_admit(fds[NET_FD_RULES],
		                    (struct in_addr){ htonl(NET_SYNTHETIC_FIRST) }, 443, &err);
	double t3 = now_us();
	if (r == 0)
		r = net_rules_counters(fds[NET_FD_RULES], &counters, &err);
	double t4 = now_us();
	if (r == 0)
		r = net_rules_close(fds[NET_FD_RULES], &err);
	double t5 = now_us();
	if (r < 0)
		die("round", &err);
	samples.setup[i] = t1 - t0;
	samples.verify[i] = t2 - t1;
	samples.admit[i] = t3 - t2;
	samples.counters[i] = t4 - t3;
	samples.close[i] = t5 - t4;
	for (size_t k = 0; k < NET_FD__COUNT; k++)
		dd_close(fds[k]);
}

static void bench_rules(void)
{
	const struct egress_entry entry = { .host = "registry.example.test",
		                            .port = 443,
		                            .origin = "bench" };
	const struct egress_list list = { .entries = &entry, .n = 1 };
	struct dd_err err = { 0 };
	struct net_plan *plan = NULL;

	if (net_plan_new(&list, &plan, &err) < 0)
		die("plan", &err);
	if (geteuid() != 0 && unshare(CLONE_NEWUSER) < 0)
		die("unshare", NULL);
	for (size_t i = 0; i < ROUNDS; i++) {
		round_send(plan, i);
		round_life(plan, i);
	}
	net_plan_free(plan);
	report("batch_send", samples.send, ROUNDS);
	report("inside_setup", samples.setup, ROUNDS);
	report("verify", samples.verify, ROUNDS);
	report("admit", samples.admit, ROUNDS);
	report("counters", samples.counters, ROUNDS);
	report("close", samples.close, ROUNDS);
}

static void bench_verdict(size_t n)
{
	static struct egress_entry entries[10000];
	static char names[ARRAY_LEN(entries)][32];
	double us[VERDICTS];
	char label[32];
	unsigned allowed = 0;

	for (size_t i = 0; i < n; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "host%zu.example.test", i);
		entries[i] = (struct egress_entry){
			.host = names[i], .wildcard = i % 4 == 0, .port = 443, .origin = "bench"
		};
	}
	const struct egress_list list = { .entries = entries, .n = n };
	for (size_t i = 0; i < VERDICTS; i++) {
		double start = now_us();
		allowed += egress_verdict_name(&list, "not.in.the.list.example.test", 443).allow;
		us[i] = now_us() - start;
	}
	if (allowed)
		die("a verdict was wrong", NULL);
	/* without an index; bench_policy has it with one */
	(void)snprintf(label, sizeof(label), "verdict_walk_%zu", n);
	report(label, us, VERDICTS);
}

int main(void)
{
	bench_verdict(10);
	bench_verdict(1000);
	bench_verdict(10000);
	bench_rules();
	return 0;
}
