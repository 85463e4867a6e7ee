// SPDX-License-Identifier: Apache-2.0
/* mask.c - finds many secrets in a stream at once.
 *
 * Runs in the supervisor, on hostile bytes. Wu and Manber's idea: look at the two bytes that end a
 * window as long as the shortest secret; a table says how far no secret can start, mostly the whole
 * window. Only where it says 0 the secrets are compared. The table depends on the secrets, so it
 * lives with them in secret memory, and so does the work buffer, which holds them when they pass.
 * A masked run stays open across feeds: `covered` bytes at the start of what is held back are
 * already behind a "***".
 */
#include "mask.h"

#include "secret_memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum { CHUNK = 16384, PAIRS = 65536 };

struct secret {
	/* one region for each value, so that values come one by one */
	struct secret_memory *memory;
	const char *bytes;
	size_t len;
};

struct mask {
	struct secret *secrets;
	size_t n, cap;
	size_t longest, shortest;
	struct secret_memory *tables;
	unsigned char *shift;  /* PAIRS: how far the window may move */
	unsigned char *starts; /* PAIRS bits: some secret starts with these two bytes */
	unsigned streams;
};

struct mask_stream {
	struct mask *mask;
	struct secret_memory *memory;
	char *buf; /* what is held back, then new bytes */
	size_t len, covered;
	size_t shown; /* of what is covered: told as it is, by mask_show_held() */
};

struct out {
	mask_out_fn fn;
	void *arg;
};

int mask_new(struct mask **ret, struct dd_err *err)
{
	struct mask *m = calloc(1, sizeof(*m));
	if (!m)
		return dd_err_set(err, ENOMEM, "prepare the masking of secrets");
	*ret = m;
	return 0;
}

bool mask_holds(const struct mask *m)
{
	return m && m->n > 0;
}

bool mask_finds_cleaned(const struct mask *m)
{
	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; k < m->secrets[i].len; k++) {
			char c = m->secrets[i].bytes[k];
			if (c < 0x20 || c > 0x7e || c == '?' || c == '@')
				return false;
		}
	return true;
}

void mask_free(struct mask *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		secret_memory_free(m->secrets[i].memory);
	free(m->secrets);
	secret_memory_free(m->tables);
	free(m);
}

static bool known(const struct mask *m, const char *value, size_t len)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->secrets[i].len == len && memcmp(m->secrets[i].bytes, value, len) == 0)
			return true;
	return false;
}

static int remember(struct mask *m, const char *value, size_t len, struct secret_memory *memory,
                    struct dd_err *err)
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 16;
		struct secret *secrets = realloc(m->secrets, cap * sizeof(*secrets));
		if (!secrets)
			return dd_err_set(err, ENOMEM, "remember a secret");
		m->secrets = secrets;
		m->cap = cap;
	}
	m->secrets[m->n++] = (struct secret){ .memory = memory, .bytes = value, .len = len };
	if (len > m->longest)
		m->longest = len;
	if (m->shortest == 0 || len < m->shortest)
		m->shortest = len;
	secret_memory_free(m->tables); /* made again for the next stream */
	m->tables = NULL;
	return 0;
}

/* The value owns its region; its lines point into it. */
static int add_lines(struct mask *m, const char *value, size_t len, struct dd_err *err)
{
	const char *end = value + len;
	for (const char *p = value; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((nl ? nl : end) - p);
		size_t text = n > 0 && p[n - 1] == '\r' ? n - 1 : n;
		if (text >= MASK_LINE_MIN && !known(m, p, text)) {
			int r = m->n < MASK_VALUES_MAX
			                ? remember(m, p, text, NULL, err)
			                : dd_err_say(err, E2BIG, "too many secrets to mask");
			if (r < 0)
				return r;
		}
		p += n + 1;
	}
	return 0;
}

int mask_add(struct mask *m, const char *value, size_t len, struct dd_err *err)
{
	struct secret_memory *memory = NULL;
	while (len > 0 && (value[len - 1] == '\n' || value[len - 1] == '\r'))
		len--;
	if (m->streams > 0)
		return dd_err_say(err, EBUSY, "a secret must be registered before the step starts");
	if (len < MASK_MIN || len > MASK_VALUE_MAX)
		return dd_err_say(
			err, EINVAL,
			"a secret has between %d and %d bytes: a shorter one cannot be masked",
			MASK_MIN, MASK_VALUE_MAX);
	if (m->n >= MASK_VALUES_MAX)
		return dd_err_say(err, E2BIG, "too many secrets to mask");
	if (known(m, value, len))
		return 0;
	int r = secret_memory_new(len, &memory, err);
	if (r < 0)
		return r;
	char *copy = secret_alloc(memory, len);
	if (!copy) {
		secret_memory_free(memory);
		return dd_err_set(err, ENOMEM, "remember a secret");
	}
	memcpy(copy, value, len);
	r = remember(m, copy, len, memory, err);
	if (r < 0) {
		secret_memory_free(memory);
		return r;
	}
	return memchr(copy, '\n', len) ? add_lines(m, copy, len, err) : 0;
}

static size_t pair_at(const char *p)
{
	return (size_t)(unsigned char)p[0] << 8 | (unsigned char)p[1];
}

static int build_tables(struct mask *m, struct dd_err *err)
{
	int r = secret_memory_new(PAIRS + PAIRS / 8 + 64, &m->tables, err);
	if (r < 0)
		return r;
	m->shift = secret_alloc(m->tables, PAIRS);
	m->starts = secret_alloc(m->tables, PAIRS / 8);
	if (!m->shift || !m->starts)
		return dd_err_set(err, ENOMEM, "prepare the masking of secrets");
	size_t window = m->shortest > 256 ? 256 : m->shortest;
	memset(m->shift, (int)(window - 1), PAIRS);
	for (size_t i = 0; i < m->n; i++) {
		const char *s = m->secrets[i].bytes;
		m->starts[pair_at(s) / 8] |= (unsigned char)(1U << (pair_at(s) % 8));
		for (size_t k = 0; k + 2 <= window; k++) {
			size_t move = window - 2 - k;
			if (m->shift[pair_at(s + k)] > move)
				m->shift[pair_at(s + k)] = (unsigned char)move;
		}
	}
	return 0;
}

int mask_stream_new(struct mask *m, struct mask_stream **ret, struct dd_err *err)
{
	if (m->n > 0 && !m->tables) {
		int r = build_tables(m, err);
		if (r < 0) {
			secret_memory_free(m->tables);
			m->tables = NULL;
			return r;
		}
	}
	struct mask_stream *s = calloc(1, sizeof(*s));
	if (!s)
		return dd_err_set(err, ENOMEM, "prepare the masking of a stream");
	s->mask = m;
	/* without a secret nothing is held back; and none can come while a stream lives */
	int r = m->n > 0 ? secret_memory_new(CHUNK + m->longest, &s->memory, err) : 0;
	if (r < 0) {
		free(s);
		return r;
	}
	if (m->n > 0)
		s->buf = secret_alloc(s->memory, CHUNK + m->longest);
	m->streams++;
	*ret = s;
	return 0;
}

/* Room for the longest secret there is now, with what is held back. */
static int renew(struct mask_stream *s, struct dd_err *err)
{
	struct secret_memory *memory = NULL;
	int r = secret_memory_new(CHUNK + s->mask->longest, &memory, err);
	if (r < 0)
		return r;
	char *buf = secret_alloc(memory, CHUNK + s->mask->longest);
	if (!buf) {
		secret_memory_free(memory);
		return dd_err_set(err, ENOMEM, "mask a stream");
	}
	if (s->len > 0)
		memcpy(buf, s->buf, s->len);
	secret_memory_free(s->memory);
	s->memory = memory;
	s->buf = buf;
	return 0;
}

int mask_add_live(struct mask *m, const char *value, size_t len, struct mask_stream *const *live,
                  size_t n_live, struct dd_err *err)
{
	unsigned streams = m->streams;
	size_t before = m->n;

	if (streams != n_live)
		return dd_err_say(err, EBUSY, "a secret must be registered between two steps");
	m->streams = 0;
	int r = mask_add(m, value, len, err);
	m->streams = streams;
	if (r < 0 || m->n == before)
		return r;
	/* also with an error: streams whose room is too small must not meet longer secrets */
	for (size_t i = 0; i < n_live; i++) {
		int one = renew(live[i], err);
		r = r < 0 ? r : one;
	}
	return r < 0 ? r : build_tables(m, err);
}

void mask_stream_free(struct mask_stream *s)
{
	if (!s)
		return;
	s->mask->streams--;
	secret_memory_free(s->memory);
	free(s);
}

/* The longest secret that starts at @p, 0 if none. @ret_more: a secret could still start here if
 * more bytes came. */
static size_t match_at(const struct mask *m, const char *p, size_t left, bool *ret_more)
{
	size_t best = 0;
	*ret_more = false;
	if (left >= 2 && !(m->starts[pair_at(p) / 8] & (1U << (pair_at(p) % 8))))
		return 0;
	for (size_t i = 0; i < m->n; i++) {
		const struct secret *s = &m->secrets[i];
		if (s->bytes[0] != p[0])
			continue;
		if (s->len <= left && s->len > best && memcmp(s->bytes, p, s->len) == 0)
			best = s->len;
		else if (s->len > left && memcmp(s->bytes, p, left) == 0)
			*ret_more = true;
	}
	return best;
}

/* The next place at or behind @p where a secret may start, or the first place too close to the end
 * to tell by the table. */
static size_t next_candidate(const struct mask *m, const char *buf, size_t p, size_t len)
{
	size_t window = m->shortest > 256 ? 256 : m->shortest;
	while (p + window <= len) {
		size_t move = m->shift[pair_at(buf + p + window - 2)];
		if (move == 0)
			return p;
		p += move;
	}
	return p;
}

static int emit_plain(const struct out *o, const char *buf, size_t from, size_t to)
{
	return to > from ? o->fn(o->arg, buf + from, to - from) : 0;
}

/* Work through the buffer. Without @last, what could become a secret stays in it. */
static int work(struct mask_stream *s, bool last, const struct out *o)
{
	const struct mask *m = s->mask;
	size_t done = s->covered; /* up to here all is told: as plain text, or behind stars */
	size_t hold = s->len, p = 0, shown = s->shown;
	int r = 0;
	while (r == 0 && (p = next_candidate(m, s->buf, p, s->len)) < s->len) {
		bool more;
		size_t len = match_at(m, s->buf + p, s->len - p, &more);
		if (len > 0) {
			if (p >= done) {
				r = emit_plain(o, s->buf, done, p);
				if (r == 0)
					r = o->fn(o->arg, "***", 3);
			} else if (p < shown) { /* the rest of what has begun in plain sight */
				r = o->fn(o->arg, "***", 3);
				shown = 0;
			}
			if (p + len > done)
				done = p + len;
		}
		if (more && !last) { /* what starts behind p may yet lie inside a longer secret: the
			                next feed looks again */
			hold = p;
			break;
		}
		p++;
	}
	if (r == 0 && hold > done) {
		r = emit_plain(o, s->buf, done, hold);
		done = hold;
	}
	s->covered = done - hold;
	s->shown = shown > hold ? shown - hold : 0;
	s->len -= hold;
	memmove(s->buf, s->buf + hold, s->len);
	return r;
}

int mask_feed(struct mask_stream *s, const char *in, size_t len, mask_out_fn out, void *arg)
{
	const struct out o = { out, arg };
	int r = 0;
	if (s->mask->n == 0)
		return len > 0 ? out(arg, in, len) : 0;
	while (r == 0 && len > 0) {
		size_t take = len < CHUNK ? len : CHUNK;
		memcpy(s->buf + s->len, in, take); /* s->len is less than the longest secret */
		s->len += take;
		in += take;
		len -= take;
		r = work(s, false, &o);
	}
	return r;
}

size_t mask_held(const struct mask_stream *s)
{
	return s->len;
}

int mask_show_held(struct mask_stream *s, size_t most, mask_out_fn out, void *arg)
{
	size_t n = s->len < most ? s->len : most;
	int r = n > s->covered ? out(arg, s->buf + s->covered, n - s->covered) : 0;
	if (n > s->covered)
		s->covered = s->shown = n;
	return r;
}

int mask_flush(struct mask_stream *s, mask_out_fn out, void *arg)
{
	const struct out o = { out, arg };
	int r = s->mask->n > 0 ? work(s, true, &o) : 0;
	s->len = s->covered = s->shown = 0;
	return r;
}
