// SPDX-License-Identifier: Apache-2.0
/* mask_text.c - masks a text that stands in one buffer.
 *
 * Runs in: supervisor. The text is hostile: a step chooses its names, its arguments and, through
 * the repository, its script.
 */
#include "mask_text.h"

#include "drydock/fd.h"

#include <stdlib.h>
#include <string.h>

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

void mask_text(struct mask *m, char *text, size_t size)
{
	enum { NEARLY = 3 }; /* who cuts a text may leave the last bytes of the buffer empty */
	struct mask_stream *stream = NULL;
	size_t len = strlen(text);

	if (m && !mask_holds(m))
		return;
	dd_auto_free char *masked = calloc(1, size);
	struct text t = { .out = masked, .size = size };
	struct dd_err err = { 0 };
	if (m && masked && mask_stream_new(m, &stream, &err) < 0) {
		/* unmasked it is told to nobody, and that is told */
		(void)snprintf(text, size, "(hidden: it cannot be masked: %s)", err.msg);
		return;
	}
	if (stream) {
		(void)mask_feed(stream, text, len, append, &t);
		if (len + NEARLY >= size && mask_held(stream) > 0)
			(void)append(&t, "***", 3);
		else
			(void)mask_flush(stream, append, &t);
	}
	mask_stream_free(stream);
	if (t.len > 0)
		memcpy(text, masked, t.len);
	text[t.len] = '\0';
}

struct same {
	const char *text;
	size_t len;
};

static int compare(void *arg, const char *bytes, size_t len)
{
	struct same *left = arg;
	if (len > left->len || memcmp(left->text, bytes, len) != 0)
		return 1;
	left->text += len;
	left->len -= len;
	return 0;
}

bool mask_would_change(struct mask *m, const char *text, size_t len)
{
	struct mask_stream *stream = NULL;
	struct same left = { text, len };

	if (mask_stream_new(m, &stream, NULL) < 0)
		return true;
	bool differs = mask_feed(stream, text, len, compare, &left) != 0 ||
	               mask_flush(stream, compare, &left) != 0 || left.len > 0;
	mask_stream_free(stream);
	return differs;
}
