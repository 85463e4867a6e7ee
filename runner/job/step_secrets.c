// SPDX-License-Identifier: Apache-2.0
/* step_secrets.c - see step_secrets.h. Runs in: supervisor, the moment before a step is released.
 *
 * A front end computes texts and never holds a secret: where one belongs it writes a blank, and
 * here, where the lease is, the value takes its place. What comes of it stands in secret memory
 * alone. */
#include "step_secrets.h"

#include "lease/secret_memory.h"

#include <string.h>

struct filling {
	const struct recipe *recipe;
	const struct grant_lease *leases;
	size_t n_leases;
	const struct lease_set *set;
};

static const struct lease_raw *raw_of(const struct filling *f, const char *credential)
{
	for (size_t i = 0; i < f->n_leases && i < f->set->n_raw; i++)
		if (strcmp(f->leases[i].name, credential) == 0)
			return &f->set->raw[i];
	return NULL;
}

/* The first blank in @text, or NULL. */
static const char *find_blank(const struct filling *f, const char *text,
                              const struct recipe_secret **ret)
{
	const char *first = NULL;
	for (size_t i = 0; i < f->recipe->n_secrets; i++) {
		const char *at = strstr(text, f->recipe->secrets[i].blank);
		if (at && (!first || at < first)) {
			first = at;
			*ret = &f->recipe->secrets[i];
		}
	}
	return first;
}

/* Once to count (@to NULL), once to write. -EINVAL: a value that no variable can hold, or none. */
static int secrets_write(const struct filling *f, const char *text, char *to, size_t *ret_len,
                         struct dd_err *err)
{
	const struct recipe_secret *blank = NULL;
	size_t len = 0;

	for (const char *at; (at = find_blank(f, text, &blank)); text = at + strlen(blank->blank)) {
		const struct lease_raw *raw = raw_of(f, blank->credential);
		const size_t before = (size_t)(at - text);
		if (!raw || !raw->bytes || memchr(raw->bytes, '\0', raw->len))
			return dd_err_say(err, EINVAL,
			                  "credential %s: it has no value that a variable can hold",
			                  blank->credential);
		if (to) {
			memcpy(to + len, text, before);
			memcpy(to + len + before, raw->bytes, raw->len);
		}
		len += before + raw->len;
	}
	if (to)
		memcpy(to + len, text, strlen(text) + 1);
	*ret_len = len + strlen(text);
	return 0;
}

int step_secrets_fill(const struct recipe *recipe, const struct grant_lease *leases,
                      size_t n_leases, struct lease_set *set, const char *name, const char *text,
                      char **ret, struct dd_err *err)
{
	const struct filling f = { recipe, leases, n_leases, set };
	const struct recipe_secret *blank;
	size_t head = strlen(name) + 1, len = 0;
	int r;

	*ret = NULL;
	if (!find_blank(&f, text, &blank))
		return 0;
	if ((r = secrets_write(&f, text, NULL, &len, err)) < 0)
		return r;
	char *pair = set->memory ? secret_alloc(set->memory, head + len + 1) : NULL;
	if (!pair)
		return dd_err_ctx(err,
		                  set->memory ? secret_memory_full(set->memory, err)
		                              : dd_err_set(err, ENOMEM, "no credential is held"),
		                  "variable %s", name);
	memcpy(pair, name, head - 1);
	pair[head - 1] = '=';
	r = secrets_write(&f, text, pair + head, &len, err);
	*ret = pair;
	return r;
}
