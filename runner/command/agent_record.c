// SPDX-License-Identifier: Apache-2.0
/* agent_record.c - see agent_record.h. Runs in: agent. A job whose record cannot be signed would be
 * refused; the agent says so before it asks for any. */
#include "agent_record.h"

#include "lease/signed_head.h"
#include "record/record_mirror.h"

int agent_record_look(const struct agent_record *record, struct dd_err *err)
{
	int r = record->key ? signed_head_key_look(record->key, err) : 0;
	if (r == 0)
		r = mirror_look(record->to, err);
	return r < 0 ? dd_err_ctx(err, r, "`record` of the configuration") : 0;
}
