// SPDX-License-Identifier: Apache-2.0
/* host_name.c - one spelling for every host name, whoever wrote it.
 *
 * Runs in: supervisor (policy text) and gate (bytes of the step: DNS, SNI, Host). Pure, no
 * allocation. Invariant: what comes out holds only [a-z0-9._-], has no empty label, and no resolver
 * reads it as an address. Two names are the same destination exactly if their canonical bytes are
 * equal, so no later code folds case or strips dots.
 */
#include "drydock/egress.h"

enum { LABEL_MAX = 63 }; /* RFC 1035, 2.3.4 */

static bool host_name_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Not tolower(3): it follows the locale. Returns 0 for a byte that no host name may hold. */
static char canonical_byte(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	if ((c >= 'a' && c <= 'z') || host_name_is_digit(c) || c == '-' || c == '_' || c == '.')
		return c;
	return '\0';
}

static bool labels_are_sound(const char *host)
{
	for (;;) {
		size_t len = strcspn(host, ".");
		if (len == 0 || len > LABEL_MAX)
			return false;
		if (host[len] == '\0')
			return true;
		host += len + 1;
	}
}

/* inet_aton(3) takes "127.1", "0x7f.1" and "2130706433" for addresses, and so does every C program
 * that calls it before it asks the resolver. All of those end in a number; no real name does,
 * because there is no numeric top-level domain. */
static bool ends_in_number(const char *host)
{
	const char *dot = strrchr(host, '.');
	const char *last = dot ? dot + 1 : host;

	if (last[0] == '0' && last[1] == 'x')
		return last[2 + strspn(last + 2, "0123456789abcdef")] == '\0';
	return host_name_is_digit(last[0]) && last[strspn(last, "0123456789")] == '\0';
}

int egress_host_canonical(const char *in, size_t len, char ret_host[EGRESS_HOST_MAX + 1])
{
	char host[EGRESS_HOST_MAX + 1];

	if (len > 0 &&
	    in[len - 1] == '.') /* "example.test." is the same name, spelled from the root */
		len--;
	if (len == 0 || len > EGRESS_HOST_MAX)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		host[i] = canonical_byte(in[i]);
		if (host[i] == '\0')
			return -EINVAL;
	}
	host[len] = '\0';
	if (!labels_are_sound(host) || ends_in_number(host))
		return -EINVAL;
	memcpy(ret_host, host, len + 1);
	return 0;
}

int egress_host_parse(const char *in, char ret_host[EGRESS_HOST_MAX + 1], bool *ret_wildcard,
                      struct dd_err *err)
{
	char host[EGRESS_HOST_MAX + 1];
	bool wildcard = strncmp(in, "*.", 2) == 0;
	const char *name = wildcard ? in + 2 : in;

	if (strchr(name, '*'))
		return dd_err_say(
			err, EINVAL,
			"`%.200s`: a star may only be the whole first label, as in `*.example.com`",
			in);
	if (ends_in_number(in))
		return dd_err_say(
			err, EINVAL,
			"`%.200s` is an address, not a name: write it as `cidr: %.200s/32`", in,
			in);
	if (egress_host_canonical(name, strlen(name), host) < 0)
		return dd_err_say(err, EINVAL,
		                  "`%.200s` is not a host name: expected labels of 1 to 63 "
		                  "letters, digits, `-` or `_` "
		                  "between dots, 253 characters at most, international names as "
		                  "A-labels (xn--...)",
		                  in);
	if (wildcard && !strchr(host, '.'))
		return dd_err_say(err, EINVAL,
		                  "`%.200s` covers a whole top-level domain: name at least two "
		                  "labels after the star, "
		                  "as in `*.example.com`",
		                  in);
	memcpy(ret_host, host, sizeof(host));
	*ret_wildcard = wildcard;
	return 0;
}

bool egress_host_means(const char *said, const char *name, const char *const *search)
{
	size_t len = strlen(said);

	if (strcmp(said, name) == 0)
		return true;
	if (strncmp(said, name, len) != 0 || name[len] != '.')
		return false;
	for (size_t i = 0; search && search[i]; i++)
		if (strcmp(name + len + 1, search[i]) == 0)
			return true;
	return false;
}
