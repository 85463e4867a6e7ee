// SPDX-License-Identifier: Apache-2.0
/* bench_template.c - what the language of workflows costs: all templates of a large step (aim: 0.1
 * ms; the largest of 2,372 steps of well-known repositories has 13 expressions in 1,092
 * characters), reading a workflow, and whether 1,000 steps are linear in time and memory.
 *
 * Prints rows "group what median min unit ratio" for scripts/bench; the ratio is that of the median
 * to its aim, or of a thousand steps to ten times a hundred. */
#include "runner/forges/actions/taint.h"
#include "runner/forges/actions/wf_doc.h"
#include "runner/forges/actions/inject.h"

#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 400, READS = 30 };

static const char step_text[] =
	"      - name: Build ${{ matrix.build }} for ${{ matrix.target }}\n"
	"        if: github.event_name != 'pull_request' && (matrix.os == 'linux' || "
	"contains(matrix.features,"
	" 'pcre'))\n"
	"        env:\n"
	"          TARGET_FLAGS: --target ${{ matrix.target }}\n"
	"          TARGET_DIR: ./target/${{ matrix.target }}\n"
	"          TITLE: ${{ github.event.issue.title }}\n"
	"          KEY: ${{ runner.os }}-build-${{ hashFiles('**/Cargo.lock') }}\n"
	"        run: |\n"
	"          version=\"${{ steps.version.outputs.value || github.ref_name }}\"\n"
	"          archive=\"app-$version-${{ matrix.target }}\"\n"
	"          mkdir -p \"$archive\"/{complete,doc}\n"
	"          cp \"target/${{ matrix.target }}/release/app\" \"$archive\"/\n"
	"          cp {README.md,COPYING,UNLICENSE,LICENSE-MIT} \"$archive\"/\n"
	"          cp {CHANGELOG.md,FAQ.md,GUIDE.md} \"$archive\"/doc/\n"
	"          if [ \"${{ matrix.os }}\" = \"windows\" ]; then\n"
	"            7z a \"$archive.zip\" \"$archive\"\n"
	"          else\n"
	"            tar czf \"$archive.tar.gz\" \"$archive\" # ${{ format('{0} of {1}', "
	"strategy.job-index,"
	" strategy.job-total) }}\n"
	"          fi\n"
	"          echo '${{ toJSON(matrix) }}' >\"$archive\"/matrix.json\n";

static const char contexts_text[] = "{\"github\": {\"event_name\": \"push\", \"ref_name\": "
				    "\"v1.2.3\", \"event\": {\"issue\": {\"title\": \"a title\"}}},"
				    " \"matrix\": {\"build\": \"stable\", \"os\": \"linux\", "
				    "\"target\": \"x86_64-unknown-linux-musl\", \"features\":"
				    " [\"simd\", \"pcre\"]}, \"strategy\": {\"job-index\": 3, "
				    "\"job-total\": 12}, \"runner\": {\"os\": \"Linux\"},"
				    " \"steps\": {\"version\": {\"outputs\": {\"value\": \"\"}}}}";

static struct expr_value contexts;

static double now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static double report(const char *what, double *v, size_t n, const char *unit, double aim)
{
	qsort(v, n, sizeof(*v), by_value);
	printf("template\t%s\t%.3f\t%.3f\t%s\t", what, v[n / 2], v[0], unit);
	if (aim > 0)
		printf("%.2f of the aim\n", v[n / 2] / aim);
	else
		printf("\n");
	return v[n / 2];
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "bench_template: %s failed\n", what);
	exit(1);
}

static int find(void *user, const char *name, struct expr_value *ret, struct expr_error *err)
{
	const struct expr_value *found = expr_object_get(contexts.object, name, strlen(name));
	(void)user;
	(void)err;
	if (found)
		*ret = *found;
	return 0;
}

static int hash(void *user, struct expr_memory *mem, const struct expr_value *patterns, size_t n,
                struct expr_value *ret, struct expr_error *err)
{
	(void)user;
	(void)patterns;
	(void)n;
	(void)err;
	return expr_copy_string(mem, "0123456789abcdef", 16, ret) ? 0 : -ENOMEM;
}

static char *workflow(size_t steps)
{
	char *text = malloc(100 + steps * sizeof(step_text)), *at = text;
	must(text, "memory");
	at = stpcpy(at, "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n");
	for (size_t i = 0; i < steps; i++)
		at = stpcpy(at, step_text);
	return text;
}

static struct wf_doc *parse(const char *text)
{
	static const struct wf_options options = { .skip_calls = true };
	struct wf_errors errors = { .n = 0 };
	struct wf_doc *doc = NULL;
	if (wf_parse("bench.yml", text, strlen(text), &options, &doc, &errors) < 0)
		must(false, errors.items[0].text);
	return doc;
}

/* As an engine does it: condition, environment, name, and the script around its values. */
static size_t compute_step(const struct wf_step *step)
{
	const struct expr_scope scope = { .context = find, .hash_files = hash };
	struct expr_memory mem = { .arena = arena_new() };
	struct wf_errors errors = { .n = 0 };
	struct template_piece *pieces;
	struct expr_value v;
	size_t n;

	must(template_value(step->cond, &scope, &mem, &v, &errors) == 0 && expr_is_true(&v), "if");
	must(template_value(step->env, &scope, &mem, &v, &errors) == 0, "env");
	must(template_string(step->name, &scope, &mem, &v, &errors) == 0, "name");
	must(template_pieces(step->run, &scope, &mem, &pieces, &n, &errors) == 0 && n > 10, "run");
	struct inject_piece *parts = arena_array(mem.arena, n, sizeof(*parts));
	struct inject_result done;
	for (size_t i = 0; i < n; i++) /* as if an outsider wrote all of them */
		parts[i] = (struct inject_piece){ .text = pieces[i].text,
			                          .len = pieces[i].len,
			                          .outsider = !pieces[i].written };
	must(inject_rewrite(mem.arena, INJECT_BASH, parts, n, &done), "injection");
	size_t used = mem.used;
	arena_free(mem.arena);
	return used;
}

static double compute_all(const struct wf_doc *doc)
{
	double before = now_us();
	for (size_t i = 0; i < doc->jobs[0].n_steps; i++)
		(void)compute_step(&doc->jobs[0].steps[i]);
	return now_us() - before;
}

int main(void)
{
	struct expr_memory mem = { .arena = arena_new() };
	double times[ROUNDS], many[READS], few[READS], reads[READS];
	const char *why;
	size_t at;

	must(expr_json_parse(&mem, contexts_text, sizeof(contexts_text) - 1, NULL, &contexts, &at,
	                     &why) == 0,
	     "contexts");
	for (size_t i = 0; i < contexts.object->n; i++)
		if (strcmp(contexts.object->members[i].key, "github") == 0)
			must(taint_mark_github(&mem, &contexts.object->members[i].value),
			     "marking");
	char *one = workflow(1), *hundred = workflow(100), *thousand = workflow(900);
	struct wf_doc *doc = parse(one);
	for (size_t i = 0; i < ROUNDS; i++) {
		double before = now_us();
		(void)compute_step(&doc->jobs[0].steps[0]);
		times[i] = (now_us() - before) / 1e3;
	}
	(void)report("templates of a large step", times, ROUNDS, "ms", 0.1);
	printf("template\tmemory of that\t%.1f\t%.1f\tKiB\t\n",
	       (double)compute_step(&doc->jobs[0].steps[0]) / 1024,
	       (double)compute_step(&doc->jobs[0].steps[0]) / 1024);
	wf_free(doc);
	for (size_t i = 0; i < READS; i++) {
		double before = now_us();
		doc = parse(hundred);
		reads[i] = (now_us() - before) / 1e3;
		few[i] = compute_all(doc) / 1e3;
		wf_free(doc);
		doc = parse(thousand);
		many[i] = compute_all(doc) / 1e3;
		wf_free(doc);
	}
	(void)report("reading 100 such steps", reads, READS, "ms", 0);
	double per_few = report("computing 100 of them", few, READS, "ms", 0) / 100;
	qsort(many, READS, sizeof(*many), by_value);
	printf("template\tcomputing 900 of them\t%.3f\t%.3f\tms\t%.2f of linear\n", many[READS / 2],
	       many[0], many[READS / 2] / (per_few * 900));
	free(one);
	free(hundred);
	free(thousand);
	arena_free(mem.arena);
	return 0;
}
