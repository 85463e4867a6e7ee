// SPDX-License-Identifier: Apache-2.0
/* suggest_write.c - the suggested policy as YAML: one rule, destination, budget or credential to a
 * line, each with its reason.
 *
 * Runs in: command line. Every text that a record chose is double-quoted, in comments too: it can
 * neither end a line nor a scalar. */
#include "suggest_parts.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

enum { MIB = 1 << 20 };

struct writing {
	const struct suggest *s;
	FILE *out;
};

static const char *quoted(const struct writing *w, const char *text)
{
	return suggest_quoted(w->s->arena, text);
}

__attribute__((format(printf, 2, 3))) static void say(const struct writing *w, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	(void)vfprintf(w->out, fmt, ap);
	va_end(ap);
}

static const char *size_text(struct plan_arena *arena, uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;
	while (bytes > 0 && bytes % 1024 == 0 && unit + 1 < ARRAY_LEN(units)) {
		bytes /= 1024;
		unit++;
	}
	return arena_printf(arena, "%" PRIu64 "%s", bytes, units[unit]);
}

static const char *time_text(struct plan_arena *arena, uint64_t sec)
{
	if (sec % 3600 == 0)
		return arena_printf(arena, "%" PRIu64 "h", sec / 3600);
	return sec % 60 == 0 ? arena_printf(arena, "%" PRIu64 "m", sec / 60)
	                     : arena_printf(arena, "%" PRIu64 "s", sec);
}

/* ---- head ---- */

static void write_head(const struct writing *w)
{
	say(w, "# Suggested by `drydock policy suggest`. Each line is here because a recorded run "
	       "needed it: take one out, and\n"
	       "# `drydock policy replay` says what would be refused. Read it first: it allows "
	       "whatever the runs did, wanted or not.\n#\n");
	for (size_t i = 0; i < w->s->n_records; i++) {
		const struct record_facts *f = w->s->records[i];
		char cut[200];
		say(w, "#   %s: run %s, job %s, %s, %zu step%s\n", quoted(w, f->path),
		    quoted(w, f->run), quoted(w, f->job),
		    f->mode == FACTS_OBSERVED       ? "observed"
		    : f->mode != FACTS_MODE_UNKNOWN ? "enforced"
		                                    : "mode not recorded",
		    f->n_steps, f->n_steps == 1 ? "" : "s");
		if (f->event.known)
			say(w,
			    "#     to say which jobs it is for: for: { repository: %s, ref: %s }\n",
			    quoted(w, f->event.repository ? f->event.repository : ""),
			    quoted(w, f->event.ref ? f->event.ref : ""));
		if (suggest_cut_short(f, cut, sizeof(cut)))
			say(w, "#     %s\n", cut);
	}
	for (size_t i = 0; i < w->s->warnings.n; i++)
		say(w, "%s# WARNING: %s\n", i == 0 ? "#\n" : "", w->s->warnings.items[i]);
	say(w, "version: 1\n");
}

/* ---- steps ---- */

static void write_rule(const struct writing *w, const struct policy_rule *rule)
{
	const char *before = "";
	say(w, "  - { phase: %s, match: { ", phase_names[rule->phase]);
	for (int f = 0; f < RULE__COUNT; f++) {
		if (!rule->glob[f])
			continue;
		say(w, "%s%s: %s", before, rule_field_names[f], quoted(w, rule->glob[f]));
		before = ", ";
	}
	for (size_t i = 0; rule->env && rule->env[i]; i++)
		say(w, "%s%s", i ? ", " : ", env: [ ", quoted(w, rule->env[i]));
	say(w, rule->env ? " ] } }\n" : " } }\n");
}

static const struct suggest_rule *rule_of(const struct suggest *s, size_t step)
{
	for (size_t i = 0; i < s->n_rules; i++)
		if (s->rules[i].step == step && !s->rules[i].dropped)
			return &s->rules[i];
	return NULL;
}

static void write_steps(const struct writing *w)
{
	bool any = false;
	for (size_t i = 0; i < w->s->n_rules; i++)
		any = any || !w->s->rules[i].dropped;
	say(w, any ? "\nsteps:\n" : "\n# No step needs more than build.\n");
	for (size_t i = 0; i < w->s->n_steps; i++) {
		const struct suggest_step *step = &w->s->steps[i];
		const struct suggest_rule *rule = rule_of(w->s, i);
		const char *how = rule            ? ""
		                  : step->unnamed ? "; no rule can name it, so it stays build"
		                  : step->phase == DD_PHASE_BUILD
		                          ? ", so it needs no rule"
		                          : "; a rule for another step names it too";
		say(w, "%s# %s is %s: %s%s\n", any ? "  " : "", quoted(w, step->label),
		    phase_names[step->phase], step->reason, how);
		if (rule)
			write_rule(w, &rule->rule);
	}
}

/* ---- phases ---- */

static void write_entry(const struct writing *w, const struct suggest_entry *e)
{
	char addr[INET_ADDRSTRLEN] = "";
	const char *host = NULL;
	switch (e->kind) {
	case ENTRY_USE:
		say(w, "      - { use: %s, why: %s }\n", e->set, quoted(w, e->why));
		return;
	case ENTRY_CIDR:
		(void)inet_ntop(AF_INET, &e->entry.cidr, addr, sizeof(addr));
		say(w, "      - { cidr: %s/32, port: %u, why: %s }\n", addr,
		    (unsigned)e->entry.port, quoted(w, e->why));
		return;
	case ENTRY_WILDCARD:
		host = arena_printf(w->s->arena, "*.%s", e->entry.host);
		break;
	case ENTRY_HOST:
		host = e->entry.host;
		break;
	}
	say(w, "      - { host: %s, port: %u%s%s, why: %s }\n", quoted(w, host),
	    (unsigned)e->entry.port, e->entry.tls == EGRESS_TLS_RAW ? ", tls: raw" : "",
	    e->entry.private_ok ? ", private: allow" : "", quoted(w, e->why));
}

static void write_left_out(const struct writing *w, const struct suggest_phase *phase,
                           const char *indent)
{
	for (size_t i = 0; i < phase->left_out.n; i++)
		say(w, "%s# no entry for %s\n", indent, phase->left_out.items[i]);
}

static size_t entries_left(const struct suggest_phase *phase)
{
	size_t n = 0;
	for (size_t i = 0; i < phase->n_entries; i++)
		n += !phase->entries[i].dropped;
	return n;
}

static bool has_keys(const struct suggest_phase *phase, enum dd_phase which)
{
	if (entries_left(phase) > 0 || phase->upload || phase->connections || phase->wildcard_names)
		return true;
	return which == DD_PHASE_PUSH &&
	       (phase->trust_any || phase->view || phase->artifacts.n > 0);
}

static void write_budgets(const struct writing *w, const struct suggest_phase *phase)
{
	if (phase->upload)
		say(w,
		    "    upload: %s # most over one entry in one job: %" PRIu64
		    " bytes; twice that, rounded up\n",
		    size_text(w->s->arena, phase->upload), phase->upload_seen);
	if (phase->connections)
		say(w,
		    "    connections: %" PRIu64 " # most open at one time: %" PRIu64
		    "; twice that, rounded up\n",
		    phase->connections, phase->connections_seen);
	if (phase->wildcard_names)
		say(w,
		    "    wildcard_names: %" PRIu64
		    " # as many as were seen under one wildcard, rounded up\n",
		    phase->wildcard_names);
}

static void write_push(const struct writing *w, const struct suggest_phase *push)
{
	if (push->trust_any)
		say(w, "    trust: any # as in the recorded policy: jobs that are not trusted may "
		       "push, without credentials\n");
	if (push->view && strcmp(push->view, workspace_view_names[WORKSPACE_SHARED]) == 0)
		say(w, "    # Narrower: name the artifacts and take this line out; push then sees "
		       "the commit and them, not all that build left.\n");
	if (push->view)
		say(w, "    workspace: %s # as the runs had it\n", push->view);
	if (push->artifacts.n > 0)
		say(w, "    artifacts:\n");
	for (size_t i = 0; i < push->artifacts.n; i++)
		say(w, "      - %s\n", quoted(w, push->artifacts.items[i]));
}

static void write_phase(const struct writing *w, enum dd_phase which)
{
	const struct suggest_phase *phase = &w->s->phases[which];
	say(w, "  %s:\n", phase_names[which]);
	if (entries_left(phase) > 0)
		say(w, "    egress:\n");
	for (size_t i = 0; i < phase->n_entries; i++)
		if (!phase->entries[i].dropped)
			write_entry(w, &phase->entries[i]);
	write_left_out(w, phase, "      ");
	write_budgets(w, phase);
	if (which == DD_PHASE_PUSH)
		write_push(w, phase);
}

static void write_phases(const struct writing *w)
{
	static const enum dd_phase order[] = { DD_PHASE_FETCH, DD_PHASE_PUSH };
	bool any = false;
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		any = any || has_keys(&w->s->phases[order[i]], order[i]);
	say(w, "%s", any ? "\nphases:\n" : "");
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if (has_keys(&w->s->phases[order[i]], order[i]))
			write_phase(w, order[i]);
		else
			write_left_out(w, &w->s->phases[order[i]], "");
	write_left_out(w, &w->s->phases[DD_PHASE_BUILD], "");
}

/* ---- the rest ---- */

static void write_credentials(const struct writing *w)
{
	const struct suggest *s = w->s;
	if (s->n_credentials > 0)
		say(w, "\ncredentials:\n");
	for (size_t i = 0; i < s->n_credentials; i++) {
		const struct suggest_credential *c = &s->credentials[i];
		say(w, "  %s: { from: { %s: %s }, for: { phase: %s, steps: [ ",
		    c->name[0] == '-' ? quoted(w, c->name) : c->name, c->from_key,
		    quoted(w, c->from), phase_names[c->phase]);
		for (size_t k = 0; k < c->ids.n; k++)
			say(w, "%s%s", k ? ", " : "", quoted(w, c->ids.items[k]));
		say(w, " ] }, as: { %s: %s }", c->as_key, quoted(w, c->as));
		if (c->ttl_sec != FACTS_ABSENT)
			say(w, ", ttl: %s", time_text(s->arena, (uint64_t)c->ttl_sec));
		say(w, " }\n");
	}
}

static void write_actions(const struct writing *w)
{
	const struct suggest *s = w->s;
	if (s->actions.allow.n == 0)
		return;
	say(w, "\nactions:\n  allow:\n");
	for (size_t i = 0; i < s->actions.allow.n; i++)
		say(w, "    - %s\n", quoted(w, s->actions.allow.items[i]));
	say(w, "  pin: %s%s%s\n", actions_pin_names[s->actions.pin],
	    s->actions.pin_of ? " # narrower: name them by their commits; " : "",
	    s->actions.pin_of ? quoted(w, s->actions.pin_of) : "");
	for (size_t i = 0; i < s->actions.loose.n; i++)
		say(w, "  # %s\n", s->actions.loose.items[i]);
	if (s->actions.mirror)
		say(w, "  mirror: %s\n", quoted(w, s->actions.mirror));
	if (s->actions.from)
		say(w, "  from: %s\n", quoted(w, s->actions.from));
	if (!s->actions.mirror && !s->actions.from)
		say(w, "  # the record does not say where they came from: mirror: DIRECTORY, or "
		       "from: https://HOST\n");
	say(w, "  # which Node.js ran them (`node`) is not in a record\n");
}

static void write_limits(const struct writing *w)
{
	const struct suggest *s = w->s;
	if (s->time_sec || s->log_bytes)
		say(w, "\nlimits:\n");
	if (s->time_sec)
		say(w, "  time: %s # twice the longest step, rounded up to hours\n",
		    time_text(s->arena, s->time_sec));
	if (s->log_bytes)
		say(w, "  log: %s # twice the longest output, rounded up\n",
		    size_text(s->arena, s->log_bytes));
	if (s->memory_seen || s->files_seen || s->disk_seen)
		say(w, "\n# No limit is needed for these; with room for twice what the largest "
		       "step used, they would be:\n# limits: {");
	const char *before = " ";
	if (s->memory_seen) {
		say(w, "%smemory: %s", before,
		    size_text(s->arena, suggest_head_room(s->memory_seen, MIB)));
		before = ", ";
	}
	if (s->files_seen) {
		say(w, "%sfiles: %" PRIu64, before, suggest_head_room(s->files_seen, 1024));
		before = ", ";
	}
	if (s->disk_seen)
		say(w, "%sdisk: %s", before,
		    size_text(s->arena, suggest_head_room(s->disk_seen, MIB)));
	if (s->memory_seen || s->files_seen || s->disk_seen)
		say(w, " }\n");
}

static void write_sandbox(const struct writing *w)
{
	const struct suggest *s = w->s;
	if (s->seccomp || s->syscalls.n || s->read.n)
		say(w, "\nsandbox:\n");
	if (s->seccomp)
		say(w, "  seccomp: %s\n", quoted(w, s->seccomp));
	if (s->syscalls.n)
		say(w, "  syscalls:\n");
	for (size_t i = 0; i < s->syscalls.n; i++)
		say(w, "    - %s\n", quoted(w, s->syscalls.items[i]));
	if (s->read.n)
		say(w, "  read:\n");
	for (size_t i = 0; i < s->read.n; i++)
		say(w, "    - %s\n", quoted(w, s->read.items[i]));
	for (size_t i = 0; i < s->call_notes.n; i++)
		say(w, "%s# no line for %s\n", i == 0 ? "\n" : "", s->call_notes.items[i]);
}

int suggest_write(const struct suggest *s, FILE *out)
{
	const struct writing w = { .s = s, .out = out };
	write_head(&w);
	write_steps(&w);
	write_phases(&w);
	write_credentials(&w);
	write_actions(&w);
	write_limits(&w);
	write_sandbox(&w);
	return ferror(out) ? -EIO : 0;
}
