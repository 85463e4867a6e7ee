// SPDX-License-Identifier: Apache-2.0
/* hatch_request.h - what a step asked, out of its bytes. Pure, bounded; fuzzed.
 *
 * The methods are those of GitHub's results service as its client libraries call them (Twirp: a
 * POST to /twirp/SERVICE/METHOD with a JSON object); the uploads those of an Azure block blob. */
#ifndef RUNNER_HATCH_REQUEST_H
#define RUNNER_HATCH_REQUEST_H

#include "hatch_messages.h"

#include <stddef.h>

enum hatch_method {
	HATCH_METHOD_NONE = 0,
	HATCH_CREATE_CACHE,
	HATCH_FINALIZE_CACHE,
	HATCH_FIND_CACHE,
	HATCH_CREATE_ARTIFACT,
	HATCH_FINALIZE_ARTIFACT,
	HATCH_LIST_ARTIFACTS,
	HATCH_GET_ARTIFACT,
	HATCH_DELETE_ARTIFACT,
	HATCH_METHOD__COUNT
};
/* Of a path such as "/twirp/github.actions.results.api.v1.CacheService/CreateCacheEntry". */
enum hatch_method hatch_method_of(const char *path);

enum { HATCH_BODY_MAX = 64 * 1024 };

struct hatch_request {
	char key[HATCH_KEY_MAX + 1]; /* of a cache, or name of an artifact */
	char version[HATCH_KEY_MAX + 1];
	char hash[65]; /* hex; empty: not said */
	char mime[STORE_MIME_MAX + 1];
	uint64_t size;
	size_t n_restore;
	char restore[STORE_RESTORE_MAX][HATCH_KEY_MAX + 1];
	char name_filter[HATCH_KEY_MAX + 1]; /* empty: all */
	uint64_t id_filter;                  /* 0: all */
};

/* 0, or -EINVAL with a sentence for whoever asked. json_object_seed() has been called. */
int hatch_request_read(enum hatch_method method, const char *text, size_t len,
                       struct hatch_request *ret, struct dd_err *err);

/* Bytes of a range as "bytes=0-1023", for a file of @size. 0: @ret_first, @ret_len; -ERANGE: none
 * of them are there; -EINVAL: not one range, and then all of it is the answer. */
int hatch_range_read(const char *text, uint64_t size, uint64_t *ret_first, uint64_t *ret_len);

enum { HATCH_BLOCK_ID_MAX = 92, HATCH_BLOCKS_MAX = 50000, HATCH_BLOCK_LIST_MAX = 8 << 20 };

/* @fn for the id of each block, in order; it returns 0 or a negative number, which ends it. -EINVAL
 * with a sentence when it is no list of blocks. */
typedef int (*hatch_block_fn)(void *arg, const char *id);
int hatch_block_list_read(const char *text, size_t len, hatch_block_fn fn, void *arg,
                          struct dd_err *err);

#endif
