// SPDX-License-Identifier: Apache-2.0
/* argv_clean.c - takes out of a command line what may be a secret, and keeps what says who asked
 * whom.
 *
 * Runs in: supervisor, on bytes that a step chose. The line is for a person who wants to recognise
 * a command: when in doubt a value is taken away. An argument with blanks is often a command line
 * itself (`sh -c`), so it is read word by word too, with its quotes.
 */
#include "argv_clean.h"

#include "url_strip.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum { WORD_MAX = 4096, QUOTES_MAX = 4 };

static const char gone[] = "...";

struct line {
	char *out;
	size_t used, size;
	bool hide_next; /* the last word was an option whose value may be a secret */
	bool hide_rest; /* it was a header's name: all that is left of the argument */
	unsigned depth;
};

static void put(struct line *l, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len && l->used + 1 < l->size; i++)
		l->out[l->used++] = isprint((unsigned char)bytes[i]) ? bytes[i] : '?';
}

static bool has(const char *word, size_t len, const char *part)
{
	size_t n = strlen(part);
	for (size_t i = 0; i + n <= len; i++)
		if (strncasecmp(word + i, part, n) == 0)
			return true;
	return false;
}

/* An option with such a part in its name may be followed by a secret. */
static bool names_a_secret(const char *name, size_t len)
{
	static const char *const parts[] = { "pass", "pwd",  "token", "secret", "key",    "auth",
		                             "cred", "user", "login", "header", "cookie", "data",
		                             "form", "json", "query", "bearer", "sign",   "cert" };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (has(name, len, parts[i]))
			return true;
	return false;
}

static size_t span_name(const char *word, size_t len, const char *besides)
{
	size_t n = 0;
	while (n < len &&
	       (isalnum((unsigned char)word[n]) || (word[n] && strchr(besides, word[n]))))
		n++;
	return n;
}

/* ---- words ---- */

static bool has_any(const char *word, size_t len, const char *bytes)
{
	for (size_t i = 0; i < len; i++)
		if (word[i] && strchr(bytes, word[i]))
			return true;
	return false;
}

/* `me.you:secret@host/path`: where it has no scheme, user info is told by its colon. */
static size_t span_user(const char *word, size_t len)
{
	const char *path = memchr(word, '/', len);
	const char *at = memrchr(word, '@', path ? (size_t)(path - word) : len);
	return at && memchr(word, ':', (size_t)(at - word)) ? (size_t)(at + 1 - word) : 0;
}

/* What no other rule knows: a host, a path, a word. User info and query go; what looks like data
 * goes as a whole. */
static void put_plain(struct line *l, const char *word, size_t len)
{
	char stripped[WORD_MAX];
	if (len > sizeof(stripped) || word[0] == '{' || has_any(word, len, "\" \t\r\n")) {
		put(l, gone, 3);
		return;
	}
	size_t n = url_strip(word, len, stripped), user = 0;
	if (!has(stripped, n, "://")) {
		const char *query = memchr(stripped, '?', n);
		/* "why?" asks nobody */
		if (query && query + 1 < stripped + n)
			n = (size_t)(query - stripped);
		user = span_user(stripped, n);
	}
	put(l, stripped + user, n - user);
}

/* `user:secret@host`, `X-Key:secret`; but a host and its port stay, and so does what has a dot or a
 * slash before the colon. */
static size_t span_header(const char *word, size_t len)
{
	size_t n = span_name(word, len, "-_");
	if (n == 0 || n == len || word[n] != ':' || (len - n >= 3 && word[n + 1] == '/'))
		return 0;
	size_t port = n + 1;
	while (port < len && isdigit((unsigned char)word[port]))
		port++;
	return port > n + 1 && (port == len || word[port] == '/') ? 0 : n + 1;
}

static size_t span_assignment(const char *word, size_t len)
{
	size_t n = span_name(word, len, "_-.");
	return n > 0 && n < len && word[n] == '=' ? n + 1 : 0;
}

static void put_value(struct line *l, const char *word, size_t len)
{
	size_t header = span_header(word, len), name = header ? header : span_assignment(word, len);
	put(l, word, name);
	if (name == 0)
		put_plain(l, word, len);
	else if (name < len)
		put(l, gone, 3);
	l->hide_rest = header && header == len;
}

/* `--name`, `--name=value` */
static void put_long(struct line *l, const char *word, size_t len)
{
	size_t name = span_name(word, len, "-_.");
	bool secret = names_a_secret(word, name);
	put(l, word, name);
	if (name == len) {
		l->hide_next = secret;
		return;
	}
	put(l, word + name, 1);
	if (secret || word[name] != '=')
		put(l, gone, 3);
	else
		put_value(l, word + name + 1, len - name - 1);
}

/* `-sSf`, `-H`, `-uNAME:SECRET`: some letters are followed by a value that may be a secret, in many
 * programs. A cluster is short; what is longer is a letter with its value, or a name as Go has
 * them: of that neither is shown. */
static void put_short(struct line *l, const char *word, size_t len)
{
	static const char valued[] = "HuUdFpP";
	size_t letters = 1;
	while (letters < len && isalpha((unsigned char)word[letters]))
		letters++;
	if (letters == len && len <= 5 && (len == 2 || !strchr(valued, word[1]))) {
		put(l, word, len);
		l->hide_next = strchr(valued, word[len - 1]) != NULL;
		return;
	}
	put(l, word, 2);
	put(l, gone, 3);
	l->hide_next = letters == len && names_a_secret(word, len);
}

static void put_word(struct line *l, const char *word, size_t len)
{
	bool hide = l->hide_next && word[0] != '-';
	l->hide_next = false;
	if (hide)
		put(l, gone, 3);
	else if (len > 2 && word[0] == '-' && word[1] == '-')
		put_long(l, word, len);
	else if (len > 1 && word[0] == '-' && isalpha((unsigned char)word[1]))
		put_short(l, word, len);
	else
		put_value(l, word, len);
}

/* ---- arguments ---- */

static void put_argument(struct line *l, const char *arg, size_t len);

/* The quoted words of an argument are an argument of the command that it holds. */
static void put_quoted(struct line *l, const char *inner, size_t len)
{
	if (l->hide_next || l->depth == QUOTES_MAX) {
		l->hide_next = false;
		put(l, gone, 3);
		return;
	}
	l->depth++;
	put_argument(l, inner, len);
	l->depth--;
}

/* Up to a blank that stands in no quotes. */
static size_t span_word(const char *at, size_t len)
{
	char quote = '\0';
	size_t n = 0;
	for (; n < len && (quote || !isspace((unsigned char)at[n])); n++)
		if (quote ? at[n] == quote : at[n] == '"' || at[n] == '\'')
			quote = (char)(quote ? '\0' : at[n]);
	return n;
}

static bool is_quoted(const char *word, size_t len)
{
	return len >= 2 && (word[0] == '"' || word[0] == '\'') && word[len - 1] == word[0];
}

static void put_blank(struct line *l)
{
	if (l->used && l->out[l->used - 1] != ' ')
		put(l, " ", 1);
}

static bool ends_hidden(const struct line *l)
{
	return l->used >= 3 && memcmp(l->out + l->used - 3, gone, 3) == 0;
}

/* Behind an option's first word its value goes on, in one argument; likewise behind a header's
 * name. */
static void put_argument(struct line *l, const char *arg, size_t len)
{
	for (size_t i = 0; i < len;) {
		if (isspace((unsigned char)arg[i])) {
			i++;
			continue;
		}
		if (l->hide_rest) {
			if (!ends_hidden(l))
				put(l, " ...", 4);
			break;
		}
		size_t n = span_word(arg + i, len - i);
		put_blank(l);
		if (is_quoted(arg + i, n))
			put_quoted(l, arg + i + 1, n - 2);
		else
			put_word(l, arg + i, n);
		l->hide_rest = l->hide_rest || arg[0] == '-';
		i += n;
	}
	l->hide_rest = false;
}

void argv_clean(const char *in, size_t len, char *out, size_t size)
{
	struct line l = { .out = out, .size = size };
	for (size_t i = 0; i < len && l.used + 2 < size;) {
		size_t n = strnlen(in + i, len - i);
		put_blank(&l);
		/* a header is one argument of several words */
		if (l.hide_next && in[i] != '-') {
			l.hide_next = false;
			put(&l, gone, 3);
		} else {
			put_argument(&l, in + i, n);
		}
		i += n + 1;
	}
	/* who sets a title pads it to the room that the arguments had */
	while (l.used && out[l.used - 1] == ' ')
		l.used--;
	out[l.used] = '\0';
}
