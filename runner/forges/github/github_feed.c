// SPDX-License-Identifier: Apache-2.0
/* github_feed.c - see github_feed.h.
 *
 * Runs in: feed's courier. Holds the job's token. Reads the spool, which its own job wrote, masked;
 * what the server says is foreign. Whoever looks late sees the whole log when the step is over: so
 * here the newest lines count, and what cannot be sent in time is skipped. */
#include "github_feed.h"

#include "drydock/clock.h"
#include "drydock/fd.h"
#include "feed_socket.h"
#include "job_spool.h"
#include "message_json.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LOOK_MS = 50,
	SOON_MS = 250, /* between two messages, at first */
	LATER_MS = 500,
	AT_FIRST_MS = 60 * 1000,
	OPEN_SEC = 30,
	OPEN_TRIES = 3,
	OPEN_AGAIN_MS = 10 * 60 * 1000,
	SEND_MS = 5000,
	END_MS = 1000,
	LINES_MAX = 100,  /* of a message */
	QUEUE_MAX = 1024, /* lines that wait */
	LINE_CHARS = 1024,
	EVENTS_MAX = 1024 * 1024,
	STAMP_LEN = 29, /* "2026-09-01T10:20:30.1234567Z " */
};

struct feed_line {
	char *text;
	long long number; /* in the log of its step, from 1 */
	char step[65];
};

struct feed {
	const struct github_feed_work *work;
	char *url;
	int sock, dir, events, log;
	struct feed_socket socket;
	unsigned tries;
	int64_t again_ms, next_ms, until_quick_ms;
	bool told, over;
	/* of events, the line that is not whole yet */
	char *event;
	size_t event_len, event_cap;
	/* the step whose lines these are */
	char step[65];
	long long record, number;
	char *part; /* of its log, the line that is not whole yet */
	size_t part_len, part_cap;
	struct feed_line queue[QUEUE_MAX];
	size_t first, n;
};

static void feed_tell(struct feed *f, const char *text)
{
	if (!f->told)
		(void)frame_send(f->sock, &(struct frame){ .kind = FEED_TOLD,
		                                           .bytes = (char *)(uintptr_t)text,
		                                           .len = (uint32_t)strlen(text) });
	f->told = true;
}

char *github_feed_url(const char *url)
{
	char *ret = NULL;
	if (strncasecmp(url, "https://", 8) == 0)
		return strdup(url);
	if (strncasecmp(url, "wss://", 6) != 0 || asprintf(&ret, "https://%s", url + 6) < 0)
		return NULL;
	return ret;
}

/* ---- lines that wait ---- */

static void queue_drop(struct feed *f)
{
	free(f->queue[f->first].text);
	f->first = (f->first + 1) % QUEUE_MAX;
	f->n--;
}

/* How many of @len bytes make at most LINE_CHARS characters. */
static size_t chars_of(const char *text, size_t len)
{
	size_t at = 0;
	for (unsigned n = 0; at < len; at++)
		if (((unsigned char)text[at] & 0xc0) != 0x80 && n++ == LINE_CHARS)
			break;
	return at;
}

static void queue_add(struct feed *f, const char *line, size_t len)
{
	char *text = NULL;

	f->number++;
	if (len >= STAMP_LEN) {
		line += STAMP_LEN;
		len -= STAMP_LEN;
	}
	size_t most = chars_of(line, len);
	if (asprintf(&text, "%.*s%s", (int)most, line, most < len ? "..." : "") < 0)
		return;
	if (f->n == QUEUE_MAX)
		queue_drop(f);
	struct feed_line *made = &f->queue[(f->first + f->n++) % QUEUE_MAX];
	*made = (struct feed_line){ .text = text, .number = f->number };
	memcpy(made->step, f->step, sizeof(made->step));
}

/* ---- what the spool has ---- */

/* The buffer grows by READ_MORE when less than READ_LEFT is left of it. */
enum { READ_LEFT = 64 << 10, READ_MORE = 128 << 10 };

/* Up to @most new bytes of @fd behind what is in @buf; each whole line is handed to @take. */
static bool read_lines(struct feed *f, int fd, char **buf, size_t *len, size_t *cap,
                       void (*take)(struct feed *f, const char *line, size_t len))
{
	if (*cap - *len < READ_LEFT) {
		char *more = *cap < EVENTS_MAX ? realloc(*buf, *cap + READ_MORE) : NULL;
		if (!more) {
			*len = 0; /* no line is that long that anybody would look at */
			return *cap > 0;
		}
		*buf = more;
		*cap += READ_MORE;
	}
	ssize_t n = read(fd, *buf + *len, *cap - *len);
	if (n <= 0)
		return false;
	*len += (size_t)n;
	char *from = *buf, *end = *buf + *len, *eol;
	while ((eol = memchr(from, '\n', (size_t)(end - from)))) {
		take(f, from, (size_t)(eol - from));
		from = eol + 1;
	}
	*len = (size_t)(end - from);
	memmove(*buf, from, *len);
	return true;
}

static void read_log(struct feed *f)
{
	char name[40];

	if (f->log < 0 && f->record > 0) {
		(void)snprintf(name, sizeof(name), "log-%lld", f->record);
		f->log = openat(f->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	}
	while (f->log >= 0 &&
	       read_lines(f, f->log, &f->part, &f->part_len, &f->part_cap, queue_add))
		;
}

/* Another step begins: what the one before printed is all there by now. */
static void take_event(struct feed *f, const char *line, size_t len)
{
	char why[100];
	json_t *event = message_json_load(line, len, why, sizeof(why));
	const char *name = message_text(event, "e"), *id = message_text(event, "id");

	if (name && strcmp(name, "begin") == 0 && id) {
		read_log(f);
		f->record = message_number(event, "n", 0);
		f->number = 0;
		f->part_len = 0;
		dd_close(f->log);
		f->log = -1;
		(void)snprintf(f->step, sizeof(f->step), "%.64s", id);
	}
	f->over |= name && strcmp(name, "over") == 0;
	json_decref(event);
}

static void look(struct feed *f)
{
	read_log(f);
	while (read_lines(f, f->events, &f->event, &f->event_len, &f->event_cap, take_event))
		;
	read_log(f);
}

/* ---- sending ---- */

static bool want_socket(struct feed *f)
{
	struct dd_err err = { 0 };

	if (f->socket.open)
		return true;
	if (dd_now_ms() < f->again_ms)
		return false;
	const struct http_tls tls = { .ca = f->work->ca };
	if (feed_open(&f->socket, &tls, f->url, f->work->token, OPEN_SEC, &err) == 0) {
		f->tries = 0;
		return true;
	}
	feed_tell(f, err.msg);
	if (++f->tries < OPEN_TRIES) {
		f->again_ms = dd_now_ms() + 1000;
		return false;
	}
	f->tries = 0;
	f->again_ms = dd_now_ms() + OPEN_AGAIN_MS;
	return false;
}

static void send_lines(struct feed *f)
{
	struct dd_err err = { 0 };
	json_t *list = json_array();
	const struct feed_line *head = &f->queue[f->first];
	size_t n = 0;

	for (; n < f->n && n < LINES_MAX; n++) {
		const struct feed_line *line = &f->queue[(f->first + n) % QUEUE_MAX];
		if (strcmp(line->step, head->step) != 0)
			break;
		json_t *text = json_string(line->text);
		(void)json_array_append_new(list, text ? text : json_string(""));
	}
	json_t *body = json_pack("{s:I, s:o, s:s, s:I}", "count", (json_int_t)n, "value", list,
	                         "stepId", head->step, "startLine", (json_int_t)head->number);
	dd_auto_free char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	json_decref(body);
	if (text && feed_send(&f->socket, text, strlen(text), SEND_MS, &err) < 0) {
		feed_close(&f->socket);
		f->again_ms = dd_now_ms() + 1000;
		return;
	}
	while (n-- > 0)
		queue_drop(f);
}

static void send_what_waits(struct feed *f, bool now)
{
	struct dd_err err = { 0 };

	if (f->socket.open && feed_hear(&f->socket, &err) < 0)
		feed_close(&f->socket);
	if (f->n == 0 || (!now && dd_now_ms() < f->next_ms) || !want_socket(f))
		return;
	send_lines(f);
	f->next_ms = dd_now_ms() + (dd_now_ms() < f->until_quick_ms ? SOON_MS : LATER_MS);
}

/* ---- the loop ---- */

static bool feed_is_wanted(const struct feed *f, int ms)
{
	struct pollfd p = { .fd = f->sock, .events = POLLIN };
	return poll(&p, 1, ms) <= 0; /* nobody says anything but that it is over */
}

static void feed_run(struct feed *f)
{
	while (!f->over && feed_is_wanted(f, LOOK_MS)) {
		look(f);
		send_what_waits(f, false);
	}
	int64_t until = dd_now_ms() + END_MS;
	look(f);
	while (f->n > 0 && f->over && dd_now_ms() < until && !f->told)
		send_what_waits(f, true);
	feed_close(&f->socket);
}

int github_feed_main(void *arg, int sock, const int *lent)
{
	static struct feed f;

	f = (struct feed){ .work = arg,
		           .sock = sock,
		           .dir = lent[FEED_LENT_DIR],
		           .log = -1,
		           .until_quick_ms = dd_now_ms() + AT_FIRST_MS };
	f.url = github_feed_url(f.work->url);
	f.events = openat(f.dir, "events", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (f.url && f.events >= 0)
		feed_run(&f);
	else
		feed_tell(&f,
		          "the live log has no wss:// address: logs are seen when a step is over");
	return 0;
}
