// SPDX-License-Identifier: Apache-2.0
/* verdict_index_test.c - an index gives the answer of the plain walk, whatever the list and
 * whatever the question. */
#include "drydock/egress.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed = 88172645463325252ULL;

static unsigned dice(unsigned n) /* xorshift: the same lists on every machine */
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

/* Few labels, so that names, suffixes and ports meet often. */
static void random_name(char *out, size_t size)
{
	static const char *const labels[] = { "a", "b", "aa", "ab", "test", "x-y", "deep", "*" };
	size_t at = 0;
	unsigned n = 1 + dice(6);
	out[0] = '\0';
	for (unsigned i = 0; i < n; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s", i ? "." : "",
		                       labels[dice(7 + (dice(40) == 0))]);
	if (dice(50) == 0)
		(void)snprintf(out + at, size - at, ".");
}

enum { ENTRIES = 60 };

static struct random_list {
	struct egress_entry entries[ENTRIES];
	char names[ENTRIES][64];
	struct egress_list plain, indexed;
} all;

static const uint16_t ports[] = { 443, 80, 22, 65535, 1 };

static void random_list(struct random_list *r)
{
	size_t n = dice(ENTRIES + 1);
	for (size_t i = 0; i < n; i++) {
		random_name(r->names[i], sizeof(r->names[i]));
		r->entries[i] = (struct egress_entry){ .host = r->names[i],
			                               .wildcard = dice(2),
			                               .port = ports[dice(5)],
			                               .origin = "x" };
		if (dice(8) == 0) {
			unsigned prefix = 8 + dice(25);
			uint32_t addr = (1 + dice(3)) << 24 | dice(4) << 16;
			r->entries[i].host = NULL;
			r->entries[i].wildcard = false;
			r->entries[i].prefix = prefix;
			r->entries[i].cidr.s_addr = htonl(addr & UINT32_MAX << (32 - prefix));
		}
	}
	r->plain = (struct egress_list){ .entries = r->entries, .n = n };
	r->indexed = r->plain;
	r->indexed.index = egress_index_make(malloc(egress_index_size(n)), r->entries, n);
}

static void assert_same(struct egress_verdict a, struct egress_verdict b, const char *about)
{
	if (a.allow != b.allow || a.entry != b.entry || a.reason != b.reason ||
	    strcmp(a.why, b.why) != 0)
		fail_msg("%s: walk says %d %s, index says %d %s", about, a.allow, a.why, b.allow,
		         b.why);
}

static void ask_both(const struct random_list *r, unsigned *allowed)
{
	char host[80];
	uint16_t port = dice(4) ? ports[dice(5)] : 0;
	random_name(host, sizeof(host) - 8);
	if (dice(3) == 0 && r->plain.n &&
	    r->plain.entries[0].host) /* below, or exactly, what the list names */
		(void)snprintf(host, sizeof(host), "%s%s", dice(2) ? "q." : "",
		               r->plain.entries[0].host);
	struct egress_verdict v = egress_verdict_name(&r->plain, host, port);
	*allowed += v.allow;
	assert_same(v, egress_verdict_name(&r->indexed, host, port), host);
	struct in_addr addr = { htonl((1 + dice(3)) << 24 | dice(4) << 16 | dice(3)) };
	assert_same(egress_verdict_addr(&r->plain, addr, port),
	            egress_verdict_addr(&r->indexed, addr, port), "an address");
}

static void an_index_answers_like_the_walk(void **state)
{
	(void)state;
	unsigned allowed = 0;
	for (int round = 0; round < 3000; round++) {
		random_list(&all);
		for (int i = 0; i < 100; i++)
			ask_both(&all, &allowed);
		free((void *)(uintptr_t)all.indexed.index);
	}
	/* both answers were given often enough to mean something */
	assert_in_range(allowed, 20000, 290000);
}

static void names_of_any_length_and_depth_are_answered_alike(void **state)
{
	(void)state;
	static char name[300];
	static struct egress_entry entry = {
		.host = "b.c", .wildcard = true, .port = 443, .origin = "x"
	};
	struct egress_list plain = { .entries = &entry, .n = 1 }, indexed = plain;
	indexed.index = egress_index_make(malloc(egress_index_size(1)), &entry, 1);
	for (size_t len = 0; len < 250; len++) {
		for (size_t i = 0; i < len; i++)
			name[i] = i % 2 ? '.' : 'a';
		(void)strcpy(name + len, len % 3 ? ".b.c" : "b.c");
		assert_same(egress_verdict_name(&plain, name, 443),
		            egress_verdict_name(&indexed, name, 443), name);
	}
	free((void *)(uintptr_t)indexed.index);
}

static void a_list_that_was_cut_after_the_index_was_made_is_walked(void **state)
{
	(void)state;
	static const struct egress_entry entries[] = {
		{ .host = "a.test", .port = 443, .origin = "x" },
		{ .host = "b.test", .port = 443, .origin = "x" }
	};
	struct egress_list list = { .entries = entries, .n = 2 };
	void *memory = malloc(egress_index_size(2));
	list.index = egress_index_make(memory, entries, 2);
	assert_true(egress_verdict_name(&list, "b.test", 443).allow);
	list.n = 1;
	assert_false(egress_verdict_name(&list, "b.test", 443).allow);
	list.n = 0;
	assert_false(egress_verdict_name(&list, "a.test", 443).allow);
	free(memory);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_index_answers_like_the_walk),
		cmocka_unit_test(names_of_any_length_and_depth_are_answered_alike),
		cmocka_unit_test(a_list_that_was_cut_after_the_index_was_made_is_walked),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
