// SPDX-License-Identifier: Apache-2.0
/* wf_spec.h - one job of a workflow as a job_spec: what GitHub's words mean in drydock's.
 *
 * Made of the written text alone, before anything is computed, so that grants are the same for
 * every combination of a matrix and whatever an expression turns out to be (V-08). */
#ifndef RUNNER_WF_SPEC_H
#define RUNNER_WF_SPEC_H

#include "model/job_spec.h"
#include "wf_flat.h"
#include "wf_world.h"

/* @event is copied; @flat and its document are borrowed and must outlive the spec. 0, or -EINVAL
 * with complaints in @diags: a shell or a directory that cannot be. What cannot be *run* is in the
 * spec's notes. */
int wf_job_spec(const struct wf_flat *flat, const struct wf_flat_job *job,
                const struct event_facts *event, const struct wf_world *world,
                struct job_spec **ret, struct diag_list *diags);

/* wf_about.c: what the job says of itself as a whole, for people. */
void wf_about(const struct wf_flat *flat, const struct wf_flat_job *job,
              const struct wf_world *world, struct plan_arena *arena, struct spec_about *ret);
/* "contents: read, id-token: write"; NULL for NULL. */
const char *wf_permissions_text(struct plan_arena *arena, const struct wf_permissions *permissions);

/* @dir inside the sandbox, from the workspace where it is relative, without `.` and `..`. */
const char *wf_place(struct plan_arena *arena, const char *dir);
/* The same for whoever makes recipes late. A step may work wherever its sandbox has a directory: it
 * could as well change into it. NULL for a place of /proc: it is another one for each process that
 * asks, and ours asks first (F-08). */
const char *wf_workdir(struct plan_arena *arena, const char *dir);
unsigned wf_seconds(double minutes); /* 0: no bound */

#endif
