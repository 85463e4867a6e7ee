// SPDX-License-Identifier: Apache-2.0
/* advice.c - which line of a policy would allow what was refused. Pure.
 *
 * Every reason names its remedy in one table (drydock/reason.h); here each remedy becomes a line. A
 * reason that is not known gets no advice: a wrong line in a policy is worse than none. */
#include "advice.h"

#include "drydock/netns.h"
#include "base/text_escape.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

static bool has(const char *text)
{
	return text && *text;
}

static const char *phase_of(const struct advice_case *c)
{
	/* build has no egress: such a step must become fetch first */
	return c->phase == DD_PHASE_PUSH ? "push" : "fetch";
}

__attribute__((format(printf, 2, 3))) static void beyond(struct advice *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (a->n_beyond < ADVICE_BEYOND_MAX)
		(void)vsnprintf(a->beyond[a->n_beyond++], sizeof(a->beyond[0]), fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 4, 5))) static void change(struct advice *a, enum advice_kind kind,
                                                         const char *where, const char *fmt, ...)
{
	struct advice_change *c = &a->change[a->n++];
	va_list ap;
	va_start(ap, fmt);
	*c = (struct advice_change){ .kind = kind };
	(void)snprintf(c->where, sizeof(c->where), "%s", where);
	(void)vsnprintf(c->text, sizeof(c->text), fmt, ap);
	va_end(ap);
}

/* "4MiB": a power of two that leaves room above @bytes. */
static void round_size(uint64_t bytes, char *out, size_t size)
{
	static const char *const units[] = { "", "KiB", "MiB", "GiB", "TiB" };
	uint64_t value = 1;
	size_t unit = 0;
	while (value < bytes && value < UINT64_MAX / 2)
		value *= 2;
	while (value >= 1024 && value % 1024 == 0 && unit + 1 < ARRAY_LEN(units)) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(out, size, "%" PRIu64 "%s", value, units[unit]);
}

static const char *budget_text(const struct advice_case *c, char *out, size_t size)
{
	if (!c->upload_bytes)
		return "as much as the phase's upload budget allows";
	char amount[32];
	round_size(c->upload_bytes, amount, sizeof(amount));
	(void)snprintf(out, size, "up to %s", amount);
	return out;
}

/* ---- one function for each remedy; they return NULL, or why no line helps ---- */

/* A double-quoted YAML scalar. False: it does not fit, or has bytes that would need more than that.
 */
static bool quote(const char *text, char *out, size_t size)
{
	size_t at = 0;
	if (size < 3)
		return false;
	out[at++] = '"';
	for (const char *p = text; *p;) {
		size_t n = utf8_char_len(p, strlen(p));
		if (n == 0 || !utf8_char_is_plain(p, n) || *p == '\t' || at + n + 3 > size)
			return false;
		if (*p == '"' || *p == '\\')
			out[at++] = '\\';
		memcpy(out + at, p, n);
		at += n;
		p += n;
	}
	out[at++] = '"';
	out[at] = '\0';
	return true;
}

static const char no_name[] =
	"no rule can name this step: give the step an id, or match its script with `run:`";

/* Text that grows until it is full. */
struct line {
	char *out;
	size_t at, size;
	bool full;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *l, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(l->out + l->at, l->size - l->at, fmt, ap);
	va_end(ap);
	l->full = l->full || n < 0 || (size_t)n >= l->size - l->at;
	l->at = l->full ? l->at : l->at + (size_t)n;
}

/* "KEY: TEXT", the text in quotes; a glob has no escape, and `?` is the narrowest that still
 * matches a star. */
static void put_text(struct line *l, const char *key, const char *text)
{
	char quoted[500];
	if (!quote(text, quoted, sizeof(quoted))) {
		l->full = true;
		return;
	}
	for (char *c = quoted; *c; c++)
		if (*c == '*')
			*c = '?';
	put(l, "%s: %s", key, quoted);
}

/* A rule by what a step runs says what else may decide what that is. */
static void put_the_rest(struct line *l, const struct advice_case *c)
{
	if (has(c->step_shell)) {
		put(l, ", ");
		put_text(l, "shell", c->step_shell);
	}
	if (has(c->step_workdir)) {
		put(l, ", ");
		put_text(l, "working_directory", c->step_workdir);
	}
	for (size_t i = 0; c->step_vars && c->step_vars[i]; i++)
		put(l, "%s%s%s", i ? ", " : ", env: [ ", c->step_vars[i],
		    c->step_vars[i + 1] ? "" : " ]");
}

enum { RUN_SHOWN_MAX = 160 }; /* a longer script is named by its digest */

/* By the first of its texts that fits on a line, best first: what the workflow's author chose as a
 * name, then what the step runs. */
static bool spell_rule(const struct advice_case *c, char *out, size_t size)
{
	bool short_run = has(c->step_run) && strlen(c->step_run) <= RUN_SHOWN_MAX &&
	                 !strchr(c->step_run, '\n');
	const struct {
		const char *key, *text;
		bool is_what_runs;
	} texts[] = {
		{ "id", c->step_id, false },
		{ "name", c->step_name, false },
		{ "uses", c->step_uses, true },
		{ "run", short_run ? c->step_run : NULL, true },
		{ "run_sha256", c->step_run_sha256, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct line l = { .out = out, .size = size };
		if (!has(texts[i].text))
			continue;
		put(&l, "{ phase: fetch, match: { ");
		put_text(&l, texts[i].key, texts[i].text);
		if (texts[i].is_what_runs)
			put_the_rest(&l, c);
		put(&l, " } }");
		if (!l.full)
			return true;
	}
	return false;
}

/* A build step must become a fetch step first. */
static bool add_rule(const struct advice_case *c, struct advice *a)
{
	char rule[sizeof(a->change[0].text)];
	if (c->phase != DD_PHASE_BUILD)
		return true;
	if (!spell_rule(c, rule, sizeof(rule)))
		return false;
	change(a, ADVICE_LIST_ADD, "steps", "%s", rule);
	beyond(a, "The step leaves build: it gets every entry, variable and budget of fetch, not "
	          "only this one.");
	beyond(a, "Its network is open while it runs code that nobody has read; a step that only "
	          "downloads is safer.");
	return true;
}

/* An entry of its own for @host, with all that is known to be needed. */
static void add_entry(const struct advice_case *c, struct advice *a, const char *host,
                      unsigned port)
{
	char text[sizeof(a->change[0].text)], where[64], budget[64];
	const char *const *pins = c->wants.addresses;
	struct line l = { .out = text, .size = sizeof(text) };

	put(&l, "{ host: %s, port: %u", host, port);
	for (size_t i = 0; pins && pins[i]; i++)
		put(&l, "%s\"%s\"%s", i ? ", " : ", address: [ ", pins[i], pins[i + 1] ? "" : " ]");
	put(&l, "%s%s, why: \"...\" }", c->wants.raw ? ", tls: raw" : "",
	    c->wants.private_ok ? ", private: allow" : "");
	(void)snprintf(where, sizeof(where), "phases.%s.egress", phase_of(c));
	change(a, ADVICE_LIST_ADD, where, "%s", text);
	beyond(a,
	       "Every step of %s may reach every path and every account behind %.100s:%u, not only "
	       "what this step asked for.",
	       phase_of(c), host, port);
	if (c->wants.raw)
		beyond(a,
		       "Nobody checks whom the client names, and any protocol passes on port %u.",
		       port);
	if (c->wants.private_ok)
		beyond(a,
		       "Whoever answers for %.100s in the host's DNS decides which machine inside "
		       "your network it reaches.",
		       host);
	beyond(a, "Together they may send %s there in one job.",
	       budget_text(c, budget, sizeof(budget)));
}

static const char *advise_name(const struct advice_case *c, struct advice *a)
{
	char host[EGRESS_HOST_MAX + 1];
	/* a query goes to port 53, whatever the program wants afterwards */
	bool query = c->port == 0 || (has(c->proto) && strcmp(c->proto, "dns") == 0);
	unsigned port = !query ? c->port : c->wants.port ? c->wants.port : 443;
	/* A masked name (***), or one that the gate had to escape, is no name that an entry could
	 * hold. */
	if (egress_host_canonical(c->host, strlen(c->host), host) < 0 || strcmp(host, c->host) != 0)
		return "the name as it was written down is none that an entry can hold";
	if (!add_rule(c, a))
		return no_name;
	add_entry(c, a, host, port);
	if (query && c->wants.port)
		beyond(a,
		       "A query names no port; %u is what the program was told, or usually "
		       "takes.",
		       port);
	else if (query)
		beyond(a, "A query names no port; 443 is a guess, put another if the program "
		          "speaks something else.");
	return NULL;
}

static const char *advise_address(const struct advice_case *c, struct advice *a)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	char where[64], budget[64];
	if (has(c->address) && strchr(c->address, ':'))
		return "steps have IPv4 through the gate only; programs fall back to it";
	if (!has(c->address) || inet_pton(AF_INET, c->address, &sin.sin_addr) != 1)
		return "no name and no address is known of it";
	if (egress_addr_is_metadata((const struct sockaddr *)&sin))
		return "a metadata service hands out the credentials of this machine; no phase may "
		       "reach it";
	if (ntohl(sin.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET)
		return "loopback is the step's own inside the sandbox; a service of the host needs "
		       "a name with `address:`";
	if ((ntohl(sin.sin_addr.s_addr) & 0xfffe0000u) == (NET_RESOLVER_ADDR & 0xfffe0000u))
		return "198.18.0.0/15 stands for names inside a step; an address of it counts only "
		       "after a lookup";
	if (c->port == 0)
		return "no port is known of it";
	if (!add_rule(c, a))
		return no_name;
	const char *special = egress_addr_special((const struct sockaddr *)&sin);
	(void)snprintf(where, sizeof(where), "phases.%s.egress", phase_of(c));
	change(a, ADVICE_LIST_ADD, where, "{ cidr: %s/32, port: %u, %swhy: \"...\" }", c->address,
	       (unsigned)c->port, special ? "private: allow, " : "");
	beyond(a,
	       "Every step of %s may reach whoever answers at %s:%u; no name is asked for and no "
	       "certificate looked at.",
	       phase_of(c), c->address, (unsigned)c->port);
	if (special)
		beyond(a, "It is inside your network (%s).", special);
	beyond(a, "Together they may send %s there in one job.",
	       budget_text(c, budget, sizeof(budget)));
	return NULL;
}

static const char *advise_entry(const struct advice_case *c, struct advice *a)
{
	if (has(c->proto) && strcmp(c->proto, "tcp") != 0 && strcmp(c->proto, "dns") != 0)
		return "steps have TCP through the gate only; clients fall back to it";
	return has(c->host) ? advise_name(c, a) : advise_address(c, a);
}

static void change_entry(const struct advice_case *c, struct advice *a, const char *text)
{
	change(a, ADVICE_ENTRY_ADD, "", "%s", text);
	(void)snprintf(a->change[a->n - 1].origin, sizeof(a->change[0].origin), "%s", c->origin);
}

bool advice_origin_is_place(const char *origin)
{
	const char *colon = has(origin) ? strrchr(origin, ':') : NULL;
	return colon && colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1);
}

/* The entry at @origin comes from a set and cannot be written to; one of the operator's own for the
 * same name and port takes its place. */
static const char *advise_instead_of_set(const struct advice_case *c, struct advice *a)
{
	const char *instead = advise_name(c, a);
	if (!instead)
		beyond(a, "It takes the place of the entry of the set (%.100s).", c->origin);
	return instead;
}

static const char *advise_private(const struct advice_case *c, struct advice *a)
{
	struct advice_case own = *c;
	own.wants.private_ok = true;
	if (!has(c->origin)) /* observed: it is on no list yet */
		return advise_name(&own, a);
	if (!advice_origin_is_place(c->origin))
		return advise_instead_of_set(&own, a);
	change_entry(c, a, "private: allow");
	if (c->wants.raw)
		change_entry(c, a, "tls: raw");
	beyond(a,
	       "Whoever answers for %.100s in the host's DNS then decides which machine inside "
	       "your network a step of %s reaches.",
	       c->host, phase_of(c));
	beyond(a, "If its addresses are known, `address: [ ... ]` on the entry pins them.");
	if (c->wants.raw)
		beyond(a, "The program speaks neither TLS nor HTTP, so nobody checks whom it "
		          "names.");
	return NULL;
}

static const char *advise_raw(const struct advice_case *c, struct advice *a)
{
	struct advice_case own = *c;
	own.wants.raw = true;
	if (has(c->origin) && !advice_origin_is_place(c->origin))
		return advise_instead_of_set(&own, a);
	if (!has(c->origin))
		return "nothing is known of the entry that it is about";
	change_entry(c, a, "tls: raw");
	beyond(a,
	       "Nobody checks any more whom the client names: every tenant behind the addresses of "
	       "%.100s is reached as well.",
	       c->host);
	beyond(a, "Any protocol passes on port %u, not only this one.", (unsigned)c->port);
	if (c->reason == REASON_TLS_OTHER_HOST || c->reason == REASON_HTTP_OTHER_HOST)
		beyond(a, "If the client means another host, an entry for that host is the "
		          "narrower answer.");
	return NULL;
}

static const char *advise_ech(const struct advice_case *c, struct advice *a)
{
	if (!advice_origin_is_place(c->origin))
		return advise_instead_of_set(c, a);
	change_entry(c, a, "ech: pass");
	beyond(a,
	       "Browsers send such a hello always, mostly as a decoy. A real one hides from "
	       "drydock which name behind the servers of %.100s the client means.",
	       c->host);
	return NULL;
}

static const char *advise_upload(const struct advice_case *c, const char *key, struct advice *a)
{
	char where[64], amount[32];
	uint64_t known = c->bytes_out > c->limit ? c->bytes_out : c->limit;
	if (c->phase == DD_PHASE_BUILD || known > UINT64_MAX / 8)
		return "nothing is known that would allow it";
	round_size(known ? known * 2 : 2ULL * 1024 * 1024, amount, sizeof(amount));
	(void)snprintf(where, sizeof(where), "phases.%s.%s", phase_of(c), key);
	change(a, ADVICE_VALUE_SET, where, "%s", amount);
	beyond(a, "%s may send %s over each entry of %s.",
	       strcmp(key, "upload") == 0 ? "Every job" : "Every step", amount, phase_of(c));
	beyond(a, "How much it wanted to send is not known, because it was cut; twice what is "
	          "known is a guess.");
	return NULL;
}

static const char *advise_count(const struct advice_case *c, const char *key, struct advice *a)
{
	char where[64];
	if (c->phase == DD_PHASE_BUILD || c->limit == 0 || c->limit > 32767)
		return "the limit in force is not known";
	(void)snprintf(where, sizeof(where), "phases.%s.%s", phase_of(c), key);
	change(a, ADVICE_VALUE_SET, where, "%" PRIu64, c->limit * 2);
	beyond(a, "Every entry of %s gets twice as many.", phase_of(c));
	if (strstr(key, "wildcard_names"))
		beyond(a, "Each distinct name below a wildcard can carry data out to whoever "
		          "serves that domain's DNS.");
	return NULL;
}

static const char *advise_call(const struct advice_case *c, struct advice *a)
{
	if (!has(c->call) ||
	    strspn(c->call, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(c->call))
		return "no name is known of it, so no list can hold it";
	change(a, ADVICE_LIST_ADD, "sandbox.syscalls", "%s", c->call);
	beyond(a, "Every step of every phase may call %s, with any arguments.", c->call);
	if (has(c->call_why))
		beyond(a, "The profile refuses it because: %.180s", c->call_why);
	return NULL;
}

static const char *advise(const struct advice_case *c, struct advice *a)
{
	const struct dd_reason_row *reason = dd_reason_row(c->reason);

	switch (reason->remedy) {
	case REMEDY_ENTRY:
		return advise_entry(c, a);
	case REMEDY_PRIVATE:
		return advise_private(c, a);
	case REMEDY_RAW:
		return advise_raw(c, a);
	case REMEDY_ECH:
		return advise_ech(c, a);
	case REMEDY_UPLOAD:
		return advise_upload(c, reason->key, a);
	case REMEDY_COUNT:
		return advise_count(c, reason->key, a);
	case REMEDY_CALL:
		return advise_call(c, a);
	case REMEDY_NONE:
		break;
	}
	return reason->instead ? reason->instead : "nothing is known that would allow it";
}

void advice_make(const struct advice_case *c, struct advice *ret)
{
	struct advice a = { .n = 0 };
	const char *instead = advise(c, &a);
	if (instead)
		a = (struct advice){ .instead = instead };
	*ret = a;
}

/* ---- as one sentence ---- */

/* "add under WHERE: - TEXT", without the verb of one before it that is the same. */
static void put_change(struct line *l, const struct advice *advice, size_t i)
{
	const struct advice_change *c = &advice->change[i], *before = i ? c - 1 : NULL;
	bool again = before && before->kind == c->kind;

	if (before)
		put(l, " and ");
	switch (c->kind) {
	case ADVICE_LIST_ADD: /* the first rule that matches wins */
		put(l, "%sunder %s%s: - %s", again ? "" : "add ", c->where,
		    strcmp(c->where, "steps") == 0 ? ", before the others" : "", c->text);
		return;
	case ADVICE_VALUE_SET:
		put(l, "set %s: %s", c->where, c->text);
		return;
	case ADVICE_ENTRY_ADD:
		put(l, "%s`%s`", again ? "" : "add ", c->text);
		if (i + 1 == advice->n)
			put(l, " to the entry at %s", c->origin);
		return;
	}
}

void advice_sentence(const struct advice_case *c, const struct advice *advice, const char *policy,
                     char *out, size_t size)
{
	const char *file = policy ? policy : "a policy file (--policy; there is none now)";
	struct line l = { .out = out, .size = size };

	out[0] = '\0';
	if (advice->n == 0 && advice->instead == no_name)
		put(&l, "; %s", no_name);
	else if (advice->n == 0 && has(c->origin)) /* on the list already; something else was
	                                              wrong, and why says what */
		put(&l, "; the entry is at %s", c->origin);
	else if (advice->n == 0 && advice->instead &&
	         dd_reason_row(c->reason)->remedy == REMEDY_ENTRY) /* a line looks possible */
		put(&l, "; no line would allow it: %s", advice->instead);
	if (advice->n == 0)
		return;
	if (c->reason == REASON_TLS_ENCRYPTED_HELLO && advice->change[0].kind == ADVICE_ENTRY_ADD) {
		/* it stands there, as refuse */
		put(&l, "; to allow it, write `%s` into the entry at %s", advice->change[0].text,
		    advice->change[0].origin);
		return;
	}
	put(&l, "; to allow it, ");
	if (advice->change[0].kind != ADVICE_ENTRY_ADD)
		put(&l, "in %s ", file);
	for (size_t i = 0; i < advice->n; i++)
		put_change(&l, advice, i);
	if (l.full) /* half a line would be a wrong one */
		(void)snprintf(out, size,
		               "; the line that would allow it is too long to show here: "
		               "drydock policy explain has it");
}
