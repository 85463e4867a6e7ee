// SPDX-License-Identifier: Apache-2.0
/* lease_life.c - one clock for each credential of a step.
 *
 * Runs in: supervisor, in the loop of the step: nothing here waits for an issuer. */
#include "lease_life.h"

#include "courier.h"
#include "record/event_write.h"

#include <stdlib.h>

/* Asked at half of its time, and after a failure at half of the rest: not when there is less than
 * that. */
enum { RENEW_LEAST_MS = 300, GIVES_MORE_MS = 500 };

static int64_t renew_at(int64_t now_ms, int64_t end_ms)
{
	int64_t left = end_ms - now_ms;
	return left < RENEW_LEAST_MS ? INT64_MAX : now_ms + left / 2;
}

static void set_end(struct lease_life *l, int64_t now_ms, int64_t end_ms, bool renewable)
{
	l->end_ms = end_ms < l->policy_ms ? end_ms : l->policy_ms;
	l->renew_ms = renewable && l->end_ms < l->policy_ms ? renew_at(now_ms, l->end_ms)
	                                                    : INT64_MAX;
}

/* Before the step begins: whoever reads the log should not have to wait for its end. */
static void tell_short(const struct lease_holder *holder, size_t i, unsigned theirs)
{
	char text[400];
	(void)snprintf(text, sizeof(text),
	               "credential %.100s: its issuer gives %u s, and nobody can renew it; the "
	               "step that holds it ends then, and not after the policy's ttl of %u s",
	               holder->leases[i].name, theirs, holder->leases[i].ttl_sec);
	if (holder->tell)
		holder->tell(holder->tell_arg, text);
}

void lease_life_begin(const struct lease_holder *holder, struct lease_set *set, int64_t now_ms)
{
	for (size_t i = 0; i < holder->n; i++) {
		struct lease_life *l = &set->life[i];
		unsigned theirs = i < set->n_live ? set->ttl_sec[i] : 0;
		l->began_ms = now_ms;
		l->policy_ms = now_ms + (int64_t)holder->leases[i].ttl_sec * 1000;
		set_end(l, now_ms, theirs ? now_ms + (int64_t)theirs * 1000 : l->policy_ms,
		        i < set->n_live && set->live[i].renewable && set->live[i].key);
		if (l->end_ms < l->policy_ms && l->renew_ms == INT64_MAX)
			tell_short(holder, i, theirs);
	}
	set->n_life = holder->n;
}

const struct grant_lease *lease_life_first(const struct lease_holder *holder)
{
	const struct grant_lease *first = NULL;
	for (size_t i = 0; i < holder->n; i++)
		if (!first || holder->leases[i].ttl_sec < first->ttl_sec)
			first = &holder->leases[i];
	return first;
}

int64_t lease_life_wake(const struct lease_set *set)
{
	int64_t wake = INT64_MAX;
	for (size_t i = 0; i < set->n_life; i++) {
		int64_t renew = set->renewal ? INT64_MAX : set->life[i].renew_ms;
		wake = set->life[i].end_ms < wake ? set->life[i].end_ms : wake;
		wake = renew < wake ? renew : wake;
	}
	return wake;
}

const struct grant_lease *lease_life_over(const struct lease_holder *holder,
                                          const struct lease_set *set, int64_t now_ms,
                                          unsigned *ret_sec, bool *ret_theirs)
{
	for (size_t i = 0; i < set->n_life; i++) {
		const struct lease_life *l = &set->life[i];
		if (now_ms < l->end_ms)
			continue;
		*ret_sec = (unsigned)((l->end_ms - l->began_ms) / 1000);
		*ret_theirs = l->end_ms < l->policy_ms;
		return &holder->leases[i];
	}
	return NULL;
}

int lease_life_fd(const struct lease_set *set)
{
	return set->renewal ? courier_renewal_fd(set->renewal) : -1;
}

static void tell_not_renewed(const struct lease_holder *holder, const struct lease_set *set,
                             size_t i, int64_t now_ms, const char *why)
{
	char text[600];
	(void)snprintf(text, sizeof(text),
	               "credential %.100s: %.300s; it ends in %lld s, and the step that holds it "
	               "with it",
	               holder->leases[i].name, why,
	               (long long)((set->life[i].end_ms - now_ms + 999) / 1000));
	if (holder->tell)
		holder->tell(holder->tell_arg, text);
}

static int record_renewal(const struct lease_holder *holder, size_t i, const char *result,
                          int64_t sec, struct dd_err *err)
{
	return record_cred_renew(holder->rec, holder->step, holder->phase,
	                         &(struct facts_lease){ .name = holder->leases[i].name,
	                                                .result = result,
	                                                .ttl_sec = sec },
	                         err);
}

/* It could not be: once more before the end, then no more. */
static int not_renewed(const struct lease_holder *holder, struct lease_set *set, size_t i,
                       int64_t now_ms, const struct dd_err *why, struct dd_err *err)
{
	struct lease_life *l = &set->life[i];
	char result[400];
	(void)snprintf(result, sizeof(result), "not renewed: %.300s", why->msg);
	l->renew_ms = renew_at(now_ms, l->end_ms);
	if (!l->told)
		tell_not_renewed(holder, set, i, now_ms, result);
	if (l->told && l->renew_ms - now_ms < 1000) /* a server that refuses is not hammered */
		l->renew_ms = INT64_MAX;
	l->told = true;
	return record_renewal(holder, i, result, FACTS_ABSENT, err);
}

static int take_renewal(const struct lease_holder *holder, struct lease_set *set, int64_t now_ms,
                        struct dd_err *err)
{
	size_t i = set->renewing;
	struct lease_life *l = &set->life[i];
	struct dd_err why = { 0 };
	long long sec = 0;
	int r = courier_renewal_take(set->renewal, &sec, &why);
	if (r == -EAGAIN)
		return 0;
	courier_renewal_free(set->renewal);
	set->renewal = NULL;
	if (r < 0)
		return not_renewed(holder, set, i, now_ms, &why, err);
	int64_t was = l->end_ms;
	set_end(l, now_ms, now_ms + sec * 1000, true);
	if (l->end_ms < l->policy_ms && l->end_ms < was + GIVES_MORE_MS) {
		l->renew_ms = INT64_MAX;
		tell_not_renewed(holder, set, i, now_ms, "its issuer gives no more time");
	}
	return record_renewal(holder, i, "renewed", sec, err);
}

static int begin_renewal(const struct lease_holder *holder, struct lease_set *set, size_t i,
                         int64_t now_ms, struct dd_err *err)
{
	struct lease_life *l = &set->life[i];
	const struct lease_live *live = &set->live[i];
	struct dd_err why = { 0 };
	/* never longer than the policy lets it live */
	int64_t wanted = (l->policy_ms - now_ms + 999) / 1000;
	l->renew_ms = INT64_MAX;
	int r = courier_renew(holder->job, live->handle, live->key, live->key_len, (unsigned)wanted,
	                      &set->renewal, &why);
	set->renewing = i;
	return r < 0 ? not_renewed(holder, set, i, now_ms, &why, err) : 0;
}

int lease_life_serve(const struct lease_holder *holder, struct lease_set *set, int64_t now_ms,
                     struct dd_err *err)
{
	int r = set->renewal ? take_renewal(holder, set, now_ms, err) : 0;
	for (size_t i = 0; r == 0 && !set->renewal && i < set->n_life; i++)
		if (set->life[i].renew_ms <= now_ms)
			r = begin_renewal(holder, set, i, now_ms, err);
	return r;
}

void lease_life_end(struct lease_set *set)
{
	courier_renewal_free(set->renewal);
	set->renewal = NULL;
	set->n_life = 0;
}
