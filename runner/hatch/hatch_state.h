// SPDX-License-Identifier: Apache-2.0
/* hatch_state.h - the hatch process in memory; seen by hatch_main.c, hatch_serve.c, hatch_blob.c.
 */
#ifndef RUNNER_HATCH_STATE_H
#define RUNNER_HATCH_STATE_H

#include "hatch_request.h"

#include <microhttpd.h>

enum {
	HATCH_CONNECTIONS_MAX = 64,
	HATCH_CONNECTION_BYTES = 1024 * 1024, /* headers and what is read at once */
	HATCH_SEND_BYTES = 512 * 1024,        /* of a blob at once; libmicrohttpd's own are 4096 */
	HATCH_IDLE_SEC = 120,
	HATCH_UPLOADS_MAX = 32,
	HATCH_BLOBS_MAX = 256,
	HATCH_SIG = 33, /* what nobody can guess of a blob's address, hex */
};

struct hatch_block {
	char id[HATCH_BLOCK_ID_MAX + 1];
	uint64_t at, len;
	bool whole;
};

/* What is being put in. The blocks lie in the file as they came; the list that ends them says in
 * which order they count. */
struct hatch_upload {
	char sig[HATCH_SIG]; /* empty: the place is free */
	bool is_cache;
	uint64_t id; /* at the storekeeper */
	int fd;
	uint64_t limit, end;
	uint64_t size; /* once it is whole */
	bool whole;
	char key[HATCH_KEY_MAX + 1], version[HATCH_KEY_MAX + 1];
	struct hatch_block *blocks;
	size_t n_blocks;
};

/* What may be read. */
struct hatch_blob {
	char sig[HATCH_SIG]; /* empty: the place is free */
	int fd;
	uint64_t size;
	char mime[STORE_MIME_MAX + 1];
	char name[HATCH_KEY_MAX + 1]; /* of an artifact; empty: none */
};

struct hatch_state {
	const char *token;
	uint16_t port;
	int store; /* to the storekeeper */
	struct hatch_upload uploads[HATCH_UPLOADS_MAX];
	struct hatch_blob blobs[HATCH_BLOBS_MAX];
	size_t next_blob;
};

/* What one request has come to so far. */
struct hatch_call {
	enum hatch_method method;
	char *body;
	size_t len, room;
	/* an upload, and which it was when this began: another connection may end it */
	struct hatch_upload *upload;
	uint64_t upload_id;
	size_t block_index;
	uint64_t begin, at, left;
	bool is_list, is_block;
	unsigned status; /* of an answer that is known before the body is read; 0: none */
	const char *why;
};

/* hatch_library.c: of libmicrohttpd, what is used of it, by its own names. */
extern struct mhd {
	__typeof__(MHD_start_daemon) *start_daemon;
	__typeof__(MHD_get_daemon_info) *get_daemon_info;
	__typeof__(MHD_get_timeout) *get_timeout;
	__typeof__(MHD_run) *run;
	__typeof__(MHD_lookup_connection_value) *lookup_connection_value;
	__typeof__(MHD_create_response_from_buffer) *create_response_from_buffer;
	__typeof__(MHD_create_response_from_callback) *create_response_from_callback;
	__typeof__(MHD_add_response_header) *add_response_header;
	__typeof__(MHD_queue_response) *queue_response;
	__typeof__(MHD_destroy_response) *destroy_response;
} mhd;
int hatch_library_load(struct dd_err *err);

/* hatch_parts.c: one answered question; without a storekeeper the hatch ends. */
void hatch_ask(struct hatch_state *h, const struct store_ask *ask, struct store_answer *ret,
               int *ret_fd);
void hatch_tell(struct hatch_state *h, const char *why);
void hatch_sig_make(char ret[HATCH_SIG]);
enum MHD_Result hatch_answer(struct MHD_Connection *c, unsigned status, const char *type,
                             const char *text);
/* hatch_serve.c */
enum MHD_Result hatch_serve_method(struct hatch_state *h, struct MHD_Connection *c,
                                   struct hatch_call *call);

/* hatch_blob.c */
void hatch_put_begin(struct hatch_state *h, struct MHD_Connection *c, const char *path,
                     struct hatch_call *call);
void hatch_put_bytes(struct hatch_state *h, struct hatch_call *call, const char *bytes, size_t len);
enum MHD_Result hatch_put_end(struct hatch_state *h, struct MHD_Connection *c,
                              struct hatch_call *call);
void hatch_put_cut(struct hatch_call *call); /* the connection ended before the body did */
enum MHD_Result hatch_get(struct hatch_state *h, struct MHD_Connection *c, const char *path);
void hatch_upload_free(struct hatch_upload *u);

#endif
