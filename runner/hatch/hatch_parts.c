// SPDX-License-Identifier: Apache-2.0
/* hatch_parts.c - what every request of a hatch needs: a question to the storekeeper, a name that
 * nobody can guess, a short answer.
 *
 * Runs in: hatch, locked. */
#include "hatch_state.h"

#include "drydock/fd.h"

#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* ---- the storekeeper ---- */

void hatch_ask(struct hatch_state *h, const struct store_ask *ask, struct store_answer *ret,
               int *ret_fd)
{
	char byte;
	*ret_fd = -1;
	if (dd_send_msg(h->store, ask, sizeof(*ask), NULL, 0) < 0 ||
	    dd_recv_msg(h->store, ret, sizeof(*ret), NULL, 0) != 1 ||
	    (ret->has_fd && dd_recv_msg(h->store, &byte, 1, ret_fd, 1) != 1))
		_exit(1); /* a hatch without its storekeeper serves nothing */
}

void hatch_tell(struct hatch_state *h, const char *why)
{
	struct store_ask ask = { .type = STORE_TELL };
	struct store_answer answer;
	int fd = -1;
	(void)snprintf(ask.why, sizeof(ask.why), "%s", why);
	hatch_ask(h, &ask, &answer, &fd);
	dd_close(fd);
}

void hatch_sig_make(char ret[HATCH_SIG])
{
	unsigned char chance[(HATCH_SIG - 1) / 2];
	if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
		_exit(1);
	for (size_t i = 0; i < sizeof(chance); i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", chance[i]);
}

/* ---- answers ---- */

enum MHD_Result hatch_answer(struct MHD_Connection *c, unsigned status, const char *type,
                             const char *text)
{
	struct MHD_Response *r = mhd.create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	if (!r)
		return MHD_NO;
	(void)mhd.add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	enum MHD_Result queued = mhd.queue_response(c, status, r);
	mhd.destroy_response(r);
	return queued;
}
