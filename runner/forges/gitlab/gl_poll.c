// SPDX-License-Identifier: Apache-2.0
/* gl_poll.c - asks a GitLab for jobs, over and over, with the runner's token.
 *
 * Runs in: courier. It sees every job's message as it comes off the wire and keeps none. */
#include "gl_agent.h"
#include "gl_api.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROTATE_AGAIN_SEC = 3600 };

const struct agent_forge gl_agent_forge = { .name = "gitlab", .poll = gl_poll, .host = gl_host };

static enum poll_frame ask_once(struct wire *w, const struct gl_instance *instance,
                                char last_update[WIRE_HEADER_MAX], struct gl_job_asked *asked)
{
	static const enum poll_frame frames[] = { [GL_ASK_TROUBLE] = POLL_TROUBLE,
		                                  [GL_ASK_JOB] = POLL_JOB,
		                                  [GL_ASK_NOTHING] = POLL_NOTHING,
		                                  [GL_ASK_AGAIN] = POLL_AGAIN,
		                                  [GL_ASK_BAD_TOKEN] = POLL_BAD_TOKEN };
	return frames[gl_request_job(w, instance, last_update, asked)];
}

/* GitLab notes who we are with the first call of a host; and an expired token is told at once. */
static bool verify(struct wire *w, const struct gl_instance *instance, int sock)
{
	struct gl_verified verified;
	if (gl_verify(w, instance, &verified) != GL_BAD_TOKEN)
		return true;
	return frame_send(sock, &(struct frame){ .kind = POLL_BAD_TOKEN,
	                                         .len = (uint32_t)strlen(verified.said),
	                                         .bytes = verified.said }) < 0;
}

/* At three quarters of its life, where the operator says that this host alone has the token: with
 * several the first to rotate it locks out the others. */
static bool is_due(const struct agent_runner *runner, long long now)
{
	const struct registration *reg = &runner->reg;
	return runner->config.rotate && reg->expires > 0 &&
	       now - reg->since >= (reg->expires - reg->since) / 4 * 3;
}

/* True: the agent has a new token, and this process, which has the old one, is over. */
static bool rotate(struct wire *w, const struct gl_instance *instance, int sock)
{
	struct dd_err err = { 0 };
	char *token = NULL;
	long long expires = 0;
	if (gl_reset_token(w, instance, &token, &expires, &err) < 0) {
		(void)fprintf(stderr, "drydock: the token of a runner could not be rotated: %s\n",
		              err.msg);
		return false;
	}
	(void)frame_send(sock, &(struct frame){ .kind = POLL_TOKEN,
	                                        .a = expires,
	                                        .len = (uint32_t)strlen(token),
	                                        .bytes = token });
	explicit_bzero(token, strlen(token));
	free(token);
	return true;
}

int gl_poll(const struct agent_runner *runner, int sock)
{
	const struct gl_instance instance = { .url = runner->reg.url,
		                              .ca = runner->authorities,
		                              .certificate = runner->reg.cert,
		                              .key = runner->reg.key,
		                              .token = runner->reg.token,
		                              .system_id = runner->setup->system_id };
	char last_update[WIRE_HEADER_MAX] = "";
	struct wire *w = NULL;
	struct frame f = { .bytes = NULL };
	struct dd_err err = { 0 };
	bool verified = false;
	long long tried = 0; /* to rotate */
	if (gl_wire(&instance, &w, &err) < 0) {
		(void)fprintf(stderr, "drydock: %s\n", err.msg);
		return 1;
	}
	while (frame_recv(sock, &f) == 1 && f.kind == POLL_ASK) {
		struct gl_job_asked asked = { .message = NULL };
		frame_done(&f);
		if (!verified && !(verified = verify(w, &instance, sock)))
			continue;
		long long now = (long long)time(NULL);
		if (is_due(runner, now) && now - tried >= ROTATE_AGAIN_SEC) {
			tried = now;
			if (rotate(w, &instance, sock))
				break;
		}
		enum poll_frame kind = ask_once(w, &instance, last_update, &asked);
		const char *bytes = kind == POLL_JOB ? asked.message : asked.said;
		size_t len = kind == POLL_JOB ? asked.len : strlen(asked.said);
		int r = frame_send(sock, &(struct frame){ .kind = kind,
		                                          .a = asked.id,
		                                          .b = asked.retried,
		                                          .len = (uint32_t)len,
		                                          .bytes = (char *)(uintptr_t)bytes });
		if (asked.message)
			explicit_bzero(asked.message, asked.len);
		free(asked.message);
		if (r < 0)
			break;
	}
	wire_free(w);
	return 0;
}
