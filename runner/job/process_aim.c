// SPDX-License-Identifier: Apache-2.0
/* process_aim.c - schemes, programs and ports, in three tables. Pure, on hostile text.
 *
 * What was written about the host decides before what the program usually does, and both before
 * what the port is usually for. Where nothing is known nothing is guessed: the caller does, and
 * says so.
 */
#include "process_aim.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { SHORTER_MAX = 8 }; /* labels that a search domain may have */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct scheme_row {
	const char *name;
	uint16_t port;
	bool raw;
} schemes[] = {
	{ "https", 443, false },      { "http", 80, false },        { "wss", 443, false },
	{ "ws", 80, false },          { "ssh", 22, true },          { "git+ssh", 22, true },
	{ "svn+ssh", 22, true },      { "sftp", 22, true },         { "scp", 22, true },
	{ "git", 9418, true },        { "ftp", 21, true },          { "svn", 3690, true },
	{ "rsync", 873, true },       { "postgres", 5432, true },   { "postgresql", 5432, true },
	{ "mysql", 3306, true },      { "mariadb", 3306, true },    { "redis", 6379, true },
	{ "rediss", 6379, false },    { "mongodb", 27017, true },   { "amqp", 5672, true },
	{ "amqps", 5671, false },     { "mqtt", 1883, true },       { "mqtts", 8883, false },
	{ "nats", 4222, true },       { "ldap", 389, true },        { "ldaps", 636, false },
	{ "smtp", 25, true },         { "smtps", 465, false },      { "imap", 143, true },
	{ "imaps", 993, false },      { "pop3", 110, true },        { "pop3s", 995, false },
	{ "telnet", 23, true },       { "memcached", 11211, true }, { "cassandra", 9042, true },
	{ "clickhouse", 9000, true }, { "smb", 445, true },         { "gopher", 70, true },
	{ "dict", 2628, true },
};

/* Programs that speak one thing, by the name of their file or the one that they go by. */
static const struct program_row {
	const char *name;
	uint16_t port; /* where the host is named without one */
	bool raw;
	bool only_named; /* the port counts only if the host stands among the arguments: else it was
	                    led there, by a redirect or a file */
	bool positional; /* HOST PORT */
	/* options with the port, as one word with it or the next one */
	const char *port_options[4];
	const char *clear_option; /* over http:// it speaks HTTP/2 at once; "": always */
} programs[] = {
	{ .name = "ssh",
	  .port = 22,
	  .raw = true,
	  .port_options = { "-p", "Port=", "-oPort=", "-oport=" } },
	{ .name = "scp", .port = 22, .raw = true, .port_options = { "-P" } },
	{ .name = "sftp", .port = 22, .raw = true, .port_options = { "-P" } },
	{ .name = "dbclient", .port = 22, .raw = true, .port_options = { "-p" } },
	{ .name = "ssh-keyscan", .port = 22, .raw = true, .port_options = { "-p" } },
	{ .name = "curl",
	  .port = 80,
	  .only_named = true,
	  .clear_option = "--http2-prior-knowledge" },
	{ .name = "wget", .port = 80, .only_named = true },
	{ .name = "nghttp", .port = 80, .only_named = true, .clear_option = "" },
	{ .name = "h2load", .port = 80, .only_named = true, .clear_option = "" },
	{ .name = "grpcurl", .port = 443, .clear_option = "-plaintext" },
	{ .name = "openssl", .port = 443 },
	{ .name = "git",
	  .port = 9418,
	  .raw = true },                            /* https and ssh are other programs of git's */
	{ .name = "git-remote-http", .port = 443 }, /* two names of one program */
	{ .name = "git-remote-https", .port = 443 },
	{ .name = "https", .port = 443 }, /* methods of apt */
	{ .name = "http", .port = 80 },
	{ .name = "rsync", .port = 873, .raw = true }, /* over ssh it is ssh that asks */
	{ .name = "svn", .port = 3690, .raw = true },
	{ .name = "ftp", .port = 21, .raw = true, .positional = true },
	{ .name = "lftp", .port = 21, .raw = true, .port_options = { "-p" } },
	{ .name = "telnet", .port = 23, .raw = true, .positional = true },
	{ .name = "nc", .raw = true, .positional = true },
	{ .name = "nc.openbsd", .raw = true, .positional = true },
	{ .name = "nc.traditional", .raw = true, .positional = true },
	{ .name = "ncat", .raw = true, .positional = true },
	{ .name = "netcat", .raw = true, .positional = true },
	{ .name = "whois", .port = 43, .raw = true, .port_options = { "-p", "--port" } },
	{ .name = "psql", .port = 5432, .raw = true, .port_options = { "-p", "--port", "port=" } },
	{ .name = "pg_dump",
	  .port = 5432,
	  .raw = true,
	  .port_options = { "-p", "--port", "port=" } },
	{ .name = "pg_dumpall",
	  .port = 5432,
	  .raw = true,
	  .port_options = { "-p", "--port", "port=" } },
	{ .name = "pg_restore",
	  .port = 5432,
	  .raw = true,
	  .port_options = { "-p", "--port", "port=" } },
	{ .name = "pg_isready",
	  .port = 5432,
	  .raw = true,
	  .port_options = { "-p", "--port", "port=" } },
	{ .name = "pg_basebackup",
	  .port = 5432,
	  .raw = true,
	  .port_options = { "-p", "--port", "port=" } },
	{ .name = "dropdb", .port = 5432, .raw = true, .port_options = { "-p", "--port" } },
	{ .name = "createdb", .port = 5432, .raw = true, .port_options = { "-p", "--port" } },
	{ .name = "mysql", .port = 3306, .raw = true, .port_options = { "-P", "--port" } },
	{ .name = "mysqldump", .port = 3306, .raw = true, .port_options = { "-P", "--port" } },
	{ .name = "mysqladmin", .port = 3306, .raw = true, .port_options = { "-P", "--port" } },
	{ .name = "mariadb", .port = 3306, .raw = true, .port_options = { "-P", "--port" } },
	{ .name = "mariadb-dump", .port = 3306, .raw = true, .port_options = { "-P", "--port" } },
	{ .name = "redis-cli", .port = 6379, .raw = true, .port_options = { "-p" } },
	{ .name = "mongosh", .port = 27017, .raw = true, .port_options = { "--port" } },
	{ .name = "mosquitto_pub", .port = 1883, .raw = true, .port_options = { "-p", "--port" } },
	{ .name = "mosquitto_sub", .port = 1883, .raw = true, .port_options = { "-p", "--port" } },
	{ .name = "ldapsearch", .port = 389, .raw = true, .port_options = { "-p" } },
	{ .name = "ldapadd", .port = 389, .raw = true, .port_options = { "-p" } },
	{ .name = "ldapmodify", .port = 389, .raw = true, .port_options = { "-p" } },
	{ .name = "smbclient", .port = 445, .raw = true, .port_options = { "-p", "--port" } },
};

/* What listens there by custom, and speaks first or neither TLS nor HTTP. */
static const uint16_t raw_ports[] = {
	21,   22,   23,   25,   43,   70,   110,  143,  389,  445,  587,  873,  1433, 1521,  1883,
	2049, 2222, 2401, 3306, 3389, 3690, 4222, 5432, 5672, 6379, 9042, 9092, 9418, 11211, 27017,
};

static bool port_is_raw(uint16_t port)
{
	for (size_t i = 0; i < COUNT(raw_ports); i++)
		if (raw_ports[i] == port)
			return true;
	return false;
}

/* ---- what is written about the host ---- */

struct written {
	bool found;
	const struct scheme_row *scheme;
	uint16_t port; /* 0: none stands there */
};

static bool is_host_byte(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

static uint16_t read_port(const char *at, const char *end)
{
	unsigned n = 0;
	const char *p = at;

	while (p < end && isdigit((unsigned char)*p) && p - at < 6)
		n = n * 10 + (unsigned)(*p++ - '0');
	if (p == at || n == 0 || n > UINT16_MAX || (p < end && is_host_byte(*p)))
		return 0;
	return (uint16_t)n;
}

/* HOST:PORT, and how code has it: ("HOST", PORT). @positional: HOST PORT, too. */
static uint16_t port_behind(const char *at, const char *end, bool positional)
{
	bool quoted = false;

	if (at < end && *at == ':')
		return read_port(at + 1, end);
	if (at < end && (*at == '"' || *at == '\'')) {
		quoted = true;
		at++;
	}
	if (quoted && at < end && *at == ',')
		at++;
	else if (!positional)
		return 0;
	while (at < end && (*at == ' ' || *at == '\0'))
		at++;
	return read_port(at, end);
}

/* The scheme of "scheme://user:secret@HOST", with HOST at @at; NULL: there is none. */
static const struct scheme_row *scheme_before(const char *text, const char *at)
{
	const char *p = at;

	if (p > text && p[-1] == '@')
		while (p > text && p[-1] != '/' && p[-1] != '\0' && !isspace((unsigned char)p[-1]))
			p--;
	if (p - text < 4 || memcmp(p - 3, "://", 3) != 0)
		return NULL;
	const char *end = p - 3, *start = end;
	while (start > text && (isalnum((unsigned char)start[-1]) || start[-1] == '+'))
		start--;
	for (size_t i = 0; i < COUNT(schemes); i++)
		if (strlen(schemes[i].name) == (size_t)(end - start) &&
		    strncasecmp(schemes[i].name, start, (size_t)(end - start)) == 0)
			return &schemes[i];
	return NULL;
}

/* Where the first @n bytes of @host stand by themselves, from @from on. */
static const char *host_at(const char *text, const char *from, const char *end, const char *host,
                           size_t n)
{
	for (const char *p = from; n > 0 && (size_t)(end - p) >= n; p++) {
		const char *behind = p + n;
		/* the cheap questions first: texts are long, and a step has them read often */
		if ((*p != host[0] && tolower((unsigned char)*p) != host[0]) ||
		    (p > text && is_host_byte(p[-1])) || strncasecmp(p, host, n) != 0)
			continue;
		if (behind < end && *behind == '.') /* the root, or the end of a sentence */
			behind++;
		if (behind == end || !is_host_byte(*behind))
			return p;
	}
	return NULL;
}

/* The best that is written about it: with a scheme, with a port, or the name alone. */
static struct written look_for(const char *text, size_t len, const char *host, size_t n,
                               bool positional)
{
	struct written best = { .found = false };
	const char *end = text + len, *p = text;

	while ((p = host_at(text, p, end, host, n))) {
		struct written w = { .found = true, .scheme = scheme_before(text, p) };
		const char *behind = p + n;
		if (behind < end && *behind == '.')
			behind++;
		w.port = port_behind(behind, end, positional && !w.scheme);
		if (!best.found || (!best.scheme && w.scheme) ||
		    (!best.scheme && !best.port && w.port))
			best = w;
		p += n;
	}
	return best;
}

/* A resolver asks for `registry.corp.test` where `registry` was written: the whole name, then less
 * and less of it. */
static struct written look_for_any(const char *text, size_t len, const char *host, bool positional)
{
	struct written w = { .found = false };
	unsigned tries = 0;

	for (size_t n = strlen(host); n > 0 && !w.found && tries++ <= SHORTER_MAX;) {
		w = look_for(text, len, host, n, positional);
		do
			n--;
		while (n > 0 && host[n] != '.');
	}
	return w;
}

/* ---- what the program is ---- */

static const struct program_row *row_named(const char *name, size_t len)
{
	for (size_t i = 0; i < COUNT(programs); i++)
		if (strlen(programs[i].name) == len && memcmp(programs[i].name, name, len) == 0)
			return &programs[i];
	return NULL;
}

/* By the name that it was started by, which tells two uses of one file apart, then by its file. */
static const struct program_row *aim_row_of(const char *program, const char *args, size_t len)
{
	size_t first = strnlen(args, len);
	const char *slash = first ? memrchr(args, '/', first) : NULL,
		   *base = slash ? slash + 1 : args;
	const struct program_row *row = row_named(base, first - (size_t)(base - args));
	return row ? row : row_named(program, strlen(program));
}

static size_t word_len(const char *at, const char *end)
{
	const char *p = at;
	while (p < end && *p != '\0' && !isspace((unsigned char)*p))
		p++;
	return (size_t)(p - at);
}

/* The port that one of the program's own options gives. */
static uint16_t port_option(const struct program_row *row, const char *args, size_t len)
{
	const char *end = args + len;

	for (const char *word = args; word < end; word += word_len(word, end) + 1)
		for (size_t i = 0; i < COUNT(row->port_options) && row->port_options[i]; i++) {
			size_t n = strlen(row->port_options[i]), size = word_len(word, end);
			if (size < n || memcmp(word, row->port_options[i], n) != 0)
				continue;
			/* `-p N`, `-pN`, `--port=N` */
			const char *value = word + n + (size == n || word[n] == '=');
			uint16_t port = value < end ? read_port(value, end) : 0;
			if (port)
				return port;
		}
	return 0;
}

static bool aim_has_word(const char *args, size_t len, const char *wanted)
{
	const char *end = args + len;

	for (const char *word = args; word < end; word += word_len(word, end) + 1)
		if (word_len(word, end) == strlen(wanted) &&
		    memcmp(word, wanted, strlen(wanted)) == 0)
			return true;
	return false;
}

static bool speaks_h2_in_clear(const struct program_row *row, const char *args, size_t len)
{
	return row && row->clear_option &&
	       (!row->clear_option[0] || aim_has_word(args, len, row->clear_option));
}

/* ---- both ---- */

static struct process_aim by_scheme(const struct written *w, uint16_t port, bool h2)
{
	uint16_t meant = w->port ? w->port : w->scheme->port;
	/* led on to another port, it speaks there what is usual there, which is not known */
	bool same = port == 0 || port == meant;
	bool http = strcmp(w->scheme->name, "http") == 0;
	return (struct process_aim){ .port = port ? port : meant,
		                     .raw = same ? w->scheme->raw || (http && h2)
		                                 : port_is_raw(port),
		                     .known = same };
}

struct process_aim process_aim(const char *program, const char *args, size_t len, const char *host,
                               uint16_t port)
{
	const struct program_row *row = aim_row_of(program, args, len);
	struct written w = look_for_any(args, len, host, row && row->positional);

	if (w.scheme)
		return by_scheme(&w, port, speaks_h2_in_clear(row, args, len));
	uint16_t meant = w.port;
	if (!meant && row)
		meant = port_option(row, args, len);
	if (!meant && row && (w.found || !row->only_named))
		meant = row->port;
	if (row && (row->raw || (meant && (port == 0 || port == meant))))
		return (struct process_aim){ .port = port ? port : meant,
			                     .raw = row->raw || speaks_h2_in_clear(row, args, len),
			                     .known = port || meant };
	return (struct process_aim){ .port = port ? port : meant,
		                     .raw = port_is_raw(port ? port : meant),
		                     .known = meant != 0 && port == 0 };
}

struct process_aim process_aim_text(const char *text, size_t len, const char *host, uint16_t port)
{
	struct written w = look_for_any(text, len, host, false);

	if (w.scheme)
		return by_scheme(&w, port, false);
	return (struct process_aim){ .port = port ? port : w.port,
		                     .raw = port_is_raw(port ? port : w.port),
		                     .known = w.port != 0 && port == 0 };
}
