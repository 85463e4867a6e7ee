// SPDX-License-Identifier: Apache-2.0
/* source_issuer.c - credentials that somebody makes for this step: written down before they are
 * asked for, and before they are handed over.
 *
 * Runs in: the process that becomes the keeper (look), supervisor. Nothing is sent from here: that
 * is the courier's. */
#include "source.h"

#include "base/named_path.h"
#include "courier.h"
#include "crash_point.h"
#include "drydock/fd.h"
#include "escrow.h"
#include "issuer.h"
#include "journal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

/* ---- is all of it there? ---- */

static int look_file(const struct grant_lease *lease, const char *key, const char *path,
                     mode_t forbidden, struct dd_err *err)
{
	struct stat st;
	dd_auto_fd int fd = -1;
	if (!path)
		return 0;
	int r = named_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &fd, NULL, err);
	if (r < 0)
		return dd_err_ctx(err, r, "credential %s: `%s`", lease->name, key);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return dd_err_say(err, EINVAL, "credential %s: `%s`: %s is not a regular file",
		                  lease->name, key, path);
	if (st.st_mode & forbidden)
		return dd_err_say(err, EPERM,
		                  "credential %s: `%s`: %s is open to others (mode %03o); "
		                  "chmod %s it",
		                  lease->name, key, path, (unsigned)st.st_mode & 0777,
		                  forbidden & 0044 ? "0600" : "go-w");
	return 0;
}

int source_issuer_look(const struct grant_lease *lease, const struct lease_forge *forge,
                       struct dd_err *err)
{
	const struct lease_issuer *issuer = lease->issuer;
	int r;
	(void)forge;
	if ((r = look_file(lease, "ca", issuer->ca, 0022, err)) < 0 ||
	    (r = look_file(lease, "certificate", issuer->certificate, 0022, err)) < 0 ||
	    (r = look_file(lease, "key", issuer->key, 0077, err)) < 0)
		return r;
	if (!issuer->identity)
		return 0;
	if (!issuer_is_dir(issuer->identity))
		return look_file(lease, "identity", issuer->identity, 0022, err);
	r = issuer_look(issuer->identity, issuer->audience, err);
	return r < 0 ? dd_err_ctx(err, r, "credential %s", lease->name) : 0;
}

/* ---- one grant ---- */

struct granting {
	const struct lease_holder *holder;
	struct lease_value *value;
};

static int note_handle(void *arg, const char *handle, struct dd_err *err)
{
	const struct granting *g = arg;
	crash_point();
	int r = journal_issued(g->holder->job->journal, g->value->id, handle, err);
	char *copy = r < 0 ? NULL : strdup(handle);
	if (r == 0 && !copy)
		return dd_err_set(err, ENOMEM, "remember a handle");
	if (copy) {
		free(g->value->handle);
		g->value->handle = copy;
	}
	crash_point();
	return r;
}

static int intend(const struct lease_holder *holder, const struct grant_lease *lease,
                  unsigned *ret_id, struct dd_err *err)
{
	struct journal_entry about = { .until = (long long)time(NULL) + lease->ttl_sec + 60 };
	if (!holder->job || !holder->job->journal || !holder->job->escrow)
		return dd_err_say(err, EINVAL, "no journal of credentials is open");
	(void)snprintf(about.credential, sizeof(about.credential), "%s", lease->name);
	(void)snprintf(about.kind, sizeof(about.kind), "%s", lease_from_names[lease->from]);
	(void)snprintf(about.step, sizeof(about.step), "%s", holder->step);
	(void)snprintf(about.phase, sizeof(about.phase), "%s", dd_phase_name(holder->phase));
	return journal_intent(holder->job->journal, &about, ret_id, err);
}

/* A later message of the courier replaced what the value said of itself. */
static int ask(const struct lease_holder *holder, const struct grant_lease *lease,
               struct secret_memory *memory, struct lease_value *ret, struct dd_err *err)
{
	struct granting g = { holder, ret };
	const struct courier_errand errand = { .job = holder->job,
		                               .step = holder->step,
		                               .phase = holder->phase,
		                               .lease = lease,
		                               .note = note_handle,
		                               .note_arg = &g };
	return courier_grant(&errand, memory, ret, err);
}

int source_issuer_grant(const struct lease_holder *holder, const struct grant_lease *lease,
                        struct secret_memory *memory, struct lease_value *ret, struct dd_err *err)
{
	unsigned id = 0;
	*ret = (struct lease_value){ .n = 0 };
	crash_point();
	int r = intend(holder, lease, &id, err);
	crash_point();
	if (r < 0)
		return dd_err_ctx(err, r, "credential %s", lease->name);
	ret->id = id;
	r = ask(holder, lease, memory, ret, err);
	crash_point();
	if (ret->key)
		(void)escrow_put(holder->job->escrow, id, ret->key, ret->key_len, NULL);
	crash_point();
	/* what leaves no handle has nothing that could be taken back */
	if ((r < 0 && !ret->left) || (r == 0 && !ret->handle)) {
		int ended = journal_ended(holder->job->journal, id,
		                          r < 0 ? "nothing is left of it" : "it ends by itself",
		                          r < 0 ? NULL : err);
		ret->id = 0;
		r = r < 0 ? r : ended;
	}
	return r < 0 ? dd_err_ctx(err, r, "credential %s", lease->name) : 0;
}
