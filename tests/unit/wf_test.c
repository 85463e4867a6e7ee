// SPDX-License-Identifier: Apache-2.0
/* wf_test.c - a workflow read whole: which contexts each place has, what is refused and where, ids,
 * conditions, the graph of needs, and the workflows that it calls. */
#include "complaint.h"

#include "runner/forges/actions/wf_doc.h"

#include "drydock/err.h"

/* ---- contexts of each place (W3) ---- */

enum {
	CALL = EXPR_GITHUB | EXPR_INPUTS | EXPR_VARS,
	NEEDS = CALL | EXPR_NEEDS,
	JOB = NEEDS | EXPR_STRATEGY | EXPR_MATRIX,
	RUN = JOB | EXPR_STEPS | EXPR_JOB | EXPR_RUNNER | EXPR_ENV,
	STEP = RUN | EXPR_SECRETS,
	NO_FUNCTIONS = 0,
	STATUS = EXPR_STATUS,
	JOB_STATUS = EXPR_STATUS | EXPR_JOB_STATUS,
	FILES = EXPR_HASH_FILES,
};

#define JOBS(body) "jobs:\n  a:\n    runs-on: x\n" body
#define STEPS      "    steps: [ { run: x } ]\n"
#define ONE(step)  JOBS("    steps:\n      - " step "\n")

static const struct place_row {
	const char *yaml; /* "@" is where the expression goes */
	unsigned contexts, functions;
} places[] = {
	{ "run-name: @\n" JOBS(STEPS), CALL, NO_FUNCTIONS },
	{ "name: @\n" JOBS(STEPS), 0, NO_FUNCTIONS },
	{ "env: { A: @ }\n" JOBS(STEPS), CALL | EXPR_SECRETS, NO_FUNCTIONS },
	{ "env: { @: 1 }\n" JOBS(STEPS), CALL | EXPR_SECRETS, NO_FUNCTIONS },
	{ "concurrency: @\n" JOBS(STEPS), CALL, NO_FUNCTIONS },
	{ "concurrency: { group: @ }\n" JOBS(STEPS), CALL, NO_FUNCTIONS },
	{ "defaults: { run: { shell: @ } }\n" JOBS(STEPS), 0, NO_FUNCTIONS },
	{ "permissions: { contents: @ }\n" JOBS(STEPS), 0, NO_FUNCTIONS },
	{ "on: { workflow_call: { inputs: { i: { type: string, default: @ } } } }\n" JOBS(STEPS),
	  CALL, NO_FUNCTIONS },
	{ "on: { workflow_call: { outputs: { o: { value: @ } } } }\n" JOBS(STEPS), CALL | EXPR_JOBS,
	  NO_FUNCTIONS },
	{ "on: { workflow_dispatch: { inputs: { i: { default: @ } } } }\n" JOBS(STEPS), 0,
	  NO_FUNCTIONS },
	{ JOBS("    if: @\n" STEPS), NEEDS, JOB_STATUS },
	{ JOBS("    strategy: @\n" STEPS), NEEDS, NO_FUNCTIONS },
	{ JOBS("    strategy: { matrix: @ }\n" STEPS), NEEDS, NO_FUNCTIONS },
	{ JOBS("    strategy: { matrix: { v: @ } }\n" STEPS), NEEDS, NO_FUNCTIONS },
	{ JOBS("    strategy: { matrix: { v: [ @ ] } }\n" STEPS), NEEDS, NO_FUNCTIONS },
	{ JOBS("    strategy: { fail-fast: @ }\n" STEPS), NEEDS, NO_FUNCTIONS },
	{ JOBS("    name: @\n" STEPS), JOB, NO_FUNCTIONS },
	{ "jobs: { a: { runs-on: @, steps: [ { run: x } ] } }\n", JOB, NO_FUNCTIONS },
	{ "jobs: { a: { runs-on: [ @ ], steps: [ { run: x } ] } }\n", JOB, NO_FUNCTIONS },
	{ "jobs: { a: { runs-on: { group: @ }, steps: [ { run: x } ] } }\n", JOB, NO_FUNCTIONS },
	{ JOBS("    timeout-minutes: @\n" STEPS), JOB, NO_FUNCTIONS },
	{ JOBS("    cancel-timeout-minutes: @\n" STEPS), JOB, NO_FUNCTIONS },
	{ JOBS("    continue-on-error: @\n" STEPS), JOB, NO_FUNCTIONS },
	{ JOBS("    concurrency: @\n" STEPS), JOB, NO_FUNCTIONS },
	{ JOBS("    environment: @\n" STEPS), JOB, NO_FUNCTIONS },
	{ JOBS("    environment: { name: @ }\n" STEPS), JOB, NO_FUNCTIONS },
	{ JOBS("    environment: { name: x, url: @ }\n" STEPS), RUN, NO_FUNCTIONS },
	{ JOBS("    env: { A: @ }\n" STEPS), JOB | EXPR_SECRETS, NO_FUNCTIONS },
	{ JOBS("    defaults: { run: { shell: @ } }\n" STEPS), JOB | EXPR_ENV, NO_FUNCTIONS },
	{ JOBS("    container: @\n" STEPS), JOB, NO_FUNCTIONS },
	{ JOBS("    container: { image: @ }\n" STEPS), JOB, NO_FUNCTIONS },
	{ JOBS("    container: { image: x, env: { A: @ } }\n" STEPS), STEP, NO_FUNCTIONS },
	/* what is allowed above is allowed below, too */
	{ JOBS("    container: { image: x, credentials: { username: @ } }\n" STEPS),
	  JOB | EXPR_SECRETS | EXPR_ENV, NO_FUNCTIONS },
	{ JOBS("    services: { s: @ }\n" STEPS), JOB, NO_FUNCTIONS },
	{ JOBS("    services: { s: { image: x, env: { A: @ } } }\n" STEPS), STEP, NO_FUNCTIONS },
	{ JOBS("    outputs: { o: @ }\n" STEPS), STEP, NO_FUNCTIONS },
	{ "jobs: { a: { uses: ./x.yml, with: { i: @ } } }\n", JOB, NO_FUNCTIONS },
	{ "jobs: { a: { uses: ./x.yml, secrets: { s: @ } } }\n", JOB | EXPR_SECRETS, NO_FUNCTIONS },
	{ "jobs: { a: { uses: @ } }\n", 0, NO_FUNCTIONS },
	{ ONE("{ run: x, if: @ }"), RUN, STATUS | FILES },
	{ ONE("{ run: @ }"), STEP, FILES },
	{ ONE("{ run: x, name: @ }"), STEP, FILES },
	{ ONE("{ run: x, env: { A: @ } }"), STEP, FILES },
	{ ONE("{ run: x, working-directory: @ }"), STEP, FILES },
	{ ONE("{ run: x, timeout-minutes: @ }"), STEP, FILES },
	{ ONE("{ run: x, continue-on-error: @ }"), STEP, FILES },
	{ ONE("{ run: x, shell: @ }"), 0, NO_FUNCTIONS },
	{ ONE("{ run: x, id: @ }"), 0, NO_FUNCTIONS },
	{ ONE("{ uses: @ }"), 0, NO_FUNCTIONS },
	{ ONE("{ uses: a/b@v1, with: { A: @ } }"), STEP, FILES },
};

static bool accepts(const char *place, const char *expression)
{
	const struct wf_options options = { .skip_calls = true };
	struct wf_errors errors = { .n = 0 };
	struct wf_doc *doc = NULL;
	char text[2000];
	const char *at = strchr(place, '@');

	/* "@v1" of an action is no place */
	while (strncmp(at, "@v1", 3) == 0)
		at = strchr(at + 1, '@');
	(void)snprintf(text, sizeof(text), "%.*s\"${{ %s }}\"%s", (int)(at - place), place,
	               expression, at + 1);
	bool ok = wf_parse("w.yml", text, strlen(text), &options, &doc, &errors) == 0;
	wf_free(doc);
	wf_errors_done(&errors);
	return ok;
}

static void each_place_has_its_contexts_and_no_other(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		for (unsigned bit = 1; bit < EXPR_CONTEXT__ALL; bit <<= 1) {
			char expression[60];
			(void)snprintf(expression, sizeof(expression), "%s.x",
			               expr_context_name(bit));
			if (accepts(places[i].yaml, expression) != !!(places[i].contexts & bit))
				fail_msg("%s: %s", expr_context_name(bit), places[i].yaml);
		}
}

static void each_place_has_its_functions_and_no_other(void **state)
{
	(void)state;
	static const struct {
		const char *expression;
		unsigned bit;
	} functions[] = { { "success()", STATUS },
		          { "always()", STATUS },
		          { "cancelled()", STATUS },
		          { "failure()", STATUS },
		          { "failure('a')", EXPR_JOB_STATUS },
		          { "hashFiles('a') != ''", FILES } };
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		for (size_t k = 0; k < ARRAY_LEN(functions); k++)
			if (accepts(places[i].yaml, functions[k].expression) !=
			    !!(places[i].functions & functions[k].bit))
				fail_msg("%s: %s", functions[k].expression, places[i].yaml);
}

/* ---- what is refused ---- */

static const struct wrong wrongs[] = {
	{ "", "the file is empty" },
	{ "on: push\n|>job: {}\njobs: { a: { runs-on: x, steps: [] } }\n", "unknown key `job`" },
	{ "|>on: push\n", "`jobs` is missing here" },
	{ "jobs: |>[ a ]\n", "a list cannot stand here" },
	{ "jobs: |>{}\n", "no job can be the first" },
	{ "jobs: { a: { runs-on: x, steps: |>{ run: x } } }\n", "a map of keys cannot stand here" },
	{ JOBS("    |>step: []\n" STEPS), "unknown key `step`" },
	{ "jobs: { a: |>{ steps: [ { run: x } ] } }\n", "`runs-on` is missing here" },
	{ "jobs: { a: |>{ name: x } }\n", "too little to know what it is" },
	{ "jobs: { a: { runs-on: x, |>uses: ./x.yml } }\n", "unknown key `uses`" },
	{ ONE("|>{ name: x }"), "too little to know what it is" },
	{ ONE("{ run: x, |>uses: a/b@v1 }"), "unknown key `uses`" },
	{ ONE("{ run: x, |>with: {} }"), "unknown key `with`" },
	{ ONE("{ run: x, |>RUN: y }"), "is there already" },
	{ ONE("{ run: x, |>background: true }"), "unknown key `background`" },
	{ ONE("{ run: x, timeout-minutes: |>soon }"), "`soon` cannot stand here" },
	{ ONE("{ run: x, timeout-minutes: |>'5' }"), "`5` cannot stand here" },
	{ ONE("{ run: x, continue-on-error: |>yes }"), "`yes` cannot stand here" },
	{ ONE("{ run: x, id: |>1a }"), "`1a` cannot be the id of a step" },
	{ ONE("{ run: x, id: |>__a }"), "__ begins what GitHub makes" },
	{ ONE("{ run: x, id: A }\n      - { run: x, id: |>a }"), "two with the id `a`" },
	{ ONE("{ run: x, id: |>'' }"), "something must stand here" },
	{ "jobs: { |>a.b: { runs-on: x, steps: [ { run: x } ] } }\n", "cannot be the id of a job" },
	{ "jobs: { a: { runs-on: x }, |>A: { runs-on: x } }\n", "`A` is there already" },
	{ ONE("{ uses: |>a/b }"), "names no action" },
	{ ONE("{ uses: |>a@v1 }"), "names no action" },
	{ ONE("{ uses: |>a/b@v1@2 }"), "names no action" },
	{ ONE("{ uses: |>a/b@ }"), "names no action" },
	{ ONE("{ uses: |>$/ }"), "names no action" },
	{ ONE("{ run: x, if: |>\"a b\" }"), "`a` is neither" },
	{ ONE("{ run: x, if: '|>${{ secrets.A }}' }"), "`secrets` is not available here" },
	{ JOBS("    if: |>env.A\n" STEPS), "`env` is not available here" },
	{ "jobs:\n  |>a:\n    runs-on: x\n    needs: b\n", "no job can be the first" },
	{ "jobs: { a: { runs-on: x }, b: { runs-on: x, needs: [ a, |>c ] } }\n",
	  "there is no such job" },
	{ "jobs: { a: { runs-on: x }, b: { runs-on: x, needs: |>B } }\n", "can never be done" },
	{ "jobs: { a: { runs-on: x }, b: { runs-on: x, needs: |>c }, c: { runs-on: x, needs: b } "
	  "}\n",
	  "can never be done" },
	{ JOBS("    strategy: { matrix: |>{} }\n" STEPS), "a matrix needs a key with values" },
	{ JOBS("    strategy: { matrix: { include: [] } }\n" STEPS),
	  "a matrix needs a key with values" },
	{ JOBS("    strategy: { matrix: { v: |>[] } }\n" STEPS),
	  "`v` of the matrix has no values" },
	{ JOBS("    strategy: { matrix: { v: |>x } }\n" STEPS), "`x` cannot stand here" },
	{ JOBS("    strategy: { matrix: { v: [ 1 ], include: [ |>{} ] } }\n" STEPS),
	  "an entry of `include` is empty" },
	{ JOBS("    strategy: { matrix: { v: [ 1 ], exclude: [ |>{} ] } }\n" STEPS),
	  "an entry of `exclude` is empty" },
	{ JOBS("    strategy: { matrix: { v: [ 1 ], exclude: [ { |>w: 1 } ] } }\n" STEPS),
	  "`w` of `exclude` is no key" },
	{ JOBS("    strategy: { |>matrx: {} }\n" STEPS), "unknown key `matrx`" },
	{ "jobs: { a: { runs-on: { group: |>x/y } } }\n", "is no runner group" },
	{ "jobs: { a: { runs-on: { group: |>org/ } } }\n", "is no runner group" },
	{ JOBS("    container: |>docker://\n" STEPS), "a container needs an image" },
	{ JOBS("    services: { s: |>docker:// }\n" STEPS), "a container needs an image" },
	{ JOBS("    services: { s: |>'' }\n" STEPS), "something must stand here" },
	{ JOBS("    container: { image: |>}\n" STEPS), "something must stand here" },
	{ JOBS("    snapshot: |>{ image-name: x, version: 1.0 }\n" STEPS), "written like `1.*`" },
	{ "permissions: { contents: |>all }\n" JOBS(STEPS), "`all` cannot stand here" },
	{ "permissions: { |>everything: read }\n" JOBS(STEPS), "unknown key `everything`" },
	{ "permissions: { id-token: |>read }\n" JOBS(STEPS), "`read` cannot stand here" },
	{ "env: { A: |>[ 1 ] }\n" JOBS(STEPS), "a list cannot stand here" },
	{ "env: { A: 1, |>a: 2 }\n" JOBS(STEPS), "is there already" },
	{ "on: { workflow_call: { inputs: { i: |>{} } } }\n" JOBS(STEPS),
	  "`type` is missing here" },
	{ "on: { workflow_call: { inputs: { i: { type: |>choice } } } }\n" JOBS(STEPS),
	  "`choice` cannot stand here" },
	{ JOBS("    |><<: {}\n" STEPS), "unknown key `<<`" },
	{ ONE("{ run: |>!!int x }"), "does not fit its tag" },
	{ ONE("{ run: |>!!binary x }"), "a tag that workflows do not know" },
	{ ONE("{ run: |>*x }"), "no anchor `x`" },
	{ "jobs:\n  ? |>[ a ]\n  : b\n", "a key must be a plain word" },
};

static void every_wrong_workflow_is_refused_where_it_is_wrong(void **state)
{
	(void)state;
	const struct wf_options options = { .skip_calls = true };
	for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
		struct wf_errors errors = { .n = 0 };
		struct diag_list diags = { 0 };
		struct wf_doc *doc = NULL;
		struct marked m;
		unmark(wrongs[i].text, &m);
		if (wf_parse("w.yml", m.text, strlen(m.text), &options, &doc, &errors) != -EINVAL)
			fail_msg("accepted:\n%s", m.text);
		assert_null(doc);
		wf_errors_to_diags(&errors, &diags);
		assert_true(has_complaint(&diags, &m, wrongs[i].fragment));
		diag_list_done(&diags);
		wf_errors_done(&errors);
	}
}

static void ten_errors_are_kept_and_more_are_told(void **state)
{
	(void)state;
	const struct wf_options options = { .skip_calls = true };
	struct wf_errors errors = { .n = 0 };
	struct diag_list diags = { 0 };
	struct wf_doc *doc = NULL;
	static const char text[] =
		"a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\ng: 1\nh: 1\ni: 1\nj: 1\nk: 1\n"
		"jobs: {}\n";
	assert_int_equal(wf_parse("w.yml", text, sizeof(text) - 1, &options, &doc, &errors),
	                 -EINVAL);
	assert_int_equal(errors.n, 10);
	assert_true(errors.more);
	wf_errors_to_diags(&errors, &diags);
	assert_int_equal(diags.n, 11);
	assert_non_null(strstr(diags.items[10].text, "more than 10 errors"));
	diag_list_done(&diags);
	wf_errors_done(&errors);
}

static void hints_say_what_was_meant(void **state)
{
	(void)state;
	static const struct {
		const char *text, *hint;
	} rows[] = {
		{ ONE("{ run: x, |>timeout: 5 }"), "timeout-minutes" },
		{ ONE("{ run: x, working_directory: y }"), "did you mean `working-directory`?" },
		{ ONE("{ name: x }"),
		  "one of these keys would tell: run, shell, uses, with, working-directory" },
		{ ONE("{ run: x, background: true }"), "background steps are not built yet" },
		{ "permissions: all\n" JOBS(STEPS), "`read-all`, `write-all`" },
	};
	const struct wf_options options = { .skip_calls = true };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wf_errors errors = { .n = 0 };
		struct wf_doc *doc = NULL;
		struct marked m;
		unmark(rows[i].text, &m);
		assert_int_equal(wf_parse("w.yml", m.text, strlen(m.text), &options, &doc, &errors),
		                 -EINVAL);
		if (!strstr(errors.items[0].hint, rows[i].hint))
			fail_msg("%s: %s", m.text, errors.items[0].hint);
		wf_errors_done(&errors);
	}
}

/* ---- what is read ---- */

static struct wf_doc *parse(const char *text, const struct wf_options *options)
{
	struct wf_errors errors = { .n = 0 };
	struct wf_doc *doc = NULL;
	if (wf_parse("w.yml", text, strlen(text), options, &doc, &errors) < 0)
		fail_msg("%s:%u: %s", errors.items[0].at.file, errors.items[0].at.line,
		         errors.items[0].text);
	return doc;
}

static void jobs_know_their_needs_whatever_the_case(void **state)
{
	(void)state;
	const struct wf_options options = { .skip_calls = true };
	struct wf_doc *doc =
		parse("jobs:\n  c: { runs-on: x, needs: [ A, b ] }\n  a: { runs-on: x }\n"
	              "  B: { runs-on: x, needs: a }\n",
	              &options);
	assert_int_equal(doc->n_jobs, 3);
	assert_int_equal(doc->jobs[0].need_jobs[0], 1);
	assert_int_equal(doc->jobs[0].need_jobs[1], 2);
	assert_ptr_equal(wf_find_job(doc->jobs, doc->n_jobs, "b"), &doc->jobs[2]);
	assert_null(wf_find_job(doc->jobs, doc->n_jobs, "d"));
	wf_free(doc);
}

static const struct id_row {
	const char *steps;
	const char *ids; /* of all steps, internal ones too */
} ids[] = {
	{ "{ run: x }, { run: x }, { run: x }", "__run __run_2 __run_3" },
	{ "{ uses: actions/checkout@v4 }, { uses: Actions/Checkout/sub@v1 }",
	  "__actions_checkout __Actions_Checkout_2" },
	{ "{ uses: ./a }, { uses: './b/c' }, { uses: $/d }", "__self __self_2 __selfRepository" },
	{ "{ uses: 'docker://alpine:3.8' }", "__alpine_3_8" },
	{ "{ run: x, id: run }, { run: x }", "run __run" },
	{ "{ uses: 'a b/c@v1' }", "__a_b_c" },
	{ "{ uses: 'a/\u00e4\U0001f600@v1' }", "__a____" },
};

static void steps_without_an_id_get_githubs_own(void **state)
{
	(void)state;
	const struct wf_options options = { .skip_calls = true };
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		char text[1000], all[400] = "";
		(void)snprintf(text, sizeof(text), JOBS("    steps: [ %s ]\n"), ids[i].steps);
		struct wf_doc *doc = parse(text, &options);
		for (size_t k = 0; k < doc->jobs[0].n_steps; k++) {
			const struct wf_step *step = &doc->jobs[0].steps[k];
			size_t used = strlen(all);
			(void)snprintf(all + used, sizeof(all) - used, "%s%s", k ? " " : "",
			               step->id);
			assert_true(step->id_written == (strncmp(step->id, "__", 2) != 0));
		}
		assert_string_equal(all, ids[i].ids);
		wf_free(doc);
	}
}

static void a_thousandth_step_that_looks_the_same_needs_an_id(void **state)
{
	(void)state;
	const struct wf_options options = { .skip_calls = true };
	char *text = malloc(40000);
	struct wf_errors errors = { .n = 0 };
	struct wf_doc *doc = NULL;
	assert_non_null(text);
	char *at = stpcpy(text, JOBS("    steps:\n"));
	for (int i = 0; i < 999; i++)
		at = stpcpy(at, "      - { run: x }\n");
	assert_int_equal(wf_parse("w.yml", text, strlen(text), &options, &doc, &errors), 0);
	assert_string_equal(doc->jobs[0].steps[998].id, "__run_999");
	wf_free(doc);
	at = stpcpy(at, "      - { run: x }\n");
	assert_int_equal(wf_parse("w.yml", text, strlen(text), &options, &doc, &errors), -EINVAL);
	assert_int_equal(errors.items[0].at.line, 1004);
	wf_errors_done(&errors);
	free(text);
}

static void anchors_are_read_unless_they_are_refused(void **state)
{
	(void)state;
	static const char text[] = "jobs:\n  a: &job\n    runs-on: x\n    steps: [ { run: y } ]\n"
				   "  b: *job\n";
	struct wf_options options = { .skip_calls = true };
	struct wf_errors errors = { .n = 0 };
	struct wf_doc *doc = parse(text, &options), *none = NULL;
	assert_int_equal(doc->n_jobs, 2);
	assert_string_equal(doc->jobs[1].steps[0].run->text, "y");
	wf_free(doc);
	options.refuse_anchors = true;
	assert_int_equal(wf_parse("w.yml", text, sizeof(text) - 1, &options, &none, &errors),
	                 -EINVAL);
	assert_int_equal(errors.items[0].class, WF_ANCHOR);
	assert_int_equal(errors.items[0].at.line, 2);
	wf_errors_done(&errors);
}

static void a_thousand_laughs_are_too_many_nodes(void **state)
{
	(void)state;
	static const char text[] =
		"env: &a { a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1, i: 1, j: 1 }\n"
		"x: &b [ *a, *a, *a, *a, *a, *a, *a, *a, *a, *a ]\n"
		"y: &c [ *b, *b, *b, *b, *b, *b, *b, *b, *b, *b ]\n"
		"z: [ *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, "
		"*c, *c,"
		" *c, *c, *c, *c, *c, *c, *c, *c, *c ]\n";
	const struct wf_options options = { .skip_calls = true };
	struct wf_errors errors = { .n = 0 };
	struct wf_doc *doc = NULL;
	assert_int_equal(wf_parse("w.yml", text, sizeof(text) - 1, &options, &doc, &errors),
	                 -EINVAL);
	assert_int_equal(errors.items[0].class, WF_NODES);
	wf_errors_done(&errors);
}

static void minutes_and_names_are_kept_with_their_types(void **state)
{
	(void)state;
	const struct wf_options options = { .skip_calls = true };
	struct wf_doc *doc = parse("name: 3.10\non: push\njobs:\n  a:\n    runs-on: x\n    "
	                           "timeout-minutes: 1.5\n    name: 12\n"
	                           "    env: { A: 3.10, B: true, C: , D: 1e3 }\n    steps:\n      "
	                           "- run: x\n        name: true\n"
	                           "        env: { E: ~ }\n",
	                           &options);
	assert_string_equal(doc->name->text, "3.1");
	assert_true(doc->jobs[0].timeout_minutes->number == 1.5);
	assert_string_equal(doc->jobs[0].name->text, "12");
	assert_string_equal(template_get(doc->jobs[0].env, "A")->text, "3.1");
	assert_string_equal(template_get(doc->jobs[0].env, "B")->text, "true");
	assert_string_equal(template_get(doc->jobs[0].env, "C")->text, "");
	assert_string_equal(template_get(doc->jobs[0].env, "D")->text, "1000");
	assert_string_equal(doc->jobs[0].steps[0].name->text, "true");
	wf_free(doc);
}

static void inputs_of_a_start_by_hand_have_their_types(void **state)
{
	(void)state;
	const struct wf_options options = { .skip_calls = true };
	struct wf_doc *doc = parse("on:\n  workflow_dispatch:\n    inputs:\n      a:\n      b: { "
	                           "type: boolean, default: true }\n"
	                           "      c: { type: choice, options: [ x ] }\n" JOBS(STEPS),
	                           &options);
	assert_int_equal(doc->n_inputs, 3);
	assert_string_equal(doc->inputs[0].type, "string");
	assert_null(doc->inputs[0].definition);
	assert_string_equal(doc->inputs[1].type, "boolean");
	assert_true(template_get(doc->inputs[1].definition, "default")->truth);
	assert_string_equal(doc->inputs[2].name, "c");
	wf_free(doc);
}

/* ---- calls ---- */

struct files {
	const char *text; /* of every file that is called */
	unsigned loads;
};

static int load_file(void *user, const char *caller, const char *ref, char **ret, size_t *ret_len,
                     struct dd_err *err)
{
	struct files *files = user;
	(void)caller;
	if (strstr(ref, "missing"))
		return -ENOENT;
	if (strstr(ref, "odd"))
		return dd_err_say(err, EPERM, "it lies outside of the repository");
	files->loads++;
	*ret = strdup(files->text);
	*ret_len = strlen(files->text);
	return *ret ? 0 : -ENOMEM;
}

#define CALLED(on, job) "on: { workflow_call: " on " }\njobs: { n: { runs-on: x" job " } }\n"

static const struct call_row {
	const char *caller, *called; /* "|>" in the caller */
	enum wf_class class;
	bool in_called; /* the error is in the called file, and names the caller's place */
} calls[] = {
	{ "jobs: { a: { uses: |>./missing.yml } }\n", "", WF_NOT_FOUND, false },
	{ "jobs: { a: { uses: |>./odd.yml } }\n", "", WF_NOT_FOUND, false },
	{ "jobs: { a: { uses: |>./x.yml } }\n", "on: push\njobs: { n: { runs-on: x } }\n",
	  WF_NOT_CALLABLE, true },
	{ "jobs: { a: { uses: |>./x.yml } }\n", "jobs: { n: { runs-on: x } }\n", WF_NOT_CALLABLE,
	  true },
	{ "jobs: { a: { uses: |>./x.yml } }\n", CALLED("", ", bad: 1"), WF_UNEXPECTED_VALUE, true },
	{ "jobs: { a: { uses: |>./x.yml } }\n",
	  CALLED("{ inputs: { i: { type: string, required: true } } }", ""), WF_INPUT_REQUIRED,
	  false },
	{ "jobs: { a: { uses: ./x.yml, with: { |>j: 1 } } }\n", CALLED("", ""), WF_INPUT_UNDEFINED,
	  false },
	{ "jobs: { a: { uses: ./x.yml, with: { I: |>x } } }\n",
	  CALLED("{ inputs: { i: { type: number } } }", ""), WF_UNEXPECTED_VALUE, false },
	{ "jobs: { a: { uses: |>./x.yml } }\n",
	  CALLED("{ inputs: { i: { type: boolean, default: 'x' } } }", ""), WF_UNEXPECTED_VALUE,
	  true },
	{ "jobs: { a: { uses: |>./x.yml } }\n",
	  CALLED("{ secrets: { s: { required: true } } }", ""), WF_SECRET_REQUIRED, false },
	{ "jobs: { a: { uses: ./x.yml, secrets: { |>t: 1 } } }\n",
	  CALLED("{ secrets: { s: } }", ""), WF_SECRET_UNDEFINED, false },
	{ "jobs: { |>a: { uses: ./x.yml, permissions: { actions: read } } }\n",
	  CALLED("", ", permissions: { actions: write }"), WF_PERMISSIONS, false },
	{ "permissions: {}\njobs: { |>a: { uses: ./x.yml } }\n",
	  CALLED("", ", permissions: read-all"), WF_PERMISSIONS, false },
	{ "jobs: { |>a: { uses: ./x.yml } }\n", CALLED("", ", permissions: { id-token: write }"),
	  WF_PERMISSIONS, false },
};

static void what_is_wrong_with_a_call_is_told_where_it_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		struct files files = { .text = calls[i].called };
		const struct wf_options options = { .load = load_file, .user = &files };
		struct wf_errors errors = { .n = 0 };
		struct wf_doc *doc = NULL;
		struct marked m;
		unmark(calls[i].caller, &m);
		if (wf_parse("w.yml", m.text, strlen(m.text), &options, &doc, &errors) != -EINVAL)
			fail_msg("accepted: %s\n%s", m.text, calls[i].called);
		const struct wf_error *e = &errors.items[0];
		const struct diag_mark *at = calls[i].in_called ? &e->caller : &e->at;
		if (errors.n != 1 || e->class != calls[i].class || at->line != m.line ||
		    at->column != m.column)
			fail_msg("%s\n%s: %s at %u:%u: %s", m.text, calls[i].called,
			         wf_class_name(e->class), at->line, at->column, e->text);
		assert_string_equal(e->at.file, calls[i].in_called ? "x.yml" : "w.yml");
		wf_errors_done(&errors);
	}
}

static void what_fits_a_call_is_accepted(void **state)
{
	(void)state;
	struct files files = {
		.text = "on:\n  workflow_call:\n    inputs: { i: { type: string }, n: { type: "
			"number } }\n"
			"    secrets: { s: { required: true } }\n    outputs: { o: { value: '${{ "
			"jobs.n.outputs.p }}'"
			" } }\nenv: { E: 1 }\njobs: { n: { runs-on: x, outputs: { p: q } } }\n"
	};
	struct wf_options options = { .load = load_file, .user = &files };
	struct wf_doc *doc = parse(
		"jobs:\n  a:\n    uses: ./x.yml\n    with: { I: 3, n: '${{ github.run_id }}' }\n"
		"    secrets: inherit\n  b:\n    needs: a\n    uses: ./x.yml\n    secrets: { S: x "
		"}\n",
		&options);
	const struct wf_call *call = doc->jobs[0].call;
	assert_true(call->inherit_secrets);
	assert_int_equal(call->n_jobs, 1);
	assert_non_null(call->env);
	assert_string_equal(call->jobs[0].id->mark.file, "x.yml");
	assert_int_equal(doc->n_files, 2);
	assert_int_equal(files.loads, 2);
	assert_ptr_not_equal(call->jobs, doc->jobs[1].call->jobs);
	wf_free(doc);
	options.skip_calls = true;
	doc = parse("jobs: { a: { uses: ./x.yml } }\n", &options);
	assert_int_equal(doc->jobs[0].call->n_jobs, 0);
	assert_int_equal(files.loads, 2);
	wf_free(doc);
}

/* The class of the first error, when the caller's and the called text are read. */
static enum wf_class class_of(const char *caller, const char *called, struct wf_options options)
{
	struct files files = { .text = called };
	struct wf_errors errors = { .n = 0 };
	struct wf_doc *doc = NULL;
	options.load = load_file;
	options.user = &files;
	enum wf_class class = WF_NO_CLASS;
	if (wf_parse("w.yml", caller, strlen(caller), &options, &doc, &errors) < 0)
		class = errors.items[0].class;
	wf_free(doc);
	wf_errors_done(&errors);
	return class;
}

static void the_files_of_one_workflow_are_counted_once_each(void **state)
{
	(void)state;
	static const char caller[] = "jobs: { a: { uses: ./x.yml }, b: { uses: ./y.yml }, "
				     "c: { uses: ./x.yml } }\n";
	const char *called = CALLED("", "");
	assert_int_equal(class_of(caller, called, (struct wf_options){ .files_max = 3 }),
	                 WF_NO_CLASS);
	assert_int_equal(class_of(caller, called, (struct wf_options){ .files_max = 2 }),
	                 WF_TOO_MANY_FILES);
}

static void who_writes_no_permissions_has_the_default_to_give(void **state)
{
	(void)state;
	static const char caller[] = "jobs: { a: { uses: ./x.yml } }\n";
	const char *reads = CALLED("", ", permissions: { contents: read, packages: read }");
	const char *issues = CALLED("", ", permissions: { issues: read }");
	const char *models = CALLED("", ", permissions: { models: read, id-token: write }");
	const struct wf_options least = { .files_max = 0 }, all = { .permissions_write_all = true };
	assert_int_equal(class_of(caller, reads, least), WF_NO_CLASS);
	assert_int_equal(class_of(caller, issues, least), WF_PERMISSIONS);
	assert_int_equal(class_of(caller, issues, all), WF_NO_CLASS);
	assert_int_equal(class_of(caller, models, all), WF_NO_CLASS);
}

static void write_all_gives_no_more_than_a_permission_has(void **state)
{
	(void)state;
	const struct wf_options options = { .skip_calls = true };
	struct wf_doc *doc = parse("permissions: write-all\n" JOBS(STEPS), &options);
	for (size_t i = 0; i < WF_PERMISSIONS_N; i++) {
		const char *name = wf_permission_name(i);
		bool read = strcmp(name, "models") == 0 ||
		            strcmp(name, "vulnerability-alerts") == 0;
		assert_int_equal(doc->permissions->levels[i],
		                 read ? WF_LEVEL_READ : WF_LEVEL_WRITE);
	}
	wf_free(doc);
}

static void a_concurrency_group_has_four_hundred_characters(void **state)
{
	(void)state;
	char text[1000];
	for (int n = 400; n <= 401; n++) {
		(void)snprintf(text, sizeof(text), "concurrency: %0*d\xc3\xa4x\n" JOBS(STEPS),
		               n - 2, 0);
		assert_int_equal(class_of(text, "", (struct wf_options){ .files_max = 0 }),
		                 n == 400 ? WF_NO_CLASS : WF_CONCURRENCY_LONG);
	}
}

static void a_workflow_that_calls_itself_ends(void **state)
{
	(void)state;
	struct files files = {
		.text = "on: workflow_call\njobs:\n  a: { uses: ./x.yml }\n  b: { uses: ./x.yml }\n"
	};
	const struct wf_options options = { .load = load_file, .user = &files };
	struct wf_errors errors = { .n = 0 };
	struct wf_doc *doc = NULL;
	static const char text[] = "jobs: { a: { uses: ./x.yml } }\n";
	assert_int_equal(wf_parse("w.yml", text, sizeof(text) - 1, &options, &doc, &errors),
	                 -EINVAL);
	assert_int_equal(errors.items[0].class, WF_CALL_DEPTH);
	assert_int_equal(files.loads, 10);
	wf_errors_done(&errors);
}

static void many_calls_of_one_file_end_at_the_bound_of_memory(void **state)
{
	(void)state;
	char *text = malloc(100000), *at = text;
	struct files files = { .text = NULL };
	const struct wf_options options = { .load = load_file, .user = &files };
	struct wf_errors errors = { .n = 0 };
	struct wf_doc *doc = NULL;
	assert_non_null(text);
	at = stpcpy(at, "on: workflow_call\njobs:\n");
	for (int i = 0; i < 1000; i++)
		at += sprintf(at, "  a%d: { uses: ./x.yml }\n", i);
	at = stpcpy(at, "  z: { runs-on: x }\n");
	files.text = text;
	assert_int_equal(wf_parse("w.yml", text, strlen(text), &options, &doc, &errors), -EINVAL);
	assert_true(errors.items[0].class == WF_SIZE || errors.items[0].class == WF_CALL_DEPTH);
	assert_true(files.loads < 1000);
	wf_errors_done(&errors);
	free(text);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_place_has_its_contexts_and_no_other),
		cmocka_unit_test(each_place_has_its_functions_and_no_other),
		cmocka_unit_test(every_wrong_workflow_is_refused_where_it_is_wrong),
		cmocka_unit_test(ten_errors_are_kept_and_more_are_told),
		cmocka_unit_test(hints_say_what_was_meant),
		cmocka_unit_test(jobs_know_their_needs_whatever_the_case),
		cmocka_unit_test(steps_without_an_id_get_githubs_own),
		cmocka_unit_test(a_thousandth_step_that_looks_the_same_needs_an_id),
		cmocka_unit_test(anchors_are_read_unless_they_are_refused),
		cmocka_unit_test(a_thousand_laughs_are_too_many_nodes),
		cmocka_unit_test(minutes_and_names_are_kept_with_their_types),
		cmocka_unit_test(inputs_of_a_start_by_hand_have_their_types),
		cmocka_unit_test(what_is_wrong_with_a_call_is_told_where_it_is_wrong),
		cmocka_unit_test(what_fits_a_call_is_accepted),
		cmocka_unit_test(the_files_of_one_workflow_are_counted_once_each),
		cmocka_unit_test(who_writes_no_permissions_has_the_default_to_give),
		cmocka_unit_test(write_all_gives_no_more_than_a_permission_has),
		cmocka_unit_test(a_concurrency_group_has_four_hundred_characters),
		cmocka_unit_test(a_workflow_that_calls_itself_ends),
		cmocka_unit_test(many_calls_of_one_file_end_at_the_bound_of_memory),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
