// SPDX-License-Identifier: Apache-2.0
/* suggest_steps.c - which recorded steps are one step of a workflow, and which phase each should
 * have.
 *
 * Runs in: command line. A phase that the recorded policy chose is the operator's and stays, as
 * long as the step needed it. A step that ran in build and needed the network is a guess, made by
 * the rules below and explained in the policy. */
#include "suggest_parts.h"

#include "base/size_text.h"

#include <ctype.h>
#include <string.h>

enum { PUSH_BYTES_MIN = 64 * 1024 };

/* Scripts with a line that begins like this send something out on purpose. */
static const char *const publishing[] = {
	"npm publish",
	"yarn publish",
	"yarn npm publish",
	"pnpm publish",
	"npx semantic-release",
	"twine upload",
	"python -m twine upload",
	"python3 -m twine upload",
	"poetry publish",
	"flit publish",
	"uv publish",
	"hatch publish",
	"cargo publish",
	"docker push",
	"docker buildx build --push",
	"podman push",
	"buildah push",
	"skopeo copy",
	"crane push",
	"oras push",
	"helm push",
	"git push",
	"gh release",
	"glab release",
	"goreleaser",
	"gem push",
	"rake release",
	"bundle exec rake release",
	"mvn deploy",
	"mvn -B deploy",
	"mvn release:perform",
	"gradle publish",
	"./gradlew publish",
	"./mvnw deploy",
	"dotnet nuget push",
	"nuget push",
	"rsync",
	"scp",
	"sftp",
	"aws s3 cp",
	"aws s3 sync",
	"gsutil cp",
	"gsutil rsync",
	"kubectl apply",
	"terraform apply",
	"ansible-playbook",
};

/* ---- which are one ---- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : !a && !b;
}

static bool is_same_step(const struct suggest_seen *a, const struct suggest_seen *b)
{
	const char *id_a = replay_step_id(a->step), *id_b = replay_step_id(b->step);
	const struct facts_match *x = &a->step->match, *y = &b->step->match;
	if (!same_text(replay_step_job(a->step, a->facts->job),
	               replay_step_job(b->step, b->facts->job)))
		return false;
	if (id_a || id_b)
		return same_text(id_a, id_b);
	if (!x->known || !y->known)
		return x->known == y->known && strcmp(a->step->ref, b->step->ref) == 0;
	if (x->run_sha256 && y->run_sha256 && strcmp(x->run_sha256, y->run_sha256) != 0)
		return false;
	return same_text(x->name, y->name) && same_text(x->uses, y->uses) &&
	       same_text(x->run, y->run) && x->run_exact == y->run_exact;
}

static const char *first_line(struct plan_arena *arena, const char *text)
{
	enum { SHOWN = 60 };
	size_t len = strcspn(text, "\r\n");
	return len > SHOWN ? arena_printf(arena, "%.*s...", SHOWN, text)
	                   : arena_strndup(arena, text, len);
}

static const char *label_of(struct plan_arena *arena, const struct facts_step *step)
{
	const char *const names[] = { replay_step_id(step), step->match.name, step->name,
		                      step->match.uses,     step->match.run,  step->ref };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i] && *names[i])
			return first_line(arena, names[i]);
	return "?";
}

static void add_seen(struct suggest *s, const struct suggest_seen *seen)
{
	struct suggest_step *step = NULL;
	for (size_t i = 0; i < s->n_steps && !step; i++)
		if (is_same_step(&s->steps[i].seen[0], seen))
			step = &s->steps[i];
	if (!step) {
		step = &s->steps[s->n_steps++];
		step->label = label_of(s->arena, seen->step);
	}
	step->seen = arena_grow(s->arena, step->seen, step->n_seen, sizeof(*step->seen));
	step->seen[step->n_seen++] = *seen;
}

void suggest_steps(struct suggest *s)
{
	size_t total = 0;
	for (size_t i = 0; i < s->n_records; i++)
		total += s->records[i]->n_steps;
	s->steps = arena_array(s->arena, total + 1, sizeof(*s->steps));
	for (size_t i = 0; i < s->n_records; i++)
		for (size_t k = 0; k < s->records[i]->n_steps; k++) {
			const struct suggest_seen seen = { .facts = s->records[i],
				                           .step = &s->records[i]->steps[k] };
			add_seen(s, &seen);
		}
}

/* ---- what each needed ---- */

struct needs {
	bool net, lease, sent_more, untrusted;
	/* recorded in push with less than the whole workspace, which no other phase shows */
	bool own_view;
	bool recorded[DD_PHASE__COUNT];
	const char *command; /* of the table above, or NULL */
	uint64_t in, out, connections;
};

static const char *publishing_line(const char *line)
{
	while (isspace((unsigned char)*line) && *line != '\n')
		line++;
	for (size_t i = 0; i < ARRAY_LEN(publishing); i++) {
		size_t len = strlen(publishing[i]);
		if (strncmp(line, publishing[i], len) == 0 &&
		    (line[len] == '\0' || isspace((unsigned char)line[len])))
			return publishing[i];
	}
	return NULL;
}

static const char *publishing_command(const char *script)
{
	const char *found = NULL;
	while (script && *script && !found) {
		found = publishing_line(script);
		script += strcspn(script, "\n");
		script += *script == '\n';
	}
	return found;
}

static bool narrow_view(const struct facts_step *step)
{
	return strcmp(step->phase, phase_names[DD_PHASE_PUSH]) == 0 &&
	       !(step->workspace &&
	         strcmp(step->workspace, workspace_view_names[WORKSPACE_SHARED]) == 0);
}

static void add_needs(struct needs *n, const struct suggest_seen *seen)
{
	const struct facts_step *step = seen->step;
	const struct facts_sums *total = &step->gate.total;
	uint64_t in = (uint64_t)total->bytes_in, out = (uint64_t)total->bytes_out;
	for (size_t i = 0; i < step->n_net; i++)
		n->net = n->net || step->net[i].kind == FACTS_CONNECTED ||
		         step->net[i].kind == FACTS_RESOLVED ||
		         suggest_is_inside(seen, &step->net[i]);
	n->net = n->net || total->connections > 0;
	n->connections += (uint64_t)total->connections;
	n->in += in;
	n->out += out;
	n->sent_more = n->sent_more || (out > in && out > PUSH_BYTES_MIN);
	n->lease = n->lease || step->n_leases > 0;
	n->untrusted = n->untrusted || (seen->facts->trusted_known && !seen->facts->trusted);
	for (int p = 0; p < DD_PHASE__COUNT; p++)
		n->recorded[p] = n->recorded[p] || strcmp(step->phase, phase_names[p]) == 0;
	n->own_view = n->own_view || narrow_view(step);
	if (!n->command)
		n->command = publishing_command(step->match.run);
}

/* Some step was recorded in push with another view than the whole workspace: push cannot have two.
 */
static bool push_view_is_taken(const struct suggest *s)
{
	for (size_t i = 0; i < s->n_records; i++)
		for (size_t k = 0; k < s->records[i]->n_steps; k++)
			if (narrow_view(&s->records[i]->steps[k]))
				return true;
	return false;
}

/* A step that ran in build, without a rule, and got out because the run was observed. */
static void guess(const struct suggest *s, struct suggest_step *step, const struct needs *n)
{
	const char *sign = n->command ? arena_printf(s->arena, "its script says `%s`", n->command)
	                   : n->sent_more ? "it sent more than it received, and more than 64 KiB"
	                                  : NULL;
	step->phase = DD_PHASE_FETCH;
	if (!sign) {
		step->reason = "it came in over the network and held no credential";
	} else if (n->untrusted) {
		step->reason = arena_printf(s->arena,
		                            "%s, which looks like push; but the job was not "
		                            "trusted, so it gets no more than fetch",
		                            sign);
	} else if (push_view_is_taken(s)) {
		step->reason = arena_printf(s->arena,
		                            "%s, which looks like push; but it saw the whole "
		                            "workspace, and push shows less here",
		                            sign);
	} else {
		step->phase = DD_PHASE_PUSH;
		step->reason = sign;
	}
}

static void decide(struct suggest *s, struct suggest_step *step)
{
	struct needs n = { 0 };
	for (size_t i = 0; i < step->n_seen; i++)
		add_needs(&n, &step->seen[i]);
	bool needs_more = n.net || n.lease;
	if (n.recorded[DD_PHASE_PUSH] &&
	    (n.recorded[DD_PHASE_FETCH] || n.recorded[DD_PHASE_BUILD])) {
		step->phase = n.lease      ? DD_PHASE_PUSH
		              : needs_more ? DD_PHASE_FETCH
		                           : DD_PHASE_BUILD;
		step->reason = arena_printf(s->arena, "the records disagree about its phase; %s",
		                            n.lease ? "a credential belongs to push"
		                                    : "this is the safer");
		if (n.own_view)
			suggest_warn(s,
			             "step %s is in push in one record and not in another: no "
			             "policy fits both",
			             suggest_quoted(s->arena, step->label));
	} else if (n.recorded[DD_PHASE_PUSH] && (needs_more || n.own_view)) {
		step->phase = DD_PHASE_PUSH;
		step->reason =
			n.lease ? "the recorded policy has it in push, and it held a credential"
				: "the recorded policy has it in push";
	} else if (!needs_more) {
		step->phase = DD_PHASE_BUILD;
		step->reason = "it needed nothing from outside";
	} else if (n.recorded[DD_PHASE_FETCH]) {
		step->phase = DD_PHASE_FETCH;
		step->reason =
			n.lease ? "the recorded policy has it in fetch, with a credential"
				: "the recorded policy has it in fetch, and it held no credential";
	} else {
		guess(s, step, &n);
	}
	char in[16], out[16];
	if (n.net)
		step->reason = arena_printf(s->arena, "%s (%llu connection%s, %s in, %s out)",
		                            step->reason, (unsigned long long)n.connections,
		                            n.connections == 1 ? "" : "s", size_text(n.in, in),
		                            size_text(n.out, out));
}

void suggest_phases(struct suggest *s)
{
	for (size_t i = 0; i < s->n_steps; i++)
		decide(s, &s->steps[i]);
}
