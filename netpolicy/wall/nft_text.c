// SPDX-License-Identifier: Apache-2.0
/* nft_text.c - spells the rules of a plan as nft(8) would list them, for people.
 *
 * Runs in: command line (`plan`), tests. Pure. Follows the same rows as nft_batch.c;
 * tests/unit/rules_test.c feeds this text to the real nft and compares the two.
 */
#include "plan_model.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>

static const char *const action_text[] = {
	[ACTION_DROP] = "drop",
	[ACTION_ACCEPT] = "accept",
	/* NOLINTNEXTLINE(bugprone-suspicious-missing-comma): one text with the counter's name in it */
	[ACTION_COUNT_ACCEPT] = "counter name \"" NET_COUNTER_ACCEPTED "\" accept",
	[ACTION_TPROXY] = "tproxy ip to 198.18.0.1:1",
	[ACTION_GATE] = "jump gate",
	[ACTION_RETURN] = "return",
	[ACTION_TELL] = "counter name \"" NET_COUNTER_DENIED
			"\" limit rate 100/second burst 200 packets "
			"log group 1 snaplen 128 queue-threshold 1",
	[ACTION_RESET] = "reject with tcp reset",
	[ACTION_UNREACHABLE] = "meta mark set 0x00000001 accept",
};
static_assert(NET_LOG_PER_SECOND == 100 && NET_LOG_BURST == 200 && NET_LOG_GROUP == 1 &&
                      NET_LOG_BYTES == 128 && NET_GATE_PORT == 1 && NET_GATE_ADDR == 0xC6120001u &&
                      NET_MARK_REFUSED == 1,
              "action_text spells these numbers");

static void print_address(FILE *out, const struct net_rule *rule)
{
	char text[INET_ADDRSTRLEN];
	const struct in_addr addr = { htonl(rule->addr) };
	(void)inet_ntop(AF_INET, &addr, text, sizeof(text));
	if (rule->prefix == 32)
		(void)fprintf(out, "ip daddr %s ", text);
	else if (rule->prefix == 0)
		(void)fputs("meta nfproto ipv4 ", out);
	else
		(void)fprintf(out, "ip daddr %s/%u ", text, rule->prefix);
}

static void print_match(FILE *out, const struct net_rule *rule)
{
	switch (rule->match) {
	case MATCH_ALL:
		return;
	case MATCH_ADMITTED:
		(void)fputs("ip daddr . tcp dport @" NET_SET " ", out);
		return;
	case MATCH_ADMITTED_HOST:
		(void)fputs("meta l4proto tcp ip daddr @" NET_SET " ", out);
		return;
	case MATCH_TCP4:
		(void)fputs("meta nfproto ipv4 meta l4proto tcp ", out);
		return;
	case MATCH_ADDR:
		print_address(out, rule);
		return;
	case MATCH_ADDR_TCP:
	case MATCH_ADDR_PORT:
		print_address(out, rule);
		(void)fprintf(out, "%s dport %u ", rule->match == MATCH_ADDR_TCP ? "tcp" : "th",
		              rule->port);
		return;
	case MATCH_LOOPBACK6:
		(void)fputs("ip6 daddr ::1 ", out);
		return;
	case MATCH_TCP:
		(void)fputs("meta l4proto tcp ", out);
		return;
	case MATCH_TCP_NO_TRY:
		(void)fputs("tcp flags & (syn | psh) == 0 ", out);
		return;
	case MATCH_ICMPV6:
		(void)fputs("meta l4proto icmpv6 ", out);
		return;
	case MATCH_REFUSED:
		(void)fputs("meta mark 0x00000001 ", out);
		return;
	}
}

static void print_chain(FILE *out, const struct net_plan *plan, enum net_chain chain)
{
	const struct net_chain_row *row = &net_chain_rows[chain];
	(void)fprintf(out, "\tchain %s {\n", row->name);
	if (row->hook)
		(void)fprintf(out, "\t\ttype %s hook %s priority %d; policy %s;\n", row->type,
		              row->hook, row->priority, row->drop ? "drop" : "accept");
	for (size_t i = 0; i < plan->n_rules; i++) {
		const struct net_rule *rule = &plan->rules[i];
		if (rule->chain != chain)
			continue;
		(void)fputs("\t\t", out);
		print_match(out, rule);
		(void)fprintf(out, "%s\n", action_text[rule->action]);
	}
	(void)fputs("\t}\n", out);
}

char *net_plan_text(const struct net_plan *plan)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return NULL;
	(void)fputs("table inet " NET_TABLE " {\n\tcounter " NET_COUNTER_ACCEPTED
	            " {\n\t}\n\tcounter " NET_COUNTER_DENIED " {\n\t}\n"
	            "\tset " NET_SET " {\n\t\ttype ipv4_addr",
	            out);
	(void)fputs(plan->observe ? "\n\t}\n" : " . inet_service\n\t}\n", out);
	for (unsigned i = 0; i < CHAIN__COUNT; i++)
		print_chain(out, plan, (enum net_chain)i);
	(void)fputs("}\n", out);
	int broken = ferror(out);
	if (fclose(out) == 0 && !broken)
		return text;
	free(text);
	return NULL;
}
