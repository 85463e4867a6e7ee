// SPDX-License-Identifier: Apache-2.0
/* github_ask.c - see github_ask.h. Runs in: couriers. The answers are a server's. */
#include "github_ask.h"

#include "base/version.h"
#include "drydock/fd.h"
#include "message_json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

int github_ask(struct http *http, const struct github_ask *ask, struct github_answer *ret,
               struct dd_err *err)
{
	dd_auto_free char *authorization = NULL, *body = NULL;
	char agent[80], why[200];
	struct http_answer answer;

	*ret = (struct github_answer){ .status = 0 };
	(void)snprintf(agent, sizeof(agent), "User-Agent: drydock/%s", drydock_version());
	if (ask->token && asprintf(&authorization, "Authorization: %s %s",
	                           ask->scheme ? ask->scheme : "Bearer", ask->token) < 0)
		authorization = NULL;
	if (ask->body)
		body = json_dumps(ask->body, JSON_COMPACT);
	if ((ask->token && !authorization) || (ask->body && !body))
		return dd_err_set(err, ENOMEM, "ask a server");
	const struct http_request request = {
		.method = ask->method,
		.url = ask->url,
		.headers = { agent, authorization },
		.type = body ? "application/json" : NULL,
		.body = body,
		.tls_only = true,
		.timeout_sec = ask->timeout_sec,
		.tries = ask->tries,
		.answer_max = ask->answer_max,
		.wanted = ask->wanted,
		.wanted_arg = ask->wanted_arg,
	};
	int r = http_ask(http, &request, &answer, err);
	if (authorization)
		explicit_bzero(authorization, strlen(authorization));
	if (r < 0)
		return r;
	*ret = (struct github_answer){ .status = answer.status, .skew_sec = answer.skew_sec };
	ret->said = answer.len ? message_json_load(answer.body, answer.len, why, sizeof(why))
	                       : NULL;
	ret->bytes = answer.body;
	ret->len = answer.len;
	answer.body = NULL;
	http_answer_done(&answer);
	return 0;
}

void github_answer_done(struct github_answer *answer)
{
	if (answer->bytes)
		explicit_bzero(answer->bytes, answer->len);
	free(answer->bytes);
	json_decref(answer->said);
	*answer = (struct github_answer){ .status = 0 };
}

long github_answer_code(const struct github_answer *answer)
{
	if (answer->status >= 200 && answer->status <= 299)
		return answer->status;
	return (long)message_number(answer->said, "statusCode", answer->status);
}

const char *github_answer_text(const struct github_answer *answer, char ret[200])
{
	static const char *const names[] = { "errorMessage", "message", "error_description" };
	size_t n = 2;

	(void)snprintf(ret, 200, ": ");
	for (size_t i = 0; i < ARRAY_LEN(names) && n == 2; i++) {
		const char *text = message_text(answer->said, names[i]);
		for (; text && *text && n < 180; text++)
			ret[n++] = (char)(*text >= ' ' && *text < 0x7f ? *text : '?');
	}
	ret[n == 2 ? 0 : n] = '\0';
	return ret;
}

bool github_url(const char *base, const char *name, char ret[GITHUB_URL_MAX])
{
	static const char scheme[] = "https://";
	size_t len = strcspn(base, "?#"), host;

	if (strncasecmp(base, scheme, sizeof(scheme) - 1) != 0)
		return false;
	host = sizeof(scheme) - 1 + strcspn(base + sizeof(scheme) - 1, "/?#");
	while (len > host && base[len - 1] != '/')
		len--;
	int n = snprintf(ret, GITHUB_URL_MAX, "%.*s%s%s", (int)len, base, len == host ? "/" : "",
	                 name);
	return host > sizeof(scheme) - 1 && n > 0 && n < GITHUB_URL_MAX;
}

unsigned github_pause_ms(unsigned n)
{
	enum { MOST_SEC = 60 };
	unsigned sec = n == 0 ? 0 : n > 6 ? MOST_SEC : 1u << (n - 1);
	return (sec > MOST_SEC ? MOST_SEC : sec) * 1000;
}

int64_t github_now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void github_time(int64_t ms, char ret[32])
{
	time_t sec = (time_t)(ms / 1000);
	struct tm tm;
	char whole[24];

	(void)gmtime_r(&sec, &tm);
	(void)strftime(whole, sizeof(whole), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(ret, 32, "%s.%03dZ", whole, (int)(ms % 1000));
}
