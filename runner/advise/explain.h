// SPDX-License-Identifier: Apache-2.0
/* explain.h - one question about a policy and its answer: what was asked, the verdict, the line
 * that decides, and what would change it.
 *
 * Command line only. Two ways to an answer: explain_ask_*() about a step of a plan,
 * explain_record() about an event of a record. Then print it.
 */
#ifndef RUNNER_EXPLAIN_H
#define RUNNER_EXPLAIN_H

#include "grant/plan.h"
#include "policy/advice.h"
#include "policy/policy_text.h"

struct explain_answer {
	bool allow;
	const char *verdict; /* "allow", "deny", "read-only", "writable", "absent", "depends" */
	char asked[700];
	char step[160], phase[16], phase_why[300];
	char decided[700]; /* the entry, line or mount that decides; empty: none */
	char why[700];
	char process[700]; /* who tried; empty: not known, or nobody did */
	char action[420];  /* the action that it is a part of, and which of its stages; empty: none
	                    */
	char note[400];    /* what the reader must know besides; may be empty */
	bool has_advice;
	struct advice advice;
	char policy[600];    /* empty: none */
	uint64_t seq, count; /* of a record: seq 0: none */
	double at_sec;       /* since the record began */
};

/* Each: 0, or -EINVAL when the question cannot be asked (@err says how it is asked). */
int explain_ask_connect(const struct plan *plan, const struct grant *step, const char *connect,
                        struct explain_answer *ret, struct dd_err *err);
int explain_ask_syscall(const struct plan *plan, const struct grant *step, const char *name,
                        struct explain_answer *ret, struct dd_err *err);
int explain_ask_path(const struct plan *plan, const struct grant *step, const char *path,
                     struct explain_answer *ret, struct dd_err *err);
int explain_ask_credential(const struct plan *plan, const struct grant *step, const char *name,
                           struct explain_answer *ret, struct dd_err *err);
/* @what: "cache-read", "cache-write", "artifact-read", "artifact-write" */
int explain_ask_store(const struct plan *plan, const struct grant *step, const char *what,
                      struct explain_answer *ret, struct dd_err *err);

/* The event @seq of the record at @path. @policy: NULL means the one that the record names.
 * -EINVAL: no such event, or nothing was refused there; other -errno: the record cannot be believed
 * (-EBADMSG) or read. */
int explain_record(const char *path, uint64_t seq, const char *policy, struct explain_answer *ret,
                   struct dd_err *err);

/* "policy.yml:12:3" of the key at @dotted, or an empty string. */
void explain_place(const char *policy, const char *dotted, char *out, size_t size);

void explain_print_text(const struct explain_answer *a, FILE *out);
int explain_print_json(const struct explain_answer *a, FILE *out); /* 0 or -EIO */

#endif
