// SPDX-License-Identifier: Apache-2.0
/* digest.c - one OpenSSL context, fetched once: a fetch per file would cost more than hashing a
 * small file. Runs in the supervisor. */
#include "digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct digest {
	EVP_MD *md;
	EVP_MD_CTX *ctx;
};

int digest_new(struct digest **ret, struct dd_err *err)
{
	struct digest *d = calloc(1, sizeof(*d));
	if (!d)
		return dd_err_set(err, ENOMEM, "prepare SHA-256");
	d->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	d->ctx = EVP_MD_CTX_new();
	if (!d->md || !d->ctx) {
		digest_free(d);
		return dd_err_say(
			err, EIO,
			"prepare SHA-256: OpenSSL offers none (check its provider configuration)");
	}
	*ret = d;
	return 0;
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	EVP_MD_free(d->md);
	free(d);
}

int digest_start(struct digest *d, struct dd_err *err)
{
	if (EVP_DigestInit_ex2(d->ctx, d->md, NULL) != 1)
		return dd_err_set(err, EIO, "start a SHA-256");
	return 0;
}

int digest_update(struct digest *d, const void *bytes, size_t len, struct dd_err *err)
{
	if (EVP_DigestUpdate(d->ctx, bytes, len) != 1)
		return dd_err_set(err, EIO, "continue a SHA-256");
	return 0;
}

int digest_hex(struct digest *d, char hex[DIGEST_HEX], struct dd_err *err)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	if (EVP_DigestFinal_ex(d->ctx, raw, &len) != 1 || len != 32)
		return dd_err_set(err, EIO, "finish a SHA-256");
	for (size_t i = 0; i < 32; i++) {
		hex[2 * i] = digits[raw[i] >> 4];
		hex[2 * i + 1] = digits[raw[i] & 15];
	}
	hex[64] = '\0';
	return 0;
}

int digest_bytes(struct digest *d, const void *bytes, size_t len, char hex[DIGEST_HEX],
                 struct dd_err *err)
{
	int r = digest_start(d, err);
	if (r == 0)
		r = digest_update(d, bytes, len, err);
	return r < 0 ? r : digest_hex(d, hex, err);
}
