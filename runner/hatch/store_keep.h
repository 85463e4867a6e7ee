// SPDX-License-Identifier: Apache-2.0
/* store_keep.h - the storekeeper in memory; seen by store_*.c only. */
#ifndef RUNNER_STORE_KEEP_H
#define RUNNER_STORE_KEEP_H

#include "base/digest.h"
#include "store_files.h"

enum { STORE_UPLOADS_MAX = 32 };

struct store_upload {
	uint64_t number; /* 0: the place is free */
	int dir;
	char name[32];
	struct store_entry entry; /* what it will be */
};

struct store {
	const struct hatch_spec *spec;
	int hatch, report, cache_dir, artifact_dir; /* -1: none */
	/* who hears instead of report; NULL: nobody */
	void (*tell)(void *arg, const struct hatch_event *event);
	void *tell_arg;
	bool replaces; /* a cache takes the place of the one with its key, as at GitLab */
	struct digest *digest;
	uint64_t last_upload;
	struct store_upload uploads[STORE_UPLOADS_MAX];
};

void store_report(struct store *s, enum hatch_event_type type, const struct store_entry *e,
                  const char *why);
void store_refuse(struct store *s, struct store_answer *a, enum store_code code,
                  const struct store_entry *e, const char *why);
/* NULL: @a says why. */
struct store_upload *store_upload_new(struct store *s, struct store_answer *a, int dir,
                                      uint64_t limit, int *ret_fd);

/* store_cache.c */
int store_cache_begin(struct store *s, struct dd_err *err);
void store_cache_create(struct store *s, const struct store_ask *ask, struct store_answer *a,
                        int *ret_fd);
void store_cache_find(struct store *s, const struct store_ask *ask, struct store_answer *a,
                      int *ret_fd);
void store_cache_exact(struct store *s, const char *const *keys, size_t n, const char *version,
                       struct store_answer *a, int *ret_fd);
/* Is what is there under its key the same bytes? Then it was asked for now. */
bool store_cache_is_same(struct store *s, const struct store_entry *as);
void store_cache_publish(struct store *s, struct store_upload *u, struct store_answer *a);

/* store_artifact.c */
void store_artifact_create(struct store *s, const struct store_ask *ask, struct store_answer *a,
                           int *ret_fd);
void store_artifact_list(struct store *s, const struct store_ask *ask, struct store_answer *a);
void store_artifact_get(struct store *s, const struct store_ask *ask, struct store_answer *a,
                        int *ret_fd);
void store_artifact_delete(struct store *s, const struct store_ask *ask, struct store_answer *a);
void store_artifact_publish(struct store *s, struct store_upload *u, struct store_answer *a);

#endif
