// SPDX-License-Identifier: Apache-2.0
/* hatch_messages.h - what a hatch asks its storekeeper, and what it is told; and what only the two
 * processes share.
 *
 * SEQPACKET, one question at a time, each read at exact size; texts are NUL-terminated and checked
 * by the storekeeper, which believes nothing that the hatch says about rights. */
#ifndef RUNNER_HATCH_MESSAGES_H
#define RUNNER_HATCH_MESSAGES_H

#include "hatch.h"

enum { STORE_RESTORE_MAX = 10, STORE_MIME_MAX = 127, STORE_WHY_MAX = 400 };

enum store_ask_type {
	STORE_ASK_INVALID = 0,
	STORE_CACHE_CREATE,    /* key, version -> upload, limit, a file to write */
	STORE_CACHE_FIND,      /* key, restore, version -> key, size, a file to read */
	STORE_ARTIFACT_CREATE, /* key = its name, mime -> upload, limit, a file to write */
	STORE_ARTIFACT_LIST,   /* index -> the artifact of that number, or none */
	STORE_ARTIFACT_GET,    /* key -> size, mime, a file to read */
	STORE_ARTIFACT_DELETE, /* key */
	STORE_UPLOAD_AGAIN,    /* upload -> an empty file instead of the one so far */
	STORE_UPLOAD_DONE,     /* upload, size, hash: all writers of it are closed -> id */
	STORE_TELL,            /* why: something was refused before it came here */
	STORE_ASK__COUNT
};

struct store_ask {
	uint32_t type;
	uint32_t index;
	uint64_t upload, size;
	char key[HATCH_KEY_MAX + 1];
	char version[HATCH_KEY_MAX + 1];
	char hash[65]; /* SHA-256 that the client says, hex; empty: it says none */
	char mime[STORE_MIME_MAX + 1];
	uint32_t n_restore;
	char restore[STORE_RESTORE_MAX][HATCH_KEY_MAX + 1];
	char why[STORE_WHY_MAX];
};

enum store_code {
	STORE_INVALID = 0,
	STORE_OK,
	STORE_NONE,    /* there is no such thing */
	STORE_EXISTS,  /* there is one already, or it is being made */
	STORE_REFUSED, /* by the policy, or by a limit: why */
	STORE_BROKEN,  /* the store cannot: why */
	STORE_CODE__COUNT
};

struct store_answer {
	uint32_t code;
	uint32_t has_fd; /* then one byte with the descriptor follows */
	uint64_t upload, id, size, limit;
	int64_t created; /* seconds since 1970 */
	char key[HATCH_KEY_MAX + 1];
	char mime[STORE_MIME_MAX + 1];
	char sha256[65];
	char why[STORE_WHY_MAX];
};

/* hatch_main.c and store_main.c: the processes; neither returns. */
__attribute__((noreturn)) void hatch_main(const struct hatch_spec *spec, const char *token,
                                          int store, int report, pid_t supervisor);
__attribute__((noreturn)) void store_main(const struct hatch_spec *spec, int hatch, int report,
                                          pid_t supervisor);

/* hatch_become.c: name, signals, descriptors 0 to 2; every other descriptor but @keep closed, which
 * is then at 3, 4, ... */
int hatch_become(const char *name, const int keep[], size_t n, struct dd_err *err);

#endif
