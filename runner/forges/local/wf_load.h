// SPDX-License-Identifier: Apache-2.0
/* wf_load.h - a workflow file from disk, with those that it calls. */
#ifndef RUNNER_WF_LOAD_H
#define RUNNER_WF_LOAD_H

#include "forges/actions/wf_doc.h"

/* @path as the command line names it; called workflows ("./.github/workflows/x.yml") are those of
 * the checkout @root. 0, or -errno with complaints in @diags or a sentence in @err. */
int wf_load(const char *path, const char *root, struct wf_doc **ret, struct diag_list *diags,
            struct dd_err *err);

#endif
