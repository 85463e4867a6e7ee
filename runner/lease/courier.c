// SPDX-License-Identifier: Apache-2.0
/* courier.c - forks the process that asks an issuer, and speaks with it over one socket.
 *
 * Runs in: supervisor, keeper, command line (the asking side); courier, below the line. Order in a
 * courier: descriptors closed, libraries loaded, memory locked, the job's identity (a private key
 * is read and freed), the other locks, then the network. It is never killed by the death of who
 * forked it: it may hold a token that nobody has written down, and takes it back first. */
#include "courier.h"

#include "courier_issuers.h"
#include "courier_memory.h"
#include "journal.h"
#include "crash_point.h"
#include "drydock/clock.h"
#include "drydock/courier_lock.h"
#include "drydock/fd.h"
#include "drydock/trace.h"
#include "base/interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GRANT_MS = 60000, REVOKE_MS = 20000, STOP_MS = 15000, LINGER_MS = 2000, NAME_BYTES = 128 };

enum message_kind {
	MESSAGE_HANDLE = 1, /* courier: written down? the other side answers with MESSAGE_GO */
	MESSAGE_FIELD,
	MESSAGE_USER,
	MESSAGE_TTL,
	MESSAGE_KEY,   /* either side: what takes the secret back */
	MESSAGE_GO,    /* supervisor */
	MESSAGE_STOP,  /* supervisor: it is not wanted any more */
	MESSAGE_ERROR, /* courier, last: struct dd_err; nothing is left at the server */
	MESSAGE_LEFT,  /* courier, last: struct dd_err; something may be left there */
	MESSAGE_DONE,  /* courier, last: what the answers were */
};

/* One shape both ways; read at exact size. */
struct message {
	uint32_t kind, name_len, len;
	int64_t number;
	char name[NAME_BYTES];
	char bytes[LEASE_VALUE_MAX + 1];
};

static size_t message_size(const struct message *m)
{
	return offsetof(struct message, bytes) + m->len;
}

static int message_send(int sock, const struct message *m)
{
	ssize_t n;
	do
		n = send(sock, m, message_size(m), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* 1: there is one; 0: the other side is gone; -EBADMSG. */
static int message_recv(int sock, struct message *m)
{
	ssize_t n;
	do
		n = recv(sock, m, sizeof(*m), 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n == 0 || errno == ECONNRESET ? 0 : -errno;
	if ((size_t)n < offsetof(struct message, bytes) || m->len > LEASE_VALUE_MAX ||
	    (size_t)n != message_size(m) || m->name_len >= NAME_BYTES)
		return -EBADMSG;
	m->bytes[m->len] = '\0';
	m->name[m->name_len] = '\0';
	return 1;
}

/* ---- courier's side ---- */

struct courier {
	int sock;
	const struct courier_errand *errand;
	struct message message;
};

const struct courier_errand *courier_errand_of(const struct courier *c)
{
	return c->errand;
}

static struct message *say(struct courier *c, enum message_kind kind, const char *name,
                           const void *bytes, size_t len)
{
	struct message *m = &c->message;
	m->kind = kind;
	size_t n = strlen(name);
	m->name_len = (uint32_t)(n < NAME_BYTES - 1 ? n : NAME_BYTES - 1);
	memcpy(m->name, name, m->name_len);
	m->name[m->name_len] = '\0';
	m->len = (uint32_t)len;
	m->number = 0;
	if (len)
		memcpy(m->bytes, bytes, len);
	return m;
}

static int unwanted(struct dd_err *err)
{
	return dd_err_say(err, ECANCELED, "cancelled");
}

/* A stop waits in the socket, or its other end is closed. */
bool courier_is_wanted(const struct courier *c)
{
	struct pollfd p = { .fd = c->sock, .events = POLLIN };
	return poll(&p, 1, 0) == 0;
}

static int send_wanted(struct courier *c, struct dd_err *err)
{
	return courier_is_wanted(c) && message_send(c->sock, &c->message) == 0 ? 0 : unwanted(err);
}

int courier_say_handle(struct courier *c, const json_t *handle, struct dd_err *err)
{
	dd_auto_free char *text = json_dumps(handle, JSON_COMPACT | JSON_SORT_KEYS);
	if (!text || strlen(text) > LEASE_VALUE_MAX)
		return dd_err_say(err, E2BIG,
		                  "what is to be remembered of the credential is too long");
	crash_point();
	(void)say(c, MESSAGE_HANDLE, "", text, strlen(text));
	int r = send_wanted(c, err);
	if (r < 0)
		return r;
	r = message_recv(c->sock, &c->message) == 1 && c->message.kind == MESSAGE_GO
	            ? 0
	            : unwanted(err);
	crash_point();
	return r;
}

int courier_say_field(struct courier *c, const char *name, const char *bytes, size_t len,
                      struct dd_err *err)
{
	if (len > LEASE_VALUE_MAX || strlen(name) >= NAME_BYTES)
		return dd_err_say(err, E2BIG, "a part of the secret is longer than %d bytes",
		                  LEASE_VALUE_MAX);
	(void)say(c, MESSAGE_FIELD, name, bytes, len);
	return send_wanted(c, err);
}

int courier_say_user(struct courier *c, const char *user, struct dd_err *err)
{
	if (strlen(user) >= NAME_BYTES)
		return dd_err_say(err, E2BIG, "the user of the secret has a name of over %d bytes",
		                  NAME_BYTES);
	(void)say(c, MESSAGE_USER, "", user, strlen(user));
	return send_wanted(c, err);
}

int courier_say_ttl(struct courier *c, long long sec, bool renewable, struct dd_err *err)
{
	say(c, MESSAGE_TTL, renewable ? "renewable" : "", NULL, 0)->number = sec;
	return send_wanted(c, err);
}

int courier_say_key(struct courier *c, const char *key, struct dd_err *err)
{
	if (strlen(key) > LEASE_KEY_MAX)
		return dd_err_say(err, E2BIG, "a token is longer than %d bytes", LEASE_KEY_MAX);
	(void)say(c, MESSAGE_KEY, "", key, strlen(key));
	return send_wanted(c, err);
}

static void say_end(struct courier *c, enum message_kind kind, const void *bytes, size_t len)
{
	(void)say(c, kind, "", bytes, len);
	(void)message_send(c->sock, &c->message);
}

/* Only the socket stays, and the journal, which is locked as long as anybody of the run has it
 * open: nobody takes back what this courier is still asking for. What a library prints goes
 * nowhere. */
static int settle(int *sock, int journal, struct dd_err *err)
{
	enum { SOCK_AT = 3, JOURNAL_AT = 4, ABOVE = 10 };
	dd_auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int up = null < 0 ? -1 : fcntl(*sock, F_DUPFD_CLOEXEC, ABOVE);
	int kept = journal < 0 ? -1 : fcntl(journal, F_DUPFD_CLOEXEC, ABOVE);
	unsigned rest = kept < 0 ? JOURNAL_AT : JOURNAL_AT + 1;
	if (up < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
	    dup2(up, SOCK_AT) < 0 || (kept >= 0 && dup2(kept, JOURNAL_AT) < 0))
		return dd_err_set(err, errno, "courier: descriptors");
	(void)dd_take_fd(&null);
	if (close_range(rest, ~0u, 0) < 0)
		return dd_err_set(err, errno, "courier: close_range (needs Linux 5.9 or later)");
	*sock = SOCK_AT;
	return 0;
}

struct revocation {
	const char *handle;
	const char *key; /* NULL: none */
	size_t key_len;
	unsigned renew_sec; /* it is to live on for so long; 0: it is to end */
};

/* What is read of our own files is read before anybody is spoken to. */
static int courier_begin(struct courier *c, const struct courier_errand *errand,
                         const struct revocation *revoke, char **ret_key, struct dd_err *err)
{
	if (errand)
		return identity_prepare(errand, errand->lease->from, errand->lease->issuer, err);
	if (message_recv(c->sock, &c->message) != 1 || c->message.kind != MESSAGE_KEY)
		return unwanted(err);
	if (c->message.len == 0)
		return identity_prepare_again(revoke->handle, err);
	*ret_key = strdup(c->message.bytes);
	explicit_bzero(c->message.bytes, sizeof(c->message.bytes));
	return *ret_key ? 0 : dd_err_set(err, ENOMEM, "courier");
}

/* A socket that is closed with something unread in it takes what it sent with it. */
static void linger(struct courier *c)
{
	struct pollfd p = { .fd = c->sock, .events = POLLIN };
	while (poll(&p, 1, LINGER_MS) > 0 && message_recv(c->sock, &c->message) > 0)
		;
}

/* who: courier; can do: talk to any host, read files; holds: one socket, no secret of the job. */
static _Noreturn void courier_main(int sock, int journal, const struct courier_errand *errand,
                                   const struct revocation *revoke)
{
	static struct courier c;
	struct dd_err err = { 0 };
	char answers[200] = "", *key = NULL;
	(void)prctl(PR_SET_NAME, "drydock-courier");
	crash_is_courier();
	crash_point();
	int r = settle(&sock, journal, &err);

	c = (struct courier){ .sock = sock, .errand = errand };
	if (r == 0)
		r = http_load(&err);
	if (r == 0)
		r = courier_memory_hold(&c, sizeof(c), &err);
	if (r == 0)
		r = courier_begin(&c, errand, revoke, &key, &err);
	if (r == 0)
		r = courier_lock(&err);
	crash_point();
	if (r == 0 && errand) {
		bool left = false;
		r = courier_ask(&c, errand->lease, &left, &err);
		say_end(&c,
		        r == 0 ? MESSAGE_DONE
		        : left ? MESSAGE_LEFT
		               : MESSAGE_ERROR,
		        &err, r == 0 ? 0 : sizeof(err));
	} else if (r == 0 && revoke->renew_sec) {
		long long sec = 0;
		r = courier_give_more(revoke->handle, key, revoke->renew_sec, &sec, &err);
		say(&c, r == 0 ? MESSAGE_DONE : MESSAGE_ERROR, "", &err, sizeof(err))->number = sec;
		(void)message_send(c.sock, &c.message);
	} else if (r == 0) {
		r = courier_take_back(revoke->handle, key, answers, sizeof(answers), &err);
		say(&c, r == 0 ? MESSAGE_DONE : MESSAGE_LEFT, answers, &err, sizeof(err));
		(void)message_send(c.sock, &c.message);
	} else {
		say_end(&c, MESSAGE_ERROR, &err, sizeof(err));
	}
	crash_point();
	linger(&c);
	_exit(0);
}

/* ---- the asking side ---- */

struct asked {
	int sock;
	pid_t pid;
	struct message *m; /* in secret memory */
};

static int begin(const struct lease_job *job, const struct courier_errand *errand,
                 const struct revocation *revoke, struct asked *ret, struct dd_err *err)
{
	int journal = job && job->journal ? journal_fd(job->journal) : -1;
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return dd_err_set(err, errno, "socket to a courier");
	ret->pid = fork();
	if (ret->pid == 0)
		courier_main(pair[1], journal, errand, revoke);
	int code = errno;
	(void)close(pair[1]);
	if (ret->pid < 0) {
		(void)close(pair[0]);
		return dd_err_set(err, code, "fork a courier");
	}
	ret->sock = pair[0];
	crash_point();
	return 0;
}

/* It ends by itself, unless its server never does. */
static void finish(struct asked *a, bool kill_it)
{
	if (kill_it)
		(void)kill(a->pid, SIGKILL);
	dd_close_p(&a->sock);
	while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* 1: a message; 0: it ended without a word; -ETIMEDOUT. @stop: tell it when the job is cancelled.
 */
static int next_message(struct asked *a, int64_t *deadline, bool *stopped, struct dd_err *err)
{
	for (;;) {
		struct pollfd p = { .fd = a->sock, .events = POLLIN };
		int64_t left = *deadline - dd_now_ms();
		int r = poll(&p, 1, left < 0 ? 0 : left < 100 ? (int)left : 100);
		if (r > 0)
			return message_recv(a->sock, a->m);
		if (left <= 0)
			return dd_err_say(err, ETIMEDOUT, "the issuer was asked for too long");
		if (stopped && !*stopped && interrupt_check(NULL) < 0) {
			static const struct message stop = { .kind = MESSAGE_STOP };
			*stopped = true;
			*deadline = dd_now_ms() + STOP_MS;
			(void)message_send(a->sock, &stop);
		}
	}
}

static char *keep(struct secret_memory *memory, const char *bytes, size_t len)
{
	char *copy = secret_alloc(memory, len + 1);
	if (copy)
		memcpy(copy, bytes, len);
	return copy;
}

static int take_field(const struct message *m, struct secret_memory *memory, struct lease_value *v,
                      struct dd_err *err)
{
	if (v->n == LEASE_FIELDS_MAX)
		return dd_err_say(err, E2BIG, "the secret has more than %d parts",
		                  LEASE_FIELDS_MAX);
	char *name = keep(memory, m->name, m->name_len);
	char *bytes = keep(memory, m->bytes, m->len);
	if (!name || !bytes)
		return secret_memory_full(memory, err);
	v->fields[v->n++] = (struct lease_field){ name, bytes, m->len };
	return 0;
}

static int take_key(const struct message *m, struct secret_memory *memory, struct lease_value *v,
                    struct dd_err *err)
{
	if (m->len > LEASE_KEY_MAX)
		return dd_err_say(err, EBADMSG, "a courier sent what it must not");
	v->key_len = m->len;
	v->key = keep(memory, m->bytes, m->len);
	crash_point();
	return v->key ? 0 : secret_memory_full(memory, err);
}

static int take_handle(const struct courier_errand *errand, struct asked *a, struct dd_err *err)
{
	static const struct message go = { .kind = MESSAGE_GO };
	int r = errand->note(errand->note_arg, a->m->bytes, err);
	if (r == 0)
		(void)message_send(a->sock, &go);
	return r;
}

static int take_error(const struct message *m, struct dd_err *err)
{
	struct dd_err from;
	if (m->len != sizeof(from))
		return dd_err_say(err, EBADMSG, "a courier sent what it must not");
	memcpy(&from, m->bytes, sizeof(from));
	from.msg[sizeof(from.msg) - 1] = '\0';
	int r = dd_err_say(err, from.code, "%s", from.msg);
	return r;
}

static void take_ttl(const struct message *m, struct lease_value *v)
{
	unsigned sec = m->number > 0 && m->number < UINT32_MAX ? (unsigned)m->number : 0;
	v->renewable = m->name_len > 0 && (v->ttl_sec == 0 || v->renewable);
	if (v->ttl_sec == 0 || (sec > 0 && sec < v->ttl_sec))
		v->ttl_sec = sec;
}

/* 1: it goes on; 0: done; negative. *@left: something may still be at the server. */
static int take(const struct courier_errand *errand, struct asked *a, struct secret_memory *memory,
                struct lease_value *v, struct dd_err *err)
{
	const struct message *m = a->m;
	int r = 0;
	switch ((enum message_kind)m->kind) {
	case MESSAGE_HANDLE:
		v->left = true;
		r = take_handle(errand, a, err);
		break;
	case MESSAGE_FIELD:
		r = take_field(m, memory, v, err);
		break;
	case MESSAGE_USER:
		v->user = keep(memory, m->bytes, m->len);
		r = v->user ? 0 : secret_memory_full(memory, err);
		break;
	case MESSAGE_TTL:
		take_ttl(m, v);
		break;
	case MESSAGE_KEY:
		r = take_key(m, memory, v, err);
		break;
	case MESSAGE_DONE:
		return v->n ? 0
		            : dd_err_say(err, ENOENT,
		                         "the secret has none of the parts that `as` names");
	case MESSAGE_LEFT:
		return take_error(m, err);
	case MESSAGE_ERROR:
		v->left = false;
		return take_error(m, err);
	case MESSAGE_GO:
	case MESSAGE_STOP:
	default:
		return dd_err_say(err, EBADMSG, "a courier sent what it must not");
	}
	return r < 0 ? r : 1;
}

int courier_grant(const struct courier_errand *errand, struct secret_memory *memory,
                  struct lease_value *ret, struct dd_err *err)
{
	struct secret_memory *passing = NULL;
	struct asked a = { .sock = -1 };
	int64_t deadline = dd_now_ms() + GRANT_MS;
	bool stopped = false;

	int r = secret_memory_new(sizeof(*a.m) + 64, &passing, err);
	if (r < 0)
		return r;
	a.m = secret_alloc(passing, sizeof(*a.m));
	r = begin(errand->job, errand, NULL, &a, err);
	if (r < 0) {
		secret_memory_free(passing);
		return r;
	}
	for (r = 1; r > 0;) {
		r = next_message(&a, &deadline, &stopped, err);
		if (r == 0)
			r = dd_err_say(err, ECHILD,
			               "the courier ended without a word (killed, or its filter "
			               "refused a call)");
		else if (r > 0)
			r = take(errand, &a, memory, ret, err);
	}
	secret_memory_free(passing);
	finish(&a, r == -ETIMEDOUT);
	return r;
}

static int revoke_by(const struct lease_job *job, const char *handle, const char *key,
                     size_t key_len, char ret[200], struct dd_err *err)
{
	const struct revocation revoke = { handle, key, key_len, 0 };
	struct secret_memory *memory = NULL;
	struct asked a = { .sock = -1 };
	int64_t deadline = dd_now_ms() + REVOKE_MS;

	ret[0] = '\0';
	int r = secret_memory_new(sizeof(*a.m) + 64, &memory, err);
	if (r < 0)
		return r;
	a.m = secret_alloc(memory, sizeof(*a.m));
	r = begin(job, NULL, &revoke, &a, err);
	if (r == 0) {
		a.m->kind = MESSAGE_KEY;
		a.m->len = (uint32_t)key_len;
		if (key_len)
			memcpy(a.m->bytes, key, key_len);
		(void)message_send(a.sock, a.m);
		r = next_message(&a, &deadline, NULL, err);
		if (r == 0)
			r = dd_err_say(err, ECHILD, "the courier ended without a word");
		else if (r > 0 && a.m->kind == MESSAGE_DONE) {
			(void)snprintf(ret, 200, "%.199s", a.m->name);
			r = 0;
		} else if (r > 0) {
			(void)snprintf(ret, 200, "%.199s", a.m->name);
			r = take_error(a.m, err);
		}
		crash_point();
		finish(&a, r == -ETIMEDOUT);
	}
	secret_memory_free(memory);
	return r;
}

/* ---- renewals: the same conversation, and nobody waits ---- */

struct courier_renewal {
	struct asked asked;
	struct secret_memory *memory;
	int64_t deadline_ms;
};

int courier_renew(const struct lease_job *job, const char *handle, const char *key, size_t key_len,
                  unsigned ttl_sec, struct courier_renewal **ret, struct dd_err *err)
{
	const struct revocation renew = { handle, key, key_len, ttl_sec };
	struct courier_renewal *r = calloc(1, sizeof(*r));
	if (!r)
		return dd_err_set(err, ENOMEM, "renew a credential");
	r->asked = (struct asked){ .sock = -1 };
	r->deadline_ms = dd_now_ms() + REVOKE_MS;
	int failed = secret_memory_new(sizeof(*r->asked.m) + 64, &r->memory, err);
	if (failed == 0) {
		r->asked.m = secret_alloc(r->memory, sizeof(*r->asked.m));
		failed = begin(job, NULL, &renew, &r->asked, err);
	}
	if (failed < 0) {
		secret_memory_free(r->memory);
		free(r);
		return failed;
	}
	r->asked.m->kind = MESSAGE_KEY;
	r->asked.m->len = (uint32_t)key_len;
	memcpy(r->asked.m->bytes, key, key_len);
	(void)message_send(r->asked.sock, r->asked.m);
	explicit_bzero(r->asked.m->bytes, key_len);
	*ret = r;
	return 0;
}

int courier_renewal_fd(const struct courier_renewal *r)
{
	return r->asked.sock;
}

int courier_renewal_take(struct courier_renewal *r, long long *ret_sec, struct dd_err *err)
{
	struct pollfd p = { .fd = r->asked.sock, .events = POLLIN };
	if (poll(&p, 1, 0) <= 0)
		return dd_now_ms() < r->deadline_ms
		               ? -EAGAIN
		               : dd_err_say(err, ETIMEDOUT, "the issuer was asked for too long");
	if (message_recv(r->asked.sock, r->asked.m) != 1)
		return dd_err_say(err, ECHILD, "the courier ended without a word");
	if (r->asked.m->kind != MESSAGE_DONE || r->asked.m->number <= 0 ||
	    r->asked.m->number > UINT32_MAX)
		return take_error(r->asked.m, err);
	*ret_sec = r->asked.m->number;
	return 0;
}

void courier_renewal_free(struct courier_renewal *r)
{
	if (!r)
		return;
	finish(&r->asked, true); /* it has nothing that could be lost */
	secret_memory_free(r->memory);
	free(r);
}

int courier_revoke(const struct lease_job *job, const char *handle, const char *key, size_t key_len,
                   char ret[200], struct dd_err *err)
{
	struct dd_err again = { 0 };
	int r = revoke_by(job, handle, key, key_len, ret, err);
	/* A token that has been taken back already cannot say so itself. */
	if (r == -EACCES && key && strstr(handle, "\"accessor\"") &&
	    revoke_by(job, handle, NULL, 0, ret, &again) == 0)
		return 0;
	return r;
}
