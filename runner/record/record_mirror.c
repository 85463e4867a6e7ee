// SPDX-License-Identifier: Apache-2.0
/* record_mirror.c - passes lines of the record on to collectors.
 *
 * Runs in: supervisor and keeper on the one side (mirror_line), in the mirror on the other: a fork
 * of the keeper, made before the supervisor lives, that holds its socket, its collectors and an
 * overwritten environment, and ends when nobody is left who could write. Between them is a socket
 * that keeps lines apart and takes a line whole or not at all. Lines are ASCII and masked already.
 */
#include "record_mirror.h"

#include "base/text_escape.h"
#include "drydock/fd.h"

#include <dlfcn.h>
#include <jansson.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

enum {
	QUEUE_BYTES = 1 << 20, /* between the two; the kernel counts its own overhead too */
	LINE_MAX_BYTES = 200 * 1024,
	COLLECTOR_PATIENCE_SEC = 2, /* with one that takes nothing, for a line */
	END_PATIENCE_MS = 5000,
	MIRROR_FD = 3,
	FIELDS_MAX = 64,
};

struct mirror_shared {
	atomic_ullong dropped;
	char why[200]; /* written by the mirror alone */
};

struct mirror {
	int fd;
	pid_t pid;
	struct mirror_shared *shared;
};

/* ---- collectors: in the mirror ---- */

struct line {
	const char *text; /* without its newline */
	size_t len;
	json_t *json;
};

struct collector {
	const struct collector_row *row;
	const char *path;
	int fd;
	void *lib;
	int (*send)(const struct iovec *iov, int n);
};

struct collector_row {
	const char *name;
	bool path; /* takes one */
	/* -errno: the line is lost to this collector */
	int (*pass)(struct collector *c, const struct line *line);
};

static const char *text_of(const struct line *line, const char *name)
{
	const char *text = json_string_value(json_object_get(line->json, name));
	return text ? text : "";
}

/* What somebody should look at, in syslog's and the journal's numbers. */
static int priority_of(const struct line *line)
{
	static const struct {
		const char *event;
		int priority;
	} rows[] = {
		{ "violation", 4 }, { "net.deny", 5 },  { "dns.deny", 5 },
		{ "sys.deny", 5 },  { "run.start", 5 }, { "run.end", 5 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(text_of(line, "event"), rows[i].event) == 0)
			return rows[i].priority;
	return 6;
}

/* A field's name in capitals: letters, digits and underscores, as the journal wants it. */
static char *journal_field(const char *name, const char *value)
{
	char *field = NULL;
	int n = asprintf(&field, "DRYDOCK_%s=%s", name, value);
	for (char *p = field; n > 0 && *p && *p != '='; p++) {
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 32);
		else if (!(*p >= 'A' && *p <= 'Z') && !(*p >= '0' && *p <= '9'))
			*p = '_';
	}
	return n > 0 ? field : NULL;
}

static char *journal_value(const char *name, const json_t *value)
{
	if (json_is_string(value))
		return journal_field(name, json_string_value(value));
	if (json_is_null(value) || json_is_object(value) || json_is_array(value))
		return NULL; /* the whole line has them */
	char *text = json_dumps(value, JSON_ENCODE_ANY);
	char *field = text ? journal_field(name, text) : NULL;
	free(text);
	return field;
}

/* libsystemd waits when journald does: that is why this is a process of its own. */
static int pass_journald(struct collector *c, const struct line *line)
{
	struct iovec iov[FIELDS_MAX];
	char *fields[FIELDS_MAX];
	const char *name;
	json_t *value;
	int n = 0, r = -ENOMEM;
	if (!c->send) {
		c->lib = c->lib ? c->lib : dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
		*(void **)&c->send = c->lib ? dlsym(c->lib, "sd_journal_sendv") : NULL;
		if (!c->send)
			return -ELIBACC;
	}
	const char *step = text_of(line, "step");
	if (asprintf(&fields[n], "MESSAGE=%s%s%s", text_of(line, "event"), *step ? " in step " : "",
	             step) > 0)
		n++;
	if (asprintf(&fields[n], "PRIORITY=%d", priority_of(line)) > 0)
		n++;
	if (asprintf(&fields[n], "SYSLOG_IDENTIFIER=drydock") > 0)
		n++;
	if (asprintf(&fields[n], "DRYDOCK_RECORD=%.*s", (int)line->len, line->text) > 0)
		n++;
	json_object_foreach(line->json, name,
	                    value) if (n < FIELDS_MAX && (fields[n] = journal_value(name, value)))
		n++;
	for (int i = 0; i < n; i++)
		iov[i] = (struct iovec){ fields[i], strlen(fields[i]) };
	if (n > 0)
		r = c->send(iov, n);
	while (n > 0)
		free(fields[--n]);
	return r;
}

/* Connected once, and again after a failure: collectors are restarted. */
static int collector_connect(struct collector *c, int type)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const struct timeval patience = { .tv_sec = COLLECTOR_PATIENCE_SEC };
	if (c->fd >= 0)
		return 0;
	memcpy(addr.sun_path, c->path, strlen(c->path) + 1);
	dd_auto_fd int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	c->fd = dd_take_fd(&fd);
	return 0;
}

static int collector_send(struct collector *c, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int r = -errno;
			dd_close(c->fd); /* half a line may be there: the next begins anew */
			c->fd = -1;
			return r;
		}
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static int pass_unix(struct collector *c, const struct line *line)
{
	int r = collector_connect(c, SOCK_STREAM);
	if (r == 0)
		r = collector_send(c, line->text, line->len);
	return r == 0 ? collector_send(c, "\n", 1) : r;
}

/* RFC 5424, 6.3.3: three characters are escaped. */
static void put_param(FILE *f, const char *name, const char *value)
{
	(void)fprintf(f, " %s=\"", name);
	for (; *value; value++) {
		if (strchr("\"\\]", *value))
			(void)fputc('\\', f);
		(void)fputc(*value, f);
	}
	(void)fputc('"', f);
}

/* One datagram: facility "daemon", the event's name as MSGID, and the line as the message. */
static int pass_syslog(struct collector *c, const struct line *line)
{
	static const char *const params[] = { "run", "job", "step", "phase" };
	char *text = NULL, host[65] = "-";
	size_t len = 0;
	int r = collector_connect(c, SOCK_DGRAM);
	FILE *f = r == 0 ? open_memstream(&text, &len) : NULL;
	if (!f)
		return r < 0 ? r : -ENOMEM;
	(void)gethostname(host, sizeof(host) - 1);
	(void)fprintf(f, "<%d>1 %s %s drydock %d %.32s [drydock@32473", 3 * 8 + priority_of(line),
	              text_of(line, "time"), host[0] ? host : "-", (int)getppid(),
	              text_of(line, "event"));
	for (size_t i = 0; i < ARRAY_LEN(params); i++)
		if (*text_of(line, params[i]))
			put_param(f, params[i], text_of(line, params[i]));
	(void)fprintf(f, "] %.*s", (int)line->len, line->text);
	r = fclose(f) == 0 ? collector_send(c, text, len) : -ENOMEM;
	free(text);
	return r;
}

static const struct collector_row collector_rows[] = {
	{ "journald", false, pass_journald },
	{ "unix", true, pass_unix },
	{ "syslog", true, pass_syslog },
};

/* ---- the mirror ---- */

static void pass_line(struct collector *c, size_t n, const struct line *line,
                      struct mirror_shared *shared)
{
	for (size_t i = 0; i < n; i++) {
		int r = line->json ? c[i].row->pass(&c[i], line) : -EBADMSG;
		if (r >= 0)
			continue;
		atomic_fetch_add(&shared->dropped, 1);
		(void)snprintf(shared->why, sizeof(shared->why), "%s%s%s: %s", c[i].row->name,
		               c[i].path ? ":" : "", c[i].path ? c[i].path : "",
		               r == -ELIBACC ? "libsystemd.so.0 is not installed"
		                             : strerrordesc_np(-r));
	}
}

/* who: mirror; can do: what the user can; holds: its socket, its collectors, standard error */
_Noreturn static void mirror_main(int fd, struct collector *c, size_t n,
                                  struct mirror_shared *shared)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	static char text[LINE_MAX_BYTES + 1];
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)prctl(PR_SET_NAME, "drydock-mirror");
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	if ((fd != MIRROR_FD && dup2(fd, MIRROR_FD) < 0) || close_range(MIRROR_FD + 1, ~0u, 0) < 0)
		_exit(1);
	(void)close(STDIN_FILENO);
	(void)close(STDOUT_FILENO);
	for (;;) {
		ssize_t got = recv(MIRROR_FD, text, LINE_MAX_BYTES, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		struct line line = { .text = text, .len = (size_t)got };
		line.json = json_loadb(text, line.len, 0, NULL);
		pass_line(c, n, &line, shared);
		json_decref(line.json);
	}
	_exit(0);
}

/* ---- everybody else's side ---- */

/* As systemd says how a service finds out: standard error is the very socket that it made. */
static bool is_service(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;
	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static int collector_of(const char *to, struct collector *ret, struct dd_err *err)
{
	const char *colon = strchr(to, ':');
	size_t len = colon ? (size_t)(colon - to) : strlen(to);
	for (size_t i = 0; i < ARRAY_LEN(collector_rows); i++) {
		const struct collector_row *row = &collector_rows[i];
		if (strlen(row->name) != len || strncmp(row->name, to, len) != 0 ||
		    row->path != (colon != NULL))
			continue;
		if (colon && (colon[1] != '/' ||
		              strlen(colon + 1) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)))
			break;
		*ret = (struct collector){ .row = row, .path = colon ? colon + 1 : NULL, .fd = -1 };
		return 0;
	}
	return dd_err_blame(err, DD_BLAME_CALLER,
	                    dd_err_say(err, EINVAL,
	                               "the record cannot go to `%s`: it goes to " MIRROR_FORMS
	                               ", and PATH is absolute and shorter than 108 bytes",
	                               to));
}

static int collectors_of(const char *const *to, struct collector *c, size_t *ret_n,
                         struct dd_err *err)
{
	size_t n = 0;
	bool journal = false;
	for (size_t i = 0; to && to[i]; i++) {
		if (n == MIRRORS_MAX)
			return dd_err_blame(err, DD_BLAME_CALLER,
			                    dd_err_say(err, E2BIG,
			                               "the record goes to %d collectors at most",
			                               MIRRORS_MAX));
		int r = collector_of(to[i], &c[n], err);
		if (r < 0)
			return r;
		journal |= c[n++].row == &collector_rows[0];
	}
	if (!journal && is_service() && n < MIRRORS_MAX)
		c[n++] = (struct collector){ .row = &collector_rows[0], .fd = -1 };
	*ret_n = n;
	return 0;
}

int mirror_look(const char *const *to, struct dd_err *err)
{
	struct collector c[MIRRORS_MAX];
	size_t n;
	return collectors_of(to, c, &n, err);
}

static void mirror_free(struct mirror *m)
{
	dd_close(m->fd);
	if (m->shared)
		(void)munmap(m->shared, sizeof(*m->shared));
	free(m);
}

static int mirror_fork(struct mirror *m, struct collector *c, size_t n, void (*forget)(void *arg),
                       void *arg, struct dd_err *err)
{
	const int bytes = QUEUE_BYTES;
	int fds[2];
	m->shared = mmap(NULL, sizeof(*m->shared), PROT_READ | PROT_WRITE,
	                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (m->shared == MAP_FAILED) {
		m->shared = NULL;
		return dd_err_set(err, ENOMEM, "pass the record on");
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return dd_err_set(err, errno, "pass the record on");
	/* else it is smaller, and drops sooner */
	(void)setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	m->fd = fds[1];
	(void)shutdown(fds[0], SHUT_WR);
	m->pid = fork();
	if (m->pid == 0) {
		forget(arg);
		mirror_main(fds[0], c, n, m->shared);
	}
	int r = m->pid < 0 ? dd_err_set(err, errno, "fork the process that passes the record on")
	                   : 0;
	(void)close(fds[0]);
	return r;
}

int mirror_new(const char *const *to, void (*forget)(void *arg), void *arg, struct mirror **ret,
               struct dd_err *err)
{
	struct collector c[MIRRORS_MAX];
	size_t n = 0;
	*ret = NULL;
	int r = collectors_of(to, c, &n, err);
	if (r < 0 || n == 0)
		return r;
	struct mirror *m = calloc(1, sizeof(*m));
	if (!m)
		return dd_err_set(err, ENOMEM, "pass the record on");
	m->fd = -1;
	r = mirror_fork(m, c, n, forget, arg, err);
	if (r < 0)
		mirror_free(m);
	else
		*ret = m;
	return r;
}

void mirror_line(struct mirror *m, const char *line, size_t len)
{
	if (!m)
		return;
	ssize_t n = len <= LINE_MAX_BYTES ? send(m->fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL)
	                                  : -1;
	if (n < 0)
		atomic_fetch_add(&m->shared->dropped, 1);
}

uint64_t mirror_dropped(const struct mirror *m)
{
	return m ? atomic_load(&m->shared->dropped) : 0;
}

uint64_t mirror_end(struct mirror *m, const char **ret_why)
{
	static char why[sizeof(m->shared->why)];
	const struct timespec tick = { .tv_nsec = 5L * 1000 * 1000 };
	int waited = 0;
	if (!m)
		return 0;
	dd_close(m->fd);
	m->fd = -1;
	while (waited < END_PATIENCE_MS && waitpid(m->pid, NULL, WNOHANG) == 0) {
		(void)nanosleep(&tick, NULL);
		waited += 5;
	}
	if (waited >= END_PATIENCE_MS) {
		(void)kill(m->pid, SIGKILL);
		(void)waitpid(m->pid, NULL, 0);
		atomic_fetch_add(&m->shared->dropped, 1);
		(void)snprintf(why, sizeof(why),
		               "a collector took nothing for %d s, and more waited",
		               END_PATIENCE_MS / 1000);
	} else {
		memcpy(why, m->shared->why, sizeof(why));
		why[sizeof(why) - 1] = '\0';
	}
	uint64_t dropped = mirror_dropped(m);
	if (ret_why)
		*ret_why = why[0] ? why : "more came than they take";
	mirror_free(m);
	return dropped;
}
