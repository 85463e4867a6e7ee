// SPDX-License-Identifier: Apache-2.0
/* console.h - what the person at the terminal sees of a job: which step, which phase, what was let
 * out, what was refused and why.
 *
 * Text only, one line a call, colour on a terminal (NO_COLOR honoured). Every text that came from a
 * step or a peer must have been escaped before. Supervisor and keeper; the only place of runner/
 * that writes to standard output during a run.
 */
#ifndef RUNNER_CONSOLE_H
#define RUNNER_CONSOLE_H

#include "drydock/identity.h"
#include "job/step_result.h"

void console_init(void);
bool console_is_coloured(void);
__attribute__((format(printf, 1, 2))) void console_note(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void console_warn(const char *fmt, ...);

void console_job_start(const struct plan *plan, const struct identity *id, const char *run,
                       const char *record, bool observe);
void console_step_start(const struct grant *step, size_t n_steps, bool observe);
void console_step_line(const char *line, size_t len);
void console_step_end(const struct step_result *result);
void console_summary(const struct plan *plan, const struct step_result *results, size_t n,
                     const char *status, const char *record, const char *logs);

/* That nothing was enforced, and how much would have been refused; also on standard error, where it
 * is seen when the output goes to a file. */
void console_observe_end(const struct plan *plan, uint64_t would_refuse);

/* "1.2 MiB", "512 B": at most 10 characters. */
const char *console_bytes(uint64_t bytes, char buf[16]);

#endif
