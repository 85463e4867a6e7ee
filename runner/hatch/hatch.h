// SPDX-License-Identifier: Apache-2.0
/* hatch.h - the loopback service of one step: caches and artifacts, as GitHub's own client
 * libraries ask for them.
 *
 * Two processes a step. The *hatch* reads what the step sends (HTTP, JSON, XML) at a socket that
 * was made inside the step's network namespace; it has no file system, no network of its own, no
 * capability and no credential, and ends with the step. It asks the *storekeeper*, which has the
 * directories of the store and nothing else, and knows what this step may read and write. What
 * either says to the supervisor is read as foreign.
 *
 * Order of use (supervisor): hatch_start() when the network of the step stands; hatch_variables()
 * into its environment; hatch_recv() when report is readable; when every process of the step is
 * dead hatch_stop(), then hatch_recv() until it says 0, then hatch_destroy().
 */
#ifndef RUNNER_HATCH_H
#define RUNNER_HATCH_H

#include "drydock/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	HATCH_KEY_MAX = 512,  /* of a cache, as at GitHub */
	HATCH_NAME_MAX = 255, /* of an artifact */
	HATCH_REF_MAX = 255,
	HATCH_SCOPES_MAX = 3,
	HATCH_TOKEN_MAX = 400,
	HATCH_VARIABLES = 4,
};

/* What a step may; nothing is the default. */
struct hatch_rights {
	bool cache_read, cache_write, artifact_read, artifact_write;
};

/* Whose caches this job writes, and reads: in the order in which they are looked at. */
struct hatch_scopes {
	/* of a protected ref: it reads only what was written by one */
	bool trusted;
	size_t n; /* the first is the one that is written to */
	char ref[HATCH_SCOPES_MAX][HATCH_REF_MAX + 1];
};

struct hatch_spec {
	struct hatch_rights rights;
	struct hatch_scopes scopes;
	const char *phase; /* for sentences to people */
	/* directories, borrowed; -1: there is none, and then no right about it */
	int cache_dir, artifact_dir;
	uint64_t cache_bytes;         /* of all that this trust has written for the repository */
	uint64_t artifact_bytes;      /* of all of a run */
	unsigned cache_keep_sec;      /* since it was last asked for */
	const char *run, *job, *step; /* who writes, for people */
	int listener;                 /* bound in the step's network; borrowed */
	uint16_t port;                /* of it, on 127.0.0.1 */
	bool switch_ids;              /* range mode: the hatch has an id of its own */
	uid_t uid;
	gid_t gid;
};

struct hatch {
	pid_t pid, keeper; /* the hatch; its storekeeper */
	int report;        /* SEQPACKET, non-blocking */
	uint16_t port;
	char token[HATCH_TOKEN_MAX];
};
#define HATCH_NONE                                                                                 \
	{                                                                                          \
		.report = -1                                                                       \
	}

enum hatch_event_type {
	HATCH_EVENT_INVALID = 0,
	HATCH_READY, /* locked and serving */
	HATCH_CACHE_SAVED,
	HATCH_CACHE_RESTORED,
	HATCH_CACHE_MISSED,
	HATCH_CACHE_REMOVED, /* to make room, or because nobody asked for it */
	HATCH_ARTIFACT_SAVED,
	HATCH_ARTIFACT_SERVED,
	HATCH_ARTIFACT_REMOVED,
	HATCH_REFUSED, /* why: a sentence, with the line that would change it */
	HATCH_EVENT__COUNT
};

/* One shape for all, read at exact size. Texts are the step's: terminated, escaped by the reader.
 */
struct hatch_event {
	uint32_t type;
	uint32_t trusted;
	uint64_t size;
	char name[HATCH_KEY_MAX + 1];
	char scope[HATCH_REF_MAX + 1];
	char sha256[65];
	char why[400];
};

/* Forks both. HATCH_READY comes over report, or end of file and then nothing is served. */
int hatch_start(const struct hatch_spec *spec, struct hatch *ret, struct dd_err *err);
/* "NAME=VALUE", as many as HATCH_VARIABLES; each is heap and the caller's. */
int hatch_variables(const struct hatch *hatch, char *ret[HATCH_VARIABLES], struct dd_err *err);
/* 1: @ret is sane; 0: end of file; -EAGAIN; otherwise somebody else is at the wheel. */
int hatch_recv(const struct hatch *hatch, struct hatch_event *ret, struct dd_err *err);
/* No further request; what is being put into the store is ended by the storekeeper. */
void hatch_stop(struct hatch *hatch);
/* Kill, reap, close. Safe on HATCH_NONE. */
void hatch_destroy(struct hatch *hatch);

#endif
