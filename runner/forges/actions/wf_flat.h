// SPDX-License-Identifier: Apache-2.0
/* wf_flat.h - every job of a workflow in one list, those of called workflows behind the job that
 * calls them.
 *
 * A job of a called workflow is named by the way to it, "release/upload": two files may both have a
 * job `upload`, and a policy, `--job` and the record mean one of them. */
#ifndef RUNNER_WF_FLAT_H
#define RUNNER_WF_FLAT_H

#include "model/job_spec.h"
#include "wf_doc.h"

struct wf_flat_job {
	const struct wf_job *job;
	const char *id;                   /* "build", "release/upload" */
	const struct wf_flat_job *caller; /* NULL: it stands in the workflow itself */
	/* of the file that it stands in */
	const struct template_node *file_env, *file_defaults;
	size_t first_beside, n_beside; /* in the list: the jobs of its file, which `needs` counts */
};

struct wf_flat {
	const struct wf_doc *doc;
	const char *name; /* of the workflow: as GitHub does, the file's path when it has none */
	struct wf_flat_job *jobs;
	size_t n;
	/* what a policy can match any of their steps by */
	const struct spec_facts *facts;
	size_t n_facts;
};

/* In the document's arena; borrows from it. */
void wf_flatten(struct wf_doc *doc, struct wf_flat *ret);

/* The job of that id, whose case does not count; without @id the only one. NULL with a complaint
 * that lists them. */
const struct wf_flat_job *wf_flat_find(const struct wf_flat *flat, const char *id,
                                       struct diag_list *diags);

/* The text of a scalar as it is written, with its expressions; NULL for NULL. */
const char *wf_written(struct plan_arena *arena, const struct template_node *node);
/* The text of a scalar without expressions; NULL for one with, and for NULL. */
const char *wf_literal(struct plan_arena *arena, const struct template_node *node);
/* Any value as it is written, on one line: "a", "[a, b]", "{k: v}". NULL for NULL. */
const char *wf_on_one_line(struct plan_arena *arena, const struct template_node *node);
/* The keys of a map, the items of a list, a scalar: "a, b". NULL for NULL. */
const char *wf_names(struct plan_arena *arena, const struct template_node *node);

#endif
