// SPDX-License-Identifier: Apache-2.0
/* plan_json.c - a plan for tools: everything that the text says, and what it leaves out.
 *
 * Runs in: command line and supervisor. Text of the workflow goes in as it is where it is UTF-8,
 * otherwise escaped. */
#include "plan_print.h"

#include "drydock/sandbox_shown.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *texts(const char *const *list)
{
	json_t *out = json_array();
	for (size_t i = 0; list && list[i]; i++)
		(void)json_array_append_new(out, json_string(list[i]));
	return out;
}

/* Both are taken; NULL when one of them could not be built. */
static json_t *joined(json_t *a, json_t *b)
{
	if (!a || !b || json_object_update(a, b) < 0) {
		json_decref(a);
		a = NULL;
	}
	json_decref(b);
	return a;
}

static json_t *pairs_json(const struct pair *pairs, size_t n)
{
	json_t *out = json_array();
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(out, json_pack("{s:s, s:s}", "name", pairs[i].name,
		                                           "value", pairs[i].value));
	return out;
}

static json_t *place_json(const struct diag_mark *mark)
{
	return json_pack("{s:s, s:i, s:i}", "file", mark->file, "line", (int)mark->line, "column",
	                 (int)mark->column);
}

/* ---- a step ---- */

static json_t *entry_json(const struct egress_entry *e)
{
	char name[PLAN_ENTRY_MAX];
	json_t *pins = json_array();
	plan_shown_entry(e, name);
	for (size_t i = 0; i < EGRESS_PINS_MAX && e->pins[i]; i++)
		(void)json_array_append_new(pins, json_string(e->pins[i]));
	return json_pack("{s:s, s:i, s:b, s:s, s:o, s:s?, s:s}", "destination", name, "port",
	                 (int)e->port, "private", e->private_ok, "tls",
	                 e->tls == EGRESS_TLS_RAW ? "raw" : "sni", "address", pins, "why", e->why,
	                 "origin", e->origin);
}

static json_t *rules_json(const struct plan_step *step)
{
	char *rules = plan_shown_rules(step), *rest = NULL;
	json_t *out = rules ? json_array() : NULL;
	for (const char *line = rules ? strtok_r(rules, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest))
		(void)json_array_append_new(out, json_string(line));
	free(rules);
	return out;
}

static json_t *egress_json(const struct plan_step *step)
{
	const struct egress_list *list = &step->egress;
	json_t *entries = json_array();
	for (size_t i = 0; i < list->n; i++)
		(void)json_array_append_new(entries, entry_json(&list->entries[i]));
	return json_pack("{s:s, s:o, s:I, s:i, s:i, s:o}", "gate", list->n ? "open" : "closed",
	                 "entries", entries, "upload_bytes", (json_int_t)list->upload_bytes,
	                 "connections", (int)list->connections, "wildcard_names",
	                 (int)list->wildcard_names, "rules", rules_json(step));
}

static json_t *env_json(const struct plan_step *step)
{
	json_t *out = json_array();
	for (size_t i = 0; i < step->n_env; i++)
		(void)json_array_append_new(
			out, json_pack("{s:s, s:s, s:s}", "name", step->env[i].name, "value",
		                       step->env[i].value, "origin", step->env[i].origin));
	return out;
}

static json_t *leases_json(const struct plan_step *step)
{
	json_t *out = json_array();
	for (size_t i = 0; i < step->n_leases; i++) {
		const struct plan_lease *l = &step->leases[i];
		(void)json_array_append_new(
			out, json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "name", l->name, "from",
		                       l->from == LEASE_FROM_FILE ? "file" : "env", "source",
		                       l->source, "as", l->as == LEASE_AS_FILE ? "file" : "env",
		                       "target", l->target, "ttl_sec", (int)l->ttl_sec));
	}
	return out;
}

static json_t *limits_json(const struct step_limits *l)
{
	return json_pack("{s:I, s:i, s:i, s:I, s:I, s:I, s:i}", "memory_bytes",
	                 (json_int_t)l->sandbox.memory_bytes, "cpu_millis",
	                 (int)l->sandbox.cpu_millis, "pids", (int)l->sandbox.pids, "files",
	                 (json_int_t)l->files, "disk_bytes", (json_int_t)l->disk_bytes, "log_bytes",
	                 (json_int_t)l->log_bytes, "time_sec", (int)l->time_sec);
}

static json_t *mounts_json(const struct step_mounts *mounts)
{
	json_t *out = json_array();
	for (size_t i = 0; i < mounts->n; i++) {
		const struct sandbox_mount *m = &mounts->mount[i];
		bool host = m->source[0] == '/';
		(void)json_array_append_new(
			out, json_pack("{s:s, s:s, s:s, s:b, s:b, s:b}", "target", m->target, "of",
		                       host ? "host" : "job", "source", m->source, "writable",
		                       (m->flags & SANDBOX_MOUNT_RW) != 0, "executable",
		                       !(m->flags & SANDBOX_MOUNT_NOEXEC), "optional",
		                       (m->flags & SANDBOX_MOUNT_TRY) != 0));
	}
	return out;
}

static json_t *landlock_json(const struct step_mounts *mounts)
{
	json_t *out = json_array();
	struct sandbox_landlock_rule rule;
	for (size_t i = 0; sandbox_landlock_rule_at(mounts->mount, mounts->n, i, &rule); i++)
		(void)json_array_append_new(out, json_pack("{s:s, s:o, s:s}", "path", rule.path,
		                                           "rights", texts(rule.rights), "why",
		                                           rule.why));
	return out;
}

static json_t *files_json(const struct plan_step *s)
{
	struct step_mounts mounts;
	char digest[65];
	plan_shown_mounts(s, &mounts);
	if (step_mounts_digest(s, &mounts, digest, NULL) < 0)
		return NULL;
	return json_pack("{s:o, s:s, s:o}", "mounts", mounts_json(&mounts), "mounts_digest", digest,
	                 "landlock", landlock_json(&mounts));
}

static json_t *seccomp_json(const struct plan_step *s, const struct seccomp_view *view)
{
	json_t *out = json_pack("{s:s, s:o}", "profile", s->seccomp, "besides", texts(s->syscalls));
	struct seccomp_counts c;
	if (!view)
		return out;
	plan_shown_counts(view, &c);
	return joined(out, json_pack("{s:i, s:i, s:i, s:i, s:s}", "allowed", (int)c.allowed,
	                             "depends", (int)c.depends, "errno", (int)c.refused, "killed",
	                             (int)c.killed, "otherwise", c.otherwise));
}

static json_t *step_json(const struct plan_step *s, const struct seccomp_view *view)
{
	json_t *out = json_pack("{s:i, s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:s?}", "index",
	                        (int)s->index, "id", s->id, "name", s->name, "label", s->label,
	                        "ref", s->ref, "line", (int)s->mark.line, "column",
	                        (int)s->mark.column, "phase", dd_phase_name(s->phase), "phase_why",
	                        s->phase_why, "if", s->cond);
	out = joined(out,
	             json_pack("{s:s?, s:s?, s:o, s:s?, s:s?, s:o, s:s?, s:s}", "uses", s->uses,
	                       "nothing", s->nothing, "with", pairs_json(s->with, s->n_with),
	                       "script", s->script, "shell", s->shell, "argv", texts(s->argv),
	                       "script_path", s->script_path, "workdir", s->workdir));
	out = joined(out,
	             json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "egress", egress_json(s),
	                       "credentials", leases_json(s), "env", env_json(s), "limits",
	                       limits_json(&s->limits), "seccomp", seccomp_json(s, view), "read",
	                       texts(s->read), "continue_on_error", s->continue_on_error));
	out = joined(out, files_json(s));
	if (s->phase == DD_PHASE_PUSH)
		out = joined(out, json_pack("{s:s, s:s, s:o}", "workspace",
		                            workspace_view_names[s->view], "sees",
		                            plan_shown_view(s), "artifacts", texts(s->artifacts)));
	return out;
}

/* ---- the job ---- */

static json_t *about_json(const struct plan_job *job)
{
	json_t *out = json_pack("{s:s?, s:s?, s:s?, s:s?, s:s?}", "on", job->on, "if", job->cond,
	                        "needs", job->needs, "runs_on", job->runs_on, "uses", job->uses);
	out = joined(out,
	             json_pack("{s:s?, s:s?, s:s?, s:s?, s:s?}", "container", job->container,
	                       "permissions", job->permissions, "environment", job->environment,
	                       "concurrency", job->concurrency, "outputs", job->outputs));
	json_t *matrix = json_pack("{s:o, s:o, s:s?}", "axes", pairs_json(job->axes, job->n_axes),
	                           "combinations", texts(job->combinations), "computed",
	                           job->computed);
	return joined(out, json_pack("{s:o, s:o}", "services",
	                             pairs_json(job->services, job->n_services), "matrix", matrix));
}

static json_t *places_json(void)
{
	static const char *const kinds[] = { [SANDBOX_PLACE_HOST] = "host",
		                             [SANDBOX_PLACE_PRIVATE] = "private",
		                             [SANDBOX_PLACE_MADE] = "made" };
	json_t *out = json_array();
	struct sandbox_place p;
	for (size_t i = 0; sandbox_place_at(i, &p); i++)
		(void)json_array_append_new(out, json_pack("{s:s, s:s, s:b, s:b, s:s}", "path",
		                                           p.path, "of", kinds[p.kind], "writable",
		                                           p.kind == SANDBOX_PLACE_PRIVATE,
		                                           "optional", p.optional, "why", p.why));
	return out;
}

static json_t *notes_json(const struct plan *plan)
{
	json_t *out = json_array();
	for (size_t i = 0; i < plan->n_notes; i++)
		(void)json_array_append_new(
			out, joined(place_json(&plan->notes[i].mark),
		                    json_pack("{s:s, s:s}", "text", plan->notes[i].text, "hint",
		                              plan->notes[i].hint)));
	return out;
}

static json_t *unused_json(const struct plan *plan)
{
	json_t *out = json_array();
	for (size_t i = 0; i < plan->n_unused; i++)
		(void)json_array_append_new(out, json_string(plan->unused[i]));
	return out;
}

static json_t *narrowed_json(const struct plan *plan)
{
	json_t *out = json_array();
	for (size_t i = 0; i < plan->n_narrowed; i++) {
		const struct policy_narrowed *n = &plan->narrowed[i];
		(void)json_array_append_new(
			out, joined(place_json(&n->mark),
		                    json_pack("{s:s, s:s, s:s, s:s}", "key", n->key, "asked",
		                              n->asked, "allowed", n->allowed, "why", n->why)));
	}
	return out;
}

static json_t *calls_json(const struct seccomp_view *view)
{
	json_t *out = json_array();
	for (size_t i = 0; i < seccomp_view_count(view); i++) {
		const struct seccomp_view_call *c = seccomp_view_at(view, i);
		const char *slash = c->file ? strrchr(c->file, '/') : NULL;
		(void)json_array_append_new(
			out,
			json_pack("{s:s, s:i, s:s, s:b, s:b, s:s?, s:i, s:s}", "name", c->name,
		                  "nr", c->nr, "answer", plan_shown_answer(c), "named", c->named,
		                  "never", c->never, "file", slash ? slash + 1 : c->file, "line",
		                  (int)c->line, "why", c->why));
	}
	return out;
}

/* One list for each step that has another one than the step before. */
static json_t *syscalls_json(const struct plan_shown *shown)
{
	json_t *out = json_array();
	for (size_t i = 0; i < shown->plan->n_steps; i++)
		if (i == 0 || shown->views[i] != shown->views[i - 1])
			(void)json_array_append_new(
				out, json_pack("{s:s, s:i, s:o}", "profile",
			                       shown->plan->steps[i].seccomp, "from_step",
			                       (int)shown->plan->steps[i].index, "calls",
			                       calls_json(shown->views[i])));
	return out;
}

int plan_print_json(const struct plan *plan, const struct plan_shown *shown,
                    struct plan_print_options how, FILE *out)
{
	json_t *steps = json_array();
	bool ok = true;
	for (size_t i = 0; i < plan->n_steps; i++)
		ok &= json_array_append_new(steps, step_json(&plan->steps[i],
		                                             shown ? shown->views[i] : NULL)) == 0;
	json_t *root = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s?, s:b, s:s}", "workflow",
	                         plan->workflow_path, "workflow_name", plan->workflow_name, "job",
	                         plan->job_id, "job_name", plan->job_name, "policy",
	                         plan->policy_path, "policy_sha256",
	                         plan->policy_path ? plan->policy_sha256 : NULL, "trusted",
	                         plan->trusted, "trust_why", plan->trust_why);
	root = joined(root, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "about",
	                              about_json(&plan->job), "steps", steps, "every_step_sees",
	                              places_json(), "narrowed", narrowed_json(plan), "unused",
	                              unused_json(plan), "notes", notes_json(plan)));
	if (shown && how.syscalls)
		root = joined(root, json_pack("{s:o}", "syscalls", syscalls_json(shown)));
	ok = ok && root && json_dumpf(root, out, JSON_INDENT(2)) == 0 && fputc('\n', out) != EOF;
	json_decref(root);
	return ok ? 0 : -EIO;
}
