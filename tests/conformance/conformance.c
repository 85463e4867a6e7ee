// SPDX-License-Identifier: Apache-2.0
/* conformance.c - runs GitHub's own test data against drydock's reading of GitHub's language: a
 * line for each case that differs, and last "N passed, N failed".
 *
 * usage: conformance DIR     DIR holds expressions/, workflow-reader/ and action-manifests/, or
 * some of them, as tests/conformance does */
#include <stdarg.h>
#include <stdint.h>

#include "run_expressions.h"
#include "run_manifests.h"
#include "run_workflows.h"

int main(int argc, char **argv)
{
	struct tally t = { 0 };
	char dir[1024];
	bool any = false;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: %s DIR\n", argv[0]);
		return 2;
	}
	(void)snprintf(dir, sizeof(dir), "%s/expressions", argv[1]);
	any |= run_expressions(dir, &t);
	(void)snprintf(dir, sizeof(dir), "%s/workflow-reader", argv[1]);
	any |= run_workflows(dir, &t);
	(void)snprintf(dir, sizeof(dir), "%s/action-manifests", argv[1]);
	any |= run_manifests(dir, &t);
	if (!any)
		tally_fail(&t, "%s holds no test data", argv[1]);
	if (t.skipped)
		printf("# %zu cases are for other parsers, says the data\n", t.skipped);
	printf("%zu passed, %zu failed\n", t.passed, t.failed);
	return t.failed > 0;
}
