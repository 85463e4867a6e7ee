// SPDX-License-Identifier: Apache-2.0
/* fuzz_host_name.c - whatever a step writes as a host name: what comes out is in the alphabet,
 * sound, stable, and no address. */
#include "drydock/egress.h"

#include <arpa/inet.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_canonical(const char *host)
{
	char again[EGRESS_HOST_MAX + 1];
	struct in_addr addr;
	size_t len = strlen(host);

	must(len >= 1 && len <= EGRESS_HOST_MAX);
	must(strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == len);
	must(host[0] != '.' && host[len - 1] != '.' && !strstr(host, ".."));
	must(inet_aton(host, &addr) == 0);
	must(egress_host_canonical(host, len, again) == 0 && strcmp(again, host) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char host[EGRESS_HOST_MAX + 1];
	if (egress_host_canonical((const char *)data, size, host) == 0)
		check_canonical(host);

	char *text = strndup((const char *)data, size);
	bool wildcard = false;
	struct dd_err err = { 0 };
	if (text && egress_host_parse(text, host, &wildcard, &err) == 0) {
		check_canonical(host);
		must(!wildcard || strchr(host, '.'));
	}
	free(text);
	return 0;
}
