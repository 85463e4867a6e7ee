// SPDX-License-Identifier: Apache-2.0
/* bench_gate_start.c - what a gate costs a step that says nothing: from the call until it serves,
 * and from the order to close until nothing of it is left.
 *
 * Prints lines "name min median" in microseconds: for a closed gate of a zygote, for one without,
 * and for one with an entry.
 */
#include "tests/unit/gate_world.h"

enum { ROUNDS = 200 };

static struct world w;

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

static void report(const char *of, const char *name, double us[ROUNDS])
{
	qsort(us, ROUNDS, sizeof(*us), by_value);
	printf("gate_start.%s_%s_us %.0f %.0f\n", of, name, us[0], us[ROUNDS / 2]);
}

static void die(const char *what, const struct dd_err *err)
{
	(void)fprintf(stderr, "bench_gate_start: %s: %s\n", what, err->msg);
	exit(1);
}

static void wait_for(struct gate *gate, uint32_t type)
{
	struct dd_err err = { 0 };
	struct gate_msg msg = { 0 };
	struct pollfd p = { gate->ctl, POLLIN, 0 };
	int r = -EAGAIN;
	while (r == -EAGAIN || (r == 1 && msg.type != type)) {
		(void)poll(&p, 1, 5000);
		r = gate_recv(gate, &msg, &err);
	}
	if (r != 1)
		die("gate", &err);
}

static void bench_list(const char *name, const struct egress_list *list, struct gate_zygote *zygote)
{
	static double fork_us[ROUNDS], ready[ROUNDS], end[ROUNDS];
	const struct gate_msg close_msg = { .type = GATE_CLOSE }, finish = { .type = GATE_FINISH };
	struct dd_err err = { 0 };

	for (size_t i = 0; i < ROUNDS; i++) {
		struct gate gate;
		int net[NET_FD__COUNT];
		/* the caller's own sockets stay: a gate shuts its listeners down at the end */
		if (unshare(CLONE_NEWNET) < 0 || net_inside_setup(w.plan, net, &err) < 0)
			die("network", &err);
		const struct gate_spec spec = { .egress = list, .net = net, .zygote = zygote };
		double t0 = now_us();
		if (gate_start(&spec, &gate, &err) < 0)
			die("start", &err);
		double t1 = now_us();
		wait_for(&gate, GATE_READY);
		double t2 = now_us();
		(void)gate_send(&gate, &close_msg, &err);
		wait_for(&gate, GATE_CLOSED);
		(void)gate_send(&gate, &finish, &err);
		wait_for(&gate, GATE_DONE);
		gate_destroy(&gate);
		end[i] = now_us() - t2;
		fork_us[i] = t1 - t0;
		ready[i] = t2 - t0;
		for (size_t k = 0; k < NET_FD__COUNT; k++)
			dd_close(net[k]);
	}
	report(name, "call", fork_us);
	report(name, "ready", ready);
	report(name, "end", end);
}

int main(void)
{
	static const struct egress_entry entry = { .host = "registry.example.test",
		                                   .port = 443,
		                                   .origin = "bench" };
	const struct egress_list none = { .n = 0 }, one = { .entries = &entry, .n = 1 };
	struct gate_zygote *zygote = NULL;
	struct dd_err err = { 0 };

	if (!world_enter() || net_plan_new(&none, &w.plan, &err) < 0)
		die("namespaces", &err);
	if (gate_zygote_start(&(struct gate_spec){ .egress = NULL }, &zygote, &err) < 0)
		die("zygote", &err);
	bench_list("zygote", &none, zygote);
	gate_zygote_free(zygote);
	bench_list("closed", &none, NULL);
	bench_list("open", &one, NULL);
	net_plan_free(w.plan);
	return 0;
}
