// SPDX-License-Identifier: Apache-2.0
/* deliver.c - one value, many forms.
 *
 * Runs in: supervisor. Values are an issuer's bytes: whatever would end a variable, a line or a
 * token of a form is refused, never escaped by a rule that some client does not know. */
#include "deliver.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct delivery {
	const struct lease_holder *holder;
	const struct lease_value *values;
	struct mask *mask;
	struct lease_set *set;
};

static int full(const struct lease_set *set, const struct grant_lease *lease, struct dd_err *err)
{
	return dd_err_ctx(err, secret_memory_full(set->memory, err), "credential %s", lease->name);
}

/* ---- may it be handed over? ---- */

static const struct lease_field *field_of(const struct lease_value *v, const char *name)
{
	for (size_t i = 0; name && i < v->n; i++)
		if (strcmp(v->fields[i].name, name) == 0)
			return &v->fields[i];
	return name ? NULL : &v->fields[0];
}

/* What the secret does have is the issuer's word: only names, and of a bounded length. */
static int no_field(const struct grant_lease *lease, const struct lease_value *v, const char *name,
                    struct dd_err *err)
{
	char has[200] = "";
	for (size_t i = 0; i < v->n && strlen(has) < 120; i++)
		(void)snprintf(has + strlen(has), sizeof(has) - strlen(has), "%s%.40s",
		               i ? ", " : "", v->fields[i].name);
	return dd_err_say(err, EINVAL, "credential %s has no part `%s`; it has: %s", lease->name,
	                  name, has);
}

/* C-14: what cannot be masked, or would break out of its form, is not handed over in it. */
static int check_bytes(const struct grant_lease *lease, const char *what, const char *bytes,
                       size_t len, struct dd_err *err)
{
	const char *never = lease_form(lease->as)->never;
	size_t clean = never ? strcspn(bytes, never) : len;

	if (never && (memchr(bytes, '\0', len) || clean < len))
		return dd_err_say(err, EINVAL,
		                  "credential %s: its %s has a byte (0x%02x) that `as: { %s }` "
		                  "cannot carry; deliver it `as: { file: ... }`",
		                  lease->name, what,
		                  clean < len ? (unsigned)(unsigned char)bytes[clean] : 0U,
		                  lease_as_names[lease->as]);
	return 0;
}

static int check_field(const struct grant_lease *lease, const struct lease_field *f,
                       struct dd_err *err)
{
	if (f->len < MASK_MIN)
		return dd_err_say(err, EINVAL,
		                  "credential %s has %zu characters; fewer than %d cannot be "
		                  "masked in output",
		                  lease->name, f->len, MASK_MIN);
	return check_bytes(lease, f->name[0] ? f->name : "value", f->bytes, f->len, err);
}

static int mask_bytes(const struct delivery *d, const struct grant_lease *lease, const char *bytes,
                      size_t len, struct dd_err *err)
{
	int r = mask_add(d->mask, bytes, len, err);
	return r < 0 ? dd_err_ctx(err, r, "credential %s: prepare its mask", lease->name) : 0;
}

/* ---- text in secret memory ---- */

__attribute__((format(printf, 3, 4))) static int put_text(struct lease_set *set, char **ret,
                                                          const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *text = len < 0 ? NULL : secret_alloc(set->memory, (size_t)len + 1);
	if (!text)
		return -ENOMEM;
	va_start(ap, fmt);
	(void)vsnprintf(text, (size_t)len + 1, fmt, ap);
	va_end(ap);
	*ret = text;
	return len;
}

static int put_file(struct lease_set *set, const struct grant_lease *lease, const char *name,
                    const char *bytes, size_t len, struct dd_err *err)
{
	if (set->n_files == ARRAY_LEN(set->files))
		return dd_err_say(err, E2BIG, "credential %s: more than %zu files for one step",
		                  lease->name, ARRAY_LEN(set->files));
	set->files[set->n_files++] = (struct sandbox_secret_file){
		.name = name, .content = bytes, .len = len, .unnamed = lease->as == LEASE_AS_FD
	};
	return 0;
}

static char *base64(struct secret_memory *memory, const char *bytes, size_t len)
{
	char *text = secret_alloc(memory, (len + 2) / 3 * 4 + 1);
	if (text) /* EVP_EncodeBlock(3) has no memory of its own, and ends it with a NUL */
		(void)EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)bytes,
		                      (int)len);
	return text;
}

/* As a part of a URL before its host. */
static char *percent(struct secret_memory *memory, const char *bytes, size_t len)
{
	char *text = secret_alloc(memory, 3 * len + 1), *out = text;
	for (size_t i = 0; text && i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		             (c >= 'a' && c <= 'z') || (c && strchr("-._~", c));
		out += plain ? sprintf(out, "%c", c) : sprintf(out, "%%%02X", c);
	}
	return text;
}

/* ---- parts by name: env, file, fd ---- */

static int place_part(const struct delivery *d, const struct grant_lease *lease,
                      const struct lease_target *target, const struct lease_field *f,
                      struct dd_err *err)
{
	if (lease->as != LEASE_AS_ENV)
		return put_file(d->set, lease, target->name, f->bytes, f->len, err);
	if (d->set->n_env == ARRAY_LEN(d->set->env))
		return dd_err_say(err, E2BIG, "credential %s: more than %zu variables for one step",
		                  lease->name, ARRAY_LEN(d->set->env));
	char *pair;
	if (put_text(d->set, &pair, "%s=%s", target->name, f->bytes) < 0)
		return full(d->set, lease, err);
	d->set->env[d->set->n_env++] = pair;
	return 0;
}

static int place_parts(const struct delivery *d, const struct grant_lease *lease,
                       const struct lease_value *v, struct dd_err *err)
{
	int r = v->n ? 0 : dd_err_say(err, EBADMSG, "credential %s: nothing came", lease->name);
	for (size_t i = 0; i < lease->n_targets && r == 0; i++) {
		const struct lease_field *f = field_of(v, lease->targets[i].field);
		if (!f)
			return no_field(lease, v, lease->targets[i].field, err);
		/* who somebody is is no secret, and may be short */
		bool user = v->user && strcmp(v->user, f->bytes) == 0;
		r = user ? check_bytes(lease, f->name, f->bytes, f->len, err)
		         : check_field(lease, f, err);
		if (r == 0)
			r = place_part(d, lease, &lease->targets[i], f, err);
		if (r == 0 && !user)
			r = mask_bytes(d, lease, f->bytes, f->len, err);
	}
	return r;
}

/* ---- configuration of clients ---- */

/* What one lease adds to the file of its form. */
struct entry {
	const struct delivery *d;
	const struct grant_lease *lease;
	const char *host, *user; /* user: NULL: the form has none */
	const struct lease_field *secret;
};

static int entry_netrc(const struct entry *e, char **ret)
{
	/* netrc knows no ports */
	return put_text(e->d->set, ret, "machine %.*s login %s password %s\n",
	                (int)strcspn(e->host, ":"), e->host, e->user, e->secret->bytes);
}

static int entry_npmrc(const struct entry *e, char **ret)
{
	size_t len = strlen(e->host);
	return put_text(e->d->set, ret, "//%s%s:_authToken=%s\n", e->host,
	                len && e->host[len - 1] == '/' ? "" : "/", e->secret->bytes);
}

static int entry_docker(const struct entry *e, char **ret)
{
	char *both;
	int len = put_text(e->d->set, &both, "%s:%s", e->user, e->secret->bytes);
	char *auth = len < 0 ? NULL : base64(e->d->set->memory, both, (size_t)len);
	if (!auth || mask_bytes(e->d, e->lease, auth, strlen(auth), NULL) < 0)
		return -ENOMEM;
	return put_text(e->d->set, ret, "\"%s\":{\"auth\":\"%s\"}", e->host, auth);
}

static int entry_pip(const struct entry *e, char **ret)
{
	char *secret = percent(e->d->set->memory, e->secret->bytes, e->secret->len);
	char *user = percent(e->d->set->memory, e->user, strlen(e->user));
	if (!secret || !user || mask_bytes(e->d, e->lease, secret, strlen(secret), NULL) < 0)
		return -ENOMEM;
	return put_text(e->d->set, ret, "https://%s:%s@%s\n", user, secret, e->host);
}

static int entry_git(const struct entry *e, char **ret)
{
	return put_text(e->d->set, ret, "username=%s\npassword=%s\n", e->user, e->secret->bytes);
}

static int entry_cargo(const struct entry *e, char **ret)
{
	return put_text(e->d->set, ret, "%s\n", e->secret->bytes);
}

static const struct client_row {
	enum lease_as as;
	int (*entry)(const struct entry *e, char **ret); /* length, or -ENOMEM */
	const char *head, *between, *tail;               /* of the file that all share */
	const char *own; /* of a file for each host: what its name begins with */
} client_rows[] = {
	{ LEASE_AS_GIT, entry_git, .own = "git-" },
	{ LEASE_AS_NETRC, entry_netrc, "", "", "", NULL },
	{ LEASE_AS_NPMRC, entry_npmrc, "", "", "", NULL },
	{ LEASE_AS_DOCKER, entry_docker, "{\"auths\":{", ",", "}}\n", NULL },
	{ LEASE_AS_PIP, entry_pip, "[global]\nindex-url = ", "extra-index-url = ", "", NULL },
	{ LEASE_AS_CARGO, entry_cargo, .own = "cargo-" },
};

/* The user that the source names counts before the one of the policy. */
static int user_of(const struct grant_lease *lease, const struct lease_value *v, const char **ret,
                   struct dd_err *err)
{
	const struct lease_form *form = lease_form(lease->as);
	*ret = NULL;
	if (!form->user)
		return 0;
	*ret = v->user ? v->user : lease->user;
	if (!*ret || !**ret)
		return dd_err_say(
			err, EINVAL,
			"credential %s: `as: { %s }` needs a user, and neither the policy "
			"(USER@HOST) nor the secret names one",
			lease->name, lease_as_names[lease->as]);
	if (lease->as == LEASE_AS_DOCKER && strchr(*ret, ':'))
		return dd_err_say(err, EINVAL, "credential %s: its user has a colon", lease->name);
	return check_bytes(lease, "user", *ret, strlen(*ret), err);
}

static int make_entry(const struct delivery *d, const struct client_row *row, size_t i, char **ret,
                      struct dd_err *err)
{
	const struct grant_lease *lease = &d->holder->leases[i];
	struct entry e = { d, lease, lease->targets[0].name, NULL, &d->values[i].fields[0] };
	int r = check_field(lease, e.secret, err);
	if (r == 0)
		r = user_of(lease, &d->values[i], &e.user, err);
	if (r == 0)
		r = mask_bytes(d, lease, e.secret->bytes, e.secret->len, err);
	if (r < 0)
		return r;
	r = row->entry(&e, ret);
	return r < 0 ? full(d->set, lease, err) : r;
}

static int place_own(const struct delivery *d, const struct client_row *row, size_t i,
                     const char *text, size_t len, struct dd_err *err)
{
	const struct grant_lease *lease = &d->holder->leases[i];
	char *name;
	if (put_text(d->set, &name, "%s%s", row->own, lease->targets[0].name) < 0)
		return full(d->set, lease, err);
	return put_file(d->set, lease, name, text, len, err);
}

static int place_client(const struct delivery *d, const struct client_row *row, struct dd_err *err)
{
	const struct grant_lease *last = NULL;
	char *file = NULL, *more;
	int len = 0;

	for (size_t i = 0; i < d->holder->n; i++) {
		char *text = NULL;
		if (d->holder->leases[i].as != row->as)
			continue;
		int r = make_entry(d, row, i, &text, err);
		if (r >= 0 && row->own)
			r = place_own(d, row, i, text, (size_t)r, err);
		if (r < 0)
			return r;
		if (row->own)
			continue;
		len = put_text(d->set, &more, "%s%s%s", file ? file : row->head,
		               file ? row->between : "", text);
		if (len < 0)
			return full(d->set, &d->holder->leases[i], err);
		file = more;
		last = &d->holder->leases[i];
	}
	if (!last)
		return 0;
	len = put_text(d->set, &more, "%s%s", file, row->tail);
	return len < 0 ? full(d->set, last, err)
	               : put_file(d->set, last, lease_form(row->as)->file, more, (size_t)len, err);
}

static bool is_client(enum lease_as as)
{
	return as != LEASE_AS_ENV && as != LEASE_AS_FILE && as != LEASE_AS_FD;
}

int lease_deliver(const struct lease_holder *holder, const struct lease_value *values,
                  struct mask *mask, struct lease_set *set, struct dd_err *err)
{
	const struct delivery d = { holder, values, mask, set };
	int r = 0;

	for (size_t i = 0; i < holder->n && r == 0; i++)
		if (!is_client(holder->leases[i].as))
			r = place_parts(&d, &holder->leases[i], &values[i], err);
	for (size_t i = 0; i < ARRAY_LEN(client_rows) && r == 0; i++)
		r = place_client(&d, &client_rows[i], err);
	return r;
}
