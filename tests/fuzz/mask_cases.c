// SPDX-License-Identifier: Apache-2.0
/* mask_cases.c - gives fuzz_mask.c a fixed number of cases, each of which its number makes again.
 *
 * usage: mask_cases CASES [SEED [MINUTES [FIRST]]]
 *
 * A fuzzer looks for new ways through the code and stops when it finds none; this counts: so many
 * cases, no leak, no false replacement. The cases run in children, block by block: whatever ends
 * one of them, a signal, an exit code, a lack of memory, is told with the number of the case, and
 * `mask_cases 1 SEED 1 NUMBER` runs that one alone. MINUTES end it earlier.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BLOCK = 20000, BYTES_MAX = 192 };

static uint64_t mix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15U;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

static void one_case(uint64_t seed, uint64_t number)
{
	uint8_t bytes[BYTES_MAX];
	uint64_t state = seed ^ (number * 0xd1342543de82ef95U);
	size_t size = (size_t)(mix(&state) % (sizeof(bytes) + 1));
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)mix(&state);
	(void)LLVMFuzzerTestOneInput(bytes, size);
}

static uint64_t number_of(const char *text)
{
	char *end;
	errno = 0;
	uint64_t n = strtoull(text, &end, 10);
	if (errno || *end || end == text) {
		(void)fprintf(stderr, "mask_cases: %s is no number\n", text);
		exit(2);
	}
	return n;
}

static bool run_block(uint64_t seed, uint64_t first, uint64_t n, volatile uint64_t *at)
{
	struct rusage used;
	int status = 0;
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		for (uint64_t i = 0; i < n; i++) {
			*at = first + i;
			one_case(seed, first + i);
		}
		exit(0); /* leaks are looked for */
	}
	pid_t waited = -1;
	while (pid > 0 && (waited = wait4(pid, &status, 0, &used)) < 0 && errno == EINTR)
		;
	if (pid < 0 || waited < 0) {
		(void)fprintf(stderr, "mask_cases: %s\n", strerror(errno));
		return false;
	}
	if (status == 0)
		return true;
	(void)fprintf(stderr, "mask_cases: case %llu of seed %llu: %s %d (most memory %ld KiB)\n",
	              (unsigned long long)*at, (unsigned long long)seed,
	              WIFSIGNALED(status) ? "signal" : "exit code",
	              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), used.ru_maxrss);
	return false;
}

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 5) {
		(void)fprintf(stderr, "usage: mask_cases CASES [SEED [MINUTES [FIRST]]]\n");
		return 2;
	}
	uint64_t cases = number_of(argv[1]), seed = argc > 2 ? number_of(argv[2]) : 1;
	uint64_t minutes = argc > 3 ? number_of(argv[3]) : UINT32_MAX;
	uint64_t first = argc > 4 ? number_of(argv[4]) : 0, done = 0;
	time_t began = time(NULL), end = began + (time_t)minutes * 60;
	volatile uint64_t *at = mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE,
	                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED) {
		perror("mask_cases: mmap");
		return 2;
	}
	while (done < cases && time(NULL) < end) {
		uint64_t n = cases - done < BLOCK ? cases - done : BLOCK;
		if (!run_block(seed, first + done, n, at))
			return 1;
		done += n;
		(void)printf("%llu cases of seed %llu in %lld s\n", (unsigned long long)done,
		             (unsigned long long)seed, (long long)(time(NULL) - began));
		(void)fflush(stdout);
	}
	(void)printf("all of %llu cases agree with the slow masker\n", (unsigned long long)done);
	return 0;
}
