// SPDX-License-Identifier: Apache-2.0
/* policy_egress.c - `egress:` of one phase into an allowlist, each entry with the place that it
 * comes from.
 *
 * Runs in: command line and supervisor. Host names go through the same canonical form as the gate's
 * (egress.h). */
#include "policy_model.h"

#include "drydock/netns.h"
#include "egress_sets.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { CIDR_PREFIX_MIN = 8 };

struct entry_reading {
	struct egress_entry entry;
	const struct tree_node *host, *cidr, *use, *address, *ech;
	bool port_given, wrong;
};

static void refuse(struct key_context *ctx, struct entry_reading *e, struct diag_mark mark,
                   const char *hint, const char *what)
{
	diag_add(ctx->diags, mark, hint, "%s", what);
	e->wrong = true;
}

static void entry_host(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct entry_reading *e = out;
	char host[EGRESS_HOST_MAX + 1];
	struct dd_err err = { 0 };
	const char *text = key_text(ctx, v, "host");
	e->host = v;
	if (!text)
		e->wrong = true;
	else if (egress_host_parse(text, host, &e->entry.wildcard, &err) < 0)
		refuse(ctx, e, v->mark,
		       strpbrk(text, ":/")
		               ? "the name alone, without scheme or path; a port goes into `port:`"
		               : "a name such as registry.example.com, or *.example.com for all "
		                 "below it",
		       err.msg);
	else
		e->entry.host = arena_strdup(ctx->arena, host);
}

static bool parse_cidr(const char *text, struct in_addr *ret, unsigned *ret_prefix)
{
	char addr[INET_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t prefix = 32;
	if (len >= sizeof(addr))
		return false;
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (inet_pton(AF_INET, addr, ret) != 1 ||
	    (slash && policy_count(slash + 1, 32, &prefix) < 0))
		return false;
	*ret_prefix = (unsigned)prefix;
	return true;
}

/* 198.18.0.0/15 is what steps dial instead of names: an entry there would open every name at once.
 */
static bool is_synthetic(uint32_t addr, unsigned prefix)
{
	uint32_t mask = ~(UINT32_MAX >> (prefix < 15 ? prefix : 15));
	return (addr & mask) == (NET_RESOLVER_ADDR & 0xfffe0000u & mask);
}

static void entry_cidr(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct entry_reading *e = out;
	const char *text = key_text(ctx, v, "cidr");
	e->cidr = v;
	if (!text) {
		e->wrong = true;
		return;
	}
	if (!parse_cidr(text, &e->entry.cidr, &e->entry.prefix)) {
		refuse(ctx, e, v->mark, "an IPv4 block such as 192.0.2.0/24",
		       "`cidr` is no IPv4 block");
		return;
	}
	uint32_t addr = ntohl(e->entry.cidr.s_addr);
	if (e->entry.prefix < CIDR_PREFIX_MIN)
		refuse(ctx, e, v->mark, "at least /8", "`cidr` is as good as everything");
	else if (e->entry.prefix < 32 && (addr & (0xffffffffu >> e->entry.prefix)) != 0)
		refuse(ctx, e, v->mark, "clear the bits behind the prefix",
		       "`cidr` names an address inside the block");
	else if (is_synthetic(addr, e->entry.prefix))
		refuse(ctx, e, v->mark, NULL,
		       "`cidr` overlaps 198.18.0.0/15, which stands for names inside a step");
}

static void entry_use(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct entry_reading *e = out;
	e->use = v;
	if (!key_text(ctx, v, "use"))
		e->wrong = true;
}

static void entry_port(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct entry_reading *e = out;
	const char *text = key_text(ctx, v, "port");
	uint64_t port;
	e->port_given = true;
	if (text && policy_count(text, 65535, &port) == 0 && port > 0) {
		e->entry.port = (uint16_t)port;
		return;
	}
	if (text)
		diag_add(ctx->diags, v->mark, "a number from 1 to 65535", "`%s` is no port", text);
	e->wrong = true;
}

static void entry_address(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct entry_reading *e = out;
	size_t n = 0;
	const char *const *pins = key_texts(ctx, v, "address", &n);
	e->address = v;
	if (n > EGRESS_PINS_MAX) {
		refuse(ctx, e, v->mark, NULL, "more than 8 addresses");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		unsigned char bytes[16];
		if (inet_pton(AF_INET, pins[i], bytes) != 1 &&
		    inet_pton(AF_INET6, pins[i], bytes) != 1)
			refuse(ctx, e,
			       v->kind == TREE_LIST && i < v->n ? v->items[i]->mark : v->mark,
			       "an IPv4 or IPv6 address", "`address` is no address");
		e->entry.pins[i] = pins[i];
	}
}

static void entry_private(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const char *const words[] = { "allow" };
	((struct entry_reading *)out)->entry.private_ok = key_word(ctx, v, "private", words, 1) ==
	                                                  0;
}

static void entry_why(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct entry_reading *)out)->entry.why = key_text(ctx, v, "why");
}

static void entry_tls(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const char *const words[] = { "sni", "raw", "inspect" };
	int tls = key_word(ctx, v, "tls", words, ARRAY_LEN(words));
	if (tls == 2)
		diag_add(ctx->diags, v->mark,
		         "this build does not look inside TLS: `sni` holds the connection to the "
		         "name",
		         "`tls: inspect` is not supported yet");
	((struct entry_reading *)out)->entry.tls = tls == 1 ? EGRESS_TLS_RAW : EGRESS_TLS_SNI;
}

static void entry_ech(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const char *const words[] = { "pass", "refuse" };
	struct entry_reading *e = out;
	e->ech = v;
	e->entry.ech = key_word(ctx, v, "ech", words, ARRAY_LEN(words)) == 0 ? EGRESS_ECH_PASS
	                                                                     : EGRESS_ECH_REFUSE;
}

static const struct key_row entry_rows[] = {
	{ .name = "host", .kinds = TREE_SCALAR, .read = entry_host },
	{ .name = "port", .kinds = TREE_SCALAR, .read = entry_port },
	{ .name = "cidr", .kinds = TREE_SCALAR, .read = entry_cidr },
	{ .name = "use", .kinds = TREE_SCALAR, .read = entry_use },
	{ .name = "address", .kinds = TREE_SCALAR | TREE_LIST, .read = entry_address },
	{ .name = "private", .kinds = TREE_SCALAR, .read = entry_private },
	{ .name = "why", .kinds = TREE_SCALAR, .read = entry_why },
	{ .name = "tls", .kinds = TREE_SCALAR, .read = entry_tls },
	{ .name = "ech", .kinds = TREE_SCALAR, .read = entry_ech },
};
const struct key_table policy_entry_keys = { entry_rows, ARRAY_LEN(entry_rows) };

struct growing {
	struct egress_entry *entries;
	struct diag_mark *marks;
	const char **sets;
	struct policy_use *uses; /* as many as there are lines in the list */
	size_t n, cap, n_uses;
};

static void grow(struct key_context *ctx, struct growing *list, size_t cap)
{
	struct growing old = *list;
	list->entries = arena_array(ctx->arena, cap, sizeof(*list->entries));
	list->marks = arena_array(ctx->arena, cap, sizeof(*list->marks));
	list->sets = arena_array(ctx->arena, cap, sizeof(*list->sets));
	list->cap = cap;
	if (old.n) {
		memcpy(list->entries, old.entries, old.n * sizeof(*old.entries));
		memcpy(list->marks, old.marks, old.n * sizeof(*old.marks));
		memcpy(list->sets, old.sets, old.n * sizeof(*old.sets));
	}
}

static void push(struct key_context *ctx, struct growing *list, const struct egress_entry *entry,
                 struct diag_mark mark, const char *set)
{
	if (list->n == list->cap)
		grow(ctx, list, list->cap * 2);
	list->entries[list->n] = *entry;
	list->entries[list->n].account = (unsigned)list->n;
	list->entries[list->n].account_wildcard = entry->wildcard;
	list->marks[list->n] = mark;
	list->sets[list->n++] = set;
}

/* ---- use ---- */

struct policy_asked {
	struct policy_asked *next;
	const char *name;
	struct egress_set set;
	bool answered; /* else @err says why not */
	struct dd_err err;
};

/* A package manager may take a second to answer: it is asked once for each policy. */
static const struct policy_asked *ask_once(struct key_context *ctx, struct policy *policy,
                                           const char *name)
{
	for (const struct policy_asked *a = policy->sets; a; a = a->next)
		if (strcmp(a->name, name) == 0)
			return a;
	struct policy_asked *a = arena_alloc(ctx->arena, sizeof(*a));
	a->name = name;
	a->answered = egress_set_ask(ctx->arena, name, policy->set_dir, &a->set, &a->err) == 0;
	a->next = policy->sets;
	policy->sets = a;
	return a;
}

static void use_hint(const char *name, char *hint, size_t size)
{
	const char *near = egress_set_is_known(name) ? NULL : egress_set_nearest(name);
	if (near)
		(void)snprintf(hint, size, "did you mean `%s`?", near);
	else
		(void)snprintf(hint, size,
		               "list the hosts instead, or write egress/%.40s.yml beside the "
		               "policy; `drydock policy sets` shows what there is",
		               name);
}

static void use_set(struct key_context *ctx, struct policy *policy, const struct entry_reading *e,
                    struct growing *list)
{
	const struct policy_asked *asked = ask_once(ctx, policy, e->use->text);
	char hint[180];
	if (!asked->answered) {
		use_hint(e->use->text, hint, sizeof(hint));
		diag_add(ctx->diags, e->use->mark, hint, "%s", asked->err.msg);
		return;
	}
	for (size_t i = 0; i < asked->set.n; i++) {
		struct egress_entry entry = asked->set.entries[i];
		entry.why = e->entry.why ? e->entry.why : entry.why;
		entry.ech = e->entry.ech;
		push(ctx, list, &entry, e->use->mark, asked->name);
	}
}

static bool combination_is_fine(struct key_context *ctx, const struct tree_node *node,
                                struct entry_reading *e)
{
	int kinds = !!e->host + !!e->cidr + !!e->use;
	if (kinds != 1)
		refuse(ctx, e, node->mark, "one of host, cidr and use",
		       kinds ? "an entry names one kind of destination"
		             : "an entry without a destination");
	else if (e->use && node->n > 1u + !!e->entry.why + !!e->ech)
		refuse(ctx, e, node->mark, "list a host to say more",
		       "`use` stands alone (with `why` and `ech`)");
	else if (e->ech && (e->cidr || e->entry.tls == EGRESS_TLS_RAW))
		refuse(ctx, e, e->ech->mark, "take it out",
		       e->cidr ? "`ech` is about a TLS hello, and behind a `cidr` nobody looks at "
		                 "it"
		               : "`ech` is about a TLS hello, and with `tls: raw` nobody looks at "
		                 "it");
	else if (e->cidr && e->address)
		refuse(ctx, e, e->address->mark, NULL,
		       "`address` pins a name; a `cidr` is already an address");
	else if (e->cidr && !e->port_given)
		refuse(ctx, e, node->mark, "add `port:`", "a `cidr` needs its port");
	else if (e->entry.wildcard && e->address)
		refuse(ctx, e, e->address->mark, NULL, "`address` pins one name, not a wildcard");
	return !e->wrong;
}

static void read_entry(struct key_context *ctx, struct policy *policy, const struct tree_node *node,
                       struct growing *list)
{
	struct entry_reading e = { .entry = { .port = 443, .ech = EGRESS_ECH_PASS } };
	if (!key_walk(ctx, node, "an egress entry", entry_rows, ARRAY_LEN(entry_rows), &e) ||
	    !combination_is_fine(ctx, node, &e))
		return;
	if (e.use && policy->repository) { /* a hostile file starts no tool */
		list->uses[list->n_uses++] = (struct policy_use){ e.use->text, e.use->mark };
	} else if (e.use) {
		use_set(ctx, policy, &e, list);
	} else {
		e.entry.origin = arena_printf(ctx->arena, "%s:%u:%u", node->mark.file,
		                              node->mark.line, node->mark.column);
		push(ctx, list, &e.entry, node->mark, NULL);
	}
}

static bool same_destination(const struct egress_entry *a, const struct egress_entry *b)
{
	return a->host && b->host && a->port == b->port && a->wildcard == b->wildcard &&
	       strcmp(a->host, b->host) == 0;
}

/* Where the operator wrote a line for a destination that a set has too, the line is meant: who says
 * `private: allow` for a registry need not give up the set. It stays the set's for whoever narrows
 * by `use`. */
static void own_lines_win(struct growing *list)
{
	for (size_t i = 0; i < list->n; i++)
		for (size_t k = 0; list->sets[i] && k < list->n; k++) {
			struct egress_entry *e = &list->entries[i];
			if (list->sets[k] || !same_destination(e, &list->entries[k]))
				continue;
			unsigned account = e->account;
			*e = list->entries[k];
			e->account = account;
		}
}

void policy_read_egress(struct key_context *ctx, struct policy *policy,
                        const struct tree_node *node, struct policy_phase *out)
{
	struct growing list = { 0 };
	if (node->kind == TREE_SCALAR) {
		if (strcmp(node->text, "none") != 0)
			diag_add(ctx->diags, node->mark, "`none`, or a list of destinations",
			         "`egress` cannot be `%s`", node->text);
		return;
	}
	grow(ctx, &list, node->n + 1);
	list.uses = arena_array(ctx->arena, node->n, sizeof(*list.uses));
	for (size_t i = 0; i < node->n; i++)
		read_entry(ctx, policy, node->items[i], &list);
	own_lines_win(&list);
	if (list.n > EGRESS_ENTRIES_MAX)
		diag_add(ctx->diags, node->mark, NULL, "more than 16384 entries");
	out->egress.entries = list.entries;
	out->entry_marks = list.marks;
	out->entry_sets = list.sets;
	out->uses = list.uses;
	out->n_uses = list.n_uses;
	out->egress.n = list.n;
}
