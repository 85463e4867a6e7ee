// SPDX-License-Identifier: Apache-2.0
/* seccomp_compile.c - makes filter bytes of a parsed profile.
 *
 * Runs in: supervisor, once per profile. Pure but for a memfd that libseccomp writes to.
 *
 * The program has two halves, in this order:
 *   ours         architecture (foreign: the process ends), x32 numbers (ENOSYS), then one block of
 *                tests for each system call with conditions
 *   libseccomp   every other system call, as a binary tree
 *
 * Why not libseccomp for all: it has no "otherwise" for a conditional rule but the default
 * action (here ENOSYS, where a refused clone or socket must say EPERM), no masked inequality, and
 * compares 64 bits where the kernel reads 32 of an int: TIOCSTI with a high bit set would pass a
 * list of refused commands. Our tests read the low 32 bits, first match wins, and each list ends in
 * a decision. Where a listener is to hear of a refusal (enum seccomp_ask), the answer with errno
 * becomes a question to it, and seccomp_notify.c decides that from the same rules; but for the
 * calls in unheard[]. Without a listener a question is ENOSYS, so no mode allows more than another.
 * The jumps of the first half depend only on number and architecture, so the kernel's cache of
 * always-allowed calls (Linux 5.11) holds.
 */
#include "drydock/fd.h"
#include "seccomp_internal.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <openssl/evp.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { X32_BIT = 0x40000000 };

/* Byte offset of the low half of an argument in struct seccomp_data. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { LOW_HALF = 0 };
#else
enum { LOW_HALF = 4 };
#endif

/* Refused by the filter itself in every mode: nobody is asked, nothing is recorded. */
static const struct unheard_row {
	const char *call;
	const char *why;
} unheard[] = {
	{ "clone3",
	  "every new thread asks for it and goes on with clone: noise, and a question each" },
	{ "seccomp", "a second listener could answer in the place of ours: this must not depend on "
	             "anybody's answer" },
};

static bool is_unheard(int nr)
{
	for (size_t i = 0; i < ARRAY_LEN(unheard); i++)
		if (seccomp_syscall_resolve_name(unheard[i].call) == nr)
			return true;
	return false;
}

/* In the second half all that answers with an errno asks when everything is asked about, so what
 * differs from that is ours to say. */
static bool in_first_half(const struct seccomp_profile *prof, int nr)
{
	return prof->calls[nr].conditional ||
	       (prof->ask == SECCOMP_ASK_ALL && prof->calls[nr].named && is_unheard(nr));
}

static bool compile_is_errno(uint32_t ret)
{
	return (ret & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO && ret != SECCOMP_PRETEND;
}

static bool is_asked(const struct seccomp_profile *prof, const struct seccomp_rule *rule)
{
	bool heard = prof->ask == SECCOMP_ASK_ALL || (prof->ask == SECCOMP_ASK_TOLD && rule->tell);
	return heard && compile_is_errno(rule->ret) && !is_unheard(rule->nr);
}

struct code {
	struct sock_filter insns[BPF_MAXINSNS];
	size_t n;
	bool full; /* an instruction did not fit: the program must not be used */
};

static size_t emit(struct code *c, unsigned op, uint32_t k, size_t jt, size_t jf)
{
	if (c->n == BPF_MAXINSNS || jt > UINT8_MAX || jf > UINT8_MAX) {
		c->full = true;
		return 0;
	}
	c->insns[c->n] = (struct sock_filter){
		.code = (uint16_t)op, .jt = (uint8_t)jt, .jf = (uint8_t)jf, .k = k
	};
	return c->n++;
}

static void emit_return(struct code *c, uint32_t ret)
{
	(void)emit(c, BPF_RET | BPF_K, ret, 0, 0);
}

static void emit_load(struct code *c, size_t offset)
{
	(void)emit(c, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* An unconditional jump whose target is not known yet; land() fills it in. */
static size_t emit_jump(struct code *c)
{
	return emit(c, BPF_JMP | BPF_JA, 0, 0, 0);
}

static void land(struct code *c, size_t jump)
{
	c->insns[jump].k = (uint32_t)(c->n - jump - 1);
}

/* Falls through when the condition holds; the returned jump is taken when it does not. */
static size_t emit_cond(struct code *c, const struct seccomp_cond *cond)
{
	emit_load(c, offsetof(struct seccomp_data, args) + cond->arg * sizeof(uint64_t) + LOW_HALF);
	if (cond->ignore)
		(void)emit(c, BPF_ALU | BPF_AND | BPF_K, ~cond->ignore, 0, 0);

	bool bits = cond->op == SECCOMP_HAS_ANY_BIT || cond->op == SECCOMP_HAS_NO_BIT;
	bool hit_holds = cond->op == SECCOMP_IS_ONE_OF || cond->op == SECCOMP_HAS_ANY_BIT;
	unsigned op = BPF_JMP | BPF_K | (bits ? BPF_JSET : BPF_JEQ);
	/* After the tests: hit_holds:  no hit -> [fail];       a hit jumps over it.
	 *                  otherwise:  no hit -> [skip][fail]; a hit jumps to the fail. */
	for (size_t i = 0; i < cond->n_values; i++)
		(void)emit(c, op, cond->values[i], cond->n_values - i, 0);
	if (hit_holds)
		return emit_jump(c);
	(void)emit(c, BPF_JMP | BPF_JA, 1, 0, 0);
	return emit_jump(c);
}

static void emit_rule(struct code *c, const struct seccomp_profile *prof,
                      const struct seccomp_rule *rule)
{
	size_t fail[SECCOMP_CONDS_MAX] = { 0 };
	for (size_t i = 0; i < rule->n_conds; i++)
		fail[i] = emit_cond(c, &prof->conds[rule->cond_first + i]);
	emit_return(c, is_asked(prof, rule) ? SECCOMP_RET_USER_NOTIF : rule->ret);
	for (size_t i = 0; i < rule->n_conds; i++)
		land(c, fail[i]);
}

/* All rules of @nr in order; the last has no condition (seccomp_profile_parse() sees to that). */
static void emit_call(struct code *c, const struct seccomp_profile *prof, int nr)
{
	for (size_t i = 0; i < prof->n_rules; i++) {
		if (prof->rules[i].nr == nr)
			emit_rule(c, prof, &prof->rules[i]);
	}
}

static void emit_first_half(struct code *c, const struct seccomp_profile *prof)
{
	emit_load(c, offsetof(struct seccomp_data, arch));
	(void)emit(c, BPF_JMP | BPF_JEQ | BPF_K, seccomp_arch_native(), 1, 0);
	/* Told, it is the listener that ends the process; until then its call fails. */
	emit_return(c, prof->ask ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_KILL_PROCESS);
	emit_load(c, offsetof(struct seccomp_data, nr));
	/* x32 shares the architecture word with x86-64 and marks the number. The bit means nothing
	 * elsewhere: no such call exists. */
	(void)emit(c, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
	emit_return(c, SECCOMP_RET_ERRNO | ENOSYS);
	for (int nr = 0; nr < SECCOMP_NR_MAX; nr++) {
		if (!in_first_half(prof, nr))
			continue;
		(void)emit(c, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 1, 0);
		size_t next = emit_jump(c);
		emit_call(c, prof, nr);
		land(c, next);
	}
}

static uint32_t scmp_action(uint32_t ret)
{
	if (ret == SECCOMP_RET_ALLOW)
		return SCMP_ACT_ALLOW;
	if (ret == SECCOMP_RET_KILL_PROCESS)
		return SCMP_ACT_KILL_PROCESS;
	return SCMP_ACT_ERRNO(ret & SECCOMP_RET_DATA);
}

static int add_plain_rules(scmp_filter_ctx ctx, const char *name,
                           const struct seccomp_profile *prof, struct dd_err *err)
{
	for (size_t i = 0; i < prof->n_rules; i++) {
		const struct seccomp_rule *rule = &prof->rules[i];
		if (in_first_half(prof, rule->nr) ||
		    (rule->ret == prof->default_ret && !is_asked(prof, rule)))
			continue; /* libseccomp refuses a rule that only repeats the default */
		uint32_t action = is_asked(prof, rule) ? SCMP_ACT_NOTIFY : scmp_action(rule->ret);
		int r = seccomp_rule_add_exact(ctx, action, rule->nr, 0);
		if (r < 0)
			return dd_err_set(err, -r, "%s: system call %d: libseccomp", name,
			                  rule->nr);
	}
	return 0;
}

static void ctx_release(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

/* Append libseccomp's program to @c. */
static int append_second_half(struct code *c, const char *name, const struct seccomp_profile *prof,
                              struct dd_err *err)
{
	__attribute__((cleanup(ctx_release)))
	scmp_filter_ctx ctx = seccomp_init(scmp_action(prof->default_ret));
	if (!ctx)
		return dd_err_set(err, ENOMEM, "%s: libseccomp", name);
	/* binary tree: 2.5 times faster to load than the list */
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r < 0)
		return dd_err_set(err, -r, "%s: libseccomp attribute (2.5 or newer is needed)",
		                  name);
	r = add_plain_rules(ctx, name, prof, err);
	if (r < 0)
		return r;

	dd_auto_fd int fd = memfd_create("drydock-seccomp", MFD_CLOEXEC);
	if (fd < 0)
		return dd_err_set(err, errno, "%s: memfd for the filter", name);
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return dd_err_set(err, -r, "%s: libseccomp export", name);
	struct stat st;
	if (fstat(fd, &st) < 0)
		return dd_err_set(err, errno, "%s: size of the exported filter", name);
	size_t bytes = (size_t)st.st_size, room = (BPF_MAXINSNS - c->n) * sizeof(c->insns[0]);
	if (c->full || bytes > room || bytes == 0 || bytes % sizeof(c->insns[0]) != 0)
		return dd_err_blame(err, DD_BLAME_CALLER,
		                    dd_err_say(err, E2BIG,
		                               "%s: the filter does not fit into %d instructions",
		                               name, BPF_MAXINSNS));
	if (pread(fd, &c->insns[c->n], bytes, 0) != (ssize_t)bytes)
		return dd_err_set(err, EIO, "%s: read the exported filter", name);
	for (size_t end = c->n + bytes / sizeof(c->insns[0]); c->n < end; c->n++) {
		struct sock_filter *insn = &c->insns[c->n];
		if (prof->ask == SECCOMP_ASK_ALL && BPF_CLASS(insn->code) == BPF_RET &&
		    compile_is_errno(insn->k))
			insn->k = SECCOMP_RET_USER_NOTIF;
	}
	return 0;
}

static void summarise(const struct seccomp_profile *prof, struct seccomp_summary *ret)
{
	for (size_t i = 0; i < prof->n_rules; i++) {
		const struct seccomp_rule *rule = &prof->rules[i];
		if (rule->n_conds > 0)
			continue; /* each call counts once, with the line that decides last */
		if (prof->calls[rule->nr].conditional)
			ret->conditional++;
		else if (rule->ret == SECCOMP_RET_ALLOW)
			ret->allowed++;
		else if (rule->ret == SECCOMP_RET_KILL_PROCESS)
			ret->killed++;
		else
			ret->errno_answered++;
	}
}

static int digest_hex(const struct code *c, char ret_hex[65])
{
	unsigned char sum[32];
	unsigned len = 0;
	if (!EVP_Digest(c->insns, c->n * sizeof(c->insns[0]), sum, &len, EVP_sha256(), NULL) ||
	    len != sizeof(sum))
		return -EIO;
	for (size_t i = 0; i < sizeof(sum); i++)
		(void)snprintf(ret_hex + 2 * i, 3, "%02x", sum[i]);
	return 0;
}

int seccomp_profile_compile(const char *name, const struct seccomp_profile *prof,
                            struct seccomp_program **ret, struct dd_err *err)
{
	dd_auto_free struct code *c = calloc(1, sizeof(*c));
	if (!c)
		return dd_err_set(err, ENOMEM, "%s", name);
	emit_first_half(c, prof);
	int r = append_second_half(c, name, prof, err);
	if (r < 0)
		return r;

	struct seccomp_program *prog = calloc(1, sizeof(*prog));
	if (!prog)
		return dd_err_set(err, ENOMEM, "%s", name);
	prog->insns = calloc(c->n, sizeof(c->insns[0]));
	if (!prog->insns || digest_hex(c, prog->digest) < 0) {
		seccomp_program_free(prog);
		return dd_err_set(err, ENOMEM, "%s: copy and digest of the filter", name);
	}
	memcpy(prog->insns, c->insns, c->n * sizeof(c->insns[0]));
	prog->n_insns = c->n;
	summarise(prof, &prog->summary);
	*ret = prog;
	return 0;
}

void seccomp_program_free(struct seccomp_program *prog)
{
	if (!prog)
		return;
	free(prog->insns);
	if (prog->profile)
		seccomp_profile_done(prog->profile);
	free(prog->profile);
	free(prog);
}
