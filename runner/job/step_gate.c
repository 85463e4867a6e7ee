// SPDX-License-Identifier: Apache-2.0
/* step_gate.c - drives the gate of one step from the supervisor.
 *
 * Runs in: supervisor. Messages from the gate are routed by a table: in which state each is
 * allowed, and who handles it. Anything else ends the step.
 */
#include "step_gate.h"

#include "policy/advice.h"
#include "drydock/clock.h"
#include "drydock/fault.h"
#include "drydock/fd.h"
#include "lease/mask_text.h"
#include "step_wants.h"
#include "step_who.h"
#include "record/event_write.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum {
	READY_MS = 10000,
	/* the step still runs, perhaps with thousands of processes, and the gate shares the
	   processors with it */
	CLOSE_MS = 15000,
	FINISH_MS = 15000,
	/* messages in one go: a flood must not keep the supervisor from deadline, cancellation and
	   output */
	SERVE_MAX = 32,
};

/* ---- admitting names ---- */

/* For the end: then the set must hold what was admitted here, and nothing else. */
static int remember_admitted(struct step_gate *sg, struct in_addr addr, uint16_t port,
                             struct dd_err *err)
{
	if (dd_fault("admitted")) /* as if somebody else had let it through */
		return 0;
	if ((sg->n_admitted & (sg->n_admitted - 1)) == 0) { /* a power of two, or none yet */
		size_t room = sg->n_admitted ? 2 * sg->n_admitted : 1;
		void *more = reallocarray(sg->admitted, room, sizeof(*sg->admitted));
		if (!more)
			return dd_err_set(err, ENOMEM, "remember what was admitted");
		sg->admitted = more;
	}
	sg->admitted[sg->n_admitted++] = (struct net_element){ .addr = addr, .port = port };
	return 0;
}

/* @known: it was admitted before; the gate may ask again. */
static int admit_ports(struct step_gate *sg, const char *host, struct in_addr addr, bool known,
                       struct dd_err *err)
{
	const struct egress_list *list = &sg->step->terms->egress;
	unsigned admitted = 0;

	if (sg->job->observe) /* whatever the name: the gate still dials nothing but public
	                         addresses for it */
		return net_rules_admit_host(sg->rules_fd, addr, err);

	for (size_t i = 0; i < list->n; i++) {
		uint16_t port = list->entries[i].port;
		if (!list->entries[i].host ||
		    egress_verdict_name(list, host, port).entry != &list->entries[i])
			continue;
		int r = net_rules_admit(sg->rules_fd, addr, port, err);
		if (r == 0 && !known)
			r = remember_admitted(sg, addr, port, err);
		if (r < 0)
			return r;
		admitted++;
	}
	return admitted ? 0
	                : dd_err_say(err, EPERM,
	                             "the gate asked for %s, which is not on the allowlist", host);
}

/* Made when the first name is asked for, which most steps never do. Not from the heap: that would
 * hand the next step the same pages to be cleared, all of them shared with the forks of this one.
 */
static int make_names(struct step_gate *sg, struct dd_err *err)
{
	void *table;

	if (sg->names)
		return 0;
	table = mmap(NULL, STEP_GATE_NAMES_BYTES, PROT_READ | PROT_WRITE,
	             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (table == MAP_FAILED)
		return dd_err_set(err, errno, "remember the names of the gate");
	sg->names = table;
	return 0;
}

/* One name, one address, for the whole step: the gate cannot move a name onto an address that
 * stands for another. 1: it is known already. */
static int bind_name(struct step_gate *sg, const char *host, struct in_addr addr,
                     struct dd_err *err)
{
	uint32_t a = ntohl(addr.s_addr);
	if (a < NET_SYNTHETIC_FIRST || a - NET_SYNTHETIC_FIRST >= STEP_GATE_NAMES_MAX)
		return dd_err_say(err, EPERM,
		                  "the gate asked to admit an address outside of its range for %s",
		                  host);
	int r = make_names(sg, err);
	if (r < 0)
		return r;
	char *slot = sg->names[a - NET_SYNTHETIC_FIRST];
	if (slot[0] && strcmp(slot, host) != 0)
		return dd_err_say(err, EPERM, "the gate asked to give the address of %s to %s",
		                  slot, host);
	if (slot[0])
		return 1;
	(void)snprintf(slot, sizeof(sg->names[0]), "%s", host);
	return 0;
}

/* ---- budgets: by the account of the operator's entry, over the whole job ---- */

static struct egress_spent *spent_of(const struct step_gate *sg)
{
	return sg->job->spent[job_list_of(sg->step->terms)];
}

static bool has_cap(const struct egress_entry *entry)
{
	return !entry->host || entry->wildcard || entry->account_wildcard;
}

/* The gate counts a name before it asks anybody about it; one that was not is not admitted either.
 */
static int is_counted(const struct step_gate *sg, const char *host, struct dd_err *err)
{
	struct egress_verdict v = egress_verdict_name(&sg->step->terms->egress, host, 0);

	if (!v.allow || !has_cap(v.entry) || egress_spent_has(spent_of(sg), v.entry->account, host))
		return 0; /* what is not on the list is refused by its ports */
	return dd_err_say(err, EPERM, "the gate asked for %s and did not count it", host);
}

static int on_counted(struct step_gate *sg, const struct gate_msg *msg, struct dd_err *err)
{
	const struct egress_list *list = &sg->step->terms->egress;
	const struct egress_entry *entry = msg->id < list->n ? &list->entries[msg->id] : NULL;
	struct egress_verdict v = { .allow = false };
	struct in_addr addr;

	if (entry && entry->host)
		v = egress_verdict_name(list, msg->host, 0);
	else if (entry && inet_pton(AF_INET, msg->host, &addr) == 1)
		v = egress_verdict_addr(list, addr, entry->port);
	if (!v.allow || !has_cap(v.entry) || v.entry->account != entry->account)
		return dd_err_say(err, EPROTO,
		                  "the gate counted %s under an entry that it does not fall under",
		                  msg->host);
	if (egress_spent_count(spent_of(sg), entry->account, msg->host) < 0)
		return dd_err_say(err, ENOSPC, "more names and addresses than a job can count");
	unsigned cap = entry->host ? list->job.wildcard_names : list->job.cidr_addresses;
	if (!sg->job->observe && egress_spent_names(spent_of(sg), entry->account) > cap)
		return dd_err_say(err, EPROTO, "the gate let %s through, over the cap of its entry",
		                  msg->host);
	sg->counted[msg->id]++;
	return 0;
}

/* Whose budget a destination used. False: observe mode let it through, and nobody's. */
static bool account_of(const struct step_gate *sg, const struct gate_msg *msg, unsigned *ret)
{
	const struct egress_list *list = &sg->step->terms->egress;
	struct egress_verdict v = { .allow = false };
	struct in_addr addr;

	if (inet_pton(AF_INET, msg->host, &addr) == 1)
		v = egress_verdict_addr(list, addr, msg->port);
	else
		v = egress_verdict_name(list, msg->host, msg->port);
	if (v.allow)
		*ret = v.entry->account;
	return v.allow;
}

/* ---- the gate's questions ---- */

static int on_ask_admit(struct step_gate *sg, const struct gate_msg *msg, struct dd_err *err)
{
	struct gate_msg answer = { .type = GATE_ADMITTED, .id = msg->id };
	char canonical[EGRESS_HOST_MAX + 1];
	struct in_addr addr;
	int r;

	/* A question that an honest gate cannot ask is not answered with "no": it ends the step. */
	if (egress_host_canonical(msg->host, strlen(msg->host), canonical) < 0 ||
	    strcmp(canonical, msg->host) != 0 || inet_pton(AF_INET, msg->addr, &addr) != 1)
		return dd_err_say(
			err, EPROTO,
			"the gate asked to admit something that is no name or no address");
	if (sg->closing) /* asked before it read our GATE_CLOSE: nothing is admitted to rules that
	                    are closed */
		return gate_send(&sg->gate, &answer, err);
	if ((r = is_counted(sg, canonical, err)) < 0 ||
	    (r = bind_name(sg, canonical, addr, err)) < 0 ||
	    (r = admit_ports(sg, canonical, addr, r == 1, err)) < 0)
		return r;
	answer.admitted = 1;
	return gate_send(&sg->gate, &answer, err);
}

/* ---- what was refused ---- */

static const char *proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmp6";
	default:
		return "ip";
	}
}

static void describe_attempt(const struct gate_msg *msg, char *out, size_t size)
{
	bool v6 = strchr(msg->addr, ':') != NULL;

	if (msg->type == GATE_DNS_DENY)
		(void)snprintf(out, size, "dns %s", msg->host);
	else if (msg->host[0])
		(void)snprintf(out, size, "%s %s:%u", proto_name(msg->proto), msg->host,
		               (unsigned)msg->port);
	else
		(void)snprintf(out, size, v6 ? "%s [%s]:%u" : "%s %s:%u", proto_name(msg->proto),
		               msg->addr, (unsigned)msg->port);
}

/* What a rule could name the step by, where the step is build and needs one. */
struct named_by {
	char *run; /* owned */
	const char *vars[STEP_VARIABLES_MAX + 2];
};

static void named_by_done(struct named_by *n)
{
	free(n->run);
}

static void step_gate_name_step(const struct step_gate *sg, struct advice_case *c,
                                struct named_by *n)
{
	const struct grant *grant = sg->step->grant;
	const struct spec_step *written = grant->written;
	bool exact = false;

	c->step_id = grant->id;
	c->step_name = grant->is_named ? sg->step->name : NULL;
	if (!written || c->phase != DD_PHASE_BUILD)
		return;
	c->step_uses = written->facts.uses;
	if (!written->facts.run)
		return;
	n->run = step_match_run(written->facts.run, sg->mask, &exact);
	c->step_run = exact ? n->run : NULL;
	c->step_run_sha256 = grant->run_sha256;
	c->step_shell = written->shell;
	c->step_workdir = job_spec_workdir(written);
	c->step_vars = grant_deciding_vars(grant, n->vars) ? n->vars : NULL;
}

/* The line that would allow it, for the person who decides whether it should be (W-09). Empty where
 * no line would, or should. */
static void suggest(const struct step_gate *sg, const struct gate_msg *msg,
                    const struct facts_wants *wants, char *out, size_t size)
{
	const struct egress_list *list = &sg->step->terms->egress;
	__attribute__((cleanup(named_by_done))) struct named_by named = { .run = NULL };
	struct egress_verdict v = { .allow = false };
	struct in_addr addr;
	struct advice advice;
	struct advice_case c = {
		.phase = sg->step->phase,
		.host = msg->host,
		.address = msg->addr,
		.reason = (enum dd_reason)msg->reason,
		.port = msg->port,
		.proto = msg->type == GATE_DNS_DENY    ? "dns"
		         : msg->type == GATE_VIOLATION ? "tcp"
		                                       : proto_name(msg->proto),
		.wants = { .port = wants->port,
		           .raw = wants->raw,
		           .private_ok = wants->private_ok,
		           .addresses = wants->address },
		.upload_bytes = list->job.upload_bytes,
		.bytes_out = msg->bytes_out,
		.limit = egress_limit(list, (enum dd_reason)msg->reason),
	};
	step_gate_name_step(sg, &c, &named);
	if (msg->host[0])
		v = egress_verdict_name(list, msg->host,
		                        msg->type == GATE_DNS_DENY ? 0 : msg->port);
	else if (inet_pton(AF_INET, msg->addr, &addr) == 1)
		v = egress_verdict_addr(list, addr, msg->port);
	c.origin = v.allow ? v.entry->origin : NULL;
	advice_make(&c, &advice);
	advice_sentence(&c, &advice, sg->job->plan->policy_path, out, size);
}

/* Merge with an earlier attempt of the same kind; returns true when it is new. */
static bool step_gate_remember(struct step_refusal rows[STEP_REFUSALS_MAX], size_t *n,
                               const char *what, const char *why, const struct process_hint *who,
                               uint64_t count)
{
	for (size_t i = 0; i < *n; i++) {
		if (strcmp(rows[i].what, what) != 0 || strcmp(rows[i].why, why) != 0)
			continue;
		rows[i].count += count;
		return false;
	}
	if (*n == STEP_REFUSALS_MAX)
		return false;
	struct step_refusal *f = &rows[(*n)++];
	(void)snprintf(f->what, sizeof(f->what), "%s", what);
	(void)snprintf(f->why, sizeof(f->why), "%s", why);
	step_who_text(who, f->process, sizeof(f->process));
	f->count = count;
	return true;
}

static bool remember_refusal(struct step_result *res, const char *what, const char *why,
                             const struct process_hint *who, uint64_t count)
{
	return step_gate_remember(res->refusals, &res->n_refusals, what, why, who, count);
}

/* Observe mode: for the summary, never for the step's own log, which stays as it would be. */
static void remember_would(struct step_result *res, const char *what, const char *why,
                           const struct process_hint *who, uint64_t count)
{
	res->would_refuse += count;
	(void)step_gate_remember(res->would, &res->n_would, what, why, who, count);
}

static void step_gate_tell(struct step_gate *sg, const struct gate_msg *msg, const char *what,
                           const struct process_hint *who, const struct facts_wants *wants)
{
	char line[2400], advice[1600];
	char by[200];

	step_who_text(who, by, sizeof(by));
	suggest(sg, msg, wants, advice, sizeof(advice));
	(void)snprintf(line, sizeof(line), "drydock: refused %s in phase %s: %s%s%s%s", what,
	               dd_phase_name(sg->step->phase), msg->why, by[0] ? ", tried by " : "", by,
	               advice);
	sg->tell(sg->tell_arg, line);
}

/* The message as it may be written down: secrets replaced, and in `why` the whole sentence, of what
 * was refused or would have been. */
static struct gate_msg shown_of(const struct step_gate *sg, const struct gate_msg *raw)
{
	struct gate_msg shown = *raw;

	if (raw->reason || raw->would)
		dd_reason_say(raw->reason ? raw->reason : raw->would, raw->why, shown.why,
		              sizeof(shown.why));
	mask_text(sg->mask, shown.host, sizeof(shown.host));
	mask_text(sg->mask, shown.why, sizeof(shown.why));
	return shown;
}

/* Not from a gate that is closed: whoever tried is being ended. */
static void find_process(struct step_gate *sg, const struct gate_msg *msg, struct process_hint *who)
{
	bool query = msg->type == GATE_DNS_DENY;
	const struct process_try what = { .proto = msg->src_proto         ? msg->src_proto
		                                   : query && !msg->proto ? IPPROTO_UDP
		                                                          : msg->proto,
		                          .src_port = msg->src_port,
		                          .host = msg->host,
		                          .port = query ? 0 : msg->port };

	if (sg->step_init <= 0 || sg->closed)
		return;
	process_look_find(sg->look, sg->step_init, &what, who);
	step_who_clean(sg->step, sg->mask, who);
}

/* It was let through and could not be reached: no refusal, but enforcing would not have tried. */
static int on_unreached(struct step_gate *sg, const struct gate_msg *msg, const char *what,
                        const struct process_hint *who, struct dd_err *err)
{
	remember_would(sg->result, what, msg->why, who, msg->denials ? msg->denials : 1);
	return record_net_deny(
		sg->job->rec, sg->step->ref, sg->step->phase,
		&(struct facts_net){ .host = msg->host,
	                             .port = msg->port,
	                             .address = msg->addr,
	                             .proto = proto_name(msg->proto),
	                             .would_deny = true,
	                             .would_reason = msg->would,
	                             .reason = msg->reason,
	                             .why = msg->why,
	                             .count = (int64_t)(msg->denials ? msg->denials : 1),
	                             .process = step_who_facts(who) },
		err);
}

/* A resolver with a search list asks for several names where a program asked for one: the others
 * are recorded, and the one line is about the name that counts. A name with dots enough comes
 * first, as it stands, and its longer forms follow its refusal; of a shorter one the longer forms
 * come first, and one of those is what was meant. What the list holds is asked for in all forms
 * too. */
static bool is_echo(struct step_gate *sg, const struct gate_msg *msg)
{
	const struct host_search *search = &sg->job->search;
	const size_t len = host_search_short(search, msg->host);
	char name[EGRESS_HOST_MAX + 3];

	if (msg->type != GATE_DNS_DENY || !search->domains[0])
		return false;
	(void)snprintf(name, sizeof(name), "%.*s", len ? (int)len : EGRESS_HOST_MAX, msg->host);
	unsigned dots = 0;
	for (const char *c = name; *c; c++)
		dots += *c == '.';
	/* a short name on the list is one that the host's file has; else the long one was meant */
	if (len && egress_verdict_name(&sg->step->terms->egress, name, 0).allow)
		return dots > 0 || step_wants_hosts_has(name);
	bool again = strcmp(name, sg->asked) == 0;
	(void)snprintf(sg->asked, sizeof(sg->asked), "%s", name);
	/* after its refusal: the longer forms of a name that comes first, the bare form of another
	 */
	return again && (len ? dots >= search->ndots : dots < search->ndots);
}

static int on_refusal(struct step_gate *sg, const struct gate_msg *raw, struct dd_err *err)
{
	struct process_hint who = { .pid = 0 };
	const struct gate_msg shown = shown_of(sg, raw), *msg = &shown;
	char what[sizeof(((struct step_refusal *)0)->what)];
	uint64_t count = msg->denials ? msg->denials : 1;
	struct facts_wants wants;
	int r;

	find_process(sg, raw, &who);
	if (msg->id && !sg->closing) {
		const struct gate_msg seen = { .type = GATE_SEEN, .id = msg->id };
		r = gate_send(&sg->gate, &seen, NULL);
		if (r < 0 &&
		    r != -EAGAIN) /* a gate that is behind answers by itself after a while */
			return dd_err_set(err, -r, "tell the gate that a refusal was looked at");
	}
	describe_attempt(msg, what, sizeof(what));
	if (msg->would)
		return on_unreached(sg, msg, what, &who, err);
	step_wants(sg->step, raw, &who, &sg->wants_read, &wants);
	bool echo = is_echo(sg, raw);
	if (msg->type == GATE_DNS_DENY && !echo)
		sg->names_refused += count;
	if (!echo && remember_refusal(sg->result, what, msg->why, &who, count))
		step_gate_tell(sg, msg, what, &who, &wants);
	bool dns = msg->type == GATE_DNS_DENY;
	return (dns ? record_dns_deny : record_net_deny)(
		sg->job->rec, sg->step->ref, sg->step->phase,
		&(struct facts_net){ .host = msg->host,
	                             .port = msg->port,
	                             .address = msg->addr,
	                             .proto = dns ? "dns" : proto_name(msg->proto),
	                             .reason = msg->reason,
	                             .why = msg->why,
	                             .count = (int64_t)count,
	                             .wants = wants,
	                             .process = step_who_facts(&who) },
		err);
}

static int on_violation(struct step_gate *sg, const struct gate_msg *raw, struct dd_err *err)
{
	const struct gate_msg shown = shown_of(sg, raw), *msg = &shown;
	char line[2400], advice[1600], what[sizeof(((struct step_refusal *)0)->what)];
	const struct facts_wants nothing = { .known = false };
	struct process_hint nobody = { .pid = 0 };

	(void)snprintf(what, sizeof(what), "budget %.*s:%u", EGRESS_HOST_MAX, msg->host,
	               (unsigned)msg->port);
	if (sg->job->observe) {
		remember_would(sg->result, what, msg->why, &nobody, 1);
	} else if (remember_refusal(sg->result, what, msg->why, &nobody, 1)) {
		suggest(sg, msg, &nothing, advice, sizeof(advice));
		(void)snprintf(line, sizeof(line),
		               "drydock: cut the connection to %.*s:%u in phase %s: %s%s",
		               EGRESS_HOST_MAX, msg->host, (unsigned)msg->port,
		               dd_phase_name(sg->step->phase), msg->why, advice);
		sg->tell(sg->tell_arg, line);
	}
	sg->result->refused += !sg->job->observe;
	return record_violation(
		sg->job->rec, sg->step->ref, sg->step->phase,
		&(struct facts_violation){ .kind = "budget",
	                                   .subject = msg->host,
	                                   .port = msg->port,
	                                   .reason = msg->reason,
	                                   .why = msg->why,
	                                   .bytes_out = (int64_t)msg->bytes_out,
	                                   .consequence = sg->job->observe ? "none: observing"
	                                                                   : "connection cut" },
		err);
}

/* NOTHING: the field is absent */
static const enum facts_speaks speaks_facts[GATE_SPEAKS__COUNT] = {
	[GATE_SPEAKS_TLS] = FACTS_SPEAKS_TLS,
	[GATE_SPEAKS_HTTP] = FACTS_SPEAKS_HTTP,
	[GATE_SPEAKS_RAW] = FACTS_SPEAKS_RAW,
};

static int on_allow(struct step_gate *sg, const struct gate_msg *raw, struct dd_err *err)
{
	struct process_hint who = { .pid = 0 };
	const struct gate_msg shown = shown_of(sg, raw);
	char what[sizeof(((struct step_refusal *)0)->what)];

	if (shown.would) /* a walk through /proc: worth it for what somebody will have to decide
	                    about */
		find_process(sg, raw, &who);
	if (shown.would) {
		describe_attempt(&shown, what, sizeof(what));
		remember_would(sg->result, what, shown.why, &who, 1);
	}
	return record_net_allow(
		sg->job->rec, sg->step->ref, sg->step->phase,
		&(struct facts_net){ .host = shown.host,
	                             .port = shown.port,
	                             .address = shown.addr,
	                             .reason = shown.would,
	                             .why = shown.why,
	                             .proto = "tcp",
	                             .speaks = speaks_facts[shown.speaks],
	                             .ech = shown.ech ? FACTS_ECH_OUTER : FACTS_ECH_NONE,
	                             .would_deny = shown.would,
	                             .process = step_who_facts(&who) },
		err);
}

static int on_name(struct step_gate *sg, const struct gate_msg *raw, struct dd_err *err)
{
	const struct process_hint nobody = { .pid = 0 };
	const struct gate_msg shown = shown_of(sg, raw);
	char what[sizeof(((struct step_refusal *)0)->what)];

	if (!sg->job->observe)
		return dd_err_say(err, EPROTO, "the gate answered a name that it must refuse");
	(void)snprintf(what, sizeof(what), "dns %s", shown.host);
	remember_would(sg->result, what, shown.why, &nobody, 1);
	return record_dns_allow(sg->job->rec, sg->step->ref, sg->step->phase,
	                        &(struct facts_net){ .host = shown.host,
	                                             .would_deny = true,
	                                             .reason = shown.would,
	                                             .why = shown.why },
	                        err);
}

static void add_up(struct step_destination *sum, const struct step_destination *one)
{
	sum->connections += one->connections;
	sum->bytes_in += one->bytes_in;
	sum->bytes_out += one->bytes_out;
	sum->denials += one->denials;
}

/* What sent most first: a reader who sees a part of the list sees that part. */
static int by_size(const void *a, const void *b)
{
	const struct step_destination *x = a, *y = b;
	if (x->bytes_out != y->bytes_out)
		return x->bytes_out < y->bytes_out ? 1 : -1;
	if (x->bytes_in != y->bytes_in)
		return x->bytes_in < y->bytes_in ? 1 : -1;
	int order = strcmp(x->host, y->host);
	return order ? order : (int)x->port - (int)y->port;
}

/* Into the list, or, when it is full, the smallest of all makes room; the sums are whole all the
 * same (G-15). */
static void list_destination(struct step_result *res, const struct step_destination *one)
{
	size_t last = 0;

	add_up(&res->total, one);
	res->all_destinations++;
	res->reached += one->connections > 0;
	if (res->n_destinations < STEP_DESTINATIONS_MAX) {
		res->destinations[res->n_destinations++] = *one;
		return;
	}
	for (size_t i = 1; i < res->n_destinations; i++)
		if (by_size(&res->destinations[i], &res->destinations[last]) > 0)
			last = i;
	struct step_destination out = *one;
	if (by_size(&res->destinations[last], one) > 0) {
		out = res->destinations[last];
		res->destinations[last] = *one;
	}
	add_up(&res->cut, &out);
}

static int on_receipt(struct step_gate *sg, const struct gate_msg *msg, struct dd_err *err)
{
	struct step_destination one = { .port = msg->port,
		                        .connections = msg->connections,
		                        .bytes_in = msg->bytes_in,
		                        .bytes_out = msg->bytes_out,
		                        .denials = msg->denials,
		                        .ech = msg->ech_connections };
	unsigned account = 0;

	if (account_of(sg, msg, &account))
		egress_spent_add(spent_of(sg), account, msg->bytes_out);
	else if (!sg->job->observe)
		return dd_err_say(err, EPROTO,
		                  "the gate reached %s:%u, which is not on the allowlist",
		                  msg->host, (unsigned)msg->port);
	(void)snprintf(one.host, sizeof(one.host), "%s", msg->host);
	mask_text(sg->mask, one.host, sizeof(one.host));
	list_destination(sg->result, &one);
	return 0;
}

static int on_ready(struct step_gate *sg, const struct gate_msg *msg, struct dd_err *err)
{
	(void)msg;
	if (sg->ready)
		return dd_err_say(err, EPROTO, "the gate said twice that it is ready");
	sg->ready = true;
	return 0;
}

static int on_closed(struct step_gate *sg, const struct gate_msg *msg, struct dd_err *err)
{
	(void)msg;
	(void)err;
	sg->closed = true;
	return 0;
}

static int on_done(struct step_gate *sg, const struct gate_msg *msg, struct dd_err *err)
{
	(void)err;
	sg->result->unreported = msg->dropped;
	sg->peak_connections = (unsigned)msg->connections;
	sg->strays = msg->strays;
	sg->done = true;
	return 0;
}

/* ---- routing ---- */

enum when { WHEN_STARTING = 1, WHEN_SERVING = 2, WHEN_CLOSED = 4 };

static const struct gate_route {
	unsigned when;
	int (*handle)(struct step_gate *sg, const struct gate_msg *msg, struct dd_err *err);
} gate_routes[GATE_MSG__COUNT] = {
	[GATE_READY] = { WHEN_STARTING, on_ready },
	[GATE_ASK_ADMIT] = { WHEN_SERVING, on_ask_admit },
	[GATE_NET_ALLOW] = { WHEN_SERVING, on_allow },
	[GATE_NET_DENY] = { WHEN_SERVING | WHEN_CLOSED, on_refusal },
	[GATE_DNS_DENY] = { WHEN_SERVING | WHEN_CLOSED, on_refusal },
	[GATE_DNS_ALLOW] = { WHEN_SERVING, on_name },
	[GATE_VIOLATION] = { WHEN_SERVING | WHEN_CLOSED, on_violation },
	[GATE_RECEIPT] = { WHEN_CLOSED, on_receipt },
	[GATE_COUNTED] = { WHEN_SERVING, on_counted },
	[GATE_CLOSED] = { WHEN_SERVING, on_closed },
	[GATE_DONE] = { WHEN_CLOSED, on_done },
};

static enum when state_of(const struct step_gate *sg)
{
	if (!sg->ready)
		return WHEN_STARTING;
	return sg->closed ? WHEN_CLOSED : WHEN_SERVING;
}

int step_gate_serve(struct step_gate *sg, struct dd_err *err)
{
	struct gate_msg msg;

	for (int n = 0; n < SERVE_MAX && !sg->done; n++) {
		int r = gate_recv(&sg->gate, &msg, err);
		if (r == -EAGAIN)
			return 0;
		if (r == 0)
			return dd_err_say(err, EPIPE,
			                  "the gate died; the step cannot go on without it");
		if (r < 0)
			return r;
		const struct gate_route *route = msg.type < GATE_MSG__COUNT ? &gate_routes[msg.type]
		                                                            : NULL;
		if (!route || !route->handle || !(route->when & state_of(sg)))
			return dd_err_say(err, EPROTO, "the gate sent message %u out of turn",
			                  msg.type);
		if ((r = route->handle(sg, &msg, err)) < 0)
			return r;
	}
	return 0;
}

/* Serve until *@flag is set. */
static int serve_until(struct step_gate *sg, const bool *flag, int timeout_ms, const char *what,
                       struct dd_err *err)
{
	int64_t deadline = dd_now_ms() + timeout_ms;

	while (!*flag) {
		struct pollfd p = { .fd = sg->gate.ctl, .events = POLLIN };
		int64_t left = deadline - dd_now_ms();
		if (left <= 0 || poll(&p, 1, (int)left) < 0) {
			if (left > 0 && errno == EINTR)
				continue;
			return dd_err_say(err, ETIMEDOUT, "the gate did not %s within %d ms", what,
			                  timeout_ms);
		}
		int r = step_gate_serve(sg, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- opening and closing ---- */

/* An entry as the record and a person call it. */
struct entry_text {
	char text[EGRESS_HOST_MAX + 32];
};

static void entry_spell(const struct egress_entry *e, struct entry_text *out)
{
	char addr[INET_ADDRSTRLEN];
	if (e->host)
		(void)snprintf(out->text, sizeof(out->text), "%s%s:%u", e->wildcard ? "*." : "",
		               e->host, (unsigned)e->port);
	else
		(void)snprintf(out->text, sizeof(out->text), "%s/%u:%u",
		               inet_ntop(AF_INET, &e->cidr, addr, sizeof(addr)), e->prefix,
		               (unsigned)e->port);
}

enum { LISTED_EACH_TIME = 32 }; /* a longer list is written once for all steps of its phase */

static int record_opened(struct step_gate *sg, struct dd_err *err)
{
	const struct egress_list *list = &sg->step->terms->egress;
	struct job *job = sg->job;
	bool known = list->n > LISTED_EACH_TIME &&
	             job->listed[sg->step->phase].entries == list->entries;
	size_t n = known ? 0 : list->n;
	dd_auto_free struct entry_text *texts = calloc(n + 1, sizeof(*texts));
	dd_auto_free struct facts_entry *rows = calloc(n + 1, sizeof(*rows));
	if (!texts || !rows)
		return dd_err_set(err, ENOMEM, "record the allowlist");
	for (size_t i = 0; i < n; i++) {
		const struct egress_entry *e = &list->entries[i];
		entry_spell(e, &texts[i]);
		rows[i] = (struct facts_entry){ .entry = texts[i].text,
			                        .origin = e->origin,
			                        .why = e->why };
	}
	int r = record_gate_open(
		job->rec, sg->step->ref, sg->step->phase,
		&(struct facts_gate){
			.state = list->n ? "open" : "closed",
			.observing = job->observe,
			.entries = known ? NULL : rows,
			.n_entries = n,
			.entries_in = known ? (int64_t)job->listed[sg->step->phase].seq
	                                    : FACTS_ABSENT,
			.upload_bytes = (int64_t)list->job.upload_bytes },
		err);
	if (r == 0 && !known) {
		job->listed[sg->step->phase].entries = list->entries;
		job->listed[sg->step->phase].seq = record_seq(job->rec);
	}
	return r;
}

static int step_gate_launch(struct step_gate *sg, const struct grant_terms *terms,
                            int net[NET_FD__COUNT], struct dd_err *err)
{
	struct egress_spent **spent = &sg->job->spent[job_list_of(terms)];

	sg->gate = (struct gate)GATE_NONE;
	if (!*spent && !(*spent = egress_spent_new(&terms->egress)))
		return dd_err_set(err, ENOMEM, "remember what the gate does");
	const struct gate_spec spec = { .egress = &terms->egress,
		                        .spent = *spent,
		                        .search = sg->job->search.domains,
		                        .observe = sg->job->observe,
		                        .net = net,
		                        .zygote = sg->job->gates,
		                        .switch_ids = sg->job->id->mode == IDENTITY_RANGE,
		                        .uid = sg->job->gate_uid,
		                        .gid = sg->job->gate_uid };
	sg->rules_fd = dd_take_fd(&net[NET_FD_RULES]);
	int r = gate_start(&spec, &sg->gate, err);
	for (int i = 0; i < NET_FD__COUNT; i++)
		dd_close_p(&net[i]);
	return r;
}

static int step_gate_verify(struct step_gate *sg, struct dd_err *err)
{
	int r = net_rules_verify(sg->rules_fd, sg->net,
	                         sg->step->terms->egress.n > 0 || sg->job->observe, err);
	return r < 0 ? dd_err_ctx(err, r,
	                          "the rules that the kernel holds are not the ones that were sent")
	             : 0;
}

static int open_failed(struct step_gate *sg, int r, struct dd_err *err)
{
	step_gate_destroy(sg);
	return dd_err_ctx(err, r, "open the gate of step %u", sg->step->number);
}

int step_gate_park(struct step_gate *sg, const struct grant_terms *terms, int net[NET_FD__COUNT],
                   struct dd_err *err)
{
	int r = terms->egress.n > 0 || sg->job->observe
	                ? dd_err_say(err, EINVAL, "a gate with a list is not started ahead")
	                : step_gate_launch(sg, terms, net, err);
	sg->parked = r == 0;
	if (r < 0)
		step_gate_destroy(sg);
	return r < 0 ? dd_err_ctx(err, r, "start the gate of the next step") : 0;
}

int step_gate_start(struct step_gate *sg, int net[NET_FD__COUNT], struct dd_err *err)
{
	int r = sg->parked ? 0 : step_gate_launch(sg, sg->step->terms, net, err);

	sg->untold_before = record_untold(sg->job->rec);
	sg->counted = calloc(sg->step->terms->egress.n + 1, sizeof(*sg->counted));
	if (r == 0 && !sg->counted)
		r = dd_err_set(err, ENOMEM, "remember what the gate does");
	/* also of a parked one: now is when they count */
	if (r == 0)
		r = step_gate_verify(sg, err);
	return r < 0 ? open_failed(sg, r, err) : 0;
}

int step_gate_open(struct step_gate *sg, struct dd_err *err)
{
	int r = serve_until(sg, &sg->ready, READY_MS, "become ready", err);
	if (r == 0)
		r = record_opened(sg, err);
	return r < 0 ? open_failed(sg, r, err) : 0;
}

/* The wall has let through what the supervisor admitted, and nothing else (N-28). With observe the
 * set holds addresses, and every name gets one. */
static int verify_admitted(struct step_gate *sg, struct dd_err *err)
{
	if (sg->job->observe || sg->step->terms->egress.n == 0)
		return 0;
	return net_rules_verify_admitted(sg->rules_fd, sg->admitted, sg->n_admitted, err);
}

int step_gate_close(struct step_gate *sg, struct dd_err *err)
{
	const struct gate_msg close_msg = { .type = GATE_CLOSE };
	struct dd_err widened = { 0 };
	int r, wide;

	sg->closing = true;
	wide = verify_admitted(sg, &widened);
	/* whatever that says, it is closed first */
	if ((r = net_rules_close(sg->rules_fd, err)) < 0)
		return r;
	sg->result->gate_verified = true;
	if ((r = gate_send(&sg->gate, &close_msg, err)) < 0)
		return r;
	r = serve_until(sg, &sg->closed, CLOSE_MS, "close its connections", err);
	return r == 0 && wide < 0 ? dd_err_say(err, -wide, "%s", widened.msg) : r;
}

static struct facts_sums sums_of(const struct step_destination *d, size_t n)
{
	return (struct facts_sums){ .known = true,
		                    .destinations = (int64_t)n,
		                    .connections = (int64_t)d->connections,
		                    .bytes_in = (int64_t)d->bytes_in,
		                    .bytes_out = (int64_t)d->bytes_out,
		                    .denials = (int64_t)d->denials };
}

/* The entries with a cap that this step used, and how much of it; memory for the rows of all. */
struct used_entries {
	struct entry_text *texts;
	struct facts_wildcard *wildcards;
	struct facts_block *blocks;
	size_t n_wildcards, n_blocks;
};

static void used_entries_done(struct used_entries *u)
{
	free(u->texts);
	free(u->wildcards);
	free(u->blocks);
}

static bool used_entries_make(const struct step_gate *sg, struct used_entries *ret)
{
	const struct egress_list *list = &sg->step->terms->egress;
	ret->texts = calloc(list->n + 1, sizeof(*ret->texts));
	ret->wildcards = calloc(list->n + 1, sizeof(*ret->wildcards));
	ret->blocks = calloc(list->n + 1, sizeof(*ret->blocks));
	if (!ret->texts || !ret->wildcards || !ret->blocks)
		return false;
	for (size_t i = 0; i < list->n; i++) {
		if (!sg->counted[i])
			continue;
		entry_spell(&list->entries[i], &ret->texts[i]);
		if (list->entries[i].host)
			ret->wildcards[ret->n_wildcards++] = (struct facts_wildcard){
				.entry = ret->texts[i].text, .names = sg->counted[i]
			};
		else
			ret->blocks[ret->n_blocks++] = (struct facts_block){
				.entry = ret->texts[i].text, .addresses = sg->counted[i]
			};
	}
	return true;
}

static int record_closed(struct step_gate *sg, const struct net_counters *c, struct dd_err *err)
{
	struct step_result *res = sg->result;
	size_t not_listed = res->all_destinations - res->n_destinations;
	__attribute__((cleanup(used_entries_done))) struct used_entries used = { .texts = NULL };
	dd_auto_free struct facts_receipt *receipts = calloc(res->n_destinations + 1,
	                                                     sizeof(*receipts));
	if (!receipts || !used_entries_make(sg, &used))
		return dd_err_set(err, ENOMEM, "record the receipt");
	qsort(res->destinations, res->n_destinations, sizeof(res->destinations[0]), by_size);
	for (size_t i = 0; i < res->n_destinations; i++) {
		const struct step_destination *d = &res->destinations[i];
		receipts[i] = (struct facts_receipt){ .host = d->host,
			                              .port = d->port,
			                              .connections = (int64_t)d->connections,
			                              .bytes_in = (int64_t)d->bytes_in,
			                              .bytes_out = (int64_t)d->bytes_out,
			                              .denials = (int64_t)d->denials,
			                              .ech = d->ech ? (int64_t)d->ech
			                                            : FACTS_ABSENT };
	}
	struct facts_gate gate = {
		.receipts = receipts,
		.n_receipts = res->n_destinations,
		.total = sums_of(&res->total, res->all_destinations),
		.verified = res->gate_verified,
		.peak_connections = sg->peak_connections,
		.wildcards = used.n_wildcards ? used.wildcards : NULL,
		.n_wildcards = used.n_wildcards,
		.blocks = used.n_blocks ? used.blocks : NULL,
		.n_blocks = used.n_blocks,
		.kernel = { .accepted_packets = (int64_t)c->accepted_packets,
		            .accepted_bytes = (int64_t)c->accepted_bytes,
		            .denied_packets = (int64_t)c->denied_packets,
		            .denied_bytes = (int64_t)c->denied_bytes },
		.unreported = (int64_t)res->unreported,
	};
	if (not_listed > 0)
		gate.not_listed = sums_of(&res->cut, not_listed);
	return record_gate_close(sg->job->rec, sg->step->ref, sg->step->phase, &gate, err);
}

/* They stand in the counters all the same. */
static void tell_untold(struct step_gate *sg)
{
	uint64_t n = record_untold(sg->job->rec) - sg->untold_before;
	char line[300];

	if (n == 0)
		return;
	sg->result->unreported += n;
	(void)snprintf(line, sizeof(line),
	               "drydock: %llu connections and refusals of this step were counted and not "
	               "recorded one by one: the record came to 3/4 of limits.record (%llu bytes)",
	               (unsigned long long)n, (unsigned long long)record_limit_bytes(sg->job->rec));
	sg->tell(sg->tell_arg, line);
}

static int receipt(struct step_gate *sg, struct dd_err *err)
{
	struct step_result *res = sg->result;
	struct net_counters c = { 0 };
	int r = net_rules_counters(sg->rules_fd, &c, err);
	if (r < 0)
		return r;
	res->refused += c.denied_packets -
	                (sg->strays < c.denied_packets ? sg->strays : c.denied_packets);
	res->refused += sg->names_refused;
	res->refused += res->total.denials;
	tell_untold(sg);
	return record_closed(sg, &c, err);
}

int step_gate_finish(struct step_gate *sg, struct dd_err *err)
{
	const struct gate_msg finish = { .type = GATE_FINISH };
	int r = gate_send(&sg->gate, &finish, err);
	if (r == 0)
		r = serve_until(sg, &sg->done, FINISH_MS, "hand over its receipt", err);
	int written = receipt(sg, r < 0 ? NULL : err);
	return r < 0 ? r : written;
}

void step_gate_destroy(struct step_gate *sg)
{
	gate_destroy(&sg->gate);
	dd_close_p(&sg->rules_fd);
	if (sg->names)
		(void)munmap(sg->names, STEP_GATE_NAMES_BYTES);
	sg->names = NULL;
	free(sg->counted);
	sg->counted = NULL;
	free(sg->admitted);
	sg->admitted = NULL;
	sg->n_admitted = 0;
}
