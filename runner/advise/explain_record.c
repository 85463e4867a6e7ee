// SPDX-License-Identifier: Apache-2.0
/* explain_record.c - why an event of a record was refused, and what would allow it next time.
 *
 * Runs in: command line. The record is foreign: its texts go through advice.c, which takes nothing
 * that is no name or number, and are escaped when they are printed.
 */
#include "explain.h"

#include "input/config_path.h"
#include "base/digest.h"
#include "drydock/seccomp_view.h"
#include "policy/policy_model.h"
#include "record/record_facts.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static enum dd_phase phase_of(const struct facts_step *s)
{
	for (int p = 0; s->phase && p < DD_PHASE__COUNT; p++)
		if (strcmp(dd_phase_name((enum dd_phase)p), s->phase) == 0)
			return (enum dd_phase)p;
	return DD_PHASE_BUILD;
}

static void set_process(const struct facts_process *p, struct explain_answer *a)
{
	if (p->known && p->exe)
		(void)snprintf(a->process, sizeof(a->process),
		               p->argv && *p->argv ? "%.200s (%.400s)" : "%.200s", p->exe,
		               p->argv ? p->argv : "");
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* Which entry of the gate had this name and port: as gate.open wrote them, "host:port" or
 * "*.suffix:port". */
static const char *origin_of(const struct facts_step *s, const char *host, uint16_t port)
{
	char exact[400];
	const char *wild = NULL;
	(void)snprintf(exact, sizeof(exact), "%s:%u", host, (unsigned)port);
	for (size_t i = 0; *host && i < s->gate.n_entries; i++) {
		const struct facts_entry *e = &s->gate.entries[i];
		if (!e->entry || !e->origin)
			continue;
		if (strcmp(e->entry, exact) == 0)
			return e->origin;
		size_t len = strlen(e->entry), all = strlen(exact);
		if (strncmp(e->entry, "*.", 2) == 0 && all > len - 1 &&
		    strcmp(exact + all - (len - 1), e->entry + 1) == 0)
			wild = e->origin;
	}
	return wild;
}

/* ---- the policy that would be changed ---- */

/* What the policy as it stands limits that @reason is about; 0: nothing, or it cannot be read. */
static uint64_t limit_in(const char *policy, enum dd_phase phase, enum dd_reason reason)
{
	struct policy_text text = { .arena = NULL };
	const char *key = dd_reason_row(reason)->key;
	char dotted[64];
	uint64_t n = 0;
	if (!key)
		return 0;
	struct policy usual = { .arena = arena_new() };
	policy_defaults(&usual);
	n = egress_limit(&usual.phases[phase].egress, reason);
	arena_free(usual.arena);
	if (!policy[0] || policy_text_load(policy, &text, NULL) < 0)
		return n;
	(void)snprintf(dotted, sizeof(dotted), "phases.%s.%s", dd_phase_name(phase), key);
	const struct tree_node *node = policy_text_at(&text, dotted, NULL);
	if (node && node->kind == TREE_SCALAR && dd_reason_row(reason)->remedy == REMEDY_UPLOAD)
		(void)policy_size(node->text, &n);
	else if (node && node->kind == TREE_SCALAR)
		(void)policy_count(node->text, UINT32_MAX, &n);
	policy_text_done(&text);
	return n;
}

static bool same_digest(const struct policy_text *text, const char *sha256)
{
	struct digest *digest = NULL;
	char hex[DIGEST_HEX] = "";
	if (digest_new(&digest, NULL) == 0)
		(void)digest_bytes(digest, text->text, text->len, hex, NULL);
	digest_free(digest);
	return strcmp(hex, sha256) == 0;
}

/* Edits are made for the file as it is now; if that is not the file of the run, the reader must
 * know. */
static void choose_policy(const struct record_facts *f, const char *given, struct explain_answer *a)
{
	struct policy_text text = { .arena = NULL };
	struct dd_err err = { .code = 0 };
	const char *path = given ? given : f->policy.path;
	if (!path || !*path)
		return;
	if (policy_text_load(path, &text, &err) < 0) {
		(void)snprintf(a->note, sizeof(a->note),
		               "the policy cannot be read here (%.200s); name it with --policy",
		               err.msg);
		return;
	}
	(void)snprintf(a->policy, sizeof(a->policy), "%s", path);
	if (f->policy.sha256 && !same_digest(&text, f->policy.sha256))
		(void)snprintf(a->note, sizeof(a->note),
		               "%.200s is not the policy of that run any more, or never was: "
		               "places may have moved",
		               path);
	policy_text_done(&text);
}

/* ---- one function for each kind of event ---- */

/* What a rule could match. An older record has only the shown name, which is made up ("Run npm ci")
 * where the step has none. */
static const char *name_of(const struct facts_step *s)
{
	if (s->match.known)
		return s->match.name;
	return s->name && strncmp(s->name, "Run ", 4) != 0 ? s->name : NULL;
}

/* A record's word for it; a policy takes nothing else. */
static const char *digest_or_null(const char *text)
{
	return text && strlen(text) == DIGEST_HEX - 1 &&
	                       strspn(text, "0123456789abcdef") == DIGEST_HEX - 1
	               ? text
	               : NULL;
}

static struct advice_case case_of(const struct facts_step *s, enum dd_reason reason,
                                  const struct explain_answer *a)
{
	enum dd_phase phase = phase_of(s);
	return (struct advice_case){
		.phase = phase,
		.step_id = s->id,
		.step_name = name_of(s),
		.step_uses = s->match.uses,
		.step_run = s->match.run_exact ? s->match.run : NULL,
		.step_run_sha256 = digest_or_null(s->match.run_sha256),
		.step_shell = s->match.shell,
		.step_workdir = s->match.workdir,
		.step_vars = s->match.vars,
		.reason = reason,
		.upload_bytes = s->gate.upload_bytes > 0 ? (uint64_t)s->gate.upload_bytes : 0,
		.limit = limit_in(a->policy, phase, reason),
	};
}

static void conclude(const struct advice_case *c, struct explain_answer *a)
{
	a->has_advice = true;
	advice_make(c, &a->advice);
}

/* The record is foreign: what is no address stands in no line. */
static const char *const *pins_or_null(const char *const *texts)
{
	unsigned char bytes[16];
	for (size_t i = 0; texts && texts[i]; i++)
		if (i == EGRESS_PINS_MAX || (inet_pton(AF_INET, texts[i], bytes) != 1 &&
		                             inet_pton(AF_INET6, texts[i], bytes) != 1))
			return NULL;
	return texts && texts[0] ? texts : NULL;
}

static void explain_net(const struct facts_step *s, const struct facts_net *n,
                        struct explain_answer *a)
{
	bool name = n->kind == FACTS_NAME_REFUSED || n->kind == FACTS_RESOLVED;
	const char *host = or_empty(n->host), *address = or_empty(n->address);
	/* tried because the run observed, and not reached: that says nothing about the policy */
	struct advice_case c = case_of(s, n->would_deny ? n->would_reason : n->reason, a);
	c.host = host;
	c.address = address;
	c.proto = n->proto ? n->proto : name ? "dns" : "tcp";
	c.port = n->port;
	c.origin = origin_of(s, host, n->port);
	c.wants.port = n->wants.port;
	c.wants.raw = n->wants.raw;
	c.wants.private_ok = n->wants.private_ok;
	c.wants.addresses = pins_or_null(n->wants.address);
	if (name)
		(void)snprintf(a->asked, sizeof(a->asked), "look up the name %.300s", host);
	else
		(void)snprintf(a->asked, sizeof(a->asked), "connect (%.8s) to %.300s:%u%s%.60s",
		               c.proto, *host ? host : address, (unsigned)n->port,
		               *host && *address ? " at " : "", *host ? address : "");
	(void)snprintf(a->why, sizeof(a->why), "%s", or_empty(n->why));
	(void)snprintf(a->decided, sizeof(a->decided), "%s", or_empty(c.origin));
	a->count = n->count > 0 ? (uint64_t)n->count : 1;
	set_process(&n->process, a);
	conclude(&c, a);
}

static void explain_call(const struct facts_step *s, const struct facts_syscall *f,
                         struct explain_answer *a)
{
	struct seccomp_view *view = NULL;
	char path[512];
	struct advice_case c = case_of(s, REASON_CALL_NOT_LISTED, a);
	c.call = or_empty(f->name);
	const char *profile = s->seccomp ? s->seccomp : "default";
	if (config_path_seccomp(profile, path, sizeof(path), NULL) == 0 &&
	    seccomp_view_load(path, NULL, &view, NULL) == 0) {
		const struct seccomp_view_call *call = seccomp_view_find(view, c.call);
		c.call_why = call ? call->why : NULL;
		if (call && call->never)
			c.reason = REASON_CALL_NEVER;
		if (call && call->file && call->line)
			(void)snprintf(a->decided, sizeof(a->decided), "%.400s:%u", call->file,
			               call->line);
	}
	(void)snprintf(a->asked, sizeof(a->asked), "system call %.60s%s%.100s", c.call,
	               f->detail ? " with " : "", or_empty(f->detail));
	(void)snprintf(a->why, sizeof(a->why), "profile %.60s answers %.60s%s%.400s", profile,
	               or_empty(f->answer), c.call_why ? ": " : "", or_empty(c.call_why));
	a->count = f->count > 0 ? (uint64_t)f->count : 1;
	set_process(&f->process, a);
	conclude(&c, a);
	seccomp_view_free(view);
}

static void explain_violation(const struct facts_step *s, const struct facts_violation *v,
                              struct explain_answer *a)
{
	struct advice_case c = case_of(s, v->reason, a);
	bool budget = v->kind && strcmp(v->kind, "budget") == 0;
	(void)snprintf(a->asked, sizeof(a->asked), budget ? "send more to %.300s:%u" : "%.300s%.0u",
	               or_empty(v->subject), (unsigned)v->port);
	if (!budget) {
		(void)snprintf(a->why, sizeof(a->why), "%.60s: %.300s; %.200s", or_empty(v->kind),
		               or_empty(v->change ? v->change : v->why), or_empty(v->consequence));
		a->has_advice = true;
		a->advice = (struct advice){
			.instead = "this is about the job's own files; no destination and no "
				   "system call would have to be allowed"
		};
		return;
	}
	c.host = or_empty(v->subject);
	c.port = v->port;
	c.proto = "tcp";
	c.bytes_out = v->bytes_out > 0 ? (uint64_t)v->bytes_out : 0;
	c.origin = origin_of(s, c.host, v->port);
	(void)snprintf(a->why, sizeof(a->why), "%s", or_empty(v->why));
	(void)snprintf(a->decided, sizeof(a->decided), "%s", or_empty(c.origin));
	conclude(&c, a);
}

static void explain_end(const struct facts_step *s, struct explain_answer *a)
{
	(void)snprintf(a->asked, sizeof(a->asked), "go on: the step %.60s", or_empty(s->outcome));
	(void)snprintf(a->why, sizeof(a->why), "%s",
	               s->message && *s->message ? s->message : "the record does not say why");
	a->has_advice = true;
	a->advice = (struct advice){
		.instead =
			"what ended the step stands in the reason; a limit is raised under `limits`"
	};
}

/* ---- finding it ---- */

static bool step_was_stopped(const struct facts_step *s)
{
	return s->outcome && strcmp(s->outcome, "succeeded") != 0 &&
	       strcmp(s->outcome, "failed") != 0 && strcmp(s->outcome, "not run") != 0;
}

/* 1: found and explained; 0: not in this step; -EINVAL: it is there, but nothing was refused. */
static int look_in_step(const struct facts_step *s, uint64_t seq, struct explain_answer *a,
                        int64_t *ret_ns, struct dd_err *err)
{
	for (size_t i = 0; i < s->n_net; i++) {
		const struct facts_net *n = &s->net[i];
		if (n->at.seq != seq)
			continue;
		if ((n->kind == FACTS_CONNECTED || n->kind == FACTS_RESOLVED) && !n->would_deny)
			return dd_err_say(err, EINVAL, "event %llu was allowed: %.200s",
			                  (unsigned long long)seq, or_empty(n->why));
		*ret_ns = n->at.mono_ns;
		return explain_net(s, n, a), 1;
	}
	for (size_t i = 0; i < s->n_calls; i++)
		if (s->calls[i].at.seq == seq) {
			*ret_ns = s->calls[i].at.mono_ns;
			return explain_call(s, &s->calls[i], a), 1;
		}
	for (size_t i = 0; i < s->n_violations; i++)
		if (s->violations[i].at.seq == seq) {
			*ret_ns = s->violations[i].at.mono_ns;
			return explain_violation(s, &s->violations[i], a), 1;
		}
	if (s->end.seq == seq && step_was_stopped(s)) {
		*ret_ns = s->end.mono_ns;
		return explain_end(s, a), 1;
	}
	return 0;
}

/* Whose code asked: the innermost action, and how it came to be there. */
static void say_action(const struct facts_step *s, struct explain_answer *a)
{
	static const char *const parts[][2] = { { "inside", "a step of" },
		                                { "pre", "the stage before the first step of" },
		                                { "post", "the stage behind the last step of" },
		                                { "main", "" } };
	const char *part = "";
	a->action[0] = '\0';
	if (!s->action)
		return;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (s->stage && strcmp(parts[i][0], s->stage) == 0)
			part = parts[i][1];
	(void)snprintf(a->action, sizeof(a->action), "%s%s%.200s%s%.64s%s%.150s", part,
	               *part ? " " : "", s->action,
	               s->action_commit   ? ", commit "
	               : s->action_sha256 ? ", sha256 "
	                                  : ", of the workspace",
	               s->action_commit   ? s->action_commit
	               : s->action_sha256 ? s->action_sha256
	                                  : "",
	               s->match.uses && strcmp(s->match.uses, s->action) != 0 ? ", brought by "
	                                                                      : "",
	               s->match.uses && strcmp(s->match.uses, s->action) != 0 ? s->match.uses : "");
}

static int look(const struct record_facts *f, uint64_t seq, struct explain_answer *a,
                struct dd_err *err)
{
	int64_t at_ns = f->start.mono_ns;
	for (size_t i = 0; i < f->n_steps; i++) {
		const struct facts_step *s = &f->steps[i];
		(void)snprintf(a->step, sizeof(a->step), "%.150s", or_empty(s->ref));
		(void)snprintf(a->phase, sizeof(a->phase), "%.15s", or_empty(s->phase));
		(void)snprintf(a->phase_why, sizeof(a->phase_why), "%.299s",
		               or_empty(s->phase_why));
		say_action(s, a);
		int r = look_in_step(s, seq, a, &at_ns, err);
		if (r != 0) {
			a->at_sec = (double)(at_ns - f->start.mono_ns) / 1e9;
			return r < 0 ? r : 0;
		}
	}
	return dd_err_say(err, EINVAL,
	                  "event %llu is no refusal (the record has %llu events; `record show "
	                  "--events` lists them)",
	                  (unsigned long long)seq, (unsigned long long)f->lines);
}

int explain_record(const char *path, uint64_t seq, const char *policy, struct explain_answer *ret,
                   struct dd_err *err)
{
	struct record_facts *f = NULL;
	int r = record_facts_load(path, &f, err);
	if (r < 0)
		return r;
	*ret = (struct explain_answer){ .verdict = "deny", .seq = seq };
	choose_policy(f, policy, ret);
	r = look(f, seq, ret, err);
	if (r == 0 && f->mode == FACTS_OBSERVED) {
		size_t len = strlen(ret->note);
		(void)snprintf(
			ret->note + len, sizeof(ret->note) - len,
			"%sthe run was only observed: what it says here would have been refused",
			len ? "; " : "");
	}
	record_facts_free(f);
	return r;
}
