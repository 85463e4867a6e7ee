// SPDX-License-Identifier: Apache-2.0
/* reason.h - why something was refused, as data: one table (netpolicy/verdict/reason.c) that gate,
 * supervisor and advice share.
 *
 * The number goes between processes of one drydock and may change with it; the name stands in
 * records and stays. Sentences are for people and are never compared. A reason may have a *detail*
 * (an address, an errno, a number of bytes), which says nothing that a decision hangs on. Pure;
 * safe in every role and after seccomp.
 */
#ifndef DRYDOCK_REASON_H
#define DRYDOCK_REASON_H

#include <stddef.h>

enum dd_reason {
	REASON_NONE = 0, /* nothing was refused, or a record does not say why */

	/* the allowlist */
	REASON_NAME_NOT_LISTED,
	REASON_PORT_NOT_LISTED,
	REASON_ADDRESS_NOT_LISTED,
	REASON_ADDRESS_PRIVATE,
	REASON_ADDRESS_METADATA,
	REASON_ADDRESS_SPECIAL,

	/* what a name led to */
	REASON_ANSWER_PRIVATE,
	REASON_ANSWER_METADATA,
	REASON_ANSWER_SPECIAL,
	REASON_ANSWER_NONE,
	REASON_NAME_UNRESOLVED,
	REASON_UNREACHABLE,

	/* what cannot be asked for */
	REASON_NOT_A_NAME,
	REASON_RECORD_TYPE,
	REASON_NOT_LOOKED_UP,
	REASON_GATE_ADDRESS,
	REASON_FOREIGN_RESOLVER,
	REASON_UDP,

	/* the first bytes of the client */
	REASON_SPEAKS_NEITHER,
	REASON_HELLO_SILENT,
	REASON_HELLO_UNFINISHED,
	REASON_HELLO_TOO_LARGE,
	REASON_TLS_OTHER_HOST,
	REASON_TLS_NO_NAME,
	REASON_TLS_NAME_MALFORMED,
	REASON_TLS_NAMES,
	REASON_TLS_ENCRYPTED_HELLO,
	REASON_TLS_VERSION,
	REASON_TLS_NOT_A_HELLO,
	REASON_TLS_EXTENSION_TWICE,
	REASON_TLS_TOO_LARGE,
	REASON_TLS_MALFORMED,
	REASON_HTTP_OTHER_HOST,
	REASON_HTTP_NO_HOST,
	REASON_HTTP_HOSTS,
	REASON_HTTP_HOST_MALFORMED,
	REASON_HTTP_TARGET_HOST,
	REASON_HTTP_TARGET,
	REASON_HTTP_CONNECT,
	REASON_HTTP_VERSION,
	REASON_HTTP_REQUEST_LINE,
	REASON_HTTP_HEADER,
	REASON_HTTP_LINE_END,
	REASON_HTTP_LENGTH,
	REASON_HTTP_LENGTHS,
	REASON_HTTP_ENCODING,
	REASON_HTTP_BOTH_LENGTHS,
	REASON_HTTP_BODY,
	REASON_HTTP_EXPECT,
	REASON_HTTP_UNASKED_BODY,
	REASON_HTTP_CONNECTION,
	REASON_HTTP_HEADER_NAME,
	REASON_HTTP_CHUNK,
	REASON_HTTP_TOO_LARGE,
	REASON_HTTP_UPGRADE_LATE,
	REASON_HTTP_UPGRADE_INTERIM,
	REASON_HTTP_UPGRADE_OTHER,

	/* budgets and caps */
	REASON_UPLOAD,
	REASON_STEP_UPLOAD,
	REASON_UPLOAD_USED_UP,
	REASON_STEP_UPLOAD_USED_UP,
	REASON_CONNECTIONS,
	REASON_WILDCARD_NAMES,
	REASON_STEP_WILDCARD_NAMES,
	REASON_CIDR_ADDRESSES,
	REASON_STEP_CIDR_ADDRESSES,
	REASON_STEP_NAMES,
	REASON_JOB_NAMES,
	REASON_DESTINATIONS,
	REASON_MEMORY,
	REASON_GONE,

	/* system calls */
	REASON_CALL_NOT_LISTED,
	REASON_CALL_NEVER,
	REASON_CALL_UNKNOWN,
	REASON_CALL_FOREIGN,

	REASON__COUNT
};

/* What kind of thing a reason is about. */
enum dd_reason_about {
	ABOUT_NOTHING = 0,
	ABOUT_LIST,   /* the destination is on no entry */
	ABOUT_ANSWER, /* the entry is there; where its name leads is the matter */
	ABOUT_WIRE,   /* nothing that an entry could allow */
	ABOUT_HELLO,  /* the client's first bytes, or a later request */
	ABOUT_BUDGET,
	ABOUT_CALL,
};

/* Which change of a policy would let it pass (runner/policy/advice.c makes the line). */
enum dd_remedy {
	REMEDY_NONE = 0, /* none would, or none should: `instead` says why */
	REMEDY_ENTRY,
	REMEDY_PRIVATE,
	REMEDY_RAW,
	REMEDY_ECH,
	REMEDY_UPLOAD, /* the size `key` of the phase */
	REMEDY_COUNT,  /* the number `key` of the phase */
	REMEDY_CALL,
};

struct dd_reason_row {
	const char *name; /* in records; "" for REASON_NONE */
	const char *sentence;
	enum dd_reason_about about;
	enum dd_remedy remedy;
	const char *instead; /* REMEDY_NONE: what the reader can do */
	const char *key;     /* REMEDY_UPLOAD, REMEDY_COUNT */
};

/* Never NULL: what is no reason gets the row of REASON_NONE. */
const struct dd_reason_row *dd_reason_row(unsigned reason);
/* REASON_NONE for a name that this drydock does not know, and for NULL. */
enum dd_reason dd_reason_by_name(const char *name);
/* The sentence, and behind a colon @detail, if there is one (NULL or ""). */
void dd_reason_say(unsigned reason, const char *detail, char *out, size_t size);

#endif
