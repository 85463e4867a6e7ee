// SPDX-License-Identifier: Apache-2.0
/* mask.c - the values of a job, and what becomes of a text in which one of their forms stands.
 *
 * Runs in the supervisor, on hostile bytes. A stream keeps what may be the beginning of a form, and
 * for each byte of it how many occurrences open and close there: that joins occurrences which
 * overlap, in whatever order they are found. The bytes stand in secret memory, since they hold
 * secrets when they pass. Values that come while streams live get a second, small automaton, which
 * is made anew with each; when it has grown, the two become one. So a
 * thousand values one by one do not cost a thousand times all of them.
 */
#include "mask.h"

#include "drydock/fd.h"
#include "mask_automaton.h"
#include "mask_forms.h"
#include "mask_view.h"
#include "secret_memory.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum { CHUNK = 16384, TIERS = VIEW_TIERS, FRESH_MAX = 64 * 1024, VIEWS = FORM_KINDS - 1 };
static_assert((int)MASK_MIN == (int)AUTOMATON_SHORTEST, "a value that no automaton can hold");

struct secret {
	/* one region for each value, so that values come one by one */
	struct secret_memory *memory;
	const char *bytes;
	size_t len;
};

/* Automata over the forms of secrets[from] to secrets[to] (exclusive), one for each kind. */
struct tier {
	struct automaton *automata[FORM_KINDS]; /* NULL: none */
	size_t from, to;
	size_t bytes; /* of all its patterns */
};

struct mask {
	struct secret *secrets;
	size_t n, cap;
	size_t longest; /* so many bytes a form in a tier may cover */
	struct tier tiers[TIERS];
	unsigned streams;
	const char *word; /* instead of a value; NULL: three stars */
};

struct mask_stream {
	struct mask *mask;
	struct secret_memory *memory;
	char *buf; /* what is held back, then new bytes */
	size_t len, room;
	struct automaton_cursor cursors[TIERS];
	struct mask_view views[VIEWS]; /* of the kinds behind FORM_AS_IS */
	/* occurrences that begin, and that end, at each byte of buf; NULL until there is one */
	uint32_t *opens, *closes;
	size_t n_open; /* of those in buf, how many begin there */
	size_t inside; /* how many hold the byte before buf[0] and go on */
	bool starred;  /* the stars of the run that they make were told */
	size_t shown;  /* of buf: told as it is, by mask_show_held() */
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

static void tier_free(struct tier *t)
{
	for (size_t i = 0; i < FORM_KINDS; i++)
		automaton_free(t->automata[i]);
	*t = (struct tier){ .from = 0 };
}

void mask_free(struct mask *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		secret_memory_free(m->secrets[i].memory);
	free(m->secrets);
	for (size_t i = 0; i < TIERS; i++)
		tier_free(&m->tiers[i]);
	free(m);
}

static bool known(const struct mask *m, const char *value, size_t len)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->secrets[i].len == len && memcmp(m->secrets[i].bytes, value, len) == 0)
			return true;
	return false;
}

/* A value that stands in one that has its region, or is one. */
static int remember(struct mask *m, const char *value, size_t len, struct secret_memory *memory,
                    struct dd_err *err)
{
	if (m->n >= MASK_VALUES_MAX)
		return dd_err_say(err, E2BIG, "too many secrets to mask, more than %d",
		                  MASK_VALUES_MAX);
	if (m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 16;
		struct secret *secrets = realloc(m->secrets, cap * sizeof(*secrets));
		if (!secrets)
			return dd_err_set(err, ENOMEM, "remember a secret");
		m->secrets = secrets;
		m->cap = cap;
	}
	m->secrets[m->n++] = (struct secret){ .memory = memory, .bytes = value, .len = len };
	return 0;
}

static int remember_part(struct mask *m, const char *part, size_t len, size_t min,
                         struct dd_err *err)
{
	return len < min || known(m, part, len) ? 0 : remember(m, part, len, NULL, err);
}

static int remember_lines(struct mask *m, const char *value, size_t len, struct dd_err *err)
{
	const char *end = value + len;
	int r = 0;
	for (const char *p = value; p < end && r == 0;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((nl ? nl : end) - p);
		size_t text = n > 0 && p[n - 1] == '\r' ? n - 1 : n;
		r = remember_part(m, p, text, MASK_LINE_MIN, err);
		p += n + 1;
	}
	return r;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What programs show of a value by itself: without the blanks around it, without its quotation
 * marks, the signature of a token, each line. They point into the value. */
static int remember_parts(struct mask *m, const char *value, size_t len, struct dd_err *err)
{
	const char *p = value, *end = value + len;
	while (p < end && is_blank(*p))
		p++;
	while (end > p && is_blank(end[-1]))
		end--;
	size_t n = (size_t)(end - p);
	int r = remember_part(m, p, n, MASK_MIN, err);
	if (r == 0 && n > MASK_LINE_MIN + 2 && (*p == '"' || *p == '\'') && end[-1] == *p)
		r = remember_part(m, p + 1, n - 2, MASK_LINE_MIN, err);
	const char *dot = memrchr(p, '.', n);
	if (r == 0 && n > 3 && memcmp(p, "eyJ", 3) == 0 && dot && memchr(p, '.', (size_t)(dot - p)))
		r = remember_part(m, dot + 1, (size_t)(end - dot - 1), MASK_LINE_MIN, err);
	return r == 0 && memchr(value, '\n', len) ? remember_lines(m, value, len, err) : r;
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
	return remember_parts(m, copy, len, err);
}

/* ---- the automata ---- */

/* Forms on their way into a tier: counted first, then copied. */
struct forms {
	enum mask_form_kind kind; /* only these */
	size_t n, bytes, longest;
	char *copy; /* NULL: count */
	struct automaton_pattern *patterns;
};

static int take_form(void *arg, enum mask_form_kind kind, const char *bytes, size_t len)
{
	struct forms *f = arg;
	if (kind != f->kind)
		return 0;
	if (f->copy) {
		f->patterns[f->n] = (struct automaton_pattern){ f->copy + f->bytes, len };
		memcpy(f->copy + f->bytes, bytes, len);
	}
	f->n++;
	f->bytes += len;
	f->longest = len > f->longest ? len : f->longest;
	return 0;
}

static void take_forms(const struct mask *m, const struct tier *t, char *scratch, struct forms *f)
{
	f->n = f->bytes = 0;
	for (size_t i = t->from; i < t->to; i++)
		(void)mask_forms(m->secrets[i].bytes, m->secrets[i].len, scratch, take_form, f);
}

static int automaton_fill(const struct mask *m, const struct tier *t, char *scratch,
                          struct forms *f, struct automaton **ret, struct dd_err *err)
{
	struct secret_memory *memory = NULL;
	take_forms(m, t, scratch, f);
	if (f->n == 0)
		return dd_err_say(err, EINVAL, "there is no secret to mask");
	/* the automaton counts what they share; this bounds what is copied for it */
	if (f->bytes > (size_t)AUTOMATON_BYTES_MAX)
		return dd_err_say(err, E2BIG,
		                  "the secrets of this job, in all the forms that are looked for, "
		                  "are %zu bytes, and %d are the most: give it fewer or shorter "
		                  "ones",
		                  f->bytes, AUTOMATON_BYTES_MAX);
	dd_auto_free struct automaton_pattern *patterns = calloc(f->n, sizeof(*patterns));
	int r = patterns ? secret_memory_new(f->bytes, &memory, err)
	                 : dd_err_set(err, ENOMEM, "prepare the masking of secrets");
	if (r < 0)
		return r;
	f->patterns = patterns;
	f->copy = secret_alloc(memory, f->bytes);
	take_forms(m, t, scratch, f);
	r = automaton_new(patterns, f->n, ret, err);
	secret_memory_free(memory);
	return r;
}

static int tier_fill(const struct mask *m, struct tier *t, struct secret_memory *scratch_memory,
                     size_t room, size_t *ret_longest, struct dd_err *err)
{
	char *scratch = secret_alloc(scratch_memory, room);
	int r = scratch ? 0 : dd_err_set(err, ENOMEM, "prepare the masking of secrets");
	*ret_longest = 0;
	for (enum mask_form_kind kind = 0; kind < FORM_KINDS && r == 0; kind++) {
		struct forms f = { .kind = kind };
		r = automaton_fill(m, t, scratch, &f, &t->automata[kind], err);
		size_t span = kind == FORM_AS_IS ? f.longest : mask_view_span(kind, f.longest);
		*ret_longest = span > *ret_longest ? span : *ret_longest;
		t->bytes += f.bytes;
	}
	return r;
}

static int tier_build(struct mask *m, struct tier *t, size_t from, struct dd_err *err)
{
	struct secret_memory *scratch = NULL;
	size_t room = 0, longest = 0;
	tier_free(t);
	t->from = from;
	t->to = m->n;
	for (size_t i = from; i < m->n; i++)
		if (room < mask_forms_room(m->secrets[i].len))
			room = mask_forms_room(m->secrets[i].len);
	int r = secret_memory_new(room, &scratch, err);
	if (r == 0)
		r = tier_fill(m, t, scratch, room, &longest, err);
	secret_memory_free(scratch);
	if (r < 0)
		t->to = t->from;
	else if (longest > m->longest)
		m->longest = longest;
	return r;
}

static bool tier_stands(const struct tier *t)
{
	return t->to > t->from;
}

/* Values that no tier knows come into the second; when it has grown, into the first. */
static int tiers_build(struct mask *m, struct dd_err *err)
{
	struct tier *all = &m->tiers[0], *fresh = &m->tiers[1];
	size_t known_to = tier_stands(fresh) ? fresh->to : all->to;
	if (known_to == m->n)
		return 0;
	if (tier_stands(all) && fresh->bytes < all->bytes / 4 && fresh->bytes < FRESH_MAX)
		return tier_build(m, fresh, all->to, err);
	tier_free(fresh);
	return tier_build(m, all, 0, err);
}

/* ---- streams ---- */

/* In secret memory: the buffer, and what the views read of it. */
static int stream_text(struct mask_stream *s, size_t room, struct dd_err *err)
{
	struct secret_memory *memory = NULL;
	int r = secret_memory_new((1 + VIEWS) * (room + alignof(max_align_t)), &memory, err);
	if (r < 0)
		return r;
	char *buf = secret_alloc(memory, room);
	if (s->len > 0)
		memcpy(buf, s->buf, s->len);
	for (size_t i = 0; i < VIEWS; i++) {
		char *text = secret_alloc(memory, room);
		if (s->views[i].len > 0)
			memcpy(text, s->views[i].text, s->views[i].len);
		s->views[i].text = text;
	}
	secret_memory_free(s->memory);
	s->memory = memory;
	s->buf = buf;
	return 0;
}

static int grow_counts(uint32_t **counts, size_t old, size_t room, struct dd_err *err)
{
	uint32_t *grown = realloc(*counts, room * sizeof(*grown));
	if (!grown)
		return dd_err_set(err, ENOMEM, "mask a stream");
	memset(grown + old, 0, (room - old) * sizeof(*grown));
	*counts = grown;
	return 0;
}

static int stream_room(struct mask_stream *s, struct dd_err *err)
{
	size_t room = CHUNK + s->mask->longest;
	int r = stream_text(s, room, err);
	if (r == 0 && s->opens)
		r = grow_counts(&s->opens, s->room + 1, room + 1, err);
	if (r == 0 && s->opens)
		r = grow_counts(&s->closes, s->room + 1, room + 1, err);
	for (size_t i = 0; i < VIEWS && r == 0; i++)
		r = grow_counts(&s->views[i].at, s->room, room, err);
	if (r == 0)
		s->room = room;
	return r;
}

int mask_stream_new(struct mask *m, struct mask_stream **ret, struct dd_err *err)
{
	int r = tiers_build(m, err);
	if (r < 0)
		return r;
	struct mask_stream *s = calloc(1, sizeof(*s));
	if (!s)
		return dd_err_set(err, ENOMEM, "prepare the masking of a stream");
	s->mask = m;
	for (size_t i = 0; i < VIEWS; i++)
		mask_view_init(&s->views[i], (enum mask_form_kind)(FORM_AS_IS + 1 + i));
	/* without a secret nothing is held back */
	r = m->n > 0 ? stream_room(s, err) : 0;
	m->streams++;
	if (r < 0)
		mask_stream_free(s);
	else
		*ret = s;
	return r;
}

int mask_add_live(struct mask *m, const char *value, size_t len, struct mask_stream *const *live,
                  size_t n_live, struct dd_err *err)
{
	unsigned streams = m->streams;
	size_t before = m->n, longest = m->longest;

	if (streams != n_live)
		return dd_err_say(err, EBUSY, "a secret must be registered between two steps");
	m->streams = 0;
	int r = mask_add(m, value, len, err);
	m->streams = streams;
	if (m->n == before)
		return r;
	int built = tiers_build(m, r < 0 ? NULL : err);
	r = r < 0 ? r : built;
	/* also with an error: streams whose room is too small must not meet longer secrets */
	for (size_t i = 0; i < n_live; i++) {
		memset(live[i]->cursors, 0, sizeof(live[i]->cursors));
		for (size_t k = 0; k < VIEWS; k++)
			mask_view_again(&live[i]->views[k]);
		int one = m->longest > longest || before == 0 ? stream_room(live[i], err) : 0;
		r = r < 0 ? r : one;
	}
	return r;
}

void mask_stream_free(struct mask_stream *s)
{
	if (!s)
		return;
	s->mask->streams--;
	secret_memory_free(s->memory);
	for (size_t i = 0; i < VIEWS; i++)
		free(s->views[i].at);
	free(s->opens);
	free(s->closes);
	free(s);
}

static int mark(void *arg, size_t begin, size_t end)
{
	struct mask_stream *s = arg;
	if (!s->opens) {
		s->opens = calloc(s->room + 1, sizeof(*s->opens));
		s->closes = calloc(s->room + 1, sizeof(*s->closes));
		if (!s->opens || !s->closes)
			return -ENOMEM;
	}
	s->opens[begin]++;
	s->closes[end]++;
	s->n_open++;
	return 0;
}

void mask_word(struct mask *m, const char *word)
{
	m->word = word;
}

static const char *mask_shown_word(const struct mask *m)
{
	return m->word ? m->word : "***";
}

bool mask_is_word(const struct mask *m, const char *text, size_t len)
{
	const char *word = mask_shown_word(m);
	return len == strlen(word) && memcmp(text, word, len) == 0;
}

static int tell_plain(struct mask_stream *s, size_t from, size_t to, const struct out *o)
{
	from = from < s->shown ? s->shown : from;
	return from < to ? o->fn(o->arg, s->buf + from, to - from) : 0;
}

/* Tell the first @end bytes: as they are, or stars for each run of occurrences that overlap. */
static int tell(struct mask_stream *s, size_t end, const struct out *o)
{
	size_t plain = 0; /* from here on nothing was told yet */
	int r = 0;
	if (s->n_open == 0 && s->inside == 0)
		return tell_plain(s, 0, end, o);
	for (size_t p = 0; p < end; p++) {
		s->inside -= s->closes[p];
		if (s->inside == 0)
			s->starred = false;
		s->inside += s->opens[p];
		s->n_open -= s->opens[p];
		s->closes[p] = s->opens[p] = 0;
		if (s->inside == 0)
			continue;
		if (r == 0)
			r = tell_plain(s, plain, p, o);
		plain = p + 1;
		if (r == 0 && p >= s->shown && !s->starred) {
			const char *word = mask_shown_word(s->mask);
			r = o->fn(o->arg, word, strlen(word));
			s->starred = true;
		}
	}
	return r == 0 ? tell_plain(s, plain, end, o) : r;
}

/* The first @n bytes are told: what is left comes to the front. */
static void drop(struct mask_stream *s, size_t n)
{
	size_t left = s->len - n;
	for (size_t i = 0; i < VIEWS; i++)
		mask_view_drop(&s->views[i], s->buf, n);
	memmove(s->buf, s->buf + n, left);
	if (n > 0 && (s->n_open > 0 || s->inside > 0)) {
		/* those of what was told are 0; and the last one may end where the text does */
		size_t stale = n > left + 1 ? n : left + 1;
		memmove(s->opens, s->opens + n, (left + 1) * sizeof(*s->opens));
		memmove(s->closes, s->closes + n, (left + 1) * sizeof(*s->closes));
		memset(s->opens + stale, 0, (s->len + 1 - stale) * sizeof(*s->opens));
		memset(s->closes + stale, 0, (s->len + 1 - stale) * sizeof(*s->closes));
	}
	for (size_t i = 0; i < TIERS; i++)
		s->cursors[i].at -= n < s->cursors[i].at ? n : s->cursors[i].at;
	s->shown -= n < s->shown ? n : s->shown;
	s->len = left;
}

/* Mark every form of one kind. *@hold is where what could become one begins. */
static int find(struct mask_stream *s, enum mask_form_kind kind, size_t *hold)
{
	const struct automaton *automata[TIERS];
	size_t one = s->len;
	int r = 0;
	for (size_t i = 0; i < TIERS; i++)
		automata[i] = s->mask->tiers[i].automata[kind];
	if (kind != FORM_AS_IS) {
		r = mask_view_scan(&s->views[kind - 1], automata, s->buf, s->len, mark, s, &one);
		*hold = one < *hold ? one : *hold;
		return r;
	}
	for (size_t i = 0; i < TIERS && r == 0; i++) {
		if (!automata[i])
			continue;
		r = automaton_scan(automata[i], &s->cursors[i], s->buf, s->len, mark, s, &one);
		*hold = one < *hold ? one : *hold;
	}
	return r;
}

/* Work through the buffer. Without @last, what could become a secret stays in it. */
static int work(struct mask_stream *s, bool last, const struct out *o)
{
	size_t hold = s->len;
	int r = 0;
	for (enum mask_form_kind kind = 0; kind < FORM_KINDS && r == 0; kind++)
		r = find(s, kind, &hold);
	if (last || r < 0)
		hold = s->len;
	if (r == 0) /* else nothing of it may be told */
		r = tell(s, hold, o);
	drop(s, hold);
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
		memcpy(s->buf + s->len, in, take); /* s->len is less than the longest form */
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
	size_t n = s->len < most ? s->len : most, inside = s->inside;
	int r = 0;
	for (size_t p = 0; p < n && r == 0; p++) {
		inside -= s->closes ? s->closes[p] : 0;
		if (s->opens && s->opens[p] > 0)
			break;
		if (p >= s->shown && inside == 0)
			r = out(arg, s->buf + p, 1);
		s->shown = p >= s->shown ? p + 1 : s->shown;
	}
	return r;
}

int mask_flush(struct mask_stream *s, mask_out_fn out, void *arg)
{
	const struct out o = { out, arg };
	int r = s->mask->n > 0 ? work(s, true, &o) : 0;
	memset(s->cursors, 0, sizeof(s->cursors));
	for (size_t i = 0; i < VIEWS; i++)
		mask_view_end(&s->views[i]);
	if (s->closes)
		s->closes[0] = 0;
	s->inside = 0;
	s->starred = false;
	return r;
}
