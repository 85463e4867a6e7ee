// SPDX-License-Identifier: Apache-2.0
/* step_who.c - takes secrets out of what the record says about a step: who tried something, and
 * what the step is.
 *
 * Runs in: supervisor. The text is hostile: a step chooses its names, its arguments and, through
 * the repository, its script.
 */
#include "step_who.h"

#include "base/url_strip.h"
#include "lease/mask_text.h"

#include "drydock/fd.h"

#include <stdlib.h>

/* Arguments are cut to length and made printable, and a secret that this changed is no longer
 * found: a step that holds one shows none of them. One that was granted earlier in the job may be
 * known to a later step too, which shows them masked. */
void step_who_clean(const struct job_step *step, struct mask *mask, struct process_hint *who)
{
	if (step->n_leases > 0 || !mask || !mask_finds_cleaned(mask))
		who->argv[0] = '\0';
	mask_text(mask, who->argv, sizeof(who->argv));
	mask_text(mask, who->exe, sizeof(who->exe));
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

char *step_match_run(const char *script, struct mask *mask, bool *ret_exact)
{
	const char *in = script + strspn(script, " \t\r\n");
	size_t len = strlen(in);
	while (len > 0 && strchr(" \t\r\n", in[len - 1]))
		len--;
	dd_auto_free char *trimmed = strndup(in, len);
	char *text = trimmed ? url_strip_dup(trimmed) : NULL;

	if (!text)
		return NULL;
	/* with room behind it: the text is whole, and its end is no half of a secret */
	char *roomy = realloc(text, len + 8);
	if (!roomy) {
		free(text);
		return NULL;
	}
	mask_text(mask, roomy, len + 8);
	if (strlen(roomy) > STEP_MATCH_MAX)
		roomy[STEP_MATCH_MAX] = '\0';
	*ret_exact = strcmp(roomy, trimmed) == 0;
	return roomy;
}
