// SPDX-License-Identifier: Apache-2.0
/* bench_mask.c - a log past the masker with 100 secrets, in every form that is looked for (aim: 500
 * MB/s on one core), beside a copy of it and `grep -F` for the 100 plain values; then the text that
 * is the masker's worst, and what one more value costs while the log runs.
 *
 * Prints rows "group what median min unit ratio" for scripts/bench; the ratio is that to the copy,
 * or to the aim. */
#include "runner/lease/mask.h"

#include "drydock/err.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { TEXT = 32 << 20, CHUNK = 65536, SECRETS = 100, SECRET_LEN = 40, ROUNDS = 9, LATE = 200 };

static char text[TEXT], copy[CHUNK];
static char secrets[SECRETS][SECRET_LEN + 1];

/* Processor time, ours and that of children: a pipeline stage is judged by the core it needs. */
static double now_us(void)
{
	double us = 0;
	for (int who = RUSAGE_CHILDREN; who <= RUSAGE_SELF; who++) {
		struct rusage u;
		(void)getrusage(who, &u);
		us += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
		      (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
	}
	return us;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

/* Of a speed the best is the largest, and stands where the others have their least. */
static double report(const char *what, double *v, size_t n, const char *unit, double beside,
                     const char *to)
{
	bool speed = strcmp(unit, "MB/s") == 0;
	qsort(v, n, sizeof(*v), by_value);
	printf("mask\t%s\t%.1f\t%.1f\t%s\t%.2f of %s\n", what, v[n / 2], speed ? v[n - 1] : v[0],
	       unit, v[n / 2] / beside, to);
	return v[n / 2];
}

static void make_secrets(void)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	for (int i = 0; i < SECRETS; i++)
		for (int k = 0; k < SECRET_LEN; k++)
			secrets[i][k] = letters[rand() % 62];
}

/* What compilers and test runners print: words, numbers, paths. */
static void make_log(void)
{
	static const char *const words[] = { "warning: ", "src/gate/", "flow.c:", "[INFO] ",
		                             "compiled ", "0x7f",      " in ",    "ms",
		                             "test_",     "passed",    " ok ",    "node_modules/",
		                             "Checking ", "sha256:",   " => ",    "-O2 " };
	size_t at = 0;
	while (at + 64 < TEXT) {
		at += (size_t)sprintf(text + at, "%s", words[rand() % 16]);
		if (rand() % 3 == 0)
			at += (size_t)sprintf(text + at, "%x", (unsigned)rand());
		if (rand() % 9 == 0)
			text[at++] = '\n';
	}
	memset(text + at, '\n', TEXT - at);
}

static int swallow(void *arg, const char *bytes, size_t len)
{
	(void)bytes;
	*(size_t *)arg += len;
	return 0;
}

static void check(int r, const struct dd_err *err)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "bench_mask: %s\n", err->msg);
	exit(1);
}

static double mask_speed(struct mask *m)
{
	struct mask_stream *s = NULL;
	struct dd_err err = { 0 };
	size_t told = 0;
	check(mask_stream_new(m, &s, &err), &err);
	double began = now_us();
	for (size_t at = 0; at < TEXT; at += CHUNK)
		check(mask_feed(s, text + at, CHUNK, swallow, &told), &err);
	double took = now_us() - began;
	mask_stream_free(s);
	return TEXT / took;
}

static double copy_speed(void)
{
	double began = now_us();
	for (size_t at = 0; at < TEXT; at += CHUNK) {
		memcpy(copy, text + at, CHUNK);
		__asm__ volatile("" ::"r"(copy) : "memory");
	}
	return TEXT / (now_us() - began);
}

static void write_file(char *path, const char *bytes, size_t len, bool lines)
{
	int fd = mkstemp(path);
	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		exit(1);
	for (int i = 0; lines && i < SECRETS; i++)
		if (dprintf(fd, "%s\n", secrets[i]) < 0)
			exit(1);
	(void)close(fd);
}

/* With its start, which is small beside 32 MB. */
static double grep_speed(const char *patterns, const char *log)
{
	char command[200];
	(void)snprintf(command, sizeof(command), "LC_ALL=C grep -cF -f %s %s >/dev/null", patterns,
	               log);
	double began = now_us();
	int r = system(command); /* NOLINT: two names of mkstemp() */
	double took = now_us() - began;
	return r < 0 ? 0 : TEXT / took;
}

static void bench_grep(double memcpy_speed)
{
	char patterns[] = "/tmp/bench_mask.XXXXXX", log[] = "/tmp/bench_mask.XXXXXX";
	double v[ROUNDS];
	write_file(patterns, "", 0, true);
	write_file(log, text, TEXT, false);
	for (int i = 0; i < ROUNDS; i++)
		v[i] = grep_speed(patterns, log);
	(void)report("grep -F, 100 plain values", v, ROUNDS, "MB/s", memcpy_speed, "the copy");
	(void)unlink(patterns);
	(void)unlink(log);
}

/* All but the last byte of a secret, again and again: the automaton never rests. */
static void make_worst(void)
{
	for (size_t at = 0; at < TEXT; at++)
		text[at] = secrets[at / (SECRET_LEN - 1) % SECRETS][at % (SECRET_LEN - 1)];
}

static void bench_late(struct mask *m)
{
	static double v[LATE];
	struct mask_stream *s = NULL;
	struct dd_err err = { 0 };
	char value[64];
	check(mask_stream_new(m, &s, &err), &err);
	for (int i = 0; i < LATE; i++) {
		int n = snprintf(value, sizeof(value), "value-that-comes-late-%d", i * 7919);
		double began = now_us();
		check(mask_add_live(m, value, (size_t)n, &s, 1, &err), &err);
		v[i] = now_us() - began;
	}
	(void)report("one more value while the log runs", v, LATE, "us", 1000, "a millisecond");
	mask_stream_free(s);
}

int main(void)
{
	struct mask *m = NULL;
	struct dd_err err = { 0 };
	double v[ROUNDS];
	srand(1);
	make_secrets();
	make_log();
	for (int i = 0; i < ROUNDS; i++)
		v[i] = copy_speed();
	double beside = report("memcpy", v, ROUNDS, "MB/s", v[0], "itself");
	bench_grep(beside);
	check(mask_new(&m, &err), &err);
	for (int i = 0; i < SECRETS; i++)
		check(mask_add(m, secrets[i], SECRET_LEN, &err), &err);
	double began = now_us();
	v[0] = mask_speed(m);
	double built = now_us() - began - TEXT / v[0];
	for (int i = 0; i < ROUNDS; i++)
		v[i] = mask_speed(m);
	(void)report("100 secrets in all their forms", v, ROUNDS, "MB/s", 500, "the aim");
	(void)report("making the automaton for them", &built, 1, "us", 1e6, "a second");
	make_worst();
	for (int i = 0; i < ROUNDS; i++)
		v[i] = mask_speed(m);
	(void)report("a text of almost-secrets", v, ROUNDS, "MB/s", 500, "the aim");
	bench_late(m);
	mask_free(m);
	return 0;
}
