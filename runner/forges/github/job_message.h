// SPDX-License-Identifier: Apache-2.0
/* job_message.h - the document with which GitHub hands a job to a runner, read whole.
 *
 * Order of use: job_message_read() in the process of the job; then a policy by its event, and
 * message_plan.h. What it says of trust is the forge's own (event, ref, protection), never the
 * workflow's text (C-12). Its secrets go to leases (lease/lease.h) and nowhere else: no expression
 * sees one.
 */
#ifndef RUNNER_JOB_MESSAGE_H
#define RUNNER_JOB_MESSAGE_H

#include "forges/actions/wf_world.h"
#include "lease/lease.h"
#include "message_workflow.h"
#include "model/event.h"

enum { JOB_MESSAGE_BYTES_MAX = 16 * 1024 * 1024, JOB_SECRETS_MAX = 1000 };

struct job_message {
	struct plan_arena *arena;
	struct expr_memory mem;
	json_t *document; /* what is borrowed below lives in it */
	/* how the server calls it */
	const char *plan_id, *job_id, *name, *billing_owner;
	/* whom its courier asks, and by which right; "" for what the server does not offer */
	const char *run_service, *token, *results, *launch, *id_token, *feed;
	bool wants_annotations;     /* of the job as a whole */
	bool bearer_for_codeload;   /* how archives of actions are asked for */
	const json_t *mask;         /* how texts are masked besides; NULL: nothing more */
	const json_t *dependencies; /* what the workflow locks of actions; NULL: nothing */
	struct event_facts event;
	struct wf_doc *doc;
	struct wf_flat flat;
	struct wf_world world;
	struct expr_value needs, matrix, strategy;
	struct message_workflow workflow;
	struct lease_forge secrets;
};

/* What a courier of the job has to know of it; the same bytes, nothing of steps or contexts. */
struct job_address {
	json_t *document;
	const char *plan_id, *job_id, *billing_owner, *run_service, *token, *results;
	bool wants_annotations; /* of the job as a whole */
};

/* The caller frees, also after a failure. -EINVAL: it cannot be run, and @diags or @err say why. */
int job_message_read(const char *bytes, size_t len, struct job_message *ret,
                     struct diag_list *diags, struct dd_err *err);
/* Wipes the token and what is left of secrets in the document: not the secrets themselves, which a
 * supervisor is to take. */
void job_message_forget(struct job_message *message);
/* Wipes what is secret, and frees. */
void job_message_done(struct job_message *message);

int job_address_read(const char *bytes, size_t len, struct job_address *ret, struct dd_err *err);
void job_address_done(struct job_address *address);

#endif
