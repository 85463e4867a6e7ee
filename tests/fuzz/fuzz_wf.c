// SPDX-License-Identifier: Apache-2.0
/* fuzz_wf.c - any bytes as a workflow that may call itself: a document whose matrices and texts can
 * be computed, or errors that can be printed, each with a place inside of the file. */
#include "runner/forges/actions/wf_doc.h"
#include "runner/forges/actions/wf_matrix.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

struct input {
	const char *text;
	size_t len;
};

static FILE *sink(void)
{
	static FILE *out;
	if (!out)
		out = fopen("/dev/null", "we");
	return out ? out : stderr;
}

static int load(void *user, const char *caller, const char *ref, char **ret, size_t *ret_len,
                struct dd_err *err)
{
	const struct input *in = user;
	(void)caller;
	if (strchr(ref, '@'))
		return dd_err_say(err, EPERM, "it is from elsewhere");
	*ret = malloc(in->len + 1);
	if (!*ret)
		return -ENOMEM;
	memcpy(*ret, in->text, in->len);
	*ret_len = in->len;
	return 0;
}

static void compute(const struct template_node *node, const struct expr_scope *scope,
                    struct expr_memory *mem)
{
	struct wf_errors errors = { .n = 0 };
	struct expr_value v;
	if (node && template_value(node, scope, mem, &v, &errors) < 0 && errors.n == 0)
		abort(); /* a refusal without a reason */
}

static void compute_jobs(const struct wf_job *jobs, size_t n, struct expr_memory *mem)
{
	const struct expr_scope scope = { .steps_max = 100000 };
	for (size_t i = 0; i < n; i++) {
		struct wf_errors errors = { .n = 0 };
		struct wf_matrix matrix;
		const struct wf_job *job = &jobs[i];
		const char *name = job->name->kind == TEMPLATE_STRING ? job->name->text : NULL;
		if (!job->cond || !job->id)
			abort();
		if (wf_matrix_compute(job->strategy, name, &scope, mem, &matrix, &errors) < 0
		            ? errors.n == 0
		            : matrix.n == 0)
			abort();
		compute(job->cond, &scope, mem);
		compute(job->env, &scope, mem);
		compute(job->outputs, &scope, mem);
		for (size_t k = 0; k < job->n_needs; k++)
			if (job->need_jobs[k] >= n)
				abort();
		for (size_t k = 0; k < job->n_steps; k++) {
			const struct wf_step *step = &job->steps[k];
			if (!step->run == !step->uses || !step->id || !step->cond)
				abort();
			compute(step->run, &scope, mem);
			compute(step->with, &scope, mem);
		}
		if (job->call)
			compute_jobs(job->call->jobs, job->call->n_jobs, mem);
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct input in = { .text = (const char *)data, .len = size };
	const struct wf_options options = {
		.load = load, .user = &in, .size_max = 200000, .call_depth_max = 3
	};
	struct expr_memory mem = { .arena = arena_new(), .limit = 16 * 1024 * 1024 };
	struct wf_errors errors = { .n = 0 };
	struct diag_list diags = { 0 };
	struct wf_doc *doc = NULL;
	unsigned lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	int r = wf_parse("w.yml", in.text, in.len, &options, &doc, &errors);
	if ((r < 0) != (errors.n > 0) || (r < 0) != !doc)
		abort();
	for (size_t i = 0; i < errors.n; i++)
		if (errors.items[i].class == WF_NO_CLASS || !errors.items[i].text[0] ||
		    errors.items[i].at.line > lines + 1 || errors.items[i].node.line > lines + 1)
			abort();
	wf_errors_to_diags(&errors, &diags);
	diag_print(sink(), &diags, in.text, in.len);
	if (doc)
		compute_jobs(doc->jobs, doc->n_jobs, &mem);
	diag_list_done(&diags);
	wf_errors_done(&errors);
	wf_free(doc);
	arena_free(mem.arena);
	return 0;
}
