// SPDX-License-Identifier: Apache-2.0
/* job_voice.c - see job_voice.h. Runs in: supervisor. */
#include "job_voice.h"

#include "job.h"
#include "lease/mask_text.h"
#include "record/event_write.h"

#include "base/url_strip.h"
#include "drydock/fd.h"

#include <stdarg.h>
#include <string.h>

enum { SAID_MAX = 1900, WHY_MAX = 500 };

void job_voice_note(const struct job *job, unsigned grant, enum sink_level level, const char *fmt,
                    ...)
{
	char text[SAID_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (grant)
		sink_note(&job->sinks, NULL, level, "step %u: %s", grant, text);
	else
		sink_note(&job->sinks, NULL, level, "%s", text);
}

int job_voice_mask(struct job *job, const char *value, size_t len, struct dd_err *err)
{
	return mask_add(job->mask, value, len, err);
}

bool job_voice_is_masked(const struct job *job, const char *text, size_t len)
{
	return mask_holds(job->mask) && mask_would_change(job->mask, text, len);
}

int job_voice_not_run(struct job *job, unsigned grant, const char *name, bool failed,
                      const char *why, struct dd_err *err)
{
	const struct grant *of = &job->plan->grants[grant - 1];
	char clean[WHY_MAX];
	dd_auto_free char *shown = url_strip_dup(name);

	if (!shown)
		return dd_err_set(err, ENOMEM, "record a step that is not run");
	(void)snprintf(clean, sizeof(clean), "%s", why);
	mask_text(job->mask, clean, sizeof(clean));
	const struct facts_not_run facts = {
		.id = of->id, .name = shown, .outcome = failed ? "failure" : "skipped", .why = clean
	};
	job_voice_note(job, grant, failed ? SINK_WARN : SINK_NOTE, "%s: %s: %s",
	               failed ? "failed before it began" : "skipped", name, why);
	return record_step_not_run(job->rec, of->ref, of->phase, &facts, err);
}

int job_voice_withheld(struct job *job, unsigned grant, bool is_path, const char *name,
                       const char *reason, unsigned from, struct dd_err *err)
{
	const struct grant *of = &job->plan->grants[grant - 1];
	char clean[WHY_MAX];

	(void)snprintf(clean, sizeof(clean), "%s", name);
	mask_text(job->mask, clean, sizeof(clean));
	const struct facts_withheld facts = { .kind = is_path ? "path" : "env",
		                              .name = clean,
		                              .why = reason,
		                              .from = job->plan->grants[from - 1].ref };
	job_voice_note(job, grant, SINK_WARN,
	               "%s %s of step %u does not reach this step, which is trusted more: %s; to "
	               "allow it, write in %s: phases.push.carry: { %s: [ \"%s\" ] }",
	               is_path ? "PATH entry" : "variable", clean, from, reason,
	               job->plan->policy_path ? job->plan->policy_path : "a policy",
	               is_path ? "path" : "env", clean);
	return record_env_withheld(job->rec, of->ref, of->phase, &facts, err);
}
