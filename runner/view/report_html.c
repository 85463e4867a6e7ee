// SPDX-License-Identifier: Apache-2.0
/* report_html.c - the head of a record's page and its escaping.
 *
 * Runs in: command line. The style sheet is allowed by its SHA-256, so that even a hole in the
 * escaping could add neither script nor style.
 */
#include "report_html.h"

#include "base/digest.h"
#include "drydock/fd.h"
#include "report_style.h"
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
	struct digest *digest = NULL;
	char hex[DIGEST_HEX];
	unsigned char raw[32];
	int r = digest_new(&digest, err);
	if (r == 0)
		r = digest_start(digest, err);
	for (size_t i = 0; r == 0 && report_style[i]; i++)
		r = digest_update(digest, report_style[i], strlen(report_style[i]), err);
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

int report_html_begin(FILE *out, const char *title, struct dd_err *err)
{
	char hash[64];
	int r = style_hash(hash, err);
	if (r < 0)
		return r;
	(void)fprintf(out,
	              "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	              "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	              "style-src '%s'; base-uri 'none'; form-action 'none'\">\n"
	              "<meta name=\"viewport\" content=\"width=device-width, "
	              "initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n"
	              "<meta name=\"referrer\" content=\"no-referrer\">\n<title>",
	              hash);
	report_html_text(out, title);
	(void)fputs("</title>\n<style>", out);
	for (size_t i = 0; report_style[i]; i++)
		(void)fputs(report_style[i], out);
	(void)fputs("</style>\n</head>\n<body>\n", out);
	return 0;
}

void report_html_end(FILE *out)
{
	(void)fputs("</body>\n</html>\n", out);
}
