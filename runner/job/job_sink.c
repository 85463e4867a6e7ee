// SPDX-License-Identifier: Apache-2.0
/* job_sink.c - hands what happens to everybody who listens, masked and escaped.
 *
 * Runs in: supervisor and keeper. The texts hold bytes of the repository, of steps and of peers.
 */
#include "job_sink.h"

#include "base/text_escape.h"
#include "drydock/err.h"
#include "lease/mask_text.h"

#include <stdarg.h>
#include <string.h>

enum { NOTE_MAX = 2000 };

/* Call @member of everybody who has it. */
#define EVERYBODY(sinks, member, ...)                                                              \
	do {                                                                                       \
		for (size_t i_ = 0; i_ < (sinks)->n; i_++)                                         \
			if ((sinks)->items[i_]->member)                                            \
				(sinks)->items[i_]->member((sinks)->items[i_]->arg, __VA_ARGS__);  \
	} while (0)

bool sink_wants_colour(const struct job_sinks *sinks)
{
	for (size_t i = 0; i < sinks->n; i++)
		if (sinks->items[i]->colour)
			return true;
	return false;
}

void sink_job_begins(const struct job_sinks *sinks, const struct sink_job *job)
{
	EVERYBODY(sinks, job_begins, job);
}

void sink_step_begins(const struct job_sinks *sinks, const struct job_step *step)
{
	EVERYBODY(sinks, step_begins, step);
}

void sink_line(const struct job_sinks *sinks, const struct job_step *step,
               const struct step_line *line)
{
	EVERYBODY(sinks, line, step, line);
}

/* Masked first: escaping could tear a secret apart. */
static void clean(const struct job_sinks *sinks, char *text, size_t size,
                  char out[static TEXT_ESCAPE_MAX * NOTE_MAX + 1])
{
	if (sinks->mask)
		mask_text(sinks->mask, text, size);
	(void)text_escape(out, text, strlen(text));
}

void sink_note(const struct job_sinks *sinks, const struct job_step *step, enum sink_level level,
               const char *fmt, ...)
{
	char text[NOTE_MAX], shown[TEXT_ESCAPE_MAX * NOTE_MAX + 1];
	va_list ap;

	if (!sinks)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	clean(sinks, text, sizeof(text), shown);
	EVERYBODY(sinks, note, step, level, shown);
}

void sink_refusal(const struct job_sinks *sinks, const struct job_step *step, const char *line)
{
	char text[NOTE_MAX], shown[TEXT_ESCAPE_MAX * NOTE_MAX + 1];

	(void)snprintf(text, sizeof(text), "%s", line);
	clean(sinks, text, sizeof(text), shown);
	EVERYBODY(sinks, refusal, step, shown);
}

void sink_step_ended(const struct job_sinks *sinks, const struct job_step *step,
                     const struct step_result *result)
{
	EVERYBODY(sinks, step_ended, step, result);
}

void sink_not_run(const struct job_sinks *sinks, const struct grant *grant, const char *name,
                  bool failed, const char *why)
{
	EVERYBODY(sinks, not_run, grant, name, failed, why);
}

void sink_forgiven(const struct job_sinks *sinks, const struct grant *grant)
{
	EVERYBODY(sinks, forgiven, grant);
}

void sink_annotation(const struct job_sinks *sinks, const struct grant *grant,
                     const struct voice_annotation *what)
{
	EVERYBODY(sinks, annotation, grant, what);
}

void sink_summary(const struct job_sinks *sinks, const struct grant *grant, const char *text,
                  size_t len)
{
	EVERYBODY(sinks, summary, grant, text, len);
}

void sink_settle(const struct job_sinks *sinks)
{
	for (size_t i = 0; i < sinks->n; i++)
		if (sinks->items[i]->settle)
			sinks->items[i]->settle(sinks->items[i]->arg);
}

void sink_job_ended(const struct job_sinks *sinks, const struct sink_end *end)
{
	EVERYBODY(sinks, job_ended, end);
}
