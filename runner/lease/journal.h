// SPDX-License-Identifier: Apache-2.0
/* journal.h - what of a run has to be taken back, on disk, so that it is taken back also when every
 * process of the run has died (C-09).
 *
 * STATE/leases/RUN.jsonl (0600), one object a line, each one write(2) and fdatasync(2): what is to
 * be asked for before it is asked for, its handle before it is handed over, its end. A handle names
 * things; it is no secret. The file is locked while its run lives, and gone when nothing is open.
 *
 * Supervisor writes; keeper, and the next start, read and end.
 */
#ifndef RUNNER_LEASE_JOURNAL_H
#define RUNNER_LEASE_JOURNAL_H

#include "drydock/err.h"

#include <jansson.h>
#include <stdbool.h>

enum { JOURNAL_ENTRIES_MAX = 4096, JOURNAL_TEXT = 128 };

struct journal;

struct journal_entry {
	unsigned id;
	char credential[JOURNAL_TEXT], kind[JOURNAL_TEXT], step[JOURNAL_TEXT], phase[16];
	char *handle;    /* NULL: it was asked for, and nobody knows what came */
	long long until; /* when it is no good any more at the latest, by the wall clock */
	bool ended;
};

struct journal_state {
	char run[JOURNAL_TEXT], record[1024];
	struct journal_entry *entries;
	size_t n, n_open;
};

/* Make it in @dir, which is made too. Locked until it is freed by everybody that has it. */
int journal_open(const char *dir, const char *run, const char *record, struct journal **ret,
                 struct dd_err *err);
/* One that a dead run left: -EBUSY: its run lives. */
int journal_open_dead(const char *path, struct journal **ret, struct dd_err *err);

/* Each is on disk when it returns 0. */
int journal_intent(struct journal *j, const struct journal_entry *about, unsigned *ret_id,
                   struct dd_err *err);
int journal_issued(struct journal *j, unsigned id, const char *handle, struct dd_err *err);
int journal_ended(struct journal *j, unsigned id, const char *how, struct dd_err *err);

/* A torn last line is as if it had not been begun. */
int journal_read(struct journal *j, struct journal_state *ret, struct dd_err *err);
void journal_state_done(struct journal_state *state);

/* Remove the file when nothing in it is open; 1: something is, and it stays. */
int journal_settle(struct journal *j, struct dd_err *err);
void journal_free(struct journal *j);
int journal_fd(const struct journal *j); /* borrowed: whoever has it open, holds the lock */
const char *journal_path(const struct journal *j);

#endif
