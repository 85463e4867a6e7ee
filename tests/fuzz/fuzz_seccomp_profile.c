// SPDX-License-Identifier: Apache-2.0
/* fuzz_seccomp_profile.c - any bytes as a seccomp profile: an error with a position, or a program
 * that ends in a decision; never a crash. */
#include "sandbox/seccomp_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct seccomp_profile prof;
	struct seccomp_program *prog = NULL;
	struct dd_err err = { .code = 0 };

	memset(&prof, 0, sizeof(prof));
	int r = seccomp_profile_parse("fuzz", (const char *)data, size, false, &prof, &err);
	if (r == 0)
		r = seccomp_profile_parse("base", (const char *)data, size, true, &prof, &err);
	if (r == 0)
		r = seccomp_profile_compile("fuzz", &prof, &prog, &err);
	if (r < 0 && (err.code == 0 || err.msg[0] == '\0'))
		__builtin_trap(); /* a refusal without a sentence */
	if (r == 0 &&
	    (prog->n_insns == 0 || BPF_CLASS(prog->insns[prog->n_insns - 1].code) != BPF_RET))
		__builtin_trap();
	seccomp_program_free(prog);
	seccomp_profile_done(&prof);
	return 0;
}
