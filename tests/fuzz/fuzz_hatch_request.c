// SPDX-License-Identifier: Apache-2.0
/* fuzz_hatch_request.c - any bytes as what a step asks the hatch: a method's request, a range, a
 * list of blocks. Within bounds, terminated, or an error with a reason. */
#include "runner/hatch/hatch_request.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static int see_block(void *arg, const char *id)
{
	(void)arg;
	if (strlen(id) > HATCH_BLOCK_ID_MAX)
		abort();
	return 0;
}

static void check_request(const struct hatch_request *q)
{
	if (strlen(q->key) > HATCH_KEY_MAX || strlen(q->version) > HATCH_KEY_MAX ||
	    q->n_restore > STORE_RESTORE_MAX || strlen(q->hash) > 64 ||
	    strlen(q->mime) > STORE_MIME_MAX || q->size > INT64_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static struct hatch_request q;
	struct dd_err err = { 0 };
	char range[64];
	uint64_t first = 0, len = 0;

	if (size == 0)
		return 0;
	enum hatch_method method = (enum hatch_method)(data[0] % (HATCH_METHOD__COUNT + 1));
	const char *text = (const char *)data + 1;
	if (hatch_request_read(method, text, size - 1, &q, &err) == 0)
		check_request(&q);
	else if (err.msg[0] == '\0')
		abort();
	err.msg[0] = '\0';
	if (hatch_block_list_read(text, size - 1, see_block, NULL, &err) < 0 && err.msg[0] == '\0')
		abort();
	(void)snprintf(range, sizeof(range), "%.*s", (int)(size < 60 ? size - 1 : 60), text);
	if (hatch_range_read(range, 1000, &first, &len) == 0 &&
	    (first >= 1000 || len > 1000 - first))
		abort();
	return 0;
}
