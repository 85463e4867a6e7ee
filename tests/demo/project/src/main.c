// SPDX-License-Identifier: Apache-2.0
/* main.c - squeeze: packs standard input, or unpacks it with -d. */
#include "container.h"

#include <glitter.h>
#include <optline.h>

#include <stdio.h>
#include <stdlib.h>

static int read_all(FILE *in, struct buf *all)
{
	uint8_t chunk[65536];
	size_t n;
	while ((n = fread(chunk, 1, sizeof(chunk), in)) > 0)
		if (buf_put(all, chunk, n))
			return -1;
	return ferror(in) ? -1 : 0;
}

static int work(bool unpack, bool verbose)
{
	struct buf in = { 0 }, out = { 0 };
	const char *wrong = read_all(stdin, &in) ? "cannot read standard input" : NULL;

	if (!wrong && unpack)
		wrong = container_unpack(in.data, in.len, &out);
	else if (!wrong && container_pack(in.data, in.len, &out))
		wrong = "not enough memory";
	if (!wrong && (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout)))
		wrong = "cannot write standard output";
	if (wrong)
		fprintf(stderr, "squeeze: %s\n", wrong);
	else if (verbose)
		fprintf(stderr, "%s%zu bytes in, %zu bytes out%s\n", glitter_bold(2), in.len, out.len, glitter_plain(2));
	buf_free(&in);
	buf_free(&out);
	return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct optline_option options[] = {
		{ 'd', "decompress", "unpack instead of pack" },
		{ 'v', "verbose", "say how large it was and is" },
		{ 0, NULL, NULL },
	};
	unsigned set = 0;

	if (optline_parse(options, argc, argv, &set)) {
		optline_usage(options, "squeeze [-d] [-v] <IN >OUT", stderr);
		return 2;
	}
	return work(set & 1u << 0, set & 1u << 1);
}
