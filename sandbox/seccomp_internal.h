// SPDX-License-Identifier: Apache-2.0
/* seccomp_internal.h - what the parts of the filter compiler share: a parsed profile, and the
 * program made of it.
 *
 *   profile text -- seccomp_profile_parse() --> struct seccomp_profile
 *                -- seccomp_profile_compile() --> struct seccomp_program
 *
 * Only sandbox/seccomp*.c, sandbox/inside_lock.c, sandbox/outside_launch.c
 * and their tests include this. Pure but for the loader in seccomp.c.
 */
#ifndef SANDBOX_SECCOMP_INTERNAL_H
#define SANDBOX_SECCOMP_INTERNAL_H

#include "drydock/sandbox.h"

#include <linux/filter.h>

/* The answer of `pretend`: not carried out, and no error. */
#define SECCOMP_PRETEND ((uint32_t)SECCOMP_RET_ERRNO)

enum {
	/* no Linux architecture that we build for numbers a system call higher (x32 is refused
	   before) */
	SECCOMP_NR_MAX = 1024,
	/* of one condition; keeps every conditional jump inside BPF's 8 bits */
	SECCOMP_VALUES_MAX = 32,
	SECCOMP_CONDS_MAX = 4, /* of one rule; the same */
	SECCOMP_RULES_MAX = 2048,
	SECCOMP_WHY_MAX = 4096,
	SECCOMP_TEXT_MAX = 1 << 20,
};

enum seccomp_op {
	SECCOMP_IS_ONE_OF = 0,
	SECCOMP_IS_NONE_OF,
	SECCOMP_HAS_ANY_BIT,
	SECCOMP_HAS_NO_BIT,
};

/* A test of the low 32 bits of one argument. */
struct seccomp_cond {
	unsigned arg; /* 0..5 */
	enum seccomp_op op;
	uint32_t ignore; /* bits masked out before comparing */
	uint32_t values[SECCOMP_VALUES_MAX];
	size_t n_values;
};

struct seccomp_rule {
	int nr;
	/* SECCOMP_RET_*; zero is SECCOMP_RET_KILL_THREAD: forgetting it never allows */
	uint32_t ret;
	bool never; /* refused in observe mode as well */
	/* what a person should know when it refuses; borrowed from the profile; NULL: it refuses
	 * without a word */
	const char *tell;
	size_t cond_first, n_conds;
	unsigned line;
	const char *why; /* of its group; borrowed from the profile */
};

/* What a profile says about one system call. */
struct seccomp_call {
	bool named; /* some rule mentions it */
	bool from_base;
	bool conditional;
	/* of the first `never`: sandbox.syscalls cannot allow this call; 0 = none */
	unsigned never_line;
	/* line of the rule without condition, which ends its list; 0 = still open */
	unsigned decided_line;
	unsigned first_line;
	/* given as NAME=NUMBER, because libseccomp may not know it; borrowed from the profile;
	 * otherwise NULL */
	const char *new_name;
};

struct seccomp_profile {
	struct seccomp_rule *rules;
	size_t n_rules, cap_rules;
	struct seccomp_cond *conds;
	size_t n_conds, cap_conds;
	char **texts; /* owned: reasons and new names */
	size_t n_texts, cap_texts;
	struct seccomp_call calls[SECCOMP_NR_MAX];
	enum seccomp_ask ask; /* of which refusals the listener hears */
	uint32_t default_ret;
	unsigned default_line; /* 0: no default yet */
	char base[64];         /* file name of the profile below this one, or empty */
};

struct seccomp_program {
	struct sock_filter *insns;
	size_t n_insns;
	/* owned: what the listener answers by. NULL: nobody is asked */
	struct seccomp_profile *profile;
	struct seccomp_summary summary;
	char digest[65];
};

/* Parse @len bytes of @text into @prof (zeroed by the caller; release with seccomp_profile_done()).
 * @name is used in messages. With
 * @is_base, system calls that @prof already names are left as they are: the profile above decides.
 */
int seccomp_profile_parse(const char *name, const char *text, size_t len, bool is_base,
                          struct seccomp_profile *prof, struct dd_err *err);
void seccomp_profile_done(struct seccomp_profile *prof);

/* Read the file at @path, and its base beside it, into @prof (zeroed by the caller; release with
 * seccomp_profile_done() also on failure). */
int seccomp_profile_load(const char *path, struct seccomp_profile *prof, struct dd_err *err);
/* Allow the system call @call besides what @prof (complete, base included) says; @name is used in
 * messages. -EINVAL: there is no such call, or the profile says `never` about it. */
int seccomp_profile_allow(const char *name, const char *call, struct seccomp_profile *prof,
                          struct dd_err *err);

/* A number from a constant's name ("TIOCSTI"). */
bool seccomp_constant(const char *name, uint32_t *ret);
/* The other way round, among those that begin with @prefix; NULL: none. */
const char *seccomp_constant_name(const char *prefix, uint32_t value);

/* Make filter bytes of @prof. @name is used in messages. */
int seccomp_profile_compile(const char *name, const struct seccomp_profile *prof,
                            struct seccomp_program **ret, struct dd_err *err);

/* What the listener answers where a filter of a profile asks (seccomp_notify.c). */
struct seccomp_reply {
	int answer;       /* 0: the kernel goes on (observing only); otherwise the errno */
	const char *tell; /* of the rule that decides, or NULL */
	bool never;
};
/* The line that decides a call with these arguments; NULL: none, and so the default. */
const struct seccomp_rule *seccomp_rule_of(const struct seccomp_profile *prof, int nr,
                                           const uint64_t args[6]);
struct seccomp_reply seccomp_reply(const struct seccomp_profile *prof, int nr,
                                   const uint64_t args[6]);
/* Supervisor, when it has got the listener: may its questions be read here? */
int seccomp_listener_check(int listener, struct dd_err *err);

#endif
