// SPDX-License-Identifier: Apache-2.0
/* step_who.c - takes secrets out of what the record says about a step: who tried something, and
 * what the step is.
 *
 * Runs in: supervisor. The text is hostile: a step chooses its names, its arguments and, through
 * the repository, its script.
 */
#include "step_who.h"

#include "base/url_strip.h"

#include "drydock/fd.h"

#include <ctype.h>

struct text {
	char *out;
	size_t len, size;
};

static int append(void *arg, const char *bytes, size_t len)
{
	struct text *t = arg;
	size_t room = t->size - 1 - t->len;
	size_t n = len < room ? len : room;
	memcpy(t->out + t->len, bytes, n);
	t->len += n;
	return 0;
}

void step_mask_text(const struct grant *step, struct mask *mask, char *text, size_t size)
{
	struct mask_stream *stream = NULL;

	if (step->n_leases == 0)
		return;
	dd_auto_free char *masked = calloc(1, size);
	struct text t = { .out = masked, .size = size };
	if (masked && mask && mask_stream_new(mask, &stream, NULL) == 0) {
		(void)mask_feed(stream, text, strlen(text), append, &t);
		(void)mask_flush(stream, append, &t);
	}
	mask_stream_free(stream);
	if (t.len > 0)
		memcpy(text, masked, t.len);
	text[t.len] = '\0';
}

/* Arguments are cut to length, and a secret cut in two is no longer found: a step that holds one
 * shows none of them. */
void step_who_clean(const struct grant *step, struct mask *mask, struct process_hint *who)
{
	if (step->n_leases > 0)
		who->argv[0] = '\0';
	step_mask_text(step, mask, who->exe, sizeof(who->exe));
}

struct facts_process step_who_facts(const struct process_hint *who)
{
	return (struct facts_process){
		.known = who->pid != 0, .pid = who->pid, .exe = who->exe, .argv = who->argv
	};
}

void step_who_text(const struct process_hint *who, char *out, size_t size)
{
	out[0] = '\0';
	if (who->pid && who->argv[0])
		(void)snprintf(out, size, "%s (%s)", who->exe, who->argv);
	else if (who->pid)
		(void)snprintf(out, size, "%s", who->exe);
}

/* ---- match.run ---- */

char *step_match_run(const struct grant *step, struct mask *mask, bool *ret_exact)
{
	const char *in = step->written->recipe.script +
	                 strspn(step->written->recipe.script, " \t\r\n");
	size_t len = strlen(in);
	while (len > 0 && strchr(" \t\r\n", in[len - 1]))
		len--;
	dd_auto_free char *trimmed = strndup(in, len);
	char *text = trimmed ? url_strip_dup(trimmed) : NULL;

	if (!text)
		return NULL;
	step_mask_text(step, mask, text, len + 1);
	if (strlen(text) > STEP_MATCH_MAX)
		text[STEP_MATCH_MAX] = '\0';
	*ret_exact = strcmp(text, trimmed) == 0;
	return text;
}
