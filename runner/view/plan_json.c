// SPDX-License-Identifier: Apache-2.0
/* plan_json.c - a plan for tools: everything that the text says, and what it leaves out.
 *
 * Runs in: command line and supervisor. Text of the workflow goes in as it is where it is UTF-8,
 * otherwise escaped. */
#include "plan_print.h"

#include "base/text_escape.h"
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
	return json_pack("{s:s, s:i, s:b, s:s, s:s, s:o, s:s?, s:s}", "destination", name, "port",
	                 (int)e->port, "private", e->private_ok, "tls",
	                 e->tls == EGRESS_TLS_RAW ? "raw" : "sni", "ech",
	                 e->ech == EGRESS_ECH_REFUSE ? "refuse" : "pass", "address", pins, "why",
	                 e->why, "origin", e->origin);
}

static json_t *rules_json(const struct grant_terms *terms)
{
	char *rules = plan_shown_rules(terms), *rest = NULL;
	json_t *out = rules ? json_array() : NULL;
	for (const char *line = rules ? strtok_r(rules, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest))
		(void)json_array_append_new(out, json_string(line));
	free(rules);
	return out;
}

/* Only what the policy says; NULL: nothing. */
static json_t *step_caps_json(const struct egress_caps *caps)
{
	const struct egress_caps none = EGRESS_CAPS_WIDEST;
	json_t *out = json_object();
	if (caps->upload_bytes != none.upload_bytes)
		(void)json_object_set_new(out, "upload_bytes",
		                          json_integer((json_int_t)caps->upload_bytes));
	if (caps->wildcard_names != none.wildcard_names)
		(void)json_object_set_new(out, "wildcard_names",
		                          json_integer((json_int_t)caps->wildcard_names));
	if (caps->cidr_addresses != none.cidr_addresses)
		(void)json_object_set_new(out, "cidr_addresses",
		                          json_integer((json_int_t)caps->cidr_addresses));
	if (json_object_size(out) > 0)
		return out;
	json_decref(out);
	return NULL;
}

/* What the list allows of everything on it, at the end of @out. */
static json_t *add_caps(json_t *out, const struct egress_list *list)
{
	json_t *caps = json_pack(
		"{s:I, s:i, s:i, s:i, s:o*}", "upload_bytes", (json_int_t)list->job.upload_bytes,
		"connections", (int)list->connections, "wildcard_names",
		(int)list->job.wildcard_names, "cidr_addresses", (int)list->job.cidr_addresses,
		"in_one_step", step_caps_json(&list->step));
	(void)json_object_update_new(out, caps);
	return out;
}

static json_t *egress_json(const struct plan *plan, const struct grant *grant)
{
	const struct egress_list *list = &grant->terms->egress;
	const struct grant *with = plan_shown_with(plan, grant);
	json_t *entries;
	if (with != grant)
		return add_caps(
			json_pack("{s:s, s:i}", "gate", "open", "as_in_step", (int)with->index),
			list);
	entries = json_array();
	for (size_t i = 0; i < list->n; i++)
		(void)json_array_append_new(entries, entry_json(&list->entries[i]));
	json_t *out = add_caps(
		json_pack("{s:s, s:o}", "gate", list->n ? "open" : "closed", "entries", entries),
		list);
	(void)json_object_set_new(out, "rules", rules_json(grant->terms));
	return out;
}

static json_t *env_json(const struct grant *grant)
{
	struct step_env env;
	json_t *out = json_array();
	plan_shown_env(grant, &env);
	for (size_t i = 0; i < env.n; i++)
		(void)json_array_append_new(
			out, json_pack("{s:s, s:s, s:s}", "name", env.rows[i].name, "value",
		                       env.rows[i].value, "origin", env.rows[i].origin));
	step_env_done(&env);
	return out;
}

static json_t *leases_json(const struct grant *grant)
{
	json_t *out = json_array();
	for (size_t i = 0; i < grant->n_leases; i++) {
		const struct grant_lease *l = &grant->leases[i];
		(void)json_array_append_new(
			out, json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s*}", "name", l->name,
		                       "from", lease_from_names[l->from], "source", l->source, "as",
		                       lease_as_names[l->as], "target", l->target, "ttl_sec",
		                       (int)l->ttl_sec, "withheld", l->withheld));
	}
	return out;
}

static json_t *limits_json(const struct grant *grant)
{
	const struct step_limits *l = &grant->terms->limits;
	return json_pack("{s:I, s:i, s:i, s:I, s:I, s:I, s:I, s:i}", "memory_bytes",
	                 (json_int_t)l->sandbox.memory_bytes, "cpu_millis",
	                 (int)l->sandbox.cpu_millis, "pids", (int)l->sandbox.pids, "files",
	                 (json_int_t)l->files, "disk_bytes", (json_int_t)l->disk_bytes, "shm_bytes",
	                 (json_int_t)l->sandbox.shm_bytes, "log_bytes", (json_int_t)l->log_bytes,
	                 "time_sec", (int)grant->time_sec);
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

static json_t *files_json(const struct grant *grant)
{
	struct step_mounts mounts;
	char digest[65];
	plan_shown_mounts(grant, &mounts);
	if (step_mounts_digest(grant->terms, &mounts, digest, NULL) < 0)
		return NULL;
	return json_pack("{s:o, s:s, s:o}", "mounts", mounts_json(&mounts), "mounts_digest", digest,
	                 "landlock", landlock_json(&mounts));
}

static json_t *seccomp_json(const struct grant_terms *terms, const struct seccomp_view *view)
{
	json_t *out = json_pack("{s:s, s:o}", "profile", terms->seccomp, "besides",
	                        texts(terms->syscalls));
	struct seccomp_counts c;
	if (!view)
		return out;
	plan_shown_counts(view, &c);
	return joined(out, json_pack("{s:i, s:i, s:i, s:i, s:s}", "allowed", (int)c.allowed,
	                             "depends", (int)c.depends, "errno", (int)c.refused, "killed",
	                             (int)c.killed, "otherwise", c.otherwise));
}

static json_t *outsiders_json(const struct spec_step *step)
{
	json_t *out = json_array();
	for (size_t i = 0; i < step->n_outsiders; i++) {
		const struct spec_outsider *o = &step->outsiders[i];
		(void)json_array_append_new(
			out, json_pack("{s:s, s:s, s:i, s:i, s:s?}", "path", o->path, "expression",
		                       o->expression, "line", (int)o->mark.line, "column",
		                       (int)o->mark.column, "refused", o->refused));
	}
	return out;
}

/* What an action is made of, as far as it is there. */
static json_t *action_json(const struct spec_action *a)
{
	json_t *steps = a && a->steps ? json_array() : NULL;

	if (!a)
		return json_null();
	for (size_t i = 0; i < a->n_steps; i++)
		(void)json_array_append_new(steps,
		                            json_pack("{s:s, s:o}", "shown", a->steps[i].shown,
		                                      "action", action_json(a->steps[i].action)));
	return json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:o}", "uses", a->uses,
	                 "kind", a->kind, "pre", a->pre, "main", a->main, "post", a->post, "source",
	                 a->source, "sha256", a->sha256, "commit", a->commit, "steps",
	                 steps ? steps : json_array());
}

/* What its hatch will do for it. */
static json_t *store_json(const struct grant *g, unsigned read, unsigned write)
{
	return json_pack("{s:b, s:b}", "read", (read >> g->phase & 1u) != 0, "write",
	                 (write >> g->phase & 1u) != 0);
}

static json_t *step_json(const struct plan *plan, const struct grant *g,
                         const struct seccomp_view *view)
{
	const struct spec_step *w = g->written;
	const struct recipe *r = &w->recipe;
	const struct grant_terms *terms = g->terms;
	json_t *out = json_pack("{s:i, s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:s?}", "index",
	                        (int)g->index, "id", g->id, "name", g->name, "label", g->label,
	                        "ref", g->ref, "line", (int)w->mark.line, "column",
	                        (int)w->mark.column, "phase", dd_phase_name(g->phase), "phase_why",
	                        g->phase_why, "if", w->cond);
	out = joined(out, json_pack("{s:s?, s:s?, s:o, s:s?, s:s?, s:o, s:s?, s:s}", "uses",
	                            w->facts.uses, "nothing", r->nothing, "with",
	                            pairs_json(w->with, w->n_with), "script", r->script, "shell",
	                            w->shell, "argv", texts(r->argv), "script_path", r->script_path,
	                            "workdir", r->workdir));
	out = joined(out, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "egress",
	                            egress_json(plan, g), "credentials", leases_json(g), "env",
	                            env_json(g), "limits", limits_json(g), "seccomp",
	                            seccomp_json(terms, view), "read", texts(terms->read),
	                            "continue_on_error", w->continue_on_error));
	out = joined(out, files_json(g));
	if (w->facts.uses && !r->nothing &&
	    !(w->action && strcmp(w->action->kind, "built in") == 0))
		out = joined(out, json_pack("{s:o, s:o}", "cache",
		                            store_json(g, terms->store.cache_read,
		                                       terms->store.cache_write),
		                            "artifact_store",
		                            store_json(g, terms->store.artifact_read,
		                                       terms->store.artifact_write)));
	if (w->action)
		out = joined(out, json_pack("{s:o}", "action", action_json(w->action)));
	if (w->n_outsiders)
		out = joined(out, json_pack("{s:o, s:s}", "outsiders", outsiders_json(w),
		                            "injection", injection_names[plan->injection]));
	if (g->phase == DD_PHASE_PUSH)
		out = joined(out, json_pack("{s:s, s:s, s:o}", "workspace",
		                            workspace_view_names[terms->view], "sees",
		                            plan_shown_view(terms), "artifacts",
		                            texts(terms->artifacts)));
	return out;
}

/* ---- the job ---- */

static json_t *names_json(const struct spec_about *job)
{
	json_t *out = json_array();
	for (size_t i = 0; i < job->n_combinations; i++)
		if (job->combinations[i].matrix)
			(void)json_array_append_new(out, json_string(job->combinations[i].name));
	return out;
}

static json_t *combinations_json(const struct spec_about *job)
{
	json_t *out = json_array();
	for (size_t i = 0; i < job->n_combinations; i++) {
		const struct spec_combination *c = &job->combinations[i];
		json_t *matrix = c->matrix ? json_loads(c->matrix, JSON_DECODE_ANY, NULL) : NULL;
		(void)json_array_append_new(out, json_pack("{s:s, s:o, s:s?, s:s?}", "name",
		                                           c->name, "matrix",
		                                           matrix ? matrix : json_null(), "runs_on",
		                                           c->runs_on, "elsewhere", c->elsewhere));
	}
	return out;
}

static json_t *about_json(const struct spec_about *job)
{
	json_t *out = json_pack("{s:s?, s:s?, s:s?, s:s?, s:s?}", "on", job->on, "if", job->cond,
	                        "needs", job->needs, "runs_on", job->runs_on, "uses", job->uses);
	out = joined(out,
	             json_pack("{s:s?, s:s?, s:s?, s:s?, s:s?}", "container", job->container,
	                       "permissions", job->permissions, "environment", job->environment,
	                       "concurrency", job->concurrency, "outputs", job->outputs));
	json_t *matrix = json_pack("{s:o, s:o, s:s?}", "axes", pairs_json(job->axes, job->n_axes),
	                           "combinations", names_json(job), "computed", job->computed);
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

static json_t *notes_json(const struct job_spec *spec)
{
	json_t *out = json_array();
	for (size_t i = 0; i < spec->n_notes; i++)
		(void)json_array_append_new(
			out, joined(place_json(&spec->notes[i].mark),
		                    json_pack("{s:s, s:s, s:s}", "text", spec->notes[i].text,
		                              "hint", spec->notes[i].hint, "kind",
		                              spec_note_names[spec->notes[i].kind])));
	return out;
}

static json_t *unused_json(const struct plan *plan)
{
	json_t *out = json_array();
	for (size_t i = 0; i < plan->n_unused; i++)
		(void)json_array_append_new(out, json_string(plan->unused[i]));
	return out;
}

static json_t *workspace_json(const struct spec_workspace *w)
{
	if (!w)
		return json_null();
	json_t *notes = json_array();
	for (size_t i = 0; i < w->n_notes; i++)
		(void)json_array_append_new(notes, json_string(w->notes[i]));
	char path[TEXT_ESCAPE_MAX * 400 + 1];
	(void)text_escape(path, w->path, strnlen(w->path, 400));
	return json_pack("{s:s, s:s, s:o}", "path", path, "takes", w->takes, "notes", notes);
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
	for (size_t i = 0; i < shown->plan->n_grants; i++)
		if (i == 0 || shown->views[i] != shown->views[i - 1])
			(void)json_array_append_new(
				out, json_pack("{s:s, s:i, s:o}", "profile",
			                       shown->plan->grants[i].terms->seccomp, "from_step",
			                       (int)shown->plan->grants[i].index, "calls",
			                       calls_json(shown->views[i])));
	return out;
}

static json_t *job_json(const struct plan *plan, const struct plan_shown *shown,
                        struct plan_print_options how)
{
	const struct job_spec *spec = plan->spec;
	json_t *steps = json_array();
	bool ok = true;
	for (size_t i = 0; i < plan->n_grants; i++)
		ok &= json_array_append_new(steps, step_json(plan, &plan->grants[i],
		                                             shown ? shown->views[i] : NULL)) == 0;
	json_t *root = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s?, s:b, s:s}", "workflow",
	                         spec->source, "workflow_name", spec->pipeline, "job", spec->id,
	                         "job_name", spec->name, "policy", plan->policy_path,
	                         "policy_sha256", plan->policy_path ? plan->policy_sha256 : NULL,
	                         "trusted", plan->trusted, "trust_why", plan->trust_why);
	root = joined(root, json_pack("{s:s, s:s, s:o}", "id", spec->id, "name", spec->name,
	                              "combinations", combinations_json(&spec->about)));
	root = joined(root, json_pack("{s:o}", "workspace", workspace_json(spec->workspace)));
	root = joined(root, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "about",
	                              about_json(&spec->about), "steps", steps, "every_step_sees",
	                              places_json(), "narrowed", narrowed_json(plan), "unused",
	                              unused_json(plan), "notes", notes_json(spec)));
	if (shown && how.syscalls)
		root = joined(root, json_pack("{s:o}", "syscalls", syscalls_json(shown)));
	if (ok)
		return root;
	json_decref(root);
	return NULL;
}

static int dump(json_t *root, FILE *out)
{
	bool ok = root && json_dumpf(root, out, JSON_INDENT(2)) == 0 && fputc('\n', out) != EOF;
	json_decref(root);
	return ok ? 0 : -EIO;
}

int plan_print_json(const struct plan *plan, const struct plan_shown *shown,
                    struct plan_print_options how, FILE *out)
{
	return dump(job_json(plan, shown, how), out);
}

/* What tells jobs apart, for a list beside the plan of the only one. */
static json_t *job_head_json(const struct plan *plan)
{
	const struct job_spec *spec = plan->spec;
	return json_pack("{s:s, s:s, s:o, s:o, s:o}", "id", spec->id, "name", spec->name,
	                 "combinations", combinations_json(&spec->about), "about",
	                 about_json(&spec->about), "notes", notes_json(spec));
}

/* With one job its members stand beside `jobs`, and only there: who asks for that job need not know
 * how many there are. */
int plan_print_jobs_json(const struct plan *const *plans, const struct plan_shown *shown, size_t n,
                         struct plan_print_options how, FILE *out)
{
	json_t *jobs = json_array(), *root;
	bool ok = true;
	for (size_t i = 0; i < n; i++)
		ok &= json_array_append_new(jobs, n == 1 ? job_head_json(plans[i])
		                                         : job_json(plans[i], &shown[i], how)) == 0;
	if (n == 1)
		root = job_json(plans[0], &shown[0], how);
	else
		root = json_pack("{s:s, s:s}", "workflow", n ? plans[0]->spec->source : "",
		                 "workflow_name", n ? plans[0]->spec->pipeline : "");
	root = joined(root, json_pack("{s:o}", "jobs", jobs));
	if (!ok) {
		json_decref(root);
		root = NULL;
	}
	return dump(root, out);
}
