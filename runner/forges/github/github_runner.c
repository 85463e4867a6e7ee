// SPDX-License-Identifier: Apache-2.0
/* github_runner.c - see github_runner.h.
 *
 * Runs in: agent and command line. The configuration is whoever's who started us; its files are a
 * server's, read bounded. */
#include "github_runner.h"

#include "drydock/fd.h"
#include "message_json.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

char *github_base64(const void *bytes, size_t len)
{
	char *text = malloc((len + 2) / 3 * 4 + 1);
	if (text)
		(void)EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);
	return text;
}

char *github_unbase64(const char *text, size_t len, size_t *ret_len)
{
	dd_auto_free char *dense = malloc(len + 1);
	unsigned char *out = malloc(len + 4);
	size_t n = 0, pad = 0;

	for (size_t i = 0; dense && i < len; i++)
		if (!isspace((unsigned char)text[i]))
			dense[n++] = text[i];
	while (pad < 2 && pad < n && dense[n - 1 - pad] == '=')
		pad++;
	int got = dense && out && n > 0 && n % 4 == 0
	                  ? EVP_DecodeBlock(out, (unsigned char *)dense, (int)n)
	                  : -1;
	if (dense)
		explicit_bzero(dense, len);
	if (got < (int)pad) {
		free(out);
		return NULL;
	}
	*ret_len = (size_t)got - pad;
	out[*ret_len] = '\0';
	return (char *)out;
}

static int no_config(struct dd_err *err, const char *what)
{
	return dd_err_blame(err, DD_BLAME_CALLER,
	                    dd_err_say(err, EINVAL, "the runner's configuration %s", what));
}

/* One file of a JIT configuration. */
static int unpack(const json_t *packed, const char *name, json_t *into, struct dd_err *err)
{
	const char *text = json_string_value(json_object_get(packed, name));
	char why[200];
	size_t len = 0;
	char *bytes = text ? github_unbase64(text, strlen(text), &len) : NULL;
	json_t *file = bytes ? message_json_load(bytes, len, why, sizeof(why)) : NULL;

	if (bytes)
		explicit_bzero(bytes, len);
	free(bytes);
	if (!file || json_object_set_new(into, name, file) < 0)
		return dd_err_blame(err, DD_BLAME_CALLER,
		                    dd_err_say(err, EINVAL,
		                               "the just-in-time configuration has no %s that can "
		                               "be read: it must be handed over whole, as the "
		                               "server gave it",
		                               name));
	return 0;
}

static bool is_https(const char *url)
{
	return url && strncasecmp(url, "https://", 8) == 0 && url[8] && url[8] != '/';
}

static int take(struct github_runner *r, struct dd_err *err)
{
	const json_t *runner = json_object_get(r->document, ".runner");
	const json_t *data = message_at(json_object_get(r->document, ".credentials"), "data");

	r->id = message_number(runner, "agentId", 0);
	r->name = message_text(runner, "agentName");
	r->broker = message_text(runner, "serverUrlV2");
	r->ephemeral = message_truth(runner, "ephemeral", false);
	r->keeps_session = message_truth(runner, "skipSessionRecover", false);
	r->authorization = message_text(data, "authorizationUrl");
	r->client_id = message_text(data, "clientId");
	r->pss = message_truth(data, "requireFipsCryptography", true);
	r->key = json_object_get(r->document, ".credentials_rsaparams");
	if (r->id <= 0 || !r->name || !*r->name || !r->client_id || !json_is_object(r->key))
		return no_config(err, "lacks the id, the name, the client or the key of a runner");
	if (!r->broker || !*r->broker || !message_truth(runner, "useV2Flow", true))
		return no_config(err, "is one for the older protocol, which drydock does not speak "
		                      "yet: the server must offer its broker (useV2Flow)");
	if (!is_https(r->broker) || !is_https(r->authorization))
		return no_config(err, "names a server that is not https://: no token goes there");
	return 0;
}

int github_runner_of_json(json_t *document, struct github_runner *ret, struct dd_err *err)
{
	*ret = (struct github_runner){ .document = document };
	return take(ret, err);
}

int github_runner_of_jit(const char *text, size_t len, struct github_runner *ret,
                         struct dd_err *err)
{
	static const char *const files[] = { ".runner", ".credentials", ".credentials_rsaparams" };
	char why[200];
	size_t got = 0;
	char *bytes = len <= GITHUB_RUNNER_BYTES_MAX ? github_unbase64(text, len, &got) : NULL;
	json_t *packed = bytes ? message_json_load(bytes, got, why, sizeof(why)) : NULL;
	int r = packed ? 0
	               : dd_err_blame(err, DD_BLAME_CALLER,
	                              dd_err_say(err, EINVAL,
	                                         "that is no just-in-time configuration: base64 "
	                                         "of a JSON object is meant, as "
	                                         "generate-jitconfig gives it"));

	*ret = (struct github_runner){ .document = json_object() };
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(files); i++)
		r = unpack(packed, files[i], ret->document, err);
	if (bytes)
		explicit_bzero(bytes, got);
	free(bytes);
	json_decref(packed);
	if (r == 0)
		r = take(ret, err);
	ret->ephemeral = true;
	return r;
}

void github_runner_done(struct github_runner *runner)
{
	const char *name;
	json_t *part;

	json_object_foreach(json_object_get(runner->document, ".credentials_rsaparams"), name, part)
	{
		const char *text = json_string_value(part);
		if (text)
			explicit_bzero((char *)(uintptr_t)text, strlen(text));
	}
	json_decref(runner->document);
	*runner = (struct github_runner){ .document = NULL };
}
