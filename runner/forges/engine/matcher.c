// SPDX-License-Identifier: Apache-2.0
/* matcher.c - see matcher.h. Runs in: supervisor, for every line that a step prints while there are
 * matchers.
 *
 * The newest matcher is asked first; the first one whose last pattern fits has found a problem, and
 * what the others have half of is thrown away. A matcher of several patterns is asked from its last
 * one backwards: each pattern fits only behind the one before it. */
#include "matcher_parts.h"

#include "drydock/clock.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
	MATCH_LIMIT = 500 * 1000, /* places to go back to, in one line */
	HEAP_LIMIT_KIB = 1024,
	STRIKES_MAX = 3,
	SLOW_LINE_US = 200,
	KEPT_MAX = 64 * 1024, /* of what one matcher has half of */
};

struct matcher_set {
	struct matcher *items[MATCHERS_MAX]; /* the newest first */
	size_t n;
	pcre2_match_context *limits;
	pcre2_match_data *data;
	int64_t slow_us; /* of the step at hand */
	bool stopped;    /* until the next step */
	char *plain;     /* the line without colours */
	struct plan_arena *hit;
	char sentence[200];
};

/* ---- the set ---- */

struct matcher_set *matcher_set_new(void)
{
	struct matcher_set *set = calloc(1, sizeof(*set));
	if (!set)
		return NULL;
	set->limits = pcre2_match_context_create(NULL);
	set->data = pcre2_match_data_create(MATCHER_REGEXP_MAX / 2, NULL);
	set->plain = malloc(MATCHER_LINE_MAX);
	if (!set->limits || !set->data || !set->plain ||
	    pcre2_set_match_limit(set->limits, MATCH_LIMIT) != 0 ||
	    pcre2_set_heap_limit(set->limits, HEAP_LIMIT_KIB) != 0) {
		matcher_set_free(set);
		return NULL;
	}
	return set;
}

void matcher_set_free(struct matcher_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->n; i++)
		matcher_free(set->items[i]);
	pcre2_match_context_free(set->limits);
	pcre2_match_data_free(set->data);
	arena_free(set->hit);
	free(set->plain);
	free(set);
}

size_t matcher_set_count(const struct matcher_set *set)
{
	return set ? set->n : 0;
}

static void remove_at(struct matcher_set *set, size_t at)
{
	matcher_free(set->items[at]);
	set->n--;
	for (size_t i = at; i < set->n; i++)
		set->items[i] = set->items[i + 1];
}

void matcher_set_remove(struct matcher_set *set, const char *owner)
{
	for (size_t i = set->n; i > 0; i--)
		if (strcasecmp(set->items[i - 1]->owner, owner) == 0)
			remove_at(set, i - 1);
}

int matcher_set_add(struct matcher_set *set, const char *text, size_t len, struct dd_err *err)
{
	struct matcher **list = NULL;
	size_t n = 0;
	int r = matcher_file_read(text, len, &list, &n, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		matcher_set_remove(set, list[i]->owner);
		if (set->n == MATCHERS_MAX) {
			r = dd_err_say(err, E2BIG, "more than %d problem matchers in one job",
			               MATCHERS_MAX);
			matcher_free(list[i]);
			continue;
		}
		for (size_t k = set->n++; k > 0; k--)
			set->items[k] = set->items[k - 1];
		set->items[0] = list[i];
	}
	free(list);
	return r;
}

void matcher_set_remove_file(struct matcher_set *set, const char *text, size_t len)
{
	struct matcher **list = NULL;
	size_t n = 0;

	if (matcher_file_read(text, len, &list, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		matcher_set_remove(set, list[i]->owner);
		matcher_free(list[i]);
	}
	free(list);
}

/* ---- state ---- */

static void forget(struct matcher *m)
{
	memset(m->state, 0, sizeof(m->state));
	arena_free(m->kept);
	m->kept = NULL;
	m->kept_bytes = 0;
}

void matcher_set_restart(struct matcher_set *set)
{
	for (size_t i = 0; set && i < set->n; i++)
		forget(set->items[i]);
	if (set) {
		set->slow_us = 0;
		set->stopped = false;
	}
}

/* A copy of @from whose texts live in @arena. */
static struct matcher_found keep(struct plan_arena *arena, const struct matcher_found *from)
{
	struct matcher_found to = { .there = from->there };
	for (size_t i = 0; i < MATCHER_FIELDS; i++)
		to.text[i] = from->text[i] ? arena_strdup(arena, from->text[i]) : NULL;
	return to;
}

static size_t bytes_of(const struct matcher_found *f)
{
	size_t n = 0;
	for (size_t i = 0; i < MATCHER_FIELDS; i++)
		n += f->text[i] ? strlen(f->text[i]) + 1 : 0;
	return n;
}

/* Behind pattern @at, @found is what there is of a problem so far. What nobody refers to any more
 * is copied away from now and then. */
static void remember(struct matcher *m, size_t at, const struct matcher_found *found)
{
	if (!m->kept)
		m->kept = arena_new();
	m->state[at] = keep(m->kept, found);
	m->kept_bytes += bytes_of(found);
	if (m->kept_bytes < KEPT_MAX)
		return;
	struct plan_arena *fresh = arena_new();
	m->kept_bytes = 0;
	for (size_t i = 0; i + 1 < m->n; i++)
		m->state[i] = keep(fresh, &m->state[i]);
	arena_free(m->kept);
	m->kept = fresh;
}

/* ---- one line ---- */

static struct plan_arena *hit_arena(struct matcher_set *set)
{
	if (!set->hit)
		set->hit = arena_new();
	return set->hit;
}

/* The text of a group; one that took no part is empty. */
static const char *group_text(struct matcher_set *set, const char *line, int group, int found)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(set->data) + 2 * (size_t)group;
	if (group >= found || at[0] == PCRE2_UNSET || at[1] < at[0])
		return "";
	const size_t from = at[0], to = at[1];
	char *text = arena_strndup(hit_arena(set), line + from, to - from);
	for (size_t i = 0; i < to - from; i++)
		if (!text[i])
			text[i] = ' ';
	return text;
}

/* 1: it fits, and @ret is what it and those before it found; 0: no; < 0: it reached a limit. */
static int try_pattern(struct matcher_set *set, const struct matcher_pattern *p, const char *line,
                       size_t len, const struct matcher_found *before, struct matcher_found *ret)
{
	int found = pcre2_match(p->code, (PCRE2_SPTR)line, len, 0, 0, set->data, set->limits);

	if (found < 0)
		return found == PCRE2_ERROR_NOMATCH ? 0 : found;
	*ret = (struct matcher_found){ .there = true };
	for (size_t i = 0; i < MATCHER_FIELDS; i++)
		ret->text[i] = before && before->text[i] ? before->text[i]
		               : p->group[i] >= 0        ? group_text(set, line, p->group[i], found)
		                                         : NULL;
	return 1;
}

/* 1: a problem is whole; 0: none yet; < 0: a limit. */
static int try_matcher(struct matcher_set *set, struct matcher *m, const char *line, size_t len,
                       struct matcher_found *ret)
{
	for (size_t i = m->n; i > 0; i--) {
		const size_t at = i - 1;
		const struct matcher_pattern *p = &m->patterns[at];
		const bool last = i == m->n;
		const struct matcher_found *before = at > 0 ? &m->state[at - 1] : NULL;
		if (before && !before->there)
			continue;
		int fits = try_pattern(set, p, line, len, before, ret);
		if (fits < 0)
			return fits;
		if (fits && last) {
			struct matcher_found again = { .there = false };
			if (before && p->loop)
				again = keep(hit_arena(set), before);
			*ret = keep(hit_arena(set), ret);
			forget(m);
			if (again.there)
				remember(m, at - 1, &again);
			return 1;
		}
		if (fits)
			remember(m, at, ret);
		else if (!last)
			m->state[at].there = false;
		else if (at > 0)
			m->state[at - 1].there = false;
	}
	return 0;
}

static unsigned number_of(const char *text)
{
	unsigned long value = 0;
	if (!text || !*text || text[strspn(text, "0123456789")] || strlen(text) > 9)
		return 0;
	for (; *text; text++)
		value = value * 10 + (unsigned long)(*text - '0');
	return (unsigned)value;
}

static bool is_blank(const char *text)
{
	return !text || !text[strspn(text, " \t\r\n\f\v")];
}

/* False: it has no message, or a severity that is none. */
static bool make_hit(const struct matcher *m, const struct matcher_found *f,
                     struct matcher_hit *ret)
{
	static const char *const levels[] = { "error", "warning", "notice" };
	const char *severity = f->text[FIELD_SEVERITY];

	if (is_blank(f->text[FIELD_MESSAGE]))
		return false;
	if (!severity || !*severity)
		severity = m->severity ? m->severity : levels[0];
	*ret = (struct matcher_hit){ .message = f->text[FIELD_MESSAGE],
		                     .file = f->text[FIELD_FILE] ? f->text[FIELD_FILE] : "",
		                     .from_path = f->text[FIELD_FROM_PATH]
		                                          ? f->text[FIELD_FROM_PATH]
		                                          : "",
		                     .code = f->text[FIELD_CODE] ? f->text[FIELD_CODE] : "",
		                     .line = number_of(f->text[FIELD_LINE]),
		                     .column = number_of(f->text[FIELD_COLUMN]) };
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strcasecmp(severity, levels[i]) == 0)
			ret->level = levels[i];
	return ret->level != NULL;
}

/* Without ESC [ ... m, which tools print around what they find. */
static size_t strip_colours(const char *line, size_t len, char *out)
{
	size_t n = 0;
	for (size_t i = 0; i < len;) {
		if (line[i] != '\x1b' || i + 1 >= len || line[i + 1] != '[') {
			out[n++] = line[i++];
			continue;
		}
		i += 2;
		while (i < len && ((line[i] >= '0' && line[i] <= '9') || line[i] == ';'))
			i++;
		i += i < len && (line[i] == 'm' || line[i] == 'K');
	}
	return n;
}

static int64_t now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* A limit was reached: three times are enough. */
static void strike(struct matcher_set *set, size_t at, const char **ret_gave_up)
{
	struct matcher *m = set->items[at];
	if (++m->strikes < STRIKES_MAX)
		return;
	(void)snprintf(
		set->sentence, sizeof(set->sentence),
		"problem matcher `%.60s` is removed: %d lines took it more steps than it may "
		"take (%d); make its patterns say where a text ends",
		m->owner, STRIKES_MAX, MATCH_LIMIT);
	*ret_gave_up = set->sentence;
	remove_at(set, at);
}

static void count_time(struct matcher_set *set, int64_t took_us, const char **ret_gave_up)
{
	if (took_us < SLOW_LINE_US)
		return;
	set->slow_us += took_us;
	if (set->slow_us < (int64_t)MATCHER_SLOW_MS * 1000)
		return;
	set->stopped = true;
	(void)snprintf(set->sentence, sizeof(set->sentence),
	               "problem matchers are not asked any more in this step: slow lines took them "
	               "%d ms; make their patterns say where a text ends",
	               MATCHER_SLOW_MS);
	*ret_gave_up = set->sentence;
}

static bool ask_all(struct matcher_set *set, const char *line, size_t len, struct matcher_hit *ret,
                    const char **ret_gave_up)
{
	for (size_t i = 0; i < set->n; i++) {
		struct matcher_found found;
		int r = try_matcher(set, set->items[i], line, len, &found);
		if (r < 0) {
			size_t before = set->n;
			strike(set, i, ret_gave_up);
			i -= set->n < before;
		}
		if (r <= 0)
			continue;
		for (size_t k = 0; k < set->n; k++)
			if (k != i)
				forget(set->items[k]);
		if (make_hit(set->items[i], &found, ret))
			return true;
	}
	return false;
}

bool matcher_set_line(struct matcher_set *set, const char *line, size_t len,
                      struct matcher_hit *ret, const char **ret_gave_up)
{
	*ret_gave_up = NULL;
	if (!set || set->n == 0 || set->stopped || len > MATCHER_LINE_MAX)
		return false;
	arena_free(set->hit);
	set->hit = NULL;
	if (memchr(line, '\x1b', len)) {
		len = strip_colours(line, len, set->plain);
		line = set->plain;
	}
	int64_t began = now_us();
	bool hit = ask_all(set, line, len, ret, ret_gave_up);
	count_time(set, now_us() - began, ret_gave_up);
	return hit;
}
