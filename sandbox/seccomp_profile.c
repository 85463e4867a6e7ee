// SPDX-License-Identifier: Apache-2.0
/* seccomp_profile.c - reads a seccomp profile: lines of text into rules, every complaint with file
 * and line.
 *
 * Runs in: supervisor, once at start. The file is the operator's, but a typing error in it must
 * never become a hole: an unknown word, a rule that can never be reached, a call whose conditions
 * do not end in a decision, a group without a reason are all errors. Format: docs/seccomp.md.
 * Within one system call the first matching line decides, as in a packet filter.
 */
#include "seccomp_internal.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>

struct parser {
	const char *file;
	unsigned line;
	bool is_base;
	/* the reason of the current group (up to a blank line); NULL: not said yet */
	const char *why;
	bool in_why; /* the line before was `why`: another one goes on with the sentence */
	/* what refusals are told with, up to the next reason; NULL: nothing */
	const char *tell;
	bool in_tell;
	unsigned tell_line; /* of a `tell` that no rule has yet; 0: none */
	bool is_never;
	struct seccomp_profile *prof;
	struct dd_err *err;
	char *rest; /* strtok_r state: the words of this line not yet read */
};

__attribute__((format(printf, 2, 3))) static int say(const struct parser *p, const char *fmt, ...)
{
	char text[300];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return dd_err_blame(p->err, DD_BLAME_CALLER,
	                    dd_err_say(p->err, EINVAL, "%s:%u: %s", p->file, p->line, text));
}

static char *next_word(struct parser *p)
{
	return strtok_r(NULL, " \t", &p->rest);
}

/* Grow @items by one element of @size; returns the new element, zeroed, or NULL. */
static void *append(void **items, size_t *n, size_t *cap, size_t size)
{
	if (*n == *cap) {
		size_t want = *cap ? *cap * 2 : 64;
		void *grown = reallocarray(*items, want, size);
		if (!grown)
			return NULL;
		*items = grown;
		*cap = want;
	}
	char *slot = (char *)*items + *n * size;
	memset(slot, 0, size);
	(*n)++;
	return slot;
}

/* Give @text (heap) to the profile; NULL in, or no memory: NULL, and nothing is left behind. */
static const char *keep_text(struct seccomp_profile *prof, char *text)
{
	char **slot = text ? append((void **)&prof->texts, &prof->n_texts, &prof->cap_texts,
	                            sizeof(*slot))
	                   : NULL;
	if (!slot) {
		free(text);
		return NULL;
	}
	*slot = text;
	return text;
}

static int parse_errno(const struct parser *p, const char *word, uint32_t *ret)
{
	for (int code = 1; word && code < 134; code++) {
		const char *name = strerrorname_np(code);
		if (name && strcmp(name, word) == 0) {
			*ret = SECCOMP_RET_ERRNO | (uint32_t)code;
			return 0;
		}
	}
	return say(p, "`%.40s` is not the name of an errno value such as EPERM", word ? word : "");
}

static int parse_number(const char *word, unsigned long max, unsigned long *ret)
{
	char *end = NULL;
	if (word[0] < '0' || word[0] > '9')
		return -EINVAL;
	errno = 0;
	unsigned long n = strtoul(word, &end, 0);
	if (errno || *end || n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}

static int parse_value(const struct parser *p, const char *word, uint32_t *ret)
{
	unsigned long n = 0;
	if (seccomp_constant(word, ret))
		return 0;
	if (parse_number(word, UINT32_MAX, &n) == 0) {
		*ret = (uint32_t)n;
		return 0;
	}
	return say(p, "`%.40s` is neither a known constant nor a number of 32 bits", word);
}

/* "A,B,0x10" into @values. */
static int parse_values(const struct parser *p, char *word, uint32_t *values, size_t *ret_n)
{
	size_t n = 0;
	char *rest = NULL;
	for (char *v = word ? strtok_r(word, ",", &rest) : NULL; v;
	     v = strtok_r(NULL, ",", &rest)) {
		if (n == SECCOMP_VALUES_MAX)
			return say(p, "more than %d values in one condition; write a second line",
			           SECCOMP_VALUES_MAX);
		int r = parse_value(p, v, &values[n]);
		if (r < 0)
			return r;
		n++;
	}
	if (n == 0)
		return say(p, "a value is missing");
	*ret_n = n;
	return 0;
}

static bool profile_is_errno(uint32_t ret)
{
	return (ret & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO && ret != SECCOMP_PRETEND;
}

static uint32_t or_all(const uint32_t *values, size_t n)
{
	uint32_t all = 0;
	for (size_t i = 0; i < n; i++)
		all |= values[i];
	return all;
}

static const struct op_row {
	const char *word;
	enum seccomp_op op;
	bool bits; /* the values are joined into one mask */
} op_rows[] = {
	{ "==", SECCOMP_IS_ONE_OF, false },
	{ "!=", SECCOMP_IS_NONE_OF, false },
	{ "has", SECCOMP_HAS_ANY_BIT, true },
	{ "lacks", SECCOMP_HAS_NO_BIT, true },
};

static int parse_op(struct parser *p, const char *word, struct seccomp_cond *cond)
{
	for (size_t i = 0; word && i < ARRAY_LEN(op_rows); i++) {
		if (strcmp(word, op_rows[i].word) != 0)
			continue;
		cond->op = op_rows[i].op;
		int r = parse_values(p, next_word(p), cond->values, &cond->n_values);
		if (r < 0 || !op_rows[i].bits)
			return r;
		cond->values[0] = or_all(cond->values, cond->n_values);
		cond->n_values = 1;
		return cond->values[0] ? 0 : say(p, "a test for no bit at all");
	}
	return say(p, "expected ==, !=, has or lacks, not `%.40s`", word ? word : "");
}

/* "argN [ignoring A,B] OP A,B" */
static int parse_cond(struct parser *p, struct seccomp_cond *cond)
{
	const char *word = next_word(p);
	if (!word || strncmp(word, "arg", 3) != 0 || word[3] < '0' || word[3] > '5' || word[4])
		return say(p, "expected arg0 to arg5, not `%.40s`", word ? word : "");
	cond->arg = (unsigned)(word[3] - '0');

	word = next_word(p);
	if (word && strcmp(word, "ignoring") == 0) {
		size_t n = 0;
		int r = parse_values(p, next_word(p), cond->values, &n);
		if (r < 0)
			return r;
		cond->ignore = or_all(cond->values, n);
		word = next_word(p);
	}
	int r = parse_op(p, word, cond);
	for (size_t i = 0; r == 0 && i < cond->n_values; i++) {
		if (cond->values[i] & cond->ignore)
			return say(p, "a value has bits that are ignored; it could never match");
	}
	return r;
}

static int parse_conds(struct parser *p, size_t *ret_first, size_t *ret_n)
{
	struct seccomp_profile *prof = p->prof;
	size_t first = prof->n_conds;
	const char *more = "and";
	for (size_t n = 0; more && strcmp(more, "and") == 0; n++, more = next_word(p)) {
		if (n == SECCOMP_CONDS_MAX)
			return say(p, "more than %d conditions in one line", SECCOMP_CONDS_MAX);
		struct seccomp_cond *cond = append((void **)&prof->conds, &prof->n_conds,
		                                   &prof->cap_conds, sizeof(*cond));
		if (!cond)
			return dd_err_set(p->err, ENOMEM, "%s:%u", p->file, p->line);
		int r = parse_cond(p, cond);
		if (r < 0)
			return r;
	}
	if (more)
		return say(p, "expected `and` or the end of the line, not `%.40s`", more);
	*ret_first = first;
	*ret_n = prof->n_conds - first;
	return 0;
}

/* "name", or "name=number" for what is newer than this libseccomp. Since 424 all architectures
 * share one numbering (Linux 5.1), so a number at or above it is safe to write; below it the name
 * is the only portable spelling. Sets *ret_nr negative for a call that this architecture does not
 * have. */
static int parse_call(const struct parser *p, char *word, int *ret_nr)
{
	char *number = strchr(word, '=');
	unsigned long n = 0;
	*ret_nr = -1;
	if (number)
		*number++ = '\0';
	int nr = seccomp_syscall_resolve_name(word);
	if (!number) {
		if (nr == __NR_SCMP_ERROR)
			return say(p,
			           "no system call is called `%.40s` (newer than libseccomp? write "
			           "NAME=NUMBER)",
			           word);
		*ret_nr = nr;
		return 0;
	}
	if (parse_number(number, SECCOMP_NR_MAX - 1, &n) < 0 || n < 424)
		return say(p, "the number of `%.40s` must be 424 to %d", word, SECCOMP_NR_MAX - 1);
	if (nr != __NR_SCMP_ERROR && nr != (int)n)
		return say(p, "`%.40s` is system call %d, not %lu", word, nr, n);
	*ret_nr = (int)n;
	const char **name = &p->prof->calls[n].new_name;
	if (!*name && !(*name = keep_text(p->prof, strdup(word))))
		return dd_err_set(p->err, ENOMEM, "%s:%u", p->file, p->line);
	return 0;
}

static int profile_add_rule(const struct parser *p, int nr, uint32_t ret, size_t cond_first,
                            size_t n_conds)
{
	if (nr < 0)
		return 0; /* known by name, absent here */
	if (nr >= SECCOMP_NR_MAX)
		return say(p, "system call number %d is out of range", nr);
	struct seccomp_call *call = &p->prof->calls[nr];
	if (p->is_base && call->named && !call->from_base)
		return 0;
	if (call->decided_line)
		return say(p, "never reached: line %u decides system call %d without a condition",
		           call->decided_line, nr);
	if (p->prof->n_rules == SECCOMP_RULES_MAX)
		return say(p, "more than %d rules", SECCOMP_RULES_MAX);

	struct seccomp_rule *rule = append((void **)&p->prof->rules, &p->prof->n_rules,
	                                   &p->prof->cap_rules, sizeof(*rule));
	if (!rule)
		return dd_err_set(p->err, ENOMEM, "%s:%u", p->file, p->line);
	*rule = (struct seccomp_rule){ .nr = nr,
		                       .ret = ret,
		                       .never = p->is_never,
		                       .tell = profile_is_errno(ret) ? p->tell : NULL,
		                       .cond_first = cond_first,
		                       .n_conds = n_conds,
		                       .line = p->line,
		                       .why = p->why };
	if (!call->named)
		call->first_line = p->line;
	if (p->is_never && !call->never_line)
		call->never_line = p->line;
	call->named = true;
	call->from_base = p->is_base;
	call->conditional = call->conditional || n_conds > 0;
	if (n_conds == 0)
		call->decided_line = p->line;
	return 0;
}

/* The names after the verdict: one with a condition, or any number without. */
static int parse_rule(struct parser *p, uint32_t ret)
{
	int nr[256];
	size_t n = 0, cond_first = 0, n_conds = 0;
	if (!p->why)
		return say(p, "this group (up to a blank line) does not begin with `why ...`");
	for (char *word = next_word(p); word; word = next_word(p)) {
		if (strcmp(word, "if") == 0) {
			if (n != 1)
				return say(p,
				           "a condition needs exactly one system call before `if`");
			int r = parse_conds(p, &cond_first, &n_conds);
			if (r < 0)
				return r;
			break;
		}
		if (n == ARRAY_LEN(nr))
			return say(p, "more than %zu system calls in one line", ARRAY_LEN(nr));
		int r = parse_call(p, word, &nr[n]);
		if (r < 0)
			return r;
		n++;
	}
	if (n == 0)
		return say(p, "no system call is named");
	for (size_t i = 0; i < n; i++) {
		int r = profile_add_rule(p, nr[i], ret, cond_first, n_conds);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_allow(struct parser *p)
{
	return parse_rule(p, SECCOMP_RET_ALLOW);
}

static int parse_kill(struct parser *p)
{
	return parse_rule(p, SECCOMP_RET_KILL_PROCESS);
}

static int parse_pretend(struct parser *p)
{
	return parse_rule(p, SECCOMP_PRETEND);
}

static int parse_refuse(struct parser *p)
{
	uint32_t ret = 0;
	int r = parse_errno(p, next_word(p), &ret);
	if (r == 0)
		r = parse_rule(p, ret);
	if (r == 0)
		p->tell_line = 0;
	return r;
}

static int parse_never(struct parser *p)
{
	p->is_never = true;
	int r = parse_refuse(p);
	p->is_never = false;
	return r;
}

static int parse_default(struct parser *p)
{
	uint32_t ret = 0;
	int r = parse_errno(p, next_word(p), &ret);
	if (r < 0)
		return r;
	if (next_word(p))
		return say(p, "`default` takes one errno name");
	if (p->is_base)
		return 0;
	if (p->prof->default_line)
		return say(p, "`default` was given in line %u", p->prof->default_line);
	p->prof->default_ret = ret;
	p->prof->default_line = p->line;
	return 0;
}

static int parse_base(struct parser *p)
{
	const char *name = next_word(p);
	if (p->is_base)
		return say(p, "a profile that is a base cannot have one itself");
	if (!name || next_word(p) || strchr(name, '/') || name[0] == '.' ||
	    strlen(name) >= sizeof(p->prof->base))
		return say(p, "`base` takes the name of one file in the same directory");
	if (p->prof->base[0])
		return say(p, "a second `base`");
	(void)snprintf(p->prof->base, sizeof(p->prof->base), "%s", name);
	return 0;
}

/* The rest of the line is a sentence, or with @goes_on more of the one in *@sentence. */
static int parse_sentence(struct parser *p, const char *word, bool goes_on, const char **sentence)
{
	const char *first = next_word(p), *more = p->rest ? p->rest : "";
	char *text = NULL;
	if (!first)
		return say(p, "`%s` without a sentence", word);
	if (goes_on && strlen(*sentence) > SECCOMP_WHY_MAX)
		return say(p, "a sentence of more than %d bytes", SECCOMP_WHY_MAX);
	int n = asprintf(&text, "%s%s%s%s%s", goes_on ? *sentence : "", goes_on ? " " : "", first,
	                 *more ? " " : "", more);
	if (n >= 0 && goes_on) { /* no rule has it yet: the longer one takes its place */
		char **last = &p->prof->texts[p->prof->n_texts - 1];
		free(*last);
		*sentence = *last = text;
	} else {
		*sentence = n < 0 ? NULL : keep_text(p->prof, text);
	}
	return *sentence ? 0 : dd_err_set(p->err, ENOMEM, "%s:%u", p->file, p->line);
}

static int check_told(const struct parser *p)
{
	if (!p->tell_line)
		return 0;
	return dd_err_blame(p->err, DD_BLAME_CALLER,
	                    dd_err_say(p->err, EINVAL,
	                               "%s:%u: `tell` without a `refuse` or `never` after it",
	                               p->file, p->tell_line));
}

static int parse_why(struct parser *p)
{
	int r = p->in_why ? 0 : check_told(p);
	if (r == 0)
		r = parse_sentence(p, "why", p->in_why, &p->why);
	p->in_why = r == 0;
	p->tell = NULL;
	return r;
}

static int parse_tell(struct parser *p)
{
	if (!p->why)
		return say(p, "this group (up to a blank line) does not begin with `why ...`");
	int r = p->in_tell ? 0 : check_told(p);
	if (r == 0)
		r = parse_sentence(p, "tell", p->in_tell, &p->tell);
	p->in_tell = r == 0;
	p->tell_line = p->line;
	return r;
}

static const struct statement_row {
	const char *word;
	int (*parse)(struct parser *p);
} statement_rows[] = {
	{ "why", parse_why },     { "allow", parse_allow }, { "refuse", parse_refuse },
	{ "never", parse_never }, { "kill", parse_kill },   { "default", parse_default },
	{ "base", parse_base },   { "tell", parse_tell },   { "pretend", parse_pretend },
};

/* @line is this parser's own copy and is cut into words. */
static int parse_line(struct parser *p, char *line)
{
	if (line[strspn(line, " \t")] == '\0') {
		p->why = p->tell = NULL;
		p->in_why = p->in_tell = false;
		return check_told(p);
	}
	line[strcspn(line, "#")] = '\0';
	const char *word = strtok_r(line, " \t", &p->rest);
	if (!word)
		return 0; /* a comment does not end a group */
	for (size_t i = 0; i < ARRAY_LEN(statement_rows); i++) {
		if (strcmp(word, statement_rows[i].word) != 0)
			continue;
		p->in_why = p->in_why && statement_rows[i].parse == parse_why;
		p->in_tell = p->in_tell && statement_rows[i].parse == parse_tell;
		return statement_rows[i].parse(p);
	}
	return say(p,
	           "expected why, tell, allow, refuse, never, kill, default or base, not `%.40s`",
	           word);
}

static int check_complete(struct parser *p)
{
	int r = check_told(p);
	if (r < 0)
		return r;
	for (int nr = 0; nr < SECCOMP_NR_MAX; nr++) {
		const struct seccomp_call *call = &p->prof->calls[nr];
		if (!call->named || call->decided_line || call->from_base != p->is_base)
			continue;
		p->line = call->first_line;
		return say(p, "the conditions of system call %d do not end in a line without `if`",
		           nr);
	}
	if (!p->is_base && !p->prof->default_line)
		return say(p,
		           "`default` is missing: what does a system call get that no line names?");
	return 0;
}

static bool is_text(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((s[i] < ' ' && s[i] != '\t') || s[i] == 0x7f)
			return false;
	}
	return true;
}

int seccomp_profile_parse(const char *name, const char *text, size_t len, bool is_base,
                          struct seccomp_profile *prof, struct dd_err *err)
{
	struct parser p = { .file = name, .is_base = is_base, .prof = prof, .err = err };
	if (len > SECCOMP_TEXT_MAX)
		return dd_err_blame(
			err, DD_BLAME_CALLER,
			dd_err_say(err, EFBIG, "%s: longer than %d bytes", name, SECCOMP_TEXT_MAX));
	for (size_t at = 0; at < len;) {
		const char *newline = memchr(text + at, '\n', len - at);
		size_t n = newline ? (size_t)(newline - (text + at)) : len - at;
		p.line++;
		char line[512];
		if (n >= sizeof(line))
			return say(&p, "longer than %zu bytes", sizeof(line) - 1);
		memcpy(line, text + at, n);
		line[n] = '\0';
		if (!is_text(line, n))
			return say(&p, "holds a control character");
		int r = parse_line(&p, line);
		if (r < 0)
			return r;
		at += n + 1;
	}
	return check_complete(&p);
}

/* Whatever the profile said about @nr is gone. */
static void forget_call(struct seccomp_profile *prof, int nr)
{
	size_t kept = 0;
	for (size_t i = 0; i < prof->n_rules; i++)
		if (prof->rules[i].nr != nr)
			prof->rules[kept++] = prof->rules[i];
	prof->n_rules = kept;
	prof->calls[nr] = (struct seccomp_call){ .named = false };
}

int seccomp_profile_allow(const char *name, const char *call, struct seccomp_profile *prof,
                          struct dd_err *err)
{
	struct parser p = { .file = name, .prof = prof, .err = err };
	int nr = seccomp_syscall_resolve_name(call);

	if (nr < 0 || nr >= SECCOMP_NR_MAX) /* the constant of an unknown name is negative, too */
		return dd_err_blame(
			err, DD_BLAME_CALLER,
			dd_err_say(err, EINVAL,
		                   "no system call of this architecture is called `%.40s`", call));
	if (prof->calls[nr].never_line)
		return dd_err_blame(
			err, DD_BLAME_CALLER,
			dd_err_say(err, EINVAL,
		                   "the system call `%.40s` can never be allowed: line %u of %s",
		                   call, prof->calls[nr].never_line,
		                   prof->calls[nr].from_base ? prof->base : name));
	forget_call(prof, nr);
	return profile_add_rule(&p, nr, SECCOMP_RET_ALLOW, 0, 0);
}

void seccomp_profile_done(struct seccomp_profile *prof)
{
	free(prof->rules);
	free(prof->conds);
	for (size_t i = 0; i < prof->n_texts; i++)
		free(prof->texts[i]);
	free(prof->texts);
	prof->rules = NULL;
	prof->conds = NULL;
	prof->texts = NULL;
	prof->n_texts = 0;
}
