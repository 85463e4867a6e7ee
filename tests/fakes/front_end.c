// SPDX-License-Identifier: Apache-2.0
/* front_end.c - a second front end, as small as one can be: a job of its own with a step that runs
 * late, one that always runs, and an output that the next step uses.
 *
 *     front_end POLICY WORKSPACE RECORD [SCRIPT-OF-LATE-STEP [SCRIPT-OF-THIRD [SECRET
 * OTHER-SECRET]]]
 *
 * Nothing outside of this folder knows of it. What it hears as a sink is printed, a line a call. */
#include "drydock/err.h"
#include "job/job_start.h"
#include "model/places.h"
#include "policy/policy.h"

#include <stdlib.h>

#define SHELL PLACE_SCRIPTS "/step.sh"
static const char *const argv_sh[] = { "sh", "-e", SHELL, NULL }, *const outputs[] = { "output",
	                                                                               NULL };
static struct pair vars[] = { { .name = "ANSWER", .value = "unknown" },
	                      { .name = "FROM", .value = "fake" } };
static const struct env_layer layer = { .origin = "job", .vars = vars, .n = 2 };

#define RECIPE(name_, script_)                                                                     \
	{                                                                                          \
		.name = (name_), .argv = argv_sh, .script = (script_), .script_path = SHELL,       \
		.workdir = PLACE_WORKSPACE, .env = &layer, .n_env = 1, .channel = outputs          \
	}
#define STEP(id_, run_)                                                                            \
	{                                                                                          \
		.facts = { .job = "fake", .id = (id_), .name = (id_), .run = (run_) },             \
		.label = (id_), .recipe = RECIPE(id_, run_)                                        \
	}
/* as it is written: the rules of a policy are held against this text */
static const struct spec_step steps[] = {
	STEP("make", "echo answer=42 >" PLACE_CHANNEL "/output"),
	STEP("use", "echo the answer is ${{ answer }}"),
	STEP("fail", "exit 3"),
	STEP("never", "echo @@never=yes@@"),
	STEP("always", "echo @@always=yes@@"),
};
/* not written anywhere: it appears when the job is over, and belongs to the first step */
static struct recipe late = RECIPE("Post make", "echo \"@@late=${TOKEN:-no token}@@\"");

static struct state {
	unsigned turn;
	bool failed;
	struct recipe recipe;
	const char *third; /* instead of what the third step says */
} state;

static int next(void *arg, const struct job_so_far *so_far, struct step_order *ret,
                enum job_conclusion *ret_conclusion, struct dd_err *err)
{
	struct state *s = arg;
	(void)err;
	*ret_conclusion = s->failed ? JOB_FAILED : JOB_SUCCEEDED;
	/* after a failure or a cancel only what always runs */
	bool only_always = s->failed || so_far->cancelled;
	while (s->turn < ARRAY_LEN(steps) && only_always &&
	       strcmp(steps[s->turn].label, "always") != 0)
		s->turn++;
	if (s->turn > ARRAY_LEN(steps) || (s->turn == ARRAY_LEN(steps) && so_far->cancelled))
		return 0;
	bool written = s->turn < ARRAY_LEN(steps);
	s->recipe = written ? steps[s->turn].recipe : late;
	if (s->turn ==
	    1) /* evaluated now, and not before: the value came from the step before it */
		s->recipe.script = "echo \"@@answer=$ANSWER@@\"";
	if (s->turn == 2 && s->third)
		s->recipe.script = s->third;
	*ret = (struct step_order){ .grant = written ? s->turn + 1 : 1,
		                    .written = written,
		                    .recipe = &s->recipe };
	s->turn++;
	return 1;
}

static int ended(void *arg, const struct step_order *order, const struct step_result *result,
                 const struct step_left *left, struct dd_err *err)
{
	struct state *s = arg;
	const struct step_file *output = &left->files[0];
	(void)order;
	(void)err;
	s->failed = s->failed || step_outcome_is_failure(result->outcome);
	if (left->n && output->bytes && strncmp(output->bytes, "answer=", 7) == 0)
		vars[0].value = strndup(output->bytes + 7, strcspn(output->bytes + 7, "\n"));
	return 0;
}

static void hear_step(void *arg, const struct job_step *step)
{
	(void)arg;
	printf("begins %s (%s), %zu leases\n", step->ref, step->shown, step->n_leases);
}

static void hear_line(void *arg, const struct job_step *step, const struct step_line *line)
{
	(void)arg;
	printf("%s| %s\n", step->label, line->text);
}

static void hear_note(void *arg, const struct job_step *step, enum sink_level level,
                      const char *text)
{
	(void)arg;
	printf("note %s %d: %s\n", step ? step->ref : "-", (int)level, text);
}

static void hear_end(void *arg, const struct sink_end *end)
{
	(void)arg;
	printf("job %s, head %s\n", end->status, end->head);
}

int main(int argc, char **argv)
{
	static const struct job_sink sink = { .step_begins = hear_step,
		                              .line = hear_line,
		                              .note = hear_note,
		                              .job_ended = hear_end };
	static const struct job_sink *const sinks[] = { &sink };
	const struct job_script script = { .arg = &state, .next = next, .ended = ended };
	struct job_spec spec = { .source = "fake",
		                 .pipeline = "fake",
		                 .id = "fake",
		                 .name = "fake",
		                 .steps = steps,
		                 .n_steps = ARRAY_LEN(steps) };
	struct diag_list diags = { 0 };
	struct identity id;
	struct policy *policy = NULL;
	struct plan *plan = NULL;
	struct dd_err err = { 0 };
	struct checkout checkout = CHECKOUT_NONE;
	if (argc < 4 || identity_enter(&id, &err) < 0)
		return 5;
	setvbuf(stdout, NULL, _IOLBF, 0);
	event_local(&spec.event);
	if (checkout_open(argv[2], &checkout, &err) < 0)
		return 2;
	if (argc > 4 && argv[4][0])
		late.script = argv[4];
	if (argc > 5)
		state.third = argv[5];
	if (policy_load(argv[1], &policy, &diags, &err) < 0 ||
	    plan_make(&spec, policy, &plan, &diags) < 0) {
		diag_print_files(stderr, &diags);
		return 2;
	}
	/* what a job message brings: one that the policy may name, and one that it never does */
	const struct lease_forge_secret secrets[] = {
		{ "DEPLOY", argc > 6 ? argv[6] : NULL, argc > 6 ? strlen(argv[6]) : 0 },
		{ "OTHER", argc > 7 ? argv[7] : NULL, argc > 7 ? strlen(argv[7]) : 0 },
	};
	const struct lease_forge forge = { secrets, argc > 7 ? ARRAY_LEN(secrets) : 0 };
	return job_start(&(struct job_request){ .plan = plan,
	                                        .secrets = &forge,
	                                        .id = &id,
	                                        .checkout = &checkout,
	                                        .script = &script,
	                                        .sinks = sinks,
	                                        .n_sinks = 1,
	                                        .record = argv[3] });
}
