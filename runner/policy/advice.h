// SPDX-License-Identifier: Apache-2.0
/* advice.h - from a refusal to what would allow it: the change to the policy, or why no line of a
 * policy helps, and what else the change lets through.
 *
 * One builder for the step's own log, for `policy explain` and for the record, so that they cannot
 * disagree. Pure. The texts of a case come from a step or a record: whatever is not a host name, a
 * number or a known word is quoted, and nothing here is shown unescaped.
 */
#ifndef RUNNER_ADVICE_H
#define RUNNER_ADVICE_H

#include "drydock/egress.h"
#include "drydock/phase.h"

struct advice_case {
	enum dd_reason reason; /* REASON_NONE: not known, and then there is no advice */
	enum dd_phase phase;
	const char *step_id, *step_name; /* "" or NULL: none */
	/* what else a rule can name it by, "" or NULL: none, or not known whole */
	const char *step_uses, *step_run, *step_run_sha256;
	/* what a rule by one of those must accept besides; NULL: the usual ones, and no variables
	 */
	const char *step_shell, *step_workdir;
	const char *const *step_vars;
	const char *host, *address, *proto, *call; /* NULL like ""; proto "dns": a query */
	const char *call_why;                      /* what the profile says about it */
	uint16_t port;
	/* what an entry has to say besides, as far as it is known */
	struct advice_wants {
		uint16_t port;                /* of a query; 0: not known */
		bool raw;                     /* the client speaks neither TLS nor HTTP/1 */
		bool private_ok;              /* it leads inside the network */
		const char *const *addresses; /* another entry pins the name there; NULL: none */
	} wants;
	/* "policy.yml:5:9" of the entry that has this destination; NULL: none has */
	const char *origin;
	uint64_t upload_bytes,
		bytes_out; /* the job's budget for an entry, and what was sent; 0: not known */
	uint64_t limit;    /* in force, of the key that the reason is about; 0: not known */
};

enum advice_kind {
	ADVICE_LIST_ADD = 1, /* @text as a new first item of the list @where */
	ADVICE_VALUE_SET,    /* the scalar @where becomes @text */
	ADVICE_ENTRY_ADD,    /* @text ("private: allow") as a new key of the entry at @origin */
};

struct advice_change {
	enum advice_kind kind;
	char where[64]; /* dotted path in the policy; empty for ADVICE_ENTRY_ADD */
	char text[700]; /* flow style, one line */
	char origin[300];
};

enum { ADVICE_CHANGES_MAX = 2, ADVICE_BEYOND_MAX = 8 };

struct advice {
	struct advice_change change[ADVICE_CHANGES_MAX]; /* all of them are needed */
	size_t n;
	const char *instead; /* n == 0: why no line helps, or should; static */
	/* sentences: what the change allows besides this case */
	char beyond[ADVICE_BEYOND_MAX][480];
	size_t n_beyond;
};

/* "policy.yml:5:9"; an entry of a set ("npm: registry") has no place where a key could be added. */
bool advice_origin_is_place(const char *origin);

void advice_make(const struct advice_case *c, struct advice *ret);

/* The end of a line in the step's log: "; to allow it, in POLICY add under phases.fetch.egress: - {
 * ... }", or empty. @policy NULL: there is none. */
void advice_sentence(const struct advice_case *c, const struct advice *advice, const char *policy,
                     char *out, size_t size);

#endif
