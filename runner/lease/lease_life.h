// SPDX-License-Identifier: Apache-2.0
/* lease_life.h - how long the credentials of a step live, and longer where their issuer renews
 * them.
 *
 * Supervisor only. The policy's `ttl` is the end, whatever an issuer would give. One that gives
 * less at a time is asked again before that is over, by a courier that nobody waits for. The value
 * stays the same, so it does not matter how the step got it. Use: lease_life_begin after
 * lease_grant, lease_life_serve whenever its descriptor is readable or its time has come;
 * lease_revoke ends it.
 */
#ifndef RUNNER_LEASE_LIFE_H
#define RUNNER_LEASE_LIFE_H

#include "lease.h"

/* @now_ms: when they were granted (dd_now_ms). */
void lease_life_begin(const struct lease_holder *holder, struct lease_set *set, int64_t now_ms);
/* When something is to be done next; INT64_MAX: never. */
int64_t lease_life_wake(const struct lease_set *set);
/* The one that the policy ends first; NULL: the step holds none. */
const struct grant_lease *lease_life_first(const struct lease_holder *holder);
/* The one whose time is over; NULL: none is. @ret_sec: how long it lived; @ret_theirs: its issuer
 * ends it, and not the policy. */
const struct grant_lease *lease_life_over(const struct lease_holder *holder,
                                          const struct lease_set *set, int64_t now_ms,
                                          unsigned *ret_sec, bool *ret_theirs);
/* Of a renewal that runs; -1: none does. */
int lease_life_fd(const struct lease_set *set);
/* Begin what is due, take what has come. What is told goes to holder->tell. Fails only where the
 * record cannot be written. */
int lease_life_serve(const struct lease_holder *holder, struct lease_set *set, int64_t now_ms,
                     struct dd_err *err);
void lease_life_end(struct lease_set *set);

#endif
