// SPDX-License-Identifier: Apache-2.0
/* crash_point.h - dies at the N-th of the places between grant and revoke, so that "taken back by
 * whoever is left" is tested and not hoped.
 *
 * DRYDOCK_FAULT=crash and DRYDOCK_CRASH_AT=N:WHO in the environment of drydock: the N-th call of
 * crash_point(), counted over keeper, supervisor and couriers, kills WHO (`self`, `supervisor`,
 * `drydock` for keeper and supervisor, `all`) with SIGKILL. It can only ever end drydock.
 */
#ifndef RUNNER_LEASE_CRASH_POINT_H
#define RUNNER_LEASE_CRASH_POINT_H

/* In the process that becomes the keeper, before any fork. */
void crash_arm(void);
/* In the supervisor, first. */
void crash_is_supervisor(void);
void crash_is_courier(void);
void crash_point(void);

#endif
