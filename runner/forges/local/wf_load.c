// SPDX-License-Identifier: Apache-2.0
/* wf_load.c - reads a workflow file and, from the same checkout, those that it calls.
 *
 * Runs in: command line and supervisor. The files are commit content; what they name is opened only
 * in .github/workflows of the checkout, and no link of the checkout is followed (named_path.h). */
#include "wf_load.h"

#include "input/read_file.h"

#include <stdlib.h>
#include <string.h>

enum { WORKFLOW_JOBS_MAX = 1000 };

/* "./.github/workflows/NAME.yml" and nothing besides: GitHub takes no other directory. */
static bool is_local_call(const char *ref)
{
	static const char place[] = "./.github/workflows/";
	const char *name = ref + sizeof(place) - 1;
	size_t len = strlen(ref);

	return strncmp(ref, place, sizeof(place) - 1) == 0 && !strchr(name, '/') &&
	       ((len > 4 && strcmp(ref + len - 4, ".yml") == 0) ||
	        (len > 5 && strcmp(ref + len - 5, ".yaml") == 0));
}

static int load_called(void *user, const char *caller, const char *ref, char **ret, size_t *ret_len,
                       struct dd_err *err)
{
	const char *root = user;
	char path[PATH_MAX];
	struct named_link link;

	(void)caller;
	if (!is_local_call(ref))
		return dd_err_say(err, EINVAL,
		                  "a workflow is called by ./.github/workflows/NAME.yml");
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", root, ref + 2) >= sizeof(path))
		return dd_err_say(err, ENAMETOOLONG, "its path is too long");
	return read_named_file(path, READ_FILE_TEXT_MAX, ret, ret_len, &link, err);
}

int wf_load(const char *path, const char *root, struct wf_doc **ret, struct diag_list *diags,
            struct dd_err *err)
{
	const struct wf_options options = {
		.file_size_max = READ_FILE_TEXT_MAX,
		.jobs_max = WORKFLOW_JOBS_MAX,
		.runs_on_optional = true,
		.skip_remote_calls = true,
		.load = load_called,
		.user = (void *)(uintptr_t)root,
	};
	struct wf_errors errors = { .n = 0 };
	char *text = NULL;
	size_t len = 0;

	int r = read_named_file(path, READ_FILE_TEXT_MAX, &text, &len, NULL, err);
	if (r < 0)
		return dd_err_ctx(err, r, "workflow");
	r = wf_parse(path, text, len, &options, ret, &errors);
	free(text);
	wf_errors_to_diags(&errors, diags);
	wf_errors_done(&errors);
	return r < 0 ? dd_err_say(err, -r, "%s is not a workflow that can be run", path) : 0;
}
