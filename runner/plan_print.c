// SPDX-License-Identifier: Apache-2.0
/* plan_print.c - a plan for people and for tools. Never a secret: a plan holds only the names of credentials.
 *
 * Runs in: command line and supervisor. Names and scripts are the workflow's (hostile), so they are escaped. */
#include "plan.h"

#include "arena.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <jansson.h>
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

static const struct size_row { const char *name; uint64_t bytes; } size_rows[] = {
	{ "GiB", 1ULL << 30 }, { "MiB", 1ULL << 20 }, { "KiB", 1ULL << 10 },
};

static void put_size(FILE *out, uint64_t bytes)
{
	for (size_t i = 0; i < ARRAY_LEN(size_rows); i++)
		if (bytes >= size_rows[i].bytes && bytes % size_rows[i].bytes == 0) {
			(void)fprintf(out, "%" PRIu64 " %s", bytes / size_rows[i].bytes, size_rows[i].name);
			return;
		}
	(void)fprintf(out, "%" PRIu64 " bytes", bytes);
}

static void entry_name(const struct egress_entry *e, char *out, size_t size)
{
	char addr[INET_ADDRSTRLEN] = "?";
	if (e->host) {
		(void)snprintf(out, size, "%s%s:%u", e->wildcard ? "*." : "", e->host, (unsigned)e->port);
	} else {
		(void)inet_ntop(AF_INET, &e->cidr, addr, sizeof(addr));
		(void)snprintf(out, size, "%s/%u:%u", addr, e->prefix, (unsigned)e->port);
	}
}

static void print_gate(FILE *out, const struct plan_step *step)
{
	char name[EGRESS_HOST_MAX + 16];
	if (step->egress.n == 0) {
		put_field(out, "gate", "closed");
		return;
	}
	(void)fprintf(out, "    %-11sopen for %zu, %u connections, upload ", "gate", step->egress.n, step->egress.connections);
	put_size(out, step->egress.upload_bytes);
	(void)fputs(" each\n", out);
	for (size_t i = 0; i < step->egress.n; i++) {
		const struct egress_entry *e = &step->egress.entries[i];
		entry_name(e, name, sizeof(name));
		(void)fprintf(out, "               %s%s%s  (", name, e->private_ok ? ", private: allow" : "",
			      e->tls == EGRESS_TLS_RAW ? ", raw" : "");
		put(out, e->origin, 200);
		if (e->why) {
			(void)fputs(": ", out);
			put(out, e->why, 200);
		}
		(void)fputs(")\n", out);
	}
}

static void print_command(FILE *out, const struct plan_step *step)
{
	if (!step->script) {
		put_field(out, "uses", step->uses);
		return;
	}
	(void)fprintf(out, "    %-11s", "runs");
	for (size_t i = 0; step->argv[i]; i++) {
		(void)fputs(i ? " " : "", out);
		put(out, step->argv[i], 200);
	}
	(void)fputs("\n", out);
	for (const char *line = step->script; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		char shown[512];
		diag_escape(shown, sizeof(shown), line, strcspn(line, "\n"));
		(void)fprintf(out, "      | %s\n", shown);
	}
}

static void print_leases(FILE *out, const struct plan_step *step)
{
	for (size_t i = 0; i < step->n_leases; i++) {
		const struct plan_lease *l = &step->leases[i];
		(void)fprintf(out, "    %-11s%s from %s ", "credential", l->name, l->from == PLAN_FROM_FILE ? "file" : "variable");
		put(out, l->source, 200);
		(void)fprintf(out, ", as %s", l->as == PLAN_AS_ENV ? "variable " : "file " SANDBOX_CREDENTIALS_DIR "/");
		put(out, l->target, 200);
		(void)fprintf(out, ", for %u s (wins over a variable of that name)\n", l->ttl_sec);
	}
}

static void print_env(FILE *out, const struct plan_step *step)
{
	for (size_t i = 0; i < step->n_env; i++) {
		const struct plan_env *e = &step->env[i];
		if (strcmp(e->origin, "drydock") == 0)
			continue; /* the same for every job; --json lists them */
		(void)fprintf(out, "    %-11s%s=", "env", e->name);
		put(out, e->value, 100);
		(void)fprintf(out, "  (%s)\n", e->origin);
	}
}

static void print_limits(FILE *out, const struct plan_limits *l)
{
	(void)fprintf(out, "    %-11stime %u s, log ", "limits", l->time_sec);
	put_size(out, l->log_bytes);
	(void)fprintf(out, ", pids %u", l->sandbox.pids);
	if (l->sandbox.memory_bytes) {
		(void)fputs(", memory ", out);
		put_size(out, l->sandbox.memory_bytes);
	}
	if (l->sandbox.cpu_millis)
		(void)fprintf(out, ", cpus %u.%03u", l->sandbox.cpu_millis / 1000, l->sandbox.cpu_millis % 1000);
	if (l->files)
		(void)fprintf(out, ", files %" PRIu64, l->files);
	if (l->disk_bytes) {
		(void)fputs(", disk ", out);
		put_size(out, l->disk_bytes);
	}
	(void)fputc('\n', out);
}

static void print_step(FILE *out, const struct plan_step *step)
{
	(void)fprintf(out, "\n%2u  %s  ", step->index, dd_phase_name(step->phase));
	put(out, step->name, 120);
	(void)fputc('\n', out);
	put_field(out, "because", step->phase_why);
	print_gate(out, step);
	print_leases(out, step);
	if (step->phase == DD_PHASE_PUSH) {
		put_field(out, "workspace", plan_view_names[step->view]);
		for (size_t i = 0; step->artifacts[i]; i++)
			put_field(out, "artifact", step->artifacts[i]);
	}
	print_command(out, step);
	put_field(out, "in", step->workdir);
	print_env(out, step);
	print_limits(out, &step->limits);
	put_field(out, "seccomp", step->seccomp);
	for (size_t i = 0; step->read[i]; i++)
		put_field(out, "reads", step->read[i]);
	if (step->continue_on_error)
		put_field(out, "on failure", "the job goes on");
}

void plan_print_text(const struct plan *plan, FILE *out)
{
	(void)fputs("job ", out);
	put(out, plan->job_name, 120);
	(void)fputs(" of ", out);
	put(out, plan->workflow_path, 300);
	(void)fputs("\npolicy ", out);
	put(out, plan->policy_path ? plan->policy_path : "none: every step is build, the gate is closed, no credentials", 300);
	(void)fprintf(out, "\n%s: %s\n", plan->trusted ? "trusted" : "not trusted", plan->trust_why);
	for (size_t i = 0; i < plan->n_steps; i++)
		print_step(out, &plan->steps[i]);
}

/* --- JSON ---- */

static json_t *texts(const char *const *list)
{
	json_t *out = json_array();
	for (size_t i = 0; list && list[i]; i++)
		(void)json_array_append_new(out, json_string(list[i]));
	return out;
}

static json_t *entry_json(const struct egress_entry *e)
{
	char name[EGRESS_HOST_MAX + 16];
	json_t *pins = json_array();
	entry_name(e, name, sizeof(name));
	for (size_t i = 0; i < EGRESS_PINS_MAX && e->pins[i]; i++)
		(void)json_array_append_new(pins, json_string(e->pins[i]));
	return json_pack("{s:s, s:i, s:b, s:s, s:o, s:s?, s:s}", "destination", name, "port", (int)e->port, "private", e->private_ok, "tls",
			 e->tls == EGRESS_TLS_RAW ? "raw" : "sni", "address", pins, "why", e->why, "origin", e->origin);
}

static json_t *egress_json(const struct egress_list *list)
{
	json_t *entries = json_array();
	for (size_t i = 0; i < list->n; i++)
		(void)json_array_append_new(entries, entry_json(&list->entries[i]));
	return json_pack("{s:s, s:o, s:I, s:i, s:i}", "gate", list->n ? "open" : "closed", "entries", entries, "upload_bytes",
			 (json_int_t)list->upload_bytes, "connections", (int)list->connections, "wildcard_names", (int)list->wildcard_names);
}

static json_t *env_json(const struct plan_step *step)
{
	json_t *out = json_array();
	for (size_t i = 0; i < step->n_env; i++)
		(void)json_array_append_new(out, json_pack("{s:s, s:s, s:s}", "name", step->env[i].name, "value", step->env[i].value, "origin",
							   step->env[i].origin));
	return out;
}

static json_t *leases_json(const struct plan_step *step)
{
	json_t *out = json_array();
	for (size_t i = 0; i < step->n_leases; i++) {
		const struct plan_lease *l = &step->leases[i];
		(void)json_array_append_new(out, json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "name", l->name, "from",
							   l->from == PLAN_FROM_FILE ? "file" : "env", "source", l->source, "as",
							   l->as == PLAN_AS_FILE ? "file" : "env", "target", l->target, "ttl_sec",
							   (int)l->ttl_sec));
	}
	return out;
}

static json_t *limits_json(const struct plan_limits *l)
{
	return json_pack("{s:I, s:i, s:i, s:I, s:I, s:I, s:i}", "memory_bytes", (json_int_t)l->sandbox.memory_bytes, "cpu_millis",
			 (int)l->sandbox.cpu_millis, "pids", (int)l->sandbox.pids, "files", (json_int_t)l->files, "disk_bytes",
			 (json_int_t)l->disk_bytes, "log_bytes", (json_int_t)l->log_bytes, "time_sec", (int)l->time_sec);
}

static json_t *step_json(const struct plan_step *s)
{
	json_t *out = json_pack("{s:i, s:s, s:s, s:s, s:i, s:i, s:s, s:s}", "index", (int)s->index, "id", s->id, "name", s->name, "label",
				s->label, "line", (int)s->mark.line, "column", (int)s->mark.column, "phase", dd_phase_name(s->phase),
				"phase_why", s->phase_why);
	json_t *more = json_pack("{s:o, s:o, s:o, s:o, s:s?, s:s?, s:o, s:s?, s:s, s:s, s:o, s:b}", "egress", egress_json(&s->egress),
				 "credentials", leases_json(s), "env", env_json(s), "limits", limits_json(&s->limits), "script", s->script,
				 "shell", s->shell, "argv", texts(s->argv), "script_path", s->script_path, "workdir", s->workdir, "seccomp",
				 s->seccomp, "read", texts(s->read), "continue_on_error", s->continue_on_error);
	if (out && more && s->phase == DD_PHASE_PUSH) {
		(void)json_object_set_new(more, "workspace", json_string(plan_view_names[s->view]));
		(void)json_object_set_new(more, "artifacts", texts(s->artifacts));
	}
	if (!out || !more || json_object_update(out, more) < 0) {
		json_decref(out);
		out = NULL;
	}
	json_decref(more);
	return out;
}

/* 0, or -EIO when it could not be built or written. */
int plan_print_json(const struct plan *plan, FILE *out)
{
	json_t *steps = json_array();
	bool ok = true;
	for (size_t i = 0; i < plan->n_steps; i++)
		ok &= json_array_append_new(steps, step_json(&plan->steps[i])) == 0;
	json_t *root = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s?, s:b, s:s, s:o}", "workflow", plan->workflow_path, "workflow_name",
				 plan->workflow_name, "job", plan->job_id, "job_name", plan->job_name, "policy", plan->policy_path,
				 "policy_sha256", plan->policy_path ? plan->policy_sha256 : NULL, "trusted", plan->trusted, "trust_why",
				 plan->trust_why, "steps", steps);
	ok = ok && root && json_dumpf(root, out, JSON_INDENT(2)) == 0 && fputc('\n', out) != EOF;
	json_decref(root);
	return ok ? 0 : -EIO;
}
