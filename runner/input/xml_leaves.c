// SPDX-License-Identifier: Apache-2.0
/* xml_leaves.c - an XML file as a list of paths and texts: all that settings of package managers
 * need.
 *
 * Runs in: command line and supervisor. Files are the operator's or belong to an installed package;
 * still bounded in size by the reader, in depth and text here, and without document types, so that
 * no entity expands and no other file is read. */
#include "xml_leaves.h"

#include <stdbool.h>
#include <stdint.h>
#include <expat.h>
#include <string.h>

enum { PATH_MAX_BYTES = 512, TEXT_MAX = 4096 };

struct walk {
	xml_leaf_fn fn;
	void *state;
	XML_Parser parser;
	char path[PATH_MAX_BYTES];
	char text[TEXT_MAX];
	size_t path_len, text_len;
	const char *why; /* set when we stopped it */
};

static void stop(struct walk *w, const char *why)
{
	w->why = why;
	(void)XML_StopParser(w->parser, XML_FALSE);
}

static bool append(struct walk *w, const char *sep, const char *name)
{
	int n = snprintf(w->path + w->path_len, sizeof(w->path) - w->path_len, "%s%s",
	                 w->path_len ? sep : "", name);
	if (n < 0 || (size_t)n >= sizeof(w->path) - w->path_len) {
		stop(w, "nested too deep");
		return false;
	}
	w->path_len += (size_t)n;
	return true;
}

static void on_start(void *data, const char *name, const char **attributes)
{
	struct walk *w = data;
	const char *colon = strrchr(name, ':');
	if (!append(w, "/", colon ? colon + 1 : name))
		return;
	w->text_len = 0;
	for (size_t i = 0; attributes[i] && !w->why; i += 2) {
		size_t before = w->path_len;
		if (append(w, "@", attributes[i]))
			w->fn(w->state, w->path, attributes[i + 1]);
		w->path_len = before;
		w->path[before] = '\0';
	}
}

static void on_text(void *data, const char *text, int len)
{
	struct walk *w = data;
	if (w->text_len + (size_t)len >= sizeof(w->text)) {
		stop(w, "a text is too long");
		return;
	}
	memcpy(w->text + w->text_len, text, (size_t)len);
	w->text_len += (size_t)len;
}

static void on_end(void *data, const char *name)
{
	struct walk *w = data;
	char *text = w->text;
	(void)name;
	while (w->text_len > 0 && strchr(" \t\r\n", text[w->text_len - 1]))
		w->text_len--;
	text[w->text_len] = '\0';
	text += strspn(text, " \t\r\n");
	if (*text)
		w->fn(w->state, w->path, text);
	w->fn(w->state, w->path, NULL);
	w->text_len = 0;
	char *slash = strrchr(w->path, '/');
	w->path_len = slash ? (size_t)(slash - w->path) : 0;
	w->path[w->path_len] = '\0';
}

static void on_doctype(void *data, const char *name, const char *system_id, const char *public_id,
                       int internal)
{
	(void)name, (void)system_id, (void)public_id, (void)internal;
	stop(data, "document types are not read");
}

/* expat 2.9 has a successor with more bits and calls this one deprecated; Debian 12 has only this.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static unsigned long line_number(XML_Parser parser)
{
	return (unsigned long)XML_GetCurrentLineNumber(parser);
}
#pragma GCC diagnostic pop

int xml_leaves(const char *name, const char *text, size_t len, xml_leaf_fn fn, void *state,
               struct dd_err *err)
{
	struct walk w = { .fn = fn, .state = state, .parser = XML_ParserCreate(NULL) };
	if (!w.parser)
		return dd_err_set(err, ENOMEM, "read %s", name);
	XML_SetUserData(w.parser, &w);
	XML_SetElementHandler(w.parser, on_start, on_end);
	XML_SetCharacterDataHandler(w.parser, on_text);
	XML_SetStartDoctypeDeclHandler(w.parser, on_doctype);
	int r = 0;
	if (len > INT32_MAX || XML_Parse(w.parser, text, (int)len, 1) != XML_STATUS_OK)
		r = dd_err_say(err, EINVAL, "%.200s:%lu: %s", name, line_number(w.parser),
		               w.why ? w.why : XML_ErrorString(XML_GetErrorCode(w.parser)));
	XML_ParserFree(w.parser);
	return r;
}
