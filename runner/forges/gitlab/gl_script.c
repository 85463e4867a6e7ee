// SPDX-License-Identifier: Apache-2.0
/* gl_script.c - see gl_script.h.
 *
 * Runs in: the process of a job (before anything runs) and supervisor (between two steps). The
 * elements are hostile text and stand in the script as they are; nothing else of a message does. */
#include "gl_script.h"

#include "drydock/err.h"
#include "model/places.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { ECHO_MAX = 4000 };

/* ---- text that grows ---- */

struct gl_text {
	struct plan_arena *arena;
	char *bytes;
	size_t len, cap;
};

static void add_len(struct gl_text *t, const char *bytes, size_t len)
{
	if (!t->bytes || t->len + len + 1 > t->cap) {
		size_t cap = 2 * (t->len + len + 1);
		char *more = arena_alloc(t->arena, cap);
		if (t->len)
			memcpy(more, t->bytes, t->len);
		t->bytes = more;
		t->cap = cap;
	}
	memcpy(t->bytes + t->len, bytes, len);
	t->len += len;
	t->bytes[t->len] = '\0';
}

static void add(struct gl_text *t, const char *text)
{
	add_len(t, text, strlen(text));
}

/* 'it'\''s' */
static void add_quoted(struct gl_text *t, const char *text, size_t len)
{
	add(t, "'");
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\'')
			add(t, "'\\''");
		else
			add_len(t, text + i, 1);
	add(t, "'");
}

/* ---- elements ---- */

const char *gl_element(struct plan_arena *arena, const char *element)
{
	while (isspace((unsigned char)*element))
		element++;
	size_t len = strlen(element);
	while (len > 0 && isspace((unsigned char)element[len - 1]))
		len--;
	return arena_strndup(arena, element, len);
}

enum gl_marker gl_marker_of(const char *element)
{
	static const char *const words[] = {
		[GL_MARKER_FETCH] = "fetch", [GL_MARKER_BUILD] = "build", [GL_MARKER_PUSH] = "push"
	};
	char rest[8], more;
	/* as a whole element: what stands inside of a block is the script's */
	if (strchr(element, '\n') || sscanf(element, " : drydock %7s %c", rest, &more) != 1)
		return GL_NO_MARKER;
	for (size_t i = GL_MARKER_FETCH; i < ARRAY_LEN(words); i++)
		if (strcmp(rest, words[i]) == 0)
			return (enum gl_marker)i;
	return GL_NO_MARKER;
}

/* As GitLab shows a command before it runs: its first line. */
static void add_echo(struct gl_text *t, const char *element)
{
	size_t len = strcspn(element, "\n");
	bool more = element[len] != '\0';
	if (!*element) {
		add(t, "builtin echo\n");
		return;
	}
	add(t, "builtin printf '\\033[32;1m$ %s");
	add(t, more ? " # collapsed multi-line command" : "");
	add(t, "\\033[0;m\\n' ");
	add_quoted(t, element, len < ECHO_MAX ? len : ECHO_MAX);
	add(t, "\n");
}

/* ---- what crosses ---- */

/* What is the shell's own, or would say where it is and not what it knows. */
#define SHELLS_OWN                                                                                 \
	"BASH|BASHOPTS|BASHPID|BASH_*|EUID|UID|PPID|SHELLOPTS|GROUPS|DIRSTACK|FUNCNAME|LINENO|"    \
	"RANDOM|SRANDOM|SECONDS|EPOCH*|PIPESTATUS|HISTCMD|COMP_*|SHLVL|PWD|OLDPWD|_|"              \
	"__drydock_*|HOSTNAME|HOSTTYPE|MACHTYPE|OSTYPE|CREDENTIALS_DIRECTORY|GIT_CONFIG_*"

static bool is_shells_own(const char *name, size_t len)
{
	static const char *const words[] = {
		"BASH",  "BASHOPTS", "BASHPID",  "EUID",     "UID",      "PPID",     "IFS",
		"PS4",   "OPTIND",   "OPTERR",   "GROUPS",   "DIRSTACK", "FUNCNAME", "SHELLOPTS",
		"SHELL", "TERM",     "HOSTNAME", "HOSTTYPE", "MACHTYPE", "OSTYPE",   "COLUMNS",
		"LINES", "PWD",      "OLDPWD",   "SHLVL",    "_"
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i]) == len && strncmp(words[i], name, len) == 0)
			return true;
	return len > 5 && strncmp(name, "BASH_", 5) == 0;
}

/* At the end of a segment: in a shell below, so that nothing of it is left in this one. */
static void add_leaving(struct gl_text *t, const struct gl_rendering *what)
{
	add(t, "(\n"
	       "builtin set +o | while builtin read -r __drydock_n; do case $__drydock_n in "
	       "*xtrace|*verbose) ;; *) builtin printf 'builtin %s\\n' \"$__drydock_n\" ;; esac; "
	       "done\n"
	       "builtin shopt -p\n"
	       "builtin umask -p\n"
	       "builtin trap -p\n"
	       /* last: it would show every line of this */
	       "case $- in *v*) builtin echo 'set -v' ;; esac\n"
	       "case $- in *x*) builtin echo 'set -x' ;; esac\n"
	       "builtin set +euxv +o pipefail\n"
	       "builtin trap - ERR DEBUG\n"
	       "builtin printf '\\n#drydock\\n'\n"
	       "builtin declare -p IFS\n"
	       "IFS=$'\\n'\n"
	       "for __drydock_n in $(builtin compgen -v); do case $__drydock_n in " SHELLS_OWN);
	for (size_t i = 0; i < what->n_apart; i++) {
		add(t, "|");
		add(t, what->apart[i]);
	}
	add(t,
	    "|IFS) ;; *) builtin declare -p \"$__drydock_n\" ;; esac; done\n"
	    "builtin declare -f\n"
	    "builtin declare -F | while builtin read -r __drydock_n; do case $__drydock_n in "
	    "'declare -fx '*) builtin printf '%s\\n' \"$__drydock_n\" ;; esac; done\n"
	    "builtin alias -p\nbuiltin printf 'builtin set --'\nfor __drydock_n in \"$@\"; do "
	    "builtin printf ' %q' \"$__drydock_n\"; done\nbuiltin echo\n"
	    "builtin printf 'builtin cd -- %q\\n' \"$PWD\"\n"
	    ") >" PLACE_CHANNEL "/shell 2>/dev/null\n"
	    "( builtin set +euxv +o pipefail; builtin trap - ERR DEBUG; IFS=$'\\n'\n"
	    "builtin printf 'd =%s\\0' \"$PWD\"\n"
	    "while builtin read -r -d '' __drydock_n; do builtin printf 'e %s\\0' "
	    "\"$__drydock_n\"; done </proc/$$/environ\n"
	    "for __drydock_n in $(builtin compgen -v); do\n"
	    "case $(builtin declare -p \"$__drydock_n\") in "
	    "'declare -x '*) builtin printf 'x %s=%s\\0' \"$__drydock_n\" \"${!__drydock_n}\" ;; "
	    "'declare -- '*) builtin printf -- '- %s=%s\\0' \"$__drydock_n\" \"${!__drydock_n}\" "
	    ";; "
	    "esac; done ) >" PLACE_CHANNEL "/vars 2>/dev/null\n"
	    /* it belongs to the last shell of the script */
	    "{ builtin trap - EXIT; builtin exit 0; } 2>/dev/null\n");
}

static bool is_apart(const struct gl_rendering *what, const char *name, size_t len)
{
	for (size_t i = 0; i < what->n_apart; i++)
		if (strlen(what->apart[i]) == len && strncmp(what->apart[i], name, len) == 0)
			return true;
	return false;
}

static bool crosses(const struct gl_rendering *what, const char *name, size_t len)
{
	char shown[80];
	const char *reason = NULL;
	if (len == 0 || is_shells_own(name, len) || is_apart(what, name, len))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!(isalnum((unsigned char)name[i]) || name[i] == '_'))
			return false;
	reason = what->reason ? what->reason(name, len) : NULL;
	if (!reason)
		return true;
	if (what->withheld) {
		(void)snprintf(shown, sizeof(shown), "%.*s", (int)len, name);
		what->withheld(what->arg, shown, reason);
	}
	return false;
}

/* ---- records ---- */

struct record {
	char kind;
	const char *name, *value;
	size_t name_len, value_len, size; /* size: with its NUL */
};

/* The record at @at; false: there is none more. What is no record is passed over. */
static bool record_at(const struct gl_records *r, size_t *at, struct record *ret)
{
	while (*at < r->len) {
		const char *text = r->bytes + *at;
		size_t len = strnlen(text, r->len - *at);
		const char *equals = memchr(text, '=', len);
		if (*at + len == r->len) /* without its NUL it is cut */
			return false;
		*at += len + 1;
		if (!equals || len < 3 || text[1] != ' ')
			continue;
		*ret = (struct record){ .kind = text[0],
			                .name = text + 2,
			                .name_len = (size_t)(equals - text) - 2,
			                .value = equals + 1,
			                .value_len = len - (size_t)(equals - text) - 1,
			                .size = len + 1 };
		return true;
	}
	return false;
}

static bool same_name(const struct record *a, const struct record *b)
{
	return a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0;
}

/* Is there one of that name and value? */
static bool has_same(const struct gl_records *in, const struct record *one)
{
	struct record other;
	for (size_t at = 0; record_at(in, &at, &other);)
		if (same_name(&other, one) && other.value_len == one->value_len &&
		    memcmp(other.value, one->value, one->value_len) == 0)
			return true;
	return false;
}

/* Does one of that name come behind @at? */
static bool comes_again(const struct gl_records *in, size_t at, const struct record *one)
{
	struct record other;
	while (record_at(in, &at, &other))
		if (same_name(&other, one))
			return true;
	return false;
}

static void add_assignment(struct gl_text *t, const struct record *one)
{
	if (one->kind == 'x')
		add(t, "builtin export ");
	add_len(t, one->name, one->name_len);
	add(t, "=");
	add_quoted(t, one->value, one->value_len);
	add(t, "\n");
}

/* Those that are exported become the step's environment, the others assignments of the script. What
 * is as the first shell found it is everywhere so. */
static void add_values(struct gl_text *t, const struct gl_rendering *what, struct pair **ret_env,
                       size_t *ret_n)
{
	const struct gl_records *vars = &what->state->vars;
	struct record one;
	for (size_t at = 0; record_at(vars, &at, &one);) {
		if (comes_again(vars, at, &one) || has_same(&what->state->first, &one) ||
		    !crosses(what, one.name, one.name_len))
			continue;
		if (one.kind == '-') {
			add_assignment(t, &one);
			continue;
		}
		*ret_env = arena_grow(t->arena, *ret_env, *ret_n, sizeof(**ret_env));
		(*ret_env)[(*ret_n)++] =
			(struct pair){ .name = arena_strndup(t->arena, one.name, one.name_len),
			               .value = arena_strndup(t->arena, one.value, one.value_len) };
	}
}

/* What shells said that knew less than @what's state: nothing is gained by it here. */
static void add_newer(struct gl_text *t, const struct gl_rendering *what)
{
	const struct gl_records *newer = &what->state->newer;
	struct record one;
	for (size_t at = 0; record_at(newer, &at, &one);)
		if (!is_shells_own(one.name, one.name_len) &&
		    !is_apart(what, one.name, one.name_len) && one.name_len > 0 &&
		    strspn(one.name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
		                     "0123456789") == one.name_len)
			add_assignment(t, &one);
}

/* Options that change what follows and run nothing. */
static void add_options(struct gl_text *t, const struct gl_shell_state *state)
{
	static const char *const names[] = { "errexit", "nounset", "noglob", "noclobber",
		                             "pipefail" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		for (int on = 0; on < 2; on++) {
			char line[80];
			int n = snprintf(line, sizeof(line), "\nbuiltin set %co %s\n",
			                 on ? '-' : '+', names[i]);
			if (memmem(state->shell, state->shell_len, line, (size_t)n))
				add(t, line + 1);
		}
}

static void add_dir(struct gl_text *t, const char *dir)
{
	if (!dir)
		return;
	add(t, "builtin cd -- ");
	add_quoted(t, dir, strlen(dir));
	add(t, "\n");
}

/* ---- all ---- */

const char *gl_render(struct plan_arena *arena, const struct gl_rendering *what,
                      struct pair **ret_env, size_t *ret_n_env)
{
	struct gl_text t = { .arena = arena };
	*ret_env = NULL;
	*ret_n_env = 0;
	if (what->carry == GL_CARRY_ALL && what->state && what->state->shell)
		add(&t, "builtin . " GL_STATE_PATH "\n");
	else
		add(&t, "trap 'exit 1' TERM\nset -o errexit\nset -o pipefail\nset +o noclobber\n");
	if (what->carry == GL_CARRY_VALUES && what->state) {
		add_values(&t, what, ret_env, ret_n_env);
		if (what->state->shell)
			add_options(&t, what->state);
		add_dir(&t, what->state->dir);
	} else if (what->carry == GL_CARRY_ALL && what->state && what->state->newer.len) {
		/* unseen, also under `set -x` */
		add(&t, "{ case $- in *x*) builtin set +x; __drydock_x=1 ;; esac; } 2>/dev/null\n");
		add_newer(&t, what);
		add_dir(&t, what->state->dir);
		add(&t,
		    "{ case ${__drydock_x-} in 1) builtin unset -v __drydock_x; builtin set -x ;; "
		    "esac; } 2>/dev/null\n");
	}
	for (size_t i = 0; i < what->n; i++) {
		add_echo(&t, what->elements[i]);
		add(&t, what->elements[i]);
		add(&t, "\n");
	}
	if (what->leaves)
		add_leaving(&t, what);
	return t.bytes;
}

static struct gl_records records_of(struct gl_text *t)
{
	return (struct gl_records){ t->bytes, t->len };
}

static void add_records(struct gl_text *t, const struct gl_records *from)
{
	if (from->len)
		add_len(t, from->bytes, from->len);
}

/* Of @left those that the shell itself made or changed. */
static void add_changed(struct gl_text *t, const struct gl_records *left,
                        const struct gl_shell_state *before)
{
	struct record one;
	for (size_t at = 0; record_at(left, &at, &one);) {
		struct record same = one;
		bool began_with = false;
		for (size_t e = 0; record_at(left, &e, &same);)
			began_with |= same.kind == 'e' && same_name(&same, &one) &&
			              same.value_len == one.value_len &&
			              memcmp(same.value, one.value, one.value_len) == 0;
		if ((one.kind == 'x' || one.kind == '-') && !began_with &&
		    !has_same(&before->vars, &one))
			add_len(t, one.name - 2, one.size);
	}
}

static void add_kind(struct gl_text *t, const struct gl_records *left, const char *kinds)
{
	struct record one;
	for (size_t at = 0; record_at(left, &at, &one);)
		if (strchr(kinds, one.kind))
			add_len(t, one.name - 2, one.size);
}

/* Options and traps come last: they would be in force for what is read behind them. */
static const char *turned(struct plan_arena *arena, struct gl_records shell, const char *cut)
{
	size_t head = (size_t)(cut - shell.bytes), tail = shell.len - head;
	char *both = arena_alloc(arena, shell.len + 3);
	memcpy(both, cut, tail);
	both[tail] = '\n';
	memcpy(both + tail + 1, shell.bytes, head);
	both[shell.len + 1] = '\n';
	return both;
}

bool gl_state_take(struct plan_arena *arena, const struct gl_shell_state *before, bool whole,
                   struct gl_records shell, struct gl_records vars, struct gl_shell_state *ret)
{
	static const char mark[] = "\n#drydock\n";
	const char *cut = shell.bytes ? memmem(shell.bytes, shell.len, mark, sizeof(mark) - 1)
	                              : NULL;
	struct gl_text first = { .arena = arena }, all = first, newer = first;
	struct record one;
	if (!cut)
		return false;
	*ret = (struct gl_shell_state){ .dir = arena_strdup(arena, before->dir) };
	for (size_t at = 0; record_at(&vars, &at, &one);)
		if (one.kind == 'd' && one.value[0] == '/')
			ret->dir = arena_strndup(arena, one.value, one.value_len);
	if (before->first.len)
		add_records(&first, &before->first);
	else
		add_kind(&first, &vars, "e");
	if (whole || !before->shell) {
		ret->shell = turned(arena, shell, cut);
		ret->shell_len = shell.len + 2;
		add_kind(&all, &vars, "x-");
	} else {
		char *kept = arena_alloc(arena, before->shell_len + 1);
		memcpy(kept, before->shell, before->shell_len);
		ret->shell = kept;
		ret->shell_len = before->shell_len;
		add_records(&all, &before->vars);
		add_changed(&all, &vars, before);
		add_records(&newer, &before->newer);
		add_changed(&newer, &vars, before);
		/* a directory that changed is news too */
		if (!newer.len)
			add_len(&newer, "n =", sizeof("n ="));
	}
	ret->first = records_of(&first);
	ret->vars = records_of(&all);
	ret->newer = records_of(&newer);
	return true;
}
