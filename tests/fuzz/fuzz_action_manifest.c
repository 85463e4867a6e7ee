// SPDX-License-Identifier: Apache-2.0
/* fuzz_action_manifest.c - any bytes as the manifest of an action: one that is whole, or errors
 * with a place inside of the file that can be printed. */
#include "runner/forges/actions/action_manifest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static FILE *sink(void)
{
	static FILE *out;
	if (!out)
		out = fopen("/dev/null", "we");
	return out ? out : stderr;
}

static void check_whole(const struct action_manifest *m)
{
	bool staged = m->kind == ACTION_NODE || m->kind == ACTION_DOCKER;
	if (m->kind == ACTION_NONE || !m->name || (staged && (!m->pre_if || !m->post_if)) ||
	    (m->kind == ACTION_NODE && !m->main) || (m->kind == ACTION_DOCKER && !m->image))
		abort();
	for (size_t i = 0; i < m->n_steps; i++)
		if (!m->steps[i].run == !m->steps[i].uses || !m->steps[i].id || !m->steps[i].cond)
			abort();
	for (size_t i = 0; i < m->n_inputs; i++)
		if (!m->inputs[i].name)
			abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct wf_errors errors = { .n = 0 };
	struct diag_list diags = { 0 };
	struct action_manifest *m = NULL;
	unsigned lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	int r = action_manifest_parse("action.yml", (const char *)data, size, &m, &errors);
	if ((r < 0) != (errors.n > 0) || (r < 0) != !m)
		abort();
	for (size_t i = 0; i < errors.n; i++)
		if (errors.items[i].class == WF_NO_CLASS || !errors.items[i].text[0] ||
		    errors.items[i].at.line > lines + 1)
			abort();
	if (m)
		check_whole(m);
	wf_errors_to_diags(&errors, &diags);
	diag_print(sink(), &diags, (const char *)data, size);
	diag_list_done(&diags);
	wf_errors_done(&errors);
	action_manifest_free(m);
	return 0;
}
