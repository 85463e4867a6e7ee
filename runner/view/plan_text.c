// SPDX-License-Identifier: Apache-2.0
/* plan_text.c - a plan for people.
 *
 * Runs in: command line and supervisor. Names and scripts are the workflow's (hostile), so they are
 * escaped. What is the same in every step is said once, at the end. */
#include "plan_print.h"

#include "drydock/sandbox_shown.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void put(FILE *out, const char *text, size_t max)
{
	char shown[1024];
	size_t len = strlen(text);
	diag_escape(shown, sizeof(shown), text, len < max ? len : max);
	(void)fprintf(out, "%s%s", shown, len > max ? "..." : "");
}

static void put_field(FILE *out, const char *name, const char *text)
{
	(void)fprintf(out, "    %-11s", name);
	put(out, text, 200);
	(void)fputc('\n', out);
}

/* Lines of @text, each behind @lead. */
static void put_lines(FILE *out, const char *lead, const char *text)
{
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		char shown[512];
		diag_escape(shown, sizeof(shown), line, strcspn(line, "\n"));
		(void)fprintf(out, "%s%s\n", lead, shown);
	}
}

static const struct size_row {
	const char *name;
	uint64_t bytes;
} size_rows[] = {
	{ "GiB", 1ULL << 30 },
	{ "MiB", 1ULL << 20 },
	{ "KiB", 1ULL << 10 },
};

static void put_size(FILE *out, uint64_t bytes)
{
	for (size_t i = 0; i < ARRAY_LEN(size_rows); i++)
		if (bytes >= size_rows[i].bytes && bytes % size_rows[i].bytes == 0) {
			(void)fprintf(out, "%" PRIu64 " %s", bytes / size_rows[i].bytes,
			              size_rows[i].name);
			return;
		}
	(void)fprintf(out, "%" PRIu64 " bytes", bytes);
}

/* ---- the job ---- */

static void print_matrix(FILE *out, const struct spec_about *job)
{
	for (size_t i = 0; i < job->n_axes; i++) {
		(void)fprintf(out, "  %-13s", "matrix");
		put(out, job->axes[i].name, 60);
		(void)fputs(": ", out);
		put(out, job->axes[i].value, 300);
		(void)fputc('\n', out);
	}
	if (job->computed) {
		(void)fprintf(out, "  %-13s", "computed");
		put(out, job->computed, 200);
		(void)fputs("  (known when the job before has run)\n", out);
	}
	for (size_t i = 0; i < job->n_combinations; i++) {
		const struct spec_combination *c = &job->combinations[i];
		if (!c->matrix && !c->elsewhere)
			continue; /* the job itself */
		(void)fprintf(out, "  %-13s", i ? "" : "as jobs");
		put(out, c->name, 250);
		if (c->elsewhere) {
			(void)fputs("  (not here: it runs on ", out);
			put(out, c->elsewhere, 100);
			(void)fputc(')', out);
		}
		(void)fputc('\n', out);
	}
}

static void print_about(FILE *out, const struct spec_about *job)
{
	const struct {
		const char *name, *text;
	} rows[] = {
		{ "on", job->on },
		{ "if", job->cond },
		{ "needs", job->needs },
		{ "runs on", job->runs_on },
		{ "uses", job->uses },
		{ "container", job->container },
		{ "permissions", job->permissions },
		{ "environment", job->environment },
		{ "concurrency", job->concurrency },
		{ "outputs", job->outputs },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].text) {
			(void)fprintf(out, "  %-13s", rows[i].name);
			put(out, rows[i].text, 300);
			(void)fputc('\n', out);
		}
	for (size_t i = 0; i < job->n_services; i++) {
		(void)fprintf(out, "  %-13s", "service");
		put(out, job->services[i].name, 60);
		(void)fputs(": ", out);
		put(out, job->services[i].value, 200);
		(void)fputc('\n', out);
	}
	print_matrix(out, job);
}

/* ---- a step ---- */

static void print_rules(FILE *out, const struct grant_terms *terms, bool in_full)
{
	char *rules = plan_shown_rules(terms);
	unsigned n = 0;
	for (const char *p = rules; p && *p; p++)
		n += *p == '\n';
	if (in_full && rules)
		put_lines(out, "      # ", rules);
	else
		(void)fprintf(out, "    %-11s%u lines of nftables (--rules shows them)\n", "rules",
		              n);
	free(rules);
}

static void put_cap(FILE *out, unsigned job, unsigned step, const char *what)
{
	(void)fprintf(out, "               %u %s in the job", job, what);
	if (step != UINT32_MAX)
		(void)fprintf(out, ", %u in one step", step);
	(void)fputc('\n', out);
}

static void print_gate(FILE *out, const struct plan *plan, const struct grant *grant,
                       bool rules_in_full)
{
	const struct grant_terms *terms = grant->terms;
	const struct grant *with = plan_shown_with(plan, grant);
	char name[PLAN_ENTRY_MAX];
	if (terms->egress.n == 0) {
		put_field(out, "gate", "closed");
	} else {
		(void)fprintf(out, "    %-11sopen for %zu; at one time %u connections; upload ",
		              "gate", terms->egress.n, terms->egress.connections);
		put_size(out, terms->egress.job.upload_bytes);
		(void)fputs(" for each in the job", out);
		if (terms->egress.step.upload_bytes != UINT64_MAX) {
			(void)fputs(", ", out);
			put_size(out, terms->egress.step.upload_bytes);
			(void)fputs(" in one step", out);
		}
		(void)fputc('\n', out);
	}
	if (with != grant) {
		(void)fprintf(out, "               the same destinations and rules as step %u\n",
		              with->index);
		return;
	}
	bool wildcard = false, block = false;
	for (size_t i = 0; i < terms->egress.n; i++) {
		const struct egress_entry *e = &terms->egress.entries[i];
		plan_shown_entry(e, name);
		wildcard = wildcard || e->wildcard || e->account_wildcard;
		block = block || !e->host;
		(void)fprintf(out, "               %s%s%s", name,
		              e->private_ok ? ", private: allow" : "",
		              e->tls == EGRESS_TLS_RAW      ? ", raw"
		              : e->ech == EGRESS_ECH_REFUSE ? ", ech: refuse"
		                                            : "");
		for (size_t k = 0; k < EGRESS_PINS_MAX && e->pins[k]; k++)
			(void)fprintf(out, "%s%s", k ? ", " : ", at ", e->pins[k]);
		(void)fputs("  (", out);
		put(out, e->origin, 200);
		if (e->why) {
			(void)fputs(": ", out);
			put(out, e->why, 200);
		}
		(void)fputs(")\n", out);
	}
	const struct egress_caps *job = &terms->egress.job, *one = &terms->egress.step;
	if (wildcard)
		put_cap(out, job->wildcard_names, one->wildcard_names, "names for each wildcard");
	if (block)
		put_cap(out, job->cidr_addresses, one->cidr_addresses, "addresses for each block");
	print_rules(out, terms, rules_in_full);
}

static void print_command(FILE *out, const struct spec_step *step)
{
	const struct recipe *recipe = &step->recipe;
	if (step->facts.uses)
		put_field(out, "uses", step->facts.uses);
	for (size_t i = 0; i < step->n_with; i++) {
		(void)fprintf(out, "      %s", "| ");
		put(out, step->with[i].name, 60);
		(void)fputs(": ", out);
		put(out, step->with[i].value, 200);
		(void)fputc('\n', out);
	}
	if (recipe->nothing)
		(void)fprintf(out, "    %-11snothing: %s\n", "runs", recipe->nothing);
	if (!recipe->script)
		return;
	(void)fprintf(out, "    %-11s", "runs");
	if (!recipe->argv[0])
		put(out, step->shell, 200);
	for (size_t i = 0; recipe->argv[i]; i++) {
		(void)fputs(i ? " " : "", out);
		put(out, recipe->argv[i], 200);
	}
	(void)fputs("\n", out);
	put_lines(out, "      | ", recipe->script);
	put_field(out, "in", recipe->workdir);
}

static void print_leases(FILE *out, const struct grant *grant)
{
	for (size_t i = 0; i < grant->n_leases; i++) {
		const struct grant_lease *l = &grant->leases[i];
		(void)fprintf(out, "    %-11s%s from %s ", "credential", l->name,
		              lease_from_shown(l->from));
		put(out, l->source, 200);
		(void)fprintf(out, ", as %s %s", lease_as_shown(l->as),
		              l->as == LEASE_AS_FILE ? SANDBOX_CREDENTIALS_DIR "/" : "");
		put(out, l->target, 200);
		(void)fprintf(out, ", for %u s (wins over a variable of that name)\n", l->ttl_sec);
		if (!l->withheld)
			continue;
		(void)fprintf(out, "    %-11s", "withheld");
		put(out, l->withheld, 400);
		(void)fputs("; the step cannot run in this job\n", out);
	}
}

static void print_env(FILE *out, const struct grant *grant)
{
	struct step_env env;
	plan_shown_env(grant, &env);
	for (size_t i = 0; i < env.n; i++) {
		const struct step_env_row *e = &env.rows[i];
		if (strcmp(e->origin, "drydock") == 0)
			continue; /* the same for every job; --json lists them */
		(void)fprintf(out, "    %-11s%s=", "env", e->name);
		put(out, e->value, 100);
		(void)fprintf(out, "  (%s)\n", e->origin);
	}
	step_env_done(&env);
}

static void print_limits(FILE *out, const struct grant *grant)
{
	const struct step_limits *l = &grant->terms->limits;
	(void)fprintf(out, "    %-11stime %u s, log ", "limits", grant->time_sec);
	put_size(out, l->log_bytes);
	(void)fprintf(out, ", pids %u", l->sandbox.pids);
	if (l->sandbox.memory_bytes) {
		(void)fputs(", memory ", out);
		put_size(out, l->sandbox.memory_bytes);
	}
	if (l->sandbox.cpu_millis)
		(void)fprintf(out, ", cpus %u.%03u", l->sandbox.cpu_millis / 1000,
		              l->sandbox.cpu_millis % 1000);
	if (l->sandbox.shm_bytes != 1ULL << 30) {
		(void)fputs(", shm ", out);
		put_size(out, l->sandbox.shm_bytes);
	}
	if (l->files)
		(void)fprintf(out, ", files %" PRIu64, l->files);
	if (l->disk_bytes) {
		(void)fputs(", disk ", out);
		put_size(out, l->disk_bytes);
	}
	(void)fputc('\n', out);
}

static void print_mounts(FILE *out, const struct grant *grant)
{
	struct step_mounts mounts;
	plan_shown_mounts(grant, &mounts);
	for (size_t i = 0; i < mounts.n; i++) {
		const struct sandbox_mount *m = &mounts.mount[i];
		(void)fprintf(out, "    %-11s", i ? "" : "mounts");
		put(out, m->target, 200);
		(void)fprintf(out,
		              "  %s%s: ", m->flags & SANDBOX_MOUNT_RW ? "read-write" : "read-only",
		              m->flags & SANDBOX_MOUNT_NOEXEC ? ", noexec" : "");
		put(out, m->source[0] == '/' ? "the host's own" : m->source, 200);
		(void)fputc('\n', out);
	}
}

static void print_seccomp(FILE *out, const struct grant_terms *terms,
                          const struct seccomp_view *view)
{
	struct seccomp_counts c;
	(void)fprintf(out, "    %-11s%s", "seccomp", terms->seccomp);
	if (view) {
		plan_shown_counts(view, &c);
		(void)fprintf(out,
		              ": %u allowed, %u depend on arguments, %u refused with an errno, %u "
		              "killed; others %s",
		              c.allowed, c.depends, c.refused, c.killed, c.otherwise);
	}
	for (size_t i = 0; terms->syscalls && terms->syscalls[i]; i++)
		(void)fprintf(out, "%s%s",
		              i ? ", " : "; besides the profile: ", terms->syscalls[i]);
	(void)fputc('\n', out);
}

/* What a step has in common with one before it is not said again. */
struct said {
	char *text;
	unsigned step;
};
enum { SAID_MOUNTS, SAID_LIMITS, SAID_SECCOMP, SAID__COUNT };

static void print_section(FILE *out, int which, const struct grant *grant,
                          const struct seccomp_view *view)
{
	if (which == SAID_MOUNTS)
		print_mounts(out, grant);
	else if (which == SAID_LIMITS)
		print_limits(out, grant);
	else
		print_seccomp(out, grant->terms, view);
}

static void print_once(FILE *out, int which, const struct grant *grant,
                       const struct seccomp_view *view, struct said *said)
{
	static const char *const names[SAID__COUNT] = { "mounts", "limits", "seccomp" };
	char *text = NULL;
	size_t len = 0;
	FILE *section = open_memstream(&text, &len);
	if (section)
		print_section(section, which, grant, view);
	if (!section || fclose(section) != 0) {
		free(text);
		print_section(out, which, grant, view);
		return;
	}
	if (said[which].text && strcmp(said[which].text, text) == 0) {
		(void)fprintf(out, "    %-11sas in step %u\n", names[which], said[which].step);
		free(text);
		return;
	}
	(void)fputs(text, out);
	free(said[which].text);
	said[which] = (struct said){ text, grant->index };
}

/* Values that an outsider writes: what becomes of each in this step. */
static void print_outsiders(FILE *out, const struct plan *plan, const struct spec_step *step)
{
	for (size_t i = 0; i < step->n_outsiders; i++) {
		const struct spec_outsider *o = &step->outsiders[i];
		const char *why = plan->injection == INJECTION_REFUSE
		                          ? "the policy says `injection: refuse`"
		                          : o->refused;
		(void)fprintf(out, "    %-11s", "outsider");
		put(out, o->path, 120);
		(void)fprintf(out, " (line %u) ", o->mark.line);
		if (plan->injection == INJECTION_ALLOW)
			(void)fputs("becomes a part of the script (`injection: allow`)\n", out);
		else if (why)
			(void)fprintf(out, "fails the step: %s\n", why);
		else
			(void)fputs("reaches the script in a variable\n", out);
	}
}

/* What an action is made of, as far as it is there: a line each, deeper ones further in. */
static void print_action(FILE *out, const struct spec_action *a, unsigned depth)
{
	const struct {
		const char *stage, *file;
	} stages[] = { { "pre", a->pre }, { "main", a->main }, { "post", a->post } };

	(void)fprintf(out, "    %-11s%*s%s", depth ? "" : "action", (int)(2 * depth), "", a->kind);
	for (size_t i = 0; i < ARRAY_LEN(stages); i++)
		if (stages[i].file) {
			(void)fprintf(out, ", %s ", stages[i].stage);
			put(out, stages[i].file, 100);
		}
	if (a->sha256) {
		(void)fputs(", of ", out);
		put(out, a->source, 150);
		(void)fprintf(out, " %s%.12s, sha256 %.12s", a->commit ? "commit " : "",
		              a->commit ? a->commit : "(no commit)", a->sha256);
	}
	(void)fputc('\n', out);
	for (size_t i = 0; i < a->n_steps; i++) {
		(void)fprintf(out, "    %-11s%*s- ", "", (int)(2 * depth), "");
		put(out, a->steps[i].shown, 100);
		(void)fputc('\n', out);
		if (a->steps[i].action)
			print_action(out, a->steps[i].action, depth + 2);
	}
}

/* What its hatch will do for it, where it is an action: of the phase. */
static void print_store(FILE *out, const struct grant *grant)
{
	const struct store_terms *store = &grant->terms->store;
	const struct {
		const char *what;
		unsigned read, write;
	} rows[] = { { "cache", store->cache_read, store->cache_write },
		     { "artifacts", store->artifact_read, store->artifact_write } };
	const unsigned bit = 1u << grant->phase;

	const struct spec_action *action = grant->written->action;
	if (!grant->written->facts.uses || (action && strcmp(action->kind, "built in") == 0))
		return;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		put_field(out, rows[i].what,
		          rows[i].read & bit && rows[i].write & bit ? "may be read and written"
		          : rows[i].read & bit                      ? "may be read"
		          : rows[i].write & bit                     ? "may be written"
		                                                    : "none");
}

static void print_step(FILE *out, const struct plan *plan, const struct grant *grant,
                       const struct seccomp_view *view, bool rules_in_full, struct said *said)
{
	const struct grant_terms *terms = grant->terms;
	(void)fprintf(out, "\n%2u  %s  ", grant->index, dd_phase_name(grant->phase));
	put(out, grant->name, 120);
	(void)fputc('\n', out);
	put_field(out, "because", grant->phase_why);
	if (grant->written->cond)
		put_field(out, "if", grant->written->cond);
	print_command(out, grant->written);
	if (grant->written->action)
		print_action(out, grant->written->action, 0);
	if (grant->written->recipe.nothing)
		return;
	print_outsiders(out, plan, grant->written);
	print_gate(out, plan, grant, rules_in_full);
	print_leases(out, grant);
	print_store(out, grant);
	if (grant->phase == DD_PHASE_PUSH) {
		(void)fprintf(out, "    %-11s%s: %s\n", "workspace",
		              workspace_view_names[terms->view], plan_shown_view(terms));
		for (size_t i = 0; terms->artifacts[i]; i++)
			put_field(out, "artifact", terms->artifacts[i]);
	}
	print_env(out, grant);
	for (int which = 0; which < SAID__COUNT; which++)
		print_once(out, which, grant, view, said);
	if (grant->written->continue_on_error)
		put_field(out, "on failure", "the job goes on");
}

/* ---- what is the same in every step ---- */

static void print_places(FILE *out)
{
	static const struct {
		enum sandbox_place_kind kind;
		const char *name;
	} kinds[] = {
		{ SANDBOX_PLACE_HOST, "of the host, read-only" },
		{ SANDBOX_PLACE_PRIVATE, "private, writable, in memory" },
		{ SANDBOX_PLACE_MADE, "made up, read-only" },
	};
	struct sandbox_place place;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		size_t width = 0;
		(void)fprintf(out, "  %s:", kinds[k].name);
		for (size_t i = 0; sandbox_place_at(i, &place); i++) {
			if (place.kind != kinds[k].kind)
				continue;
			(void)fprintf(out, "%s%s", width % 90 == 0 ? "\n    " : " ", place.path);
			width = width % 90 + strlen(place.path) + 1 > 90
			                ? 0
			                : width + strlen(place.path) + 1;
		}
		(void)fputc('\n', out);
	}
}

static void print_landlock(FILE *out, const struct grant *grant)
{
	struct step_mounts mounts;
	struct sandbox_landlock_rule rule;
	plan_shown_mounts(grant, &mounts);
	(void)fputs("  Landlock, whatever the mounts say:\n", out);
	for (size_t i = 0; sandbox_landlock_rule_at(mounts.mount, mounts.n, i, &rule); i++)
		(void)fprintf(out, "    %-22s%s  (%s)\n", rule.path, rule.summary, rule.why);
}

static void print_calls(FILE *out, const struct plan_shown *shown)
{
	for (size_t i = 0; i < shown->plan->n_grants; i++) {
		bool first = true;
		for (size_t k = 0; k < i && first; k++)
			first = shown->views[k] != shown->views[i];
		if (!first)
			continue;
		(void)fprintf(out, "\nsystem calls of profile %s\n",
		              shown->plan->grants[i].terms->seccomp);
		for (size_t k = 0; k < seccomp_view_count(shown->views[i]); k++) {
			const struct seccomp_view_call *c = seccomp_view_at(shown->views[i], k);
			const char *slash = c->file ? strrchr(c->file, '/') : NULL;
			(void)fprintf(out, "    %-26s %-12s %s%s:%u  ", c->name,
			              plan_shown_answer(c), c->never ? "never, " : "",
			              c->file ? slash ? slash + 1 : c->file : "policy", c->line);
			put(out, c->why, 300);
			(void)fputc('\n', out);
		}
	}
}

/* ---- what is not as asked ---- */

static void print_notes(FILE *out, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_narrowed; i++) {
		const struct policy_narrowed *n = &plan->narrowed[i];
		(void)fprintf(out, "%snot given to the repository: %s:%u:%u: ", i ? "" : "\n",
		              n->mark.file, n->mark.line, n->mark.column);
		put(out, n->key, 100);
		(void)fputs(": asked ", out);
		put(out, n->asked, 200);
		(void)fputs(", allowed ", out);
		put(out, n->allowed, 200);
		(void)fputs(" (", out);
		put(out, n->why, 200);
		(void)fputs(")\n", out);
	}
	for (size_t i = 0; i < plan->n_unused; i++) {
		(void)fprintf(out, "%snot used here: ", i ? "" : "\n");
		put(out, plan->unused[i], 400);
		(void)fputc('\n', out);
	}
	for (size_t i = 0; i < plan->spec->n_notes; i++) {
		const struct spec_note *n = &plan->spec->notes[i];
		(void)fprintf(out, "%s`run` would refuse this: ", i ? "" : "\n");
		put(out, n->mark.file, 300);
		(void)fprintf(out, ":%u:%u: ", n->mark.line, n->mark.column);
		put(out, n->text, 300);
		(void)fputc('\n', out);
		if (n->hint[0] && (i + 1 == plan->spec->n_notes ||
		                   strcmp(n->hint, plan->spec->notes[i + 1].hint) !=
		                           0)) { /* once for `uses` and its `with` */
			(void)fputs("    hint: ", out);
			put(out, n->hint, 200);
			(void)fputc('\n', out);
		}
	}
}

static void print_workspace(FILE *out, const struct spec_workspace *w)
{
	if (!w)
		return;
	(void)fputs("workspace ", out);
	put(out, w->path, 300);
	(void)fprintf(out, ": %s\n", w->takes);
	for (size_t i = 0; i < w->n_notes; i++) {
		(void)fputs("    ", out);
		put(out, w->notes[i], 400);
		(void)fputc('\n', out);
	}
}

int plan_print_text(const struct plan *plan, const struct plan_shown *shown,
                    struct plan_print_options how, FILE *out)
{
	(void)fputs("job ", out);
	put(out, plan->spec->name, 120);
	(void)fputs(" of ", out);
	put(out, plan->spec->source, 300);
	(void)fputs("\npolicy ", out);
	put(out,
	    plan->policy_path ? plan->policy_path
	                      : "none: every step is build, the gate is closed, no credentials",
	    300);
	(void)fprintf(out, "\n%s: %s\n", plan->trusted ? "trusted" : "not trusted",
	              plan->trust_why);
	print_workspace(out, plan->spec->workspace);
	print_about(out, &plan->spec->about);
	struct said said[SAID__COUNT] = { { NULL, 0 } };
	for (size_t i = 0; i < plan->n_grants; i++)
		print_step(out, plan, &plan->grants[i], shown ? shown->views[i] : NULL, how.rules,
		           said);
	for (int which = 0; which < SAID__COUNT; which++)
		free(said[which].text);
	if (plan->n_grants) {
		(void)fputs("\nevery step sees\n", out);
		print_places(out);
		print_landlock(out, &plan->grants[0]);
	}
	if (shown && how.syscalls)
		print_calls(out, shown);
	print_notes(out, plan);
	return ferror(out) ? -EIO : 0;
}
