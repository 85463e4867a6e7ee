// SPDX-License-Identifier: Apache-2.0
/* lease.c - the life of the credentials of one step: looked for, granted, recorded, taken back.
 *
 * Runs in: supervisor; lease_look() in the process that becomes the keeper. */
#include "lease.h"

#include "lease_life.h"

#include "base/interrupt.h"
#include "crash_point.h"
#include "deliver.h"
#include "drydock/fd.h"
#include "escrow.h"
#include "journal.h"
#include "record/event_write.h"
#include "secret_memory.h"
#include "source.h"

#include <stdlib.h>

/* To begin with: values are short, as a rule, and the memory grows. */
enum { MEMORY_FIRST = 16 * 1024 };

int lease_look(const struct plan *plan, const struct lease_forge *forge, struct dd_err *err)
{
	for (size_t i = 0; i < plan->n_grants; i++)
		for (size_t j = 0; j < plan->grants[i].n_leases; j++) {
			const struct grant_lease *lease = &plan->grants[i].leases[j];
			int r = lease->withheld
			                ? 0
			                : lease_source_of(lease->from)->look(lease, forge, err);
			if (r < 0)
				return r;
		}
	return 0;
}

/* ---- life ---- */

/* The policy's word, before anybody is asked. A step that is bound to a credential does not run
 * without it. */
static int check_withheld(const struct lease_holder *holder, struct dd_err *err)
{
	for (size_t i = 0; i < holder->n; i++)
		if (holder->leases[i].withheld)
			return dd_err_blame(err, DD_BLAME_POLICY,
			                    dd_err_say(err, EACCES, "credential %s is withheld: %s",
			                               holder->leases[i].name,
			                               holder->leases[i].withheld));
	return 0;
}

/* Also of one that failed half-way: it must be taken back. */
static void remember_live(struct lease_set *set, const struct lease_value *v)
{
	set->ttl_sec[set->n_live] = v->ttl_sec;
	set->live[set->n_live++] = (struct lease_live){ .id = v->id,
		                                        .handle = v->handle,
		                                        .key = v->key,
		                                        .key_len = v->key_len,
		                                        .renewable = v->renewable };
}

/* In the middle of a text it is the value alone: a file ends with a line, a secret does not. */
static struct lease_raw raw_of_value(const struct lease_value *v)
{
	struct lease_raw raw = { v->n ? v->fields[0].bytes : NULL, v->n ? v->fields[0].len : 0 };
	while (raw.len > 0 && (raw.bytes[raw.len - 1] == '\n' || raw.bytes[raw.len - 1] == '\r'))
		raw.len--;
	return raw;
}

static int grant_all(const struct lease_holder *holder, struct mask *mask, struct lease_set *set,
                     struct dd_err *err)
{
	struct lease_value *values = calloc(holder->n, sizeof(*values));
	int r = values ? 0 : dd_err_set(err, ENOMEM, "grant credentials");

	for (size_t i = 0; i < holder->n && r == 0; i++) {
		const struct grant_lease *lease = &holder->leases[i];
		r = lease_is_issued(lease->from) ? interrupt_check(err) : 0;
		if (r == 0)
			r = lease_source_of(lease->from)
			            ->grant(holder, lease, set->memory, &values[i], err);
		remember_live(set, &values[i]);
		crash_point();
	}
	if (r == 0)
		r = lease_deliver(holder, values, mask, set, err);
	for (size_t i = 0; r == 0 && i < holder->n; i++)
		set->raw[set->n_raw++] = raw_of_value(&values[i]);
	crash_point();
	free(values); /* holds only where the bytes are */
	return r;
}

int lease_grant(const struct lease_holder *holder, struct mask *mask, struct lease_set *ret,
                struct dd_err *err)
{
	int r;

	*ret = (struct lease_set){ .memory = NULL };
	if (holder->n == 0)
		return 0;
	if (holder->n > LEASES_MAX)
		return dd_err_say(err, E2BIG, "more than %d credentials for one step", LEASES_MAX);
	if ((r = check_withheld(holder, err)) < 0 ||
	    (r = secret_memory_new(MEMORY_FIRST, &ret->memory, err)) < 0)
		return r;
	return grant_all(holder, mask, ret, err); /* on failure the caller revokes, which wipes */
}

static char *kind_and_name(const char *kind, const char *name)
{
	char *text;
	return asprintf(&text, "%s:%s", kind, name) < 0 ? NULL : text;
}

static unsigned ttl_of(const struct lease_holder *holder, const struct lease_set *set, size_t i)
{
	unsigned own = holder->leases[i].ttl_sec, theirs = i < set->n_live ? set->ttl_sec[i] : 0;
	return theirs && theirs < own ? theirs : own;
}

static int record_grant(const struct lease_holder *holder, const struct lease_set *set, size_t i,
                        struct dd_err *err)
{
	const struct grant_lease *lease = &holder->leases[i];
	const char *from = lease_from_names[lease->from], *as = lease_as_names[lease->as];

	/* where the service manager puts its files is its business */
	const char *slash = lease->from == LEASE_FROM_SYSTEMD ? strrchr(lease->source, '/') : NULL;
	dd_auto_free char *source = kind_and_name(from, slash ? slash + 1 : lease->source);
	dd_auto_free char *target = kind_and_name(as, lease->target);
	if (!source || !target)
		return dd_err_set(err, ENOMEM, "record the credential %s", lease->name);
	return record_cred_grant(holder->rec, holder->step, holder->phase,
	                         &(struct facts_lease){ .name = lease->name,
	                                                .kind = from,
	                                                .delivery = as,
	                                                .from = source,
	                                                .as = target,
	                                                .ttl_sec = ttl_of(holder, set, i) },
	                         err);
}

int lease_record(const struct lease_holder *holder, struct lease_set *set, struct dd_err *err)
{
	int r = 0;

	for (; r == 0 && set->n_granted < holder->n; set->n_granted++)
		r = record_grant(holder, set, set->n_granted, err);
	crash_point();
	return r;
}

bool lease_asks(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_grants; i++)
		for (size_t k = 0; k < plan->grants[i].n_leases; k++)
			if (lease_is_issued(plan->grants[i].leases[k].from) &&
			    !plan->grants[i].leases[k].withheld)
				return true;
	return false;
}

/* ---- end ---- */

static void tell_left(const struct lease_holder *holder, const char *name, const char *why)
{
	char text[700];
	if (!holder->tell)
		return;
	(void)snprintf(
		text, sizeof(text),
		"credential %.100s is not taken back: %.400s; the next start tries again, and "
		"so does `drydock revoke --all`",
		name, why);
	holder->tell(holder->tell_arg, text);
}

/* @ret: what the record says. True: it is over, one way or the other. */
static bool take_back(const struct lease_holder *holder, const struct grant_lease *lease,
                      const struct lease_live *live, char *ret, size_t size)
{
	struct dd_err why = { 0 };
	char how[200] = "";
	crash_point();
	int r = lease_source_of(lease->from)
	                ->revoke(holder->job, live->handle, live->key, live->key_len, how, &why);

	if (r < 0 && r != -ESTALE) {
		(void)snprintf(ret, size, "not revoked: %.300s", why.msg);
		tell_left(holder, lease->name, why.msg);
		return false;
	}
	(void)snprintf(ret, size, "%.300s", r < 0 ? why.msg : how);
	return true;
}

/* The record comes first: what the journal has no more, nobody would write down. */
static int end_one(const struct lease_holder *holder, const struct lease_set *set, size_t i,
                   struct dd_err *err)
{
	const struct grant_lease *lease = &holder->leases[i];
	const struct lease_live *live = i < set->n_live ? &set->live[i] : NULL;
	bool is_live = live && live->id && live->handle, over = false;
	char result[400];

	(void)snprintf(result, sizeof(result), "%s", lease_source_of(lease->from)->wiped);
	if (is_live)
		over = take_back(holder, lease, live, result, sizeof(result));
	if (!is_live && i >= set->n_granted)
		return 0;
	crash_point();
	int r = record_cred_revoke(holder->rec, holder->step, holder->phase,
	                           &(struct facts_lease){ .name = lease->name, .result = result },
	                           err);
	crash_point();
	if (!over)
		return r;
	int ended = journal_ended(holder->job->journal, live->id, result, r < 0 ? NULL : err);
	crash_point();
	escrow_drop(holder->job->escrow, live->id);
	return r < 0 ? r : ended;
}

int lease_revoke(const struct lease_holder *holder, struct lease_set *set, struct dd_err *err)
{
	int first = 0;
	lease_life_end(set);

	for (size_t i = 0; i < holder->n && (i < set->n_granted || i < set->n_live); i++) {
		int r = end_one(holder, set, i, first < 0 ? NULL : err);
		first = first < 0 ? first : r;
	}
	crash_point();
	secret_memory_free(set->memory);
	for (size_t i = 0; i < set->n_live; i++)
		free(set->live[i].handle);
	*set = (struct lease_set){ .memory = NULL };
	return first;
}
