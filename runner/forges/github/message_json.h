// SPDX-License-Identifier: Apache-2.0
/* message_json.h - members of a document of GitHub's services, whose spelling is not to be relied
 * on: names in any case, numbers and truth values also as texts. Pure. */
#ifndef RUNNER_MESSAGE_JSON_H
#define RUNNER_MESSAGE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* A document: at most 64 levels, no NUL in a text, a byte order mark in front is fine. NULL: it is
 * none, and @ret_why says why, static or in @room. */
json_t *message_json_load(const char *bytes, size_t len, char *room, size_t size);

/* NULL: @object is no object, or has no such member, or it is null. Borrowed. */
json_t *message_member(const json_t *object, const char *name);
/* A member of a member: "authorization.parameters.AccessToken". */
json_t *message_at(const json_t *object, const char *path);
const char *message_text(const json_t *object, const char *path); /* NULL: there is no text */
bool message_truth(const json_t *object, const char *path, bool absent);
long long message_number(const json_t *object, const char *path, long long absent);

#endif
