// SPDX-License-Identifier: Apache-2.0
/* report_html.c - fills in a record's page, and escapes what goes into it.
 *
 * Runs in: command line. The style sheet is allowed by its SHA-256, so that even a hole in the
 * escaping could add neither script nor style.
 */
#include "report_html.h"

#include "base/digest.h"
#include "drydock/fd.h"
#include "report_files.h"
#include "base/text_escape.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static const char *entity_of(char c)
{
	static const struct entity_row {
		char c;
		const char *text;
	} rows[] = { { '&', "&amp;" },
		     { '<', "&lt;" },
		     { '>', "&gt;" },
		     { '"', "&quot;" },
		     { '\'', "&#39;" } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].c == c)
			return rows[i].text;
	return NULL;
}

void report_html_text(FILE *out, const char *text)
{
	if (!text)
		return;
	size_t len = strlen(text);
	dd_auto_free char *safe = malloc(len * TEXT_ESCAPE_MAX + 1);
	if (!safe)
		return;
	(void)text_escape(safe, text, len);
	for (const char *p = safe; *p; p++) {
		const char *entity = entity_of(*p);
		if (entity)
			(void)fputs(entity, out);
		else
			(void)fputc(*p, out);
	}
}

/* "sha256-..." as a Content-Security-Policy spells it. */
static int style_hash(char ret[64], struct dd_err *err)
{
	const struct report_file css = report_file_css();
	struct digest *digest = NULL;
	char hex[DIGEST_HEX];
	unsigned char raw[32];
	int r = digest_new(&digest, err);
	if (r == 0)
		r = digest_start(digest, err);
	if (r == 0)
		r = digest_update(digest, css.text, css.len, err);
	if (r == 0)
		r = digest_hex(digest, hex, err);
	digest_free(digest);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(raw); i++) {
		char two[3] = { hex[2 * i], hex[2 * i + 1], '\0' };
		raw[i] = (unsigned char)strtoul(two, NULL, 16);
	}
	(void)snprintf(ret, 64, "sha256-");
	/* 44 characters and a NUL */
	(void)EVP_EncodeBlock((unsigned char *)ret + 7, raw, (int)sizeof(raw));
	return 0;
}

static int put_style_hash(FILE *out, const void *page, struct dd_err *err)
{
	char hash[64];
	(void)page;
	int r = style_hash(hash, err);
	if (r == 0)
		(void)fputs(hash, out);
	return r;
}

static int put_style(FILE *out, const void *page, struct dd_err *err)
{
	const struct report_file css = report_file_css();
	(void)page;
	(void)err;
	(void)fwrite(css.text, 1, css.len, out);
	return 0;
}

static const struct report_part own_parts[] = { { "style", put_style },
	                                        { "style-hash", put_style_hash } };

static const struct report_part *find_part(const struct report_part *parts, size_t n,
                                           const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(parts[i].name, name, len) == 0 && parts[i].name[len] == '\0')
			return &parts[i];
	return NULL;
}

int report_html_page(FILE *out, const struct report_part *parts, size_t n, const void *page,
                     struct dd_err *err)
{
	const struct report_file html = report_file_html();
	const char *at = html.text, *end = html.text + html.len, *open;
	size_t filled = 0;
	while ((open = memmem(at, (size_t)(end - at), "{{", 2))) {
		const char *name = open + 2, *close = memmem(name, (size_t)(end - name), "}}", 2);
		size_t len = close ? (size_t)(close - name) : 0;
		const struct report_part *part = find_part(parts, n, name, len);
		filled += part != NULL;
		part = part ? part : find_part(own_parts, ARRAY_LEN(own_parts), name, len);
		if (!part || !close)
			return dd_err_say(err, EINVAL,
			                  "the page asks for {{%.*s}}, and nobody gives it",
			                  (int)(len < 40 ? len : 40), name);
		(void)fwrite(at, 1, (size_t)(open - at), out);
		int r = part->put(out, page, err);
		if (r < 0)
			return r;
		at = close + 2;
	}
	(void)fwrite(at, 1, (size_t)(end - at), out);
	return filled >= n ? 0 : dd_err_say(err, EINVAL, "the page has no place for a part");
}
