// SPDX-License-Identifier: Apache-2.0
/* gate_name.c - the allowed names that this step has asked for: synthetic address, validated
 * answers, admission.
 *
 * Runs in: gate. The life of a name: asked -> resolved outside -> answers validated -> the
 * supervisor asked to admit the synthetic address -> its acknowledgement -> only then the step
 * learns the address (N-28). A connection later uses the answers that were validated; when their
 * time is over they are fetched and validated again (N-11).
 */
#include "gate_internal.h"

#include <arpa/inet.h>
#include <string.h>

enum {
	RESOLVE_SEC = 12, /* longer than upstream's own time-outs: the last resort */
	ASK_SEC = 5,
	/* a name that failed is not asked for again at once, however often the step asks */
	FAILURE_SEC = 1,
	TTL_MIN_SEC = 2,
	TTL_MAX_SEC = 300,
};

static size_t name_bucket_of(const struct gate_state *g, const char *host)
{
	uint32_t h = 2166136261u;
	for (; *host; host++)
		h = (h ^ (uint8_t)*host) * 16777619u;
	return h % ARRAY_LEN(g->name_buckets);
}

struct gate_name *gate_name_find(struct gate_state *g, const char *host)
{
	for (struct gate_name *n = g->name_buckets[name_bucket_of(g, host)]; n; n = n->next) {
		if (strcmp(n->host, host) == 0)
			return n;
	}
	return NULL;
}

struct gate_name *gate_name_by_synthetic(struct gate_state *g, struct in_addr addr)
{
	uint32_t v4 = ntohl(addr.s_addr);
	if (v4 < NET_SYNTHETIC_FIRST || v4 - NET_SYNTHETIC_FIRST >= g->n_names)
		return NULL;
	return g->names[v4 - NET_SYNTHETIC_FIRST];
}

static bool names_grow(struct gate_state *g)
{
	if (g->n_names < g->cap_names)
		return true;
	size_t cap = g->cap_names ? g->cap_names * 2 : 32;
	struct gate_name **names = reallocarray(g->names, cap, sizeof(struct gate_name *));
	if (!names)
		return false;
	g->names = names;
	g->cap_names = cap;
	return true;
}

struct gate_name *gate_name_get(struct gate_state *g, const char *host,
                                const struct egress_entry *entry, enum dd_reason *ret_reason)
{
	struct gate_name *name = gate_name_find(g, host);
	if (name)
		return name;
	*ret_reason = REASON_STEP_NAMES;
	if (g->n_names >= GATE_NAMES_MAX || !names_grow(g))
		return NULL;
	enum dd_reason over = gate_budget_count(g, entry, host);
	*ret_reason = over;
	if (over && !g->observe)
		return NULL;
	*ret_reason = REASON_MEMORY;
	name = calloc(1, sizeof(*name));
	if (!name)
		return NULL;
	name->gate = g;
	name->would = over;
	(void)memcpy(name->host, host, strlen(host) + 1);
	name->synthetic.s_addr = htonl(NET_SYNTHETIC_FIRST + (uint32_t)g->n_names);
	g->names[g->n_names++] = name;
	name->id = (uint32_t)g->n_names;
	size_t b = name_bucket_of(g, host);
	name->next = g->name_buckets[b];
	g->name_buckets[b] = name;
	return name;
}

/* ---- which answers may be dialled ---- */

static bool name_parse_address(const char *text, union gate_addr *ret)
{
	*ret = (union gate_addr){ .v4 = { .sin_family = AF_INET } };
	if (inet_pton(AF_INET, text, &ret->v4.sin_addr) == 1)
		return true;
	*ret = (union gate_addr){ .v6 = { .sin6_family = AF_INET6 } };
	return inet_pton(AF_INET6, text, &ret->v6.sin6_addr) == 1;
}

/* Does @entry decide about @name at its own port? */
static bool entry_decides(const struct gate_name *name, const struct egress_entry *entry)
{
	if (!entry->host)
		return false;
	size_t host = strlen(entry->host);
	size_t len = strlen(name->host);
	if (len < host || strcmp(name->host + len - host, entry->host) != 0)
		return false;
	return egress_verdict_name(name->gate->egress, name->host, entry->port).entry == entry;
}

/* Whose `address:` says where @name is? Observe mode reaches a name at other ports where its
 * entries put it. */
static const struct egress_entry *pins_for(const struct gate_name *name,
                                           const struct egress_entry *entry)
{
	const struct egress_list *list = name->gate->egress;
	for (size_t i = 0; entry == &gate_observed_entry && name->n_answers == 0 && i < list->n;
	     i++)
		if (list->entries[i].pins[0] && entry_decides(name, &list->entries[i]))
			return &list->entries[i];
	return entry;
}

unsigned gate_name_dialable(const struct gate_name *name, const struct egress_entry *entry,
                            union gate_addr ret[GATE_ANSWERS_MAX], struct gate_refused *ret_refused)
{
	const struct egress_entry *where = pins_for(name, entry);
	bool pinned = where->pins[0] != NULL;
	unsigned given = pinned ? EGRESS_PINS_MAX : name->n_answers;
	unsigned n = 0;

	for (unsigned i = 0; i < given && n < GATE_ANSWERS_MAX; i++) {
		union gate_addr addr;
		const char *why = NULL;
		if (pinned && !where->pins[i])
			break;
		if (!pinned)
			addr = name->answers[i];
		else if (!name_parse_address(where->pins[i], &addr))
			continue;
		if (egress_entry_may_dial(entry, &addr.any, &why)) {
			ret[n++] = addr;
		} else if (!ret_refused->why) {
			*ret_refused = (struct gate_refused){ .why = why, .addr = addr };
		}
	}
	return n;
}

/* Has @name an entry whose addresses the policy pins (@pinned), or one whose addresses must be
 * asked for? */
static bool has_entry(const struct gate_name *name, bool pinned)
{
	const struct egress_list *list = name->gate->egress;
	bool decided = false;
	for (size_t i = 0; i < list->n; i++) {
		if (!entry_decides(name, &list->entries[i]))
			continue;
		decided = true;
		if ((list->entries[i].pins[0] != NULL) == pinned)
			return true;
	}
	return !decided && !pinned; /* observe mode: no entry at all, so it must be asked for */
}

void gate_name_refused_msg(const struct gate_refused *refused, struct gate_msg *msg)
{
	static const uint16_t of_answers[REASON__COUNT] = {
		[REASON_ADDRESS_PRIVATE] = REASON_ANSWER_PRIVATE,
		[REASON_ADDRESS_METADATA] = REASON_ANSWER_METADATA,
		[REASON_ADDRESS_SPECIAL] = REASON_ANSWER_SPECIAL,
	};
	char addr[48];

	msg->reason = REASON_ANSWER_NONE;
	if (!refused->why)
		return;
	msg->reason = of_answers[egress_addr_reason(&refused->addr.any)];
	gate_addr_text(&refused->addr.any, addr);
	(void)snprintf(msg->why, sizeof(msg->why), "%s, %s", addr, refused->why);
}

static void report_refused(struct gate_name *name, uint16_t port,
                           const struct gate_refused *refused)
{
	struct gate_msg msg = { .type = GATE_NET_DENY, .port = port, .proto = IPPROTO_TCP };

	gate_text(msg.host, sizeof(msg.host), name->host);
	gate_addr_text(&refused->addr.any, msg.addr);
	gate_name_refused_msg(refused, &msg);
	gate_dns_asker(name, &msg);
	if (gate_report(name->gate, &msg))
		name->refused_id = msg.id;
}

/* Refused answers are left out and reported; a name is good while one entry for it has an address
 * left (N-10). */
static bool any_dialable(struct gate_name *name)
{
	const struct egress_list *list = name->gate->egress;
	union gate_addr addrs[GATE_ANSWERS_MAX];
	unsigned total = 0;
	bool decided = false;

	for (size_t i = 0; i < list->n; i++) {
		struct gate_refused refused = { .why = NULL };
		if (!entry_decides(name, &list->entries[i]))
			continue;
		decided = true;
		total += gate_name_dialable(name, &list->entries[i], addrs, &refused);
		if (refused.why)
			report_refused(name, list->entries[i].port, &refused);
	}
	if (!decided && name->gate->observe) {
		struct gate_refused refused = { .why = NULL };
		total = gate_name_dialable(name, &gate_observed_entry, addrs, &refused);
		if (refused.why)
			report_refused(name, 0, &refused);
	}
	return total > 0;
}

/* ---- the way of a name ---- */

static void report_observed(struct gate_name *name)
{
	struct gate_msg msg = { .type = GATE_DNS_ALLOW, .would = (uint16_t)name->would };

	name->would_told = true;
	gate_text(msg.host, sizeof(msg.host), name->host);
	gate_report_always(name->gate, &msg);
}

static void name_settle(struct gate_name *name, uint8_t rcode)
{
	struct gate_state *g = name->gate;

	if (name->state != NAME_IDLE)
		g->busy_names--;
	name->state = NAME_IDLE;
	name->rcode = rcode;
	if (rcode != DNS_RCODE_OK) {
		name->resolved = false;
		name->expires_ns = g->now_ns + FAILURE_SEC * GATE_SEC;
	}
	if (rcode == DNS_RCODE_OK && name->would && !name->would_told)
		report_observed(name);
	gate_dns_answer_waiters(name);
	gate_flow_name_ready(name);
}

static void ask_admit(struct gate_name *name)
{
	struct gate_state *g = name->gate;
	struct gate_msg msg = { .type = GATE_ASK_ADMIT, .id = name->id };

	name->state = NAME_ASKING;
	name->deadline_ns = g->now_ns + ASK_SEC * GATE_SEC;
	gate_text(msg.host, sizeof(msg.host), name->host);
	(void)inet_ntop(AF_INET, &name->synthetic, msg.addr, sizeof(msg.addr));
	gate_report_always(g, &msg);
}

void gate_name_resolved(struct gate_name *name)
{
	if (name->state != NAME_RESOLVING)
		return; /* given up already */
	if (name->n_answers == 0 && !has_entry(name, true)) {
		/* both questions were answered: there is nothing */
		bool absent = name->not_found + name->no_data == 2;
		name_settle(name, absent ? DNS_RCODE_NXDOMAIN : DNS_RCODE_SERVFAIL);
		return;
	}
	if (!any_dialable(name)) {
		name_settle(name, DNS_RCODE_REFUSED);
		return;
	}
	uint32_t ttl = name->ttl_sec < TTL_MIN_SEC   ? TTL_MIN_SEC
	               : name->ttl_sec > TTL_MAX_SEC ? TTL_MAX_SEC
	                                             : name->ttl_sec;
	name->resolved = true;
	name->expires_ns = name->gate->now_ns + ttl * GATE_SEC;
	if (name->admitted)
		name_settle(name, DNS_RCODE_OK);
	else
		ask_admit(name);
}

void gate_name_refresh(struct gate_name *name)
{
	struct gate_state *g = name->gate;

	if (name->state != NAME_IDLE)
		return;
	if (name->expires_ns > g->now_ns) {
		name_settle(name, name->rcode); /* still known, good or bad */
		return;
	}
	name->state = NAME_RESOLVING;
	g->busy_names++;
	name->deadline_ns = g->now_ns + RESOLVE_SEC * GATE_SEC;
	name->resolved = false;
	name->n_answers = name->not_found = name->no_data = 0;
	name->refused_id = 0;
	name->ttl_sec = UINT32_MAX;
	if (has_entry(name, false))
		upstream_resolve(name);
	else
		gate_name_resolved(name);
}

void gate_name_admitted(struct gate_state *g, uint32_t id, bool admitted)
{
	if (id == 0 || id > g->n_names)
		/* an answer to no question: the two sides disagree about the protocol */
		_exit(1);
	struct gate_name *name = g->names[id - 1];
	name->admitted = admitted;
	if (name->state == NAME_ASKING)
		name_settle(name, admitted ? DNS_RCODE_OK : DNS_RCODE_SERVFAIL);
}

void gate_name_sweep(struct gate_state *g)
{
	for (size_t i = 0; g->busy_names > 0 && i < g->n_names; i++) {
		struct gate_name *name = g->names[i];
		if (name->state != NAME_IDLE && name->deadline_ns <= g->now_ns)
			name_settle(name, DNS_RCODE_SERVFAIL);
	}
}
