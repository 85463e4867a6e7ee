// SPDX-License-Identifier: Apache-2.0
/* policy_narrow_refuse.c - what the repository asked for and does not get, kept to be told. Pure.
 */
#include "policy_narrowing.h"

void narrow_refuse(struct narrowing *n, struct diag_mark mark, const char *key, const char *asked,
                   const char *allowed, const char *why)
{
	if (n->n == NARROWED_MAX)
		n->left_out++;
	else
		n->refused[n->n++] = (struct policy_narrowed){
			.key = key, .asked = asked, .allowed = allowed, .why = why, .mark = mark
		};
}
