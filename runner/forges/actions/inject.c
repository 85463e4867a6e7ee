// SPDX-License-Identifier: Apache-2.0
/* inject.c - see inject.h. Runs in: supervisor and command line.
 *
 * The script with a NUL in the place of each value is walked once. A stack of frames says what
 * surrounds a place: a list of commands, quotes, an expansion, arithmetic. A list of commands keeps
 * what it takes to know what a word is: how many words the command has so far, and what its name
 * does with its arguments. Whatever this does not understand ends in a refusal. */
#include "inject.h"

#include "inject_commands.h"

#include "drydock/err.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- which shell ---- */

enum inject_shell inject_shell_of(const char *shell, bool has_bash)
{
	static const struct {
		const char *name;
		enum inject_shell shell;
	} rows[] = {
		{ "bash", INJECT_BASH },
		{ "sh", INJECT_SH },
		{ "dash", INJECT_SH },
	};
	enum inject_shell found = INJECT_OTHER;
	char word[64];

	if (!shell)
		return has_bash ? INJECT_BASH : INJECT_SH;
	/* the last one that is named runs the script: `env -i bash {0}` */
	for (const char *at = shell; *at;) {
		size_t n = strcspn(at, " \t\"");
		(void)snprintf(word, sizeof(word), "%.*s", (int)(n < 63 ? n : 63), at);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			if (strcmp(inject_base_name(word), rows[i].name) == 0)
				found = rows[i].shell;
		at += n + (at[n] != '\0');
	}
	return found;
}

bool inject_is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("._-/", text[i]))
			return false;
	return len == 0 || (text[0] != '-' && memchr(text, '\0', len) == NULL);
}

/* ---- the walk ---- */

enum frame_kind {
	FRAME_LIST,     /* commands, to the end of the script */
	FRAME_PAREN,    /* commands in ( ) or $( ) or <( ) */
	FRAME_BACKTICK, /* commands in ` ` */
	FRAME_DOUBLE,   /* " " */
	FRAME_PARAM,    /* ${ } */
	FRAME_ARITH,    /* $(( )), (( )), $[ ] */
};

enum { FRAMES_MAX = 64, CASES_MAX = 16, HERE_MAX = 16, WORD_MAX = 64 };
enum case_state { CASE_WORD, CASE_PATTERN, CASE_BODY };

struct frame {
	enum frame_kind kind;
	char close;     /* FRAME_ARITH: `)` for two of them, or `]` */
	unsigned depth; /* of brackets inside arithmetic */
	/* a word */
	bool in_word, quoted, has_value, has_more;
	char word[WORD_MAX];
	size_t word_len;
	/* a command */
	size_t words; /* so far: 0, its name is still to come */
	bool prefixed, prefix_option, target, cond, words_listed, array;
	unsigned does;
	const struct inject_command *interpreter;
	bool operand, evaluates, code_next;
	char first[16]; /* its name, when that is a word of the shell */
	size_t value;   /* the first outsider's piece in it, plus 1; 0: none */
	/* a pipeline, and the line */
	size_t pipe_value, line_value, any_value;
	bool line_stdin, line_code_file;
	enum case_state cases[CASES_MAX];
	size_t n_cases;
};

struct here {
	char mark[WORD_MAX];
	bool quoted, tabs;
	/* its command would run it */
	bool runs;
};

struct walk {
	struct plan_arena *arena;
	enum inject_shell shell;
	const struct inject_piece *pieces;
	const size_t *holes; /* pieces by number of NUL */
	size_t hole;         /* the next */
	const char *at, *end, *begin;
	char *out;
	size_t len;
	struct frame frames[FRAMES_MAX];
	size_t n;
	struct here heres[HERE_MAX];
	size_t n_heres;
	struct inject_result *ret;
	/* the first piece that a variable is given, plus 1; and: some variable of the script is
	 * made one that the shell calculates with, or another name for what its value names */
	size_t assigned;
	bool attributes;
	bool failed;
};

static struct frame *top(struct walk *w)
{
	return &w->frames[w->n - 1];
}

static bool is_list(const struct frame *f)
{
	return f->kind == FRAME_LIST || f->kind == FRAME_PAREN || f->kind == FRAME_BACKTICK;
}

static void refuse(struct walk *w, size_t piece, const char *why)
{
	if (w->failed)
		return;
	w->failed = true;
	w->ret->refused = piece;
	w->ret->why = why;
}

/* The piece that the walk is at, or the first one: where nothing more exact is known. */
static void refuse_here(struct walk *w, const char *why)
{
	refuse(w, w->hole > 0 ? w->holes[w->hole - 1] : w->holes[0], why);
}

static void emit(struct walk *w, const char *text, size_t len)
{
	memcpy(w->out + w->len, text, len);
	w->len += len;
}

static void copy(struct walk *w, size_t n)
{
	emit(w, w->at, n);
	w->at += n;
}

static void push(struct walk *w, enum frame_kind kind, char close)
{
	if (w->n == FRAMES_MAX) {
		refuse_here(w, "the script is nested too deeply to be understood");
		return;
	}
	w->frames[w->n++] = (struct frame){ .kind = kind, .close = close };
}

static bool is_assignment(const char *word)
{
	size_t n = 0;
	while (isalnum((unsigned char)word[n]) || word[n] == '_')
		n++;
	if (n == 0 || isdigit((unsigned char)word[0]))
		return false;
	return word[n] == '=' || (word[n] == '+' && word[n + 1] == '=') || word[n] == '[';
}

static struct frame *list_around(struct walk *w)
{
	for (size_t i = w->n; i > 0; i--)
		if (is_list(&w->frames[i - 1]))
			return &w->frames[i - 1];
	return &w->frames[0];
}

/* What was in it belongs to the command around it, too. */
static void pop(struct walk *w)
{
	struct frame *inner = top(w);
	size_t value = inner->value ? inner->value : inner->any_value;
	struct frame *f;

	w->n--;
	f = list_around(w);
	if (!value)
		return;
	f->word[f->word_len] = '\0';
	if (f->in_word && f->words == 0 && !f->target && !is_assignment(f->word) &&
	    !(f->n_cases && f->cases[f->n_cases - 1] != CASE_BODY))
		refuse(w, value - 1, "what is printed there would be a command");
	f->has_value |= f->in_word;
	f->value = f->value ? f->value : value;
	f->any_value = f->any_value ? f->any_value : value;
}

/* ---- commands ---- */

static bool one_of(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, list[i]) == 0)
			return true;
	return false;
}

static void command_end(struct walk *w, struct frame *f)
{
	bool runs_stdin = f->interpreter && (f->interpreter->does & INJECT_READS_STDIN) &&
	                  !f->operand;
	if (f->value && f->evaluates)
		refuse(w, f->value - 1, "its command would run it as code");
	if (f->value && !f->pipe_value)
		f->pipe_value = f->value;
	if (f->value && f->line_code_file)
		refuse(w, f->value - 1, "it would be written into a file of code");
	if (f->pipe_value && runs_stdin)
		refuse(w, f->pipe_value - 1, "its pipe ends in a program that runs what it reads");
	f->line_stdin |= runs_stdin || f->evaluates;
	if (f->pipe_value && !f->line_value)
		f->line_value = f->pipe_value;
	f->words = 0;
	f->prefixed = f->prefix_option = f->target = f->words_listed = false;
	f->does = 0;
	f->interpreter = NULL;
	f->operand = f->evaluates = f->code_next = false;
	f->first[0] = '\0';
	f->value = 0;
}

static void pipeline_end(struct walk *w, struct frame *f)
{
	command_end(w, f);
	f->pipe_value = 0;
}

static void name_command(struct walk *w, struct frame *f)
{
	static const char *const opens[] = { "if",     "then", "elif", "else", "while",
		                             "until",  "do",   "!",    "{",    "time",
		                             "coproc", "}",    "fi",   "done" };
	static const char *const closes[] = { "}", "fi", "done" };
	const struct inject_command *row = inject_command_named(f->word);

	if (!f->quoted && one_of(f->word, opens, ARRAY_LEN(opens))) {
		/* a redirection or a pipe behind it is one of all that it closes */
		if (f->any_value && one_of(f->word, closes, ARRAY_LEN(closes)))
			f->value = f->any_value;
		return;
	}
	if (!f->quoted && strcmp(f->word, "case") == 0) {
		if (f->n_cases == CASES_MAX)
			refuse_here(w, "the script is nested too deeply to be understood");
		else
			f->cases[f->n_cases++] = CASE_WORD;
		f->words = 1;
		return;
	}
	if (!f->quoted && strcmp(f->word, "esac") == 0 && f->n_cases) {
		f->n_cases--;
		return;
	}
	if (!f->quoted && strcmp(f->word, "[[") == 0)
		f->cond = true;
	if (row)
		f->does |= row->does;
	if (row && (row->does & INJECT_ALWAYS))
		f->evaluates = true;
	if (row && (row->does & (INJECT_BY_OPTION | INJECT_READS_STDIN)))
		f->interpreter = row;
	if (row && (row->does & INJECT_PREFIX)) {
		f->prefixed = true;
		return;
	}
	(void)snprintf(f->first, sizeof(f->first), "%.15s", f->quoted ? "" : f->word);
	f->words = 1;
}

static void argument(struct walk *w, struct frame *f)
{
	static const char *const arithmetic[] = { "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-v" };
	const struct inject_command *row = inject_command_named(f->word);

	if ((f->does & INJECT_DECLARES) && (f->word[0] == '-' || f->word[0] == '+') &&
	    f->interpreter && inject_is_code_option(f->interpreter, f->word))
		w->attributes = true;
	if (f->cond && !f->quoted && one_of(f->word, arithmetic, ARRAY_LEN(arithmetic)))
		f->evaluates = true;
	if (f->cond && !f->quoted && strcmp(f->word, "]]") == 0)
		f->cond = false;
	bool option = f->word[0] == '-' || f->word[0] == '+';
	if (f->interpreter && (!f->operand || (f->interpreter->does & INJECT_ANYWHERE)) &&
	    inject_is_code_option(f->interpreter, f->word)) {
		/* behind it, or in the same word; of a declaration in every word */
		f->code_next = true;
		f->evaluates |= f->has_value || (f->does & INJECT_DECLARES);
	} else if (f->code_next && !option) {
		f->code_next = false;
		f->operand = true;
		f->evaluates |= f->has_value;
	} else if (!option || f->has_value) {
		f->operand = true; /* options behind it are that program's own */
	}
	if (f->word[0] == '-' && f->word[1] == '\0')
		f->operand = false; /* it reads its program from its input */
	/* `docker run x sh -c`, `find -exec bash -c`, `xargs perl -e` */
	if (row && (row->does & INJECT_READS_STDIN)) {
		f->interpreter = row;
		f->operand = false;
	}
	f->words++;
}

static void word_end(struct walk *w)
{
	struct frame *f = top(w);

	if (!is_list(f) || !f->in_word)
		return;
	f->in_word = false;
	f->word[f->word_len] = '\0';
	if (f->target) {
		f->target = false;
		f->line_code_file |= inject_is_code_file(f->word);
		if (f->value && f->line_code_file)
			refuse(w, f->value - 1, "it would be written into a file of code");
	} else if (f->n_cases && f->cases[f->n_cases - 1] == CASE_WORD && f->words > 0) {
		if (!f->quoted && strcmp(f->word, "in") == 0) {
			f->cases[f->n_cases - 1] = CASE_PATTERN;
			f->words = 0;
		}
	} else if (f->n_cases && f->cases[f->n_cases - 1] == CASE_PATTERN) {
		if (!f->quoted && !f->has_value && strcmp(f->word, "esac") == 0)
			f->n_cases--;
	} else if (f->words > 0) {
		argument(w, f);
	} else if (f->has_value && !is_assignment(f->word)) {
		/* judged when the value came */
		f->words = 1;
	} else if (is_assignment(f->word)) {
		/* in front of a command, or alone */
	} else if (f->word[0] == '-' || (f->prefixed && isdigit((unsigned char)f->word[0]))) {
		f->prefix_option |= f->word[0] == '-';
		if (f->interpreter && inject_is_code_option(f->interpreter, f->word))
			f->evaluates = true; /* env -S */
	} else {
		name_command(w, f);
	}
	f->word_len = 0;
	f->quoted = f->has_value = f->has_more = false;
}

static void word_byte(struct walk *w, char c)
{
	struct frame *f = top(w);
	/* what is in quotes belongs to the word around them */
	for (size_t i = w->n; !is_list(f) && i > 0; i--)
		f = &w->frames[i - 1];
	if (!is_list(f))
		return;
	f->in_word = true;
	if (f->word_len < WORD_MAX - 1)
		f->word[f->word_len++] = c;
}

/* ---- values ---- */

enum place { PLACE_BARE, PLACE_DOUBLE, PLACE_SINGLE, PLACE_ANSI, PLACE_HERE, PLACE_COMMENT };

static void put_reference(struct walk *w, enum place place, bool quoted)
{
	char text[64];
	const char *before = "", *after = "";

	if (place == PLACE_SINGLE) {
		before = "'\"";
		after = "\"'";
	} else if (place == PLACE_ANSI) {
		before = "'\"";
		after = "\"$'";
	} else if (quoted) {
		before = after = "\"";
	}
	int n = snprintf(text, sizeof(text), "%s${" INJECT_VARIABLE "%zu}%s", before, w->hole,
	                 after);
	emit(w, text, (size_t)n);
}

static bool is_escaped(const struct walk *w)
{
	size_t n = 0;
	while (w->at - n > w->begin && w->at[-1 - (ptrdiff_t)n] == '\\')
		n++;
	return n % 2;
}

/* What the value would be in its command; NULL: an argument, or a part of one. */
static const char *bad_word(struct frame *f)
{
	static const char *const names[] = { "for", "select", "function" };
	bool assigns;

	f->word[f->word_len] = '\0';
	assigns = f->word_len > 0 && is_assignment(f->word);
	if (f->array && f->word[0] == '[' && !strchr(f->word, '='))
		return "it would be a subscript, which is arithmetic";
	if (assigns && (f->words == 0 || (f->does & INJECT_DECLARES)) &&
	    inject_is_run_variable(f->word))
		return "programs run what that variable holds";
	if (assigns && strchr(f->word, '[') && !strchr(f->word, '=') &&
	    (f->words == 0 || (f->does & INJECT_DECLARES)))
		return "it would be a subscript, which is arithmetic";
	if (f->n_cases && f->cases[f->n_cases - 1] != CASE_BODY)
		return NULL;
	if (f->words == 0 && !assigns && !f->target)
		return "it would be a command, or a part of its name";
	if (f->prefix_option && f->words < 2 && !f->target && !assigns)
		return "it might be a command";
	if (f->words == 1 && one_of(f->first, names, ARRAY_LEN(names)))
		return "it would be a name";
	if ((f->does & INJECT_DECLARES) && !assigns && !f->target &&
	    !((f->does & INJECT_PREFIX) && f->words > 0))
		return "it would be the name of a variable";
	return NULL;
}

static void value_in_word(struct walk *w, enum place place, size_t piece)
{
	struct frame *f = list_around(w);
	const char *bad;
	bool listed, quoted;

	for (size_t i = w->n; i > 0; i--) {
		if (w->frames[i - 1].kind == FRAME_ARITH) {
			refuse(w, piece, "it would be a part of an arithmetic expression");
			return;
		}
		if (w->frames[i - 1].kind == FRAME_PARAM) {
			refuse(w, piece, "it would be a part of ${ }");
			return;
		}
		if (is_list(&w->frames[i - 1]))
			break;
	}
	if ((bad = bad_word(f))) {
		refuse(w, piece, bad);
		return;
	}
	if (f->kind == FRAME_BACKTICK && place != PLACE_BARE && place != PLACE_DOUBLE) {
		refuse(w, piece, "it stands in quotes between backticks");
		return;
	}
	if (!f->value)
		f->value = piece + 1;
	if (!f->any_value)
		f->any_value = piece + 1;
	if (!w->assigned && is_assignment(f->word))
		w->assigned = piece + 1;
	/* a list of words stays one: what only may be an outsider's, and what is printed or walked
	 * through. Elsewhere further words would be further options */
	listed = !w->pieces[piece].certain || (f->does & INJECT_PRINTS) ||
	         strcmp(f->first, "for") == 0 || f->array;
	quoted = place == PLACE_BARE && (!listed || is_assignment(f->word) || f->target) &&
	         !f->cond;
	put_reference(w, place, quoted && f->kind != FRAME_BACKTICK);
	f->in_word = true;
	f->has_value = true;
}

static void value_here(struct walk *w, enum place place)
{
	size_t piece = w->holes[w->hole++];

	w->at++;
	if (place == PLACE_COMMENT) {
		put_reference(w, PLACE_BARE, false);
		return;
	}
	w->at--; /* is_escaped() looks in front of it */
	bool escaped = place != PLACE_SINGLE && place != PLACE_ANSI && is_escaped(w);
	bool dollar = place != PLACE_SINGLE && w->at > w->begin && w->at[-1] == '$';
	w->at++;
	if (escaped || dollar)
		refuse(w, piece,
		       escaped ? "it stands behind a backslash"
		               : "it would be the name of a variable");
	else if (place == PLACE_HERE)
		put_reference(w, place, false);
	else
		value_in_word(w, place, piece);
}

/* ---- quotes ---- */

static void single_quotes(struct walk *w, bool ansi)
{
	struct frame *f = list_around(w);
	f->quoted = f->in_word = true;
	copy(w, ansi ? 2 : 1);
	while (w->at < w->end && !w->failed) {
		if (*w->at == '\0') {
			value_here(w, ansi ? PLACE_ANSI : PLACE_SINGLE);
			continue;
		}
		char c = *w->at;
		if (ansi && c == '\\' && w->at + 1 < w->end && w->at[1] != '\0') {
			copy(w, 2);
			continue;
		}
		if (ansi && c == '\\') {
			refuse(w, w->holes[w->hole], "it stands behind a backslash");
			return;
		}
		copy(w, 1);
		if (c == '\'')
			return;
		word_byte(w, c);
	}
}

static void comment(struct walk *w)
{
	while (w->at < w->end && *w->at != '\n' && !w->failed) {
		if (*w->at == '\0')
			value_here(w, PLACE_COMMENT);
		else
			copy(w, 1);
	}
}

/* ---- here documents ---- */

static void here_begin(struct walk *w)
{
	struct here *h = &w->heres[w->n_heres];
	size_t n = 0;

	word_end(w);
	copy(w, 2);
	if (w->at < w->end && *w->at == '<') { /* <<< is a word */
		copy(w, 1);
		list_around(w)->target = true; /* it is no argument */
		return;
	}
	if (w->n_heres == HERE_MAX) {
		refuse_here(w, "too many here documents in one line");
		return;
	}
	*h = (struct here){ .tabs = w->at < w->end && *w->at == '-' };
	if (h->tabs)
		copy(w, 1);
	while (w->at < w->end && (*w->at == ' ' || *w->at == '\t'))
		copy(w, 1);
	char quote = '\0';
	while (w->at < w->end && (quote || !strchr(" \t\n;&|()<>", *w->at) || *w->at == '\0')) {
		char c = *w->at;
		if (c == '\0') {
			refuse(w, w->holes[w->hole], "it would be the end mark of a here document");
			return;
		}
		copy(w, 1);
		if (c == quote) {
			quote = '\0';
		} else if (!quote && (c == '\'' || c == '"')) {
			quote = c;
			h->quoted = true;
		} else if (!quote && c == '\\' && w->at < w->end && *w->at) {
			h->quoted = true;
			if (n < WORD_MAX - 1)
				h->mark[n++] = *w->at;
			copy(w, 1);
		} else if (n < WORD_MAX - 1) {
			h->mark[n++] = c;
		} else {
			refuse_here(w, "the end mark of a here document is too long");
			return;
		}
	}
	h->mark[n] = '\0';
	w->n_heres++;
}

static bool is_end_mark(const struct walk *w, const struct here *h)
{
	const char *at = w->at;
	size_t n = strlen(h->mark);
	while (h->tabs && at < w->end && *at == '\t')
		at++;
	return (size_t)(w->end - at) >= n && memcmp(at, h->mark, n) == 0 &&
	       (at + n == w->end || at[n] == '\n');
}

/* An expansion inside a here document is not followed: a value in it is refused. */
static void here_body(struct walk *w, const struct here *h, bool runs)
{
	unsigned inside = 0;
	while (w->at < w->end && !w->failed) {
		if ((w->at == w->begin || w->at[-1] == '\n') && is_end_mark(w, h)) {
			while (w->at < w->end && *w->at != '\n')
				copy(w, 1);
			return;
		}
		if (*w->at == '\0') {
			size_t piece = w->holes[w->hole];
			if (h->quoted)
				refuse(w, piece,
				       "a quoted here document expands nothing; write its end mark "
				       "without quotes, or");
			else if (runs)
				refuse(w, piece, "its here document is run as code");
			else if (inside)
				refuse(w, piece,
				       "it would be a part of a command in a here document");
			else
				value_here(w, PLACE_HERE);
			continue;
		}
		if (!h->quoted && *w->at == '\\' && w->at + 1 < w->end && w->at[1] != '\0') {
			copy(w, 2);
			continue;
		}
		bool opens = !h->quoted && *w->at == '$' && w->at + 1 < w->end &&
		             strchr("({[", w->at[1]) && w->at[1];
		if (opens || (inside && inside < 1000 && strchr("({[", *w->at) && w->at[-1] != '$'))
			inside++;
		else if (!h->quoted && *w->at == '`')
			inside += 1000; /* until the end */
		else if (inside && inside < 1000 && strchr(")}]", *w->at))
			inside--;
		copy(w, 1);
	}
}

static void newline(struct walk *w)
{
	struct frame *f = list_around(w);
	size_t n = w->n_heres;

	word_end(w);
	if (!f->array)
		pipeline_end(w, f);
	copy(w, 1);
	w->n_heres = 0;
	for (size_t i = 0; i < n && !w->failed; i++) {
		here_body(w, &w->heres[i], f->line_stdin || f->line_code_file);
		if (w->at < w->end && !w->failed)
			copy(w, 1);
	}
	f->line_value = 0;
	f->line_stdin = f->line_code_file = false;
}

/* ---- operators ---- */

static bool begins(const struct walk *w, const char *text)
{
	size_t n = strlen(text);
	return (size_t)(w->end - w->at) >= n && memcmp(w->at, text, n) == 0;
}

/* $ and what follows: $( ${ $(( $[ $' $" $name */
static bool dollar(struct walk *w, bool in_quotes)
{
	static const struct {
		const char *text;
		enum frame_kind kind;
		char close;
	} rows[] = {
		{ "$((", FRAME_ARITH, ')' },
		{ "$(", FRAME_PAREN, '\0' },
		{ "${", FRAME_PARAM, '\0' },
		{ "$[", FRAME_ARITH, ']' },
	};
	if (!in_quotes && begins(w, "$'")) {
		if (w->shell == INJECT_BASH) {
			single_quotes(w, true);
			return true;
		}
		word_byte(w, '$');
		copy(w, 1);
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!begins(w, rows[i].text))
			continue;
		struct frame *f = list_around(w);
		f->in_word = f->has_more = true;
		copy(w, strlen(rows[i].text));
		push(w, rows[i].kind, rows[i].close);
		return true;
	}
	return false;
}

static void separator(struct walk *w, size_t n)
{
	struct frame *f = top(w);
	word_end(w);
	if (n >= 1 && w->at[0] == '|' && (n == 1 || w->at[1] == '&'))
		command_end(w, f);
	else
		pipeline_end(w, f);
	if (f->n_cases && n >= 2 && w->at[0] == ';')
		f->cases[f->n_cases - 1] = CASE_PATTERN;
	copy(w, n);
}

static bool ends_in_paren(const struct walk *w)
{
	const char *at = w->at;
	while (at > w->begin && (at[-1] == ' ' || at[-1] == '\t'))
		at--;
	return at > w->begin && at[-1] == '(';
}

/* In a list of commands, where no quotes are. False: an ordinary byte. */
static bool list_operator(struct walk *w)
{
	static const char *const separators[] = { ";;&", ";;", ";&", "&&", "||", "|&", ";", "|" };
	struct frame *f = top(w);
	bool in_pattern = f->n_cases && f->cases[f->n_cases - 1] == CASE_PATTERN;

	if (in_pattern && *w->at == '|') {
		word_end(w);
		copy(w, 1);
		return true;
	}
	if (f->cond && (begins(w, "&&") || begins(w, "||"))) {
		word_end(w);
		copy(w, 2);
		return true;
	}
	if (f->cond &&
	    (*w->at == '<' || *w->at == '>' || *w->at == '(' || *w->at == ')' || *w->at == '|')) {
		word_end(w);
		copy(w, 1);
		return true;
	}
	if (begins(w, "<<")) {
		here_begin(w);
		return true;
	}
	if (begins(w, "<(") || begins(w, ">(")) {
		word_byte(w, '<');
		copy(w, 2);
		push(w, FRAME_PAREN, '\0');
		return true;
	}
	if (begins(w, "&>") || begins(w, ">&") || begins(w, "<&") || *w->at == '<' ||
	    *w->at == '>') {
		/* the number in front of it is no word of the command */
		bool number = f->in_word && f->word_len > 0 &&
		              strspn(f->word, "0123456789") >= f->word_len;
		if (number) {
			f->in_word = false;
			f->word_len = 0;
		}
		word_end(w);
		while (w->at < w->end && *w->at && strchr("<>&|", *w->at))
			copy(w, 1);
		f->target = true;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(separators); i++)
		if (begins(w, separators[i])) {
			separator(w, strlen(separators[i]));
			return true;
		}
	if (*w->at == '&') {
		separator(w, 1);
		return true;
	}
	if (*w->at == '(') {
		f->word[f->word_len] = '\0';
		if (!f->in_word && begins(w, "((") && w->shell == INJECT_BASH &&
		    (f->words == 0 || strcmp(f->first, "for") == 0)) {
			copy(w, 2);
			push(w, FRAME_ARITH, ')');
		} else if (f->in_word && f->word_len && f->word[f->word_len - 1] == '=') {
			copy(w, 1); /* NAME=( ... ): words, up to the ) */
			f->array = true;
			f->words_listed = true;
			f->in_word = false;
			f->word_len = 0;
			f->words = 1;
		} else if (in_pattern) {
			copy(w, 1);
		} else {
			/* a subshell, or the () of a function */
			word_end(w);
			copy(w, 1);
			push(w, FRAME_PAREN, '\0');
		}
		return true;
	}
	if (*w->at == ')') {
		word_end(w);
		if (f->array) {
			f->array = false;
			f->words = 0;
		} else if (in_pattern) {
			f->cases[f->n_cases - 1] = CASE_BODY;
			f->words = 0;
		} else if (f->kind == FRAME_PAREN) {
			bool nothing = f->words == 0 && !f->any_value && ends_in_paren(w);
			pipeline_end(w, f);
			pop(w);
			if (nothing) /* `name()`: its body follows */
				top(w)->words = 0;
		}
		copy(w, 1);
		return true;
	}
	return false;
}

static void step_list(struct walk *w)
{
	struct frame *f = top(w);
	char c = *w->at;

	if (c == '\0') {
		value_here(w, PLACE_BARE);
	} else if (c == '\n') {
		newline(w);
	} else if (c == ' ' || c == '\t' || c == '\r') {
		word_end(w);
		copy(w, 1);
	} else if (c == '#' && !f->in_word) {
		comment(w);
	} else if (c == '\\') {
		if (w->at + 1 < w->end && w->at[1] == '\0') {
			w->hole++;
			refuse_here(w, "it stands behind a backslash");
			return;
		}
		if (w->at + 1 < w->end && w->at[1] != '\n') {
			f->quoted = true;
			word_byte(w, w->at[1]);
		}
		copy(w, w->at + 1 < w->end ? 2 : 1);
	} else if (c == '\'') {
		single_quotes(w, false);
	} else if (c == '"') {
		f->quoted = f->in_word = true;
		copy(w, 1);
		push(w, FRAME_DOUBLE, '\0');
	} else if (c == '`') {
		copy(w, 1);
		if (f->kind == FRAME_BACKTICK) {
			word_end(w);
			pipeline_end(w, f);
			pop(w);
		} else {
			f->in_word = true;
			push(w, FRAME_BACKTICK, '\0');
		}
	} else if (c == '$' && dollar(w, false)) {
		/* done */
	} else if (!list_operator(w)) {
		word_byte(w, c);
		copy(w, 1);
	}
}

static void step_double(struct walk *w)
{
	char c = *w->at;
	if (c == '\0') {
		value_here(w, PLACE_DOUBLE);
	} else if (c == '"') {
		copy(w, 1);
		w->n--;
	} else if (c == '\\' && w->at + 1 < w->end && w->at[1] != '\0') {
		word_byte(w, w->at[1]);
		copy(w, 2);
	} else if (c == '`') {
		for (size_t i = w->n; i > 0; i--)
			if (w->frames[i - 1].kind == FRAME_BACKTICK) {
				/* it ends those around the quotes */
				refuse_here(w, "backticks and quotes are mixed");
				return;
			}
		copy(w, 1);
		push(w, FRAME_BACKTICK, '\0');
	} else if (c != '$' || !dollar(w, true)) {
		word_byte(w, c);
		copy(w, 1);
	}
}

/* ${ }: nothing in it is a place for a value, so only its end matters. */
static void step_param(struct walk *w)
{
	char c = *w->at;
	if (c == '\0') {
		value_here(w, PLACE_BARE);
	} else if (c == '}') {
		copy(w, 1);
		w->n--;
	} else if (c == '\\' && w->at + 1 < w->end && w->at[1] != '\0') {
		copy(w, 2);
	} else if (c == '\'' && (w->n < 2 || w->frames[w->n - 2].kind != FRAME_DOUBLE)) {
		single_quotes(w, false);
	} else if (c == '"') {
		copy(w, 1);
		push(w, FRAME_DOUBLE, '\0');
	} else if (c == '`') {
		copy(w, 1);
		push(w, FRAME_BACKTICK, '\0');
	} else if (c != '$' || !dollar(w, true)) {
		copy(w, 1);
	}
}

static void step_arith(struct walk *w)
{
	struct frame *f = top(w);
	char c = *w->at, open = f->close == ')' ? '(' : '[';

	if (c == '\0') {
		value_here(w, PLACE_BARE);
	} else if (c == open) {
		f->depth++;
		copy(w, 1);
	} else if (c == f->close && f->depth > 0) {
		f->depth--;
		copy(w, 1);
	} else if (c == f->close) {
		bool twice = c == ')';
		if (twice && !begins(w, "))")) {
			refuse_here(w, "an arithmetic expression cannot be told from commands");
			return;
		}
		copy(w, twice ? 2 : 1);
		w->n--;
	} else if (c == '\\' && w->at + 1 < w->end && w->at[1] != '\0') {
		copy(w, 2);
	} else if (c == '"') {
		copy(w, 1);
		push(w, FRAME_DOUBLE, '\0');
	} else if (c == '`') {
		copy(w, 1);
		push(w, FRAME_BACKTICK, '\0');
	} else if (c != '$' || !dollar(w, true)) {
		copy(w, 1);
	}
}

static void walk_all(struct walk *w)
{
	push(w, FRAME_LIST, '\0');
	while (w->at < w->end && !w->failed) {
		switch (top(w)->kind) {
		case FRAME_LIST:
		case FRAME_PAREN:
		case FRAME_BACKTICK:
			step_list(w);
			break;
		case FRAME_DOUBLE:
			step_double(w);
			break;
		case FRAME_PARAM:
			step_param(w);
			break;
		case FRAME_ARITH:
			step_arith(w);
			break;
		}
	}
	if (w->failed)
		return;
	word_end(w);
	if (is_list(top(w)))
		pipeline_end(w, top(w));
	if (w->n != 1 && !w->failed)
		refuse_here(w, "the script ends inside of quotes or brackets");
	if (w->assigned && w->attributes)
		refuse(w, w->assigned - 1,
		       "the script makes variables that the shell calculates with");
}

/* ---- all of it ---- */

struct flat {
	char *text;
	size_t len;
	size_t *holes;
	size_t n;
};

static void flatten(struct plan_arena *arena, const struct inject_piece *pieces, size_t n,
                    const bool *passed, struct flat *ret)
{
	size_t len = 0;
	for (size_t i = 0; i < n; i++)
		len += pieces[i].outsider && passed[i] ? 1 : pieces[i].len;
	ret->text = arena_alloc(arena, len + 1);
	ret->holes = arena_array(arena, n + 1, sizeof(*ret->holes));
	ret->n = ret->len = 0;
	for (size_t i = 0; i < n; i++) {
		if (pieces[i].outsider && passed[i]) {
			ret->holes[ret->n++] = i;
			ret->text[ret->len++] = '\0';
			continue;
		}
		memcpy(ret->text + ret->len, pieces[i].text, pieces[i].len);
		ret->len += pieces[i].len;
	}
}

static bool try_once(struct plan_arena *arena, enum inject_shell shell,
                     const struct inject_piece *pieces, size_t n, struct inject_result *ret)
{
	enum { REFERENCE_MAX = 48 };
	struct flat flat;
	struct walk *w = arena_alloc(arena, sizeof(*w));

	flatten(arena, pieces, n, ret->passed, &flat);
	*w = (struct walk){ .arena = arena,
		            .shell = shell,
		            .pieces = pieces,
		            .holes = flat.holes,
		            .at = flat.text,
		            .begin = flat.text,
		            .end = flat.text + flat.len,
		            .ret = ret };
	w->out = arena_alloc(arena, flat.len + flat.n * REFERENCE_MAX + 1);
	if (flat.n > 0 && shell == INJECT_OTHER)
		refuse(w, flat.holes[0], "this shell has no variables that could stand there");
	else if (flat.n == 0)
		emit(w, flat.text, flat.len);
	else
		walk_all(w);
	w->out[w->len] = '\0';
	ret->script = w->out;
	return !w->failed;
}

bool inject_rewrite(struct plan_arena *arena, enum inject_shell shell,
                    const struct inject_piece *pieces, size_t n, struct inject_result *ret)
{
	*ret = (struct inject_result){ .passed = arena_array(arena, n + 1, sizeof(bool)) };
	for (size_t i = 0; i < n; i++)
		ret->passed[i] = pieces[i].outsider;
	while (!try_once(arena, shell, pieces, n, ret)) {
		const struct inject_piece *bad = &pieces[ret->refused];
		if (bad->certain || !ret->passed[ret->refused] ||
		    !inject_is_plain(bad->text, bad->len))
			return false;
		ret->passed[ret->refused] = false;
	}
	return true;
}
