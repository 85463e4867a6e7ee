// SPDX-License-Identifier: Apache-2.0
/* git_config.c - reads and cleans a git configuration.
 *
 * What may stay is a list, not what must go: git and its extensions grow keys that run programs
 * (core.sshCommand, core.fsmonitor, filter.*, alias.*) or hold tokens (http.*.extraheader,
 * url.*.insteadOf), and a forgotten row here only makes a command in a step behave as in a fresh
 * clone.
 */
#include "git_config.h"

#include "drydock/fd.h"

#include <ctype.h>

enum { NAME_MAX_BYTES = 1024, VALUE_MAX_BYTES = 65536 };

/* ---- reading ---- */

struct config_reader {
	const char *at, *end;
	unsigned line;
	struct dd_err *err;
	char section[NAME_MAX_BYTES], sub[NAME_MAX_BYTES], key[NAME_MAX_BYTES];
	bool has_section, has_sub;
	char value[VALUE_MAX_BYTES];
};

static int bad(const struct config_reader *c, const char *what)
{
	return dd_err_say(c->err, EBADMSG, "git configuration: line %u: %s", c->line, what);
}

static int take(struct config_reader *c)
{
	if (c->at == c->end)
		return -1;
	char ch = *c->at++;
	if (ch == '\r' && c->at < c->end && *c->at == '\n')
		ch = *c->at++;
	c->line += ch == '\n';
	return (unsigned char)ch;
}

static int put(const struct config_reader *c, char *buf, size_t size, size_t *at, int ch)
{
	if (ch == 0)
		return bad(c, "a NUL byte");
	if (*at + 1 >= size)
		return bad(c, "a name or a value is too long");
	buf[(*at)++] = (char)ch;
	buf[*at] = '\0';
	return 0;
}

static int read_subsection(struct config_reader *c)
{
	size_t n = 0;
	int r = 0;
	c->sub[0] = '\0';
	c->has_sub = true;
	for (int ch; r == 0 && (ch = take(c)) != '"';) {
		if (ch == '\\')
			ch = take(c);
		if (ch < 0 || ch == '\n')
			return bad(c, "a section name does not end");
		r = put(c, c->sub, sizeof(c->sub), &n, ch);
	}
	if (r == 0 && take(c) != ']')
		return bad(c, "a section name does not end");
	return r;
}

/* Behind "[". The old spelling [section.sub] has its subsection in lower case. */
static int read_section(struct config_reader *c)
{
	size_t n = 0, m = 0;
	int r = 0;
	c->section[0] = c->sub[0] = '\0';
	c->has_section = true;
	c->has_sub = false;
	for (int ch; r == 0 && (ch = take(c)) != ']';) {
		if (ch < 0 || ch == '\n')
			return bad(c, "a section name does not end");
		if (isspace(ch)) {
			while (isspace(ch) && ch != '\n')
				ch = take(c);
			return ch == '"' ? read_subsection(c)
			                 : bad(c, "a section name that git does not know");
		}
		if (ch == '.' && !c->has_sub)
			c->has_sub = true;
		else if (!isalnum(ch) && ch != '-' && ch != '.')
			return bad(c, "a section name that git does not know");
		else if (c->has_sub)
			r = put(c, c->sub, sizeof(c->sub), &m, tolower(ch));
		else
			r = put(c, c->section, sizeof(c->section), &n, tolower(ch));
	}
	return r;
}

static void skip_line(struct config_reader *c)
{
	for (int ch = 0; ch >= 0 && ch != '\n';)
		ch = take(c);
}

static int unescape(int ch)
{
	switch (ch) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'b':
		return '\b';
	case '\\':
	case '"':
		return ch;
	default:
		return -1;
	}
}

/* Behind "=". Blanks at both ends go, those between words stay. */
static int read_value(struct config_reader *c)
{
	size_t n = 0, keep = 0; /* keep: without blanks at the end */
	bool quoted = false;
	int r = 0;
	c->value[0] = '\0';
	for (int ch; r == 0 && (ch = take(c)) >= 0;) {
		if (ch == '\n') {
			if (quoted)
				return bad(c, "a quoted value does not end");
			break;
		}
		if (!quoted && (ch == ' ' || ch == '\t') && n == 0)
			continue;
		if (!quoted && (ch == '#' || ch == ';')) {
			skip_line(c);
			break;
		}
		if (ch == '"') {
			quoted = !quoted;
			keep = n;
			continue;
		}
		bool blank = !quoted && (ch == ' ' || ch == '\t');
		if (ch == '\\') {
			ch = take(c);
			if (ch == '\n')
				continue;
			if ((ch = unescape(ch)) < 0)
				return bad(c, "a backslash that means nothing");
		}
		r = put(c, c->value, sizeof(c->value), &n, ch);
		keep = blank ? keep : n;
	}
	c->value[keep] = '\0';
	return r;
}

/* @ch: the first letter. *ret_has_value: there is a "=". */
static int read_key(struct config_reader *c, int ch, bool *ret_has_value)
{
	size_t n = 0;
	int r = 0;
	*ret_has_value = false;
	if (!c->has_section || !isalpha(ch))
		return bad(c, "neither a section nor a key");
	for (; r == 0 && (isalnum(ch) || ch == '-'); ch = take(c))
		r = put(c, c->key, sizeof(c->key), &n, tolower(ch));
	while (ch == ' ' || ch == '\t')
		ch = take(c);
	if (r < 0 || ch == '\n' || ch < 0)
		return r;
	if (ch == '#' || ch == ';') {
		skip_line(c);
		return 0;
	}
	if (ch != '=')
		return bad(c, "a key that git does not know");
	*ret_has_value = true;
	return read_value(c);
}

int git_config_each(const char *text, size_t len, git_variable_fn fn, void *arg, struct dd_err *err)
{
	dd_auto_free struct config_reader *c = calloc(1, sizeof(*c));
	if (!c)
		return dd_err_set(err, ENOMEM, "read a git configuration");
	if (len > GIT_CONFIG_MAX)
		return dd_err_say(err, EBADMSG, "git configuration: larger than %d bytes",
		                  GIT_CONFIG_MAX);
	*c = (struct config_reader){ .at = text, .end = text + len, .line = 1, .err = err };
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		c->at += 3;
	for (int ch; (ch = take(c)) >= 0;) {
		bool has_value = false;
		int r = 0;
		if (isspace(ch))
			continue;
		if (ch == '#' || ch == ';') {
			skip_line(c);
			continue;
		}
		if (ch == '[') {
			if ((r = read_section(c)) < 0)
				return r;
			continue;
		}
		if ((r = read_key(c, ch, &has_value)) < 0)
			return r;
		const struct git_variable var = { .section = c->section,
			                          .sub = c->has_sub ? c->sub : NULL,
			                          .key = c->key,
			                          .value = has_value ? c->value : NULL };
		if ((r = fn(arg, &var)) != 0)
			return r;
	}
	return 0;
}

/* ---- cleaning ---- */

/* How a kept variable is kept. 0: as it is. */
enum how { AS_IT_IS = 0, AS_URL, NO_COMMAND };

static const struct kept_row {
	const char *section, *keys; /* separated by blanks; NULL: all */
	enum how how;
} kept_rows[] = {
	{ "core",
	  "repositoryformatversion filemode ignorecase symlinks precomposeunicode logallrefupdates "
	  "autocrlf eol safecrlf sparsecheckout sparsecheckoutcone abbrev quotepath longpaths "
	  "compression bigfilethreshold commitgraph multipackindex checkstat trustctime protecthfs "
	  "protectntfs notesref",
	  AS_IT_IS },
	{ "extensions", NULL, AS_IT_IS },
	{ "remote", "url pushurl", AS_URL },
	{ "remote", "fetch push tagopt prune mirror promisor partialclonefilter skipfetchall",
	  AS_IT_IS },
	{ "branch", "remote pushremote", AS_URL }, /* a name, or a URL */
	{ "branch", "merge rebase description", AS_IT_IS },
	{ "submodule", "url", AS_URL },
	{ "submodule", "active branch fetchrecursesubmodules ignore recurse path", AS_IT_IS },
	{ "submodule", "update", NO_COMMAND },
	{ "user", "name email useconfigonly", AS_IT_IS },
	{ "init", "defaultbranch", AS_IT_IS },
	{ "pull", "rebase ff", AS_IT_IS },
	{ "push", "default followtags autosetupremote", AS_IT_IS },
	{ "fetch", "prune prunetags recursesubmodules writecommitgraph unpacklimit", AS_IT_IS },
	{ "merge", "ff conflictstyle renames renamelimit", AS_IT_IS },
	{ "diff", "renames renamelimit algorithm noprefix mnemonicprefix", AS_IT_IS },
	{ "index", "version threads skiphash sparse", AS_IT_IS },
	{ "feature", "manyfiles experimental", AS_IT_IS },
	{ "gc", NULL, AS_IT_IS },
	{ "pack", "threads windowmemory compression usebitmaps", AS_IT_IS },
	{ "maintenance", "auto strategy", AS_IT_IS },
	{ "transfer", "fsckobjects", AS_IT_IS },
	{ "i18n", "commitencoding logoutputencoding", AS_IT_IS },
	{ "lfs", "repositoryformatversion", AS_IT_IS },
};

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);
	for (const char *p = words; (p = strstr(p, word)); p++)
		if ((p == words || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return true;
	return false;
}

static const struct kept_row *find_row(const struct git_variable *var)
{
	for (size_t i = 0; i < ARRAY_LEN(kept_rows); i++)
		if (strcmp(kept_rows[i].section, var->section) == 0 &&
		    (!kept_rows[i].keys || has_word(kept_rows[i].keys, var->key)))
			return &kept_rows[i];
	return NULL;
}

static int add(struct git_config_copy *c, const char *text, size_t len)
{
	if (c->len + len + 1 > c->cap) {
		size_t cap = (c->len + len + 1) * 2;
		char *grown = realloc(c->text, cap);
		if (!grown)
			return -ENOMEM;
		c->text = grown;
		c->cap = cap;
	}
	memcpy(c->text + c->len, text, len);
	c->len += len;
	c->text[c->len] = '\0';
	return 0;
}

static int add_text(struct git_config_copy *c, const char *text)
{
	return add(c, text, strlen(text));
}

static int add_quoted(struct git_config_copy *c, const char *text)
{
	int r = add_text(c, "\"");
	for (; r == 0 && *text; text++) {
		if (*text == '\n')
			r = add_text(c, "\\n");
		else if (*text == '"' || *text == '\\')
			r = add(c, "\\", 1) < 0 ? -ENOMEM : add(c, text, 1);
		else
			r = add(c, text, 1);
	}
	return r < 0 ? r : add_text(c, "\"");
}

static int add_variable(struct git_config_copy *c, const struct git_variable *var)
{
	int r = add_text(c, "[");
	if (r == 0)
		r = add_text(c, var->section);
	if (r == 0 && var->sub && (r = add_text(c, " ")) == 0)
		r = add_quoted(c, var->sub);
	if (r == 0)
		r = add_text(c, "]\n\t");
	if (r == 0)
		r = add_text(c, var->key);
	if (r == 0 && var->value && (r = add_text(c, " = ")) == 0)
		r = add_quoted(c, var->value);
	return r < 0 ? r : add_text(c, "\n");
}

static void note_left_out(struct git_config_copy *c, const struct git_variable *var,
                          const char *what)
{
	char name[120];
	size_t len = strlen(c->left_out);
	(void)snprintf(name, sizeof(name), "%.40s.%.40s%s", var->section, var->key, what);
	const char *at = strstr(c->left_out, name);
	if (at && (at[strlen(name)] == '\0' || at[strlen(name)] == ','))
		return;
	if (len + strlen(name) + 8 > sizeof(c->left_out)) {
		if (len > 5 && strcmp(c->left_out + len - 5, ", ...") != 0)
			(void)snprintf(c->left_out + len, sizeof(c->left_out) - len, ", ...");
		return;
	}
	(void)snprintf(c->left_out + len, sizeof(c->left_out) - len, "%s%s", len ? ", " : "", name);
}

/* A user before the host, and what stands behind "?", can be a token. git@ for SSH is none. */
static bool url_clean(const char *url, char *ret, size_t size)
{
	const char *host = strstr(url, "://");
	bool ssh = strncmp(url, "ssh://", 6) == 0 || strncmp(url, "git+ssh://", 10) == 0;
	if (!host || strncmp(url, "file://", 7) == 0) {
		(void)snprintf(ret, size, "%s", url);
		return false;
	}
	host += 3;
	size_t authority = strcspn(host, "/?#\\"), end = strcspn(host, "?#");
	const char *at = memrchr(host, '@', authority);
	const char *colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;
	size_t user = !at || !ssh ? 0 : (size_t)((colon ? colon : at) - host);
	const char *from = at ? at + 1 : host;
	(void)snprintf(ret, size, "%.*s%.*s%s%.*s", (int)(host - url), url, (int)user, host,
	               user ? "@" : "", (int)(host + end - from), from);
	return strcmp(ret, url) != 0;
}

static int clean(void *arg, const struct git_variable *var)
{
	struct git_config_copy *c = arg;
	const struct kept_row *row = find_row(var);
	if (strcmp(var->section, "core") == 0 &&
	    (strcmp(var->key, "bare") == 0 || strcmp(var->key, "worktree") == 0))
		return 0; /* ours */
	bool commands = row && row->how == NO_COMMAND && var->value && var->value[0] == '!';
	bool url_for_a_name = var->sub && strstr(var->sub, "://");
	if (!row || commands || url_for_a_name) {
		note_left_out(c, var, "");
		return 0;
	}
	if (row->how != AS_URL || !var->value)
		return add_variable(c, var);
	size_t room = strlen(var->value) + 1;
	dd_auto_free char *url = malloc(room);
	if (!url)
		return -ENOMEM;
	if (url_clean(var->value, url, room))
		note_left_out(c, var, " (what names a user)");
	struct git_variable cleaned = *var;
	cleaned.value = url;
	return add_variable(c, &cleaned);
}

int git_config_clean(const char *text, size_t len, struct git_config_copy *copy, struct dd_err *err)
{
	const struct git_variable bare = { "core", NULL, "bare", "false" };
	const struct git_variable tree = { "core", NULL, "worktree", copy->worktree };
	int r = git_config_each(text, len, clean, copy, err);
	if (r == 0)
		r = add_variable(copy, &bare);
	if (r == 0 && copy->worktree)
		r = add_variable(copy, &tree);
	return r == -ENOMEM ? dd_err_set(err, ENOMEM, "copy a git configuration") : r;
}
