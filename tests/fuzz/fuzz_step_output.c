// SPDX-License-Identifier: Apache-2.0
/* fuzz_step_output.c - any bytes, in any pieces, on both streams: no secret and no control byte may
 * reach a line. */
#include "runner/job/step_output.h"
#include "runner/base/text_escape.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_line(void *arg, const struct step_line *line)
{
	(void)arg;
	if (strstr(line->text, "secret"))
		abort();
	for (size_t i = 0; i < line->len;) {
		size_t n = utf8_char_len(line->text + i, line->len - i);
		if (n == 0 || !utf8_char_is_plain(line->text + i, n))
			abort();
		i += n;
	}
	return 0;
}

/* A front end that hides, replaces and masks. */
static struct step_said said(void *arg, enum step_stream stream, const char *text, size_t len)
{
	struct step_output **so = arg;
	(void)stream;
	if (len > STEP_COMMAND_MAX)
		abort();
	if (len > 3 && memcmp(text, "::m", 3) == 0)
		(void)step_output_mask(*so, text + 3, len - 3, NULL);
	return (struct step_said){ .hidden = len > 2 && text[2] == 'h',
		                   .instead = len > 2 && text[2] == 'r' ? "other" : NULL,
		                   .len = 5 };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mask *mask = NULL;
	struct step_output *so = NULL;
	struct dd_err err;
	if (mask_new(&mask, &err) < 0 || mask_add(mask, "secret", 6, &err) < 0 ||
	    mask_add(mask, "aabaab", 6, &err) < 0)
		abort();
	bool asks = size > 0 && data[0] == 0xff;
	struct step_output_spec spec = { .mask = mask,
		                         .log_fd = -1,
		                         .log_bytes = 5000,
		                         .said = asks ? said : NULL,
		                         .line = on_line,
		                         .arg = &so };
	if (step_output_new(&spec, &so, &err) < 0)
		abort();
	while (size > 1) {
		size_t n = data[0] >> 1, left = size - 1;
		n = n > left ? left : n;
		if (step_output_feed(so, data[0] & 1 ? STEP_STDERR : STEP_STDOUT,
		                     (const char *)data + 1, n, &err) < 0)
			abort();
		data += n + 1;
		size -= n + 1;
	}
	if (step_output_end(so, &err) < 0)
		abort();
	step_output_free(so);
	mask_free(mask);
	return 0;
}
