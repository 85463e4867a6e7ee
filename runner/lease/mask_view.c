// SPDX-License-Identifier: Apache-2.0
/* mask_view.c - see mask_view.h.
 *
 * Runs in the supervisor, on hostile bytes. Most of a text is neither hex nor wrapped base64: a
 * view is asleep until it meets a run of its characters. For hex 64 bytes are classed at once, a
 * bit for each, and a run of eight digits whose beginnings the automaton's filter does not know is
 * passed over; for base64 every end of a line is looked at (whatever stands within one line is
 * found as it is, without a view). Awake it copies the run into its reading and looks there. */
#include "mask_view.h"

#include <assert.h>
#include <endian.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { SHORTEST = AUTOMATON_SHORTEST, HEX_SHORTEST = 2 * SHORTEST, SMALL_MAX = 2 };

enum { CLASS_HEX = 1, CLASS_SMALL = 2, CLASS_BASE64 = 4 };

/* clang-format off */
#define BOTH (CLASS_HEX | CLASS_BASE64)
static const unsigned char classes[256] = {
	['0'] = BOTH, ['1'] = BOTH, ['2'] = BOTH, ['3'] = BOTH, ['4'] = BOTH, ['5'] = BOTH,
	['6'] = BOTH, ['7'] = BOTH, ['8'] = BOTH, ['9'] = BOTH, ['a'] = BOTH, ['b'] = BOTH,
	['c'] = BOTH, ['d'] = BOTH, ['e'] = BOTH, ['f'] = BOTH, ['A'] = BOTH, ['B'] = BOTH,
	['C'] = BOTH, ['D'] = BOTH, ['E'] = BOTH, ['F'] = BOTH,
	['g'] = CLASS_BASE64, ['h'] = CLASS_BASE64, ['i'] = CLASS_BASE64, ['j'] = CLASS_BASE64,
	['k'] = CLASS_BASE64, ['l'] = CLASS_BASE64, ['m'] = CLASS_BASE64, ['n'] = CLASS_BASE64,
	['o'] = CLASS_BASE64, ['p'] = CLASS_BASE64, ['q'] = CLASS_BASE64, ['r'] = CLASS_BASE64,
	['s'] = CLASS_BASE64, ['t'] = CLASS_BASE64, ['u'] = CLASS_BASE64, ['v'] = CLASS_BASE64,
	['w'] = CLASS_BASE64, ['x'] = CLASS_BASE64, ['y'] = CLASS_BASE64, ['z'] = CLASS_BASE64,
	['G'] = CLASS_BASE64, ['H'] = CLASS_BASE64, ['I'] = CLASS_BASE64, ['J'] = CLASS_BASE64,
	['K'] = CLASS_BASE64, ['L'] = CLASS_BASE64, ['M'] = CLASS_BASE64, ['N'] = CLASS_BASE64,
	['O'] = CLASS_BASE64, ['P'] = CLASS_BASE64, ['Q'] = CLASS_BASE64, ['R'] = CLASS_BASE64,
	['S'] = CLASS_BASE64, ['T'] = CLASS_BASE64, ['U'] = CLASS_BASE64, ['V'] = CLASS_BASE64,
	['W'] = CLASS_BASE64, ['X'] = CLASS_BASE64, ['Y'] = CLASS_BASE64, ['Z'] = CLASS_BASE64,
	['+'] = CLASS_BASE64, ['/'] = CLASS_BASE64, ['_'] = CLASS_BASE64,
	['-'] = CLASS_BASE64 | CLASS_SMALL, [':'] = CLASS_SMALL, [' '] = CLASS_SMALL,
};
#undef BOTH
/* clang-format on */

static bool is_char(const struct mask_view *v, char c)
{
	return classes[(unsigned char)c] & (v->kind == FORM_HEX ? CLASS_HEX : CLASS_BASE64);
}

static bool is_small(const struct mask_view *v, char c)
{
	return v->kind == FORM_HEX && (classes[(unsigned char)c] & CLASS_SMALL);
}

static unsigned line_min_of(enum mask_form_kind kind)
{
	return kind == FORM_HEX ? VIEW_HEX_LINE_MIN : VIEW_BASE64_LINE_MIN;
}

void mask_view_init(struct mask_view *v, enum mask_form_kind kind)
{
	v->kind = kind;
	v->line_min = line_min_of(kind);
}

size_t mask_view_span(enum mask_form_kind kind, size_t len)
{
	size_t lines = len / line_min_of(kind) + 2;
	return len * (kind == FORM_HEX ? 1 + SMALL_MAX : 1) + lines * VIEW_GAP_MAX;
}

/* What stands in front of buf[n], of its line. */
static struct view_lead lead_of(const struct mask_view *v, const char *buf, size_t n)
{
	struct view_lead lead = { 0 };
	unsigned gap = 0;
	while (n > 0 && lead.gap <= SMALL_MAX && is_small(v, buf[n - 1])) {
		lead.gap++;
		n--;
	}
	if (n == 0) {
		lead.gap += v->front.gap;
		lead.chars = v->front.chars;
	}
	while (n > 0 && lead.chars < v->line_min) {
		if (is_char(v, buf[n - 1])) {
			lead.chars++;
			gap = 0;
		} else if (!is_small(v, buf[n - 1]) || ++gap > SMALL_MAX) {
			break;
		}
		if (--n == 0 && gap + v->front.gap <= SMALL_MAX)
			lead.chars += v->front.chars;
	}
	if (lead.gap > SMALL_MAX)
		lead = (struct view_lead){ .gap = SMALL_MAX + 1 };
	if (lead.chars > v->line_min)
		lead.chars = v->line_min;
	return lead;
}

/* ---- asleep ---- */

static void wake(struct mask_view *v, const char *buf, size_t at)
{
	v->active = true;
	v->next = at;
	v->here = lead_of(v, buf, at);
	v->line_end = 0;
	v->half_end = false;
}

/* The filters of the tiers; one that there is not stands for the other. */
struct filters {
	struct automaton_filter tier[VIEW_TIERS];
};

static bool may_begin(const struct filters *f, uint32_t four)
{
	static_assert(VIEW_TIERS == 2, "both are asked");
	return automaton_filter_maybe(f->tier[0], four) | automaton_filter_maybe(f->tier[1], four);
}

static bool filters_of(const struct automaton *const automata[VIEW_TIERS], struct filters *ret)
{
	const struct automaton *first = automata[0] ? automata[0] : automata[1];
	const struct automaton *second = automata[1] ? automata[1] : automata[0];
	if (!first)
		return false;
	*ret = (struct filters){ { automaton_filter_of(first), automaton_filter_of(second) } };
	return true;
}

enum { BLOCK = 64, STARTS = BLOCK - HEX_SHORTEST + 1 };

/* One bit for each byte of a block, the first one the lowest. */
struct block {
	uint64_t digits, run; /* run: with the separators that may stand between two digits */
};

/* A vector of the compiler's, whatever the processor has for it. */
typedef unsigned char vector __attribute__((vector_size(16)));

/* One bit for each of sixteen bytes that are 0 or 255. */
static uint64_t pack_bits(vector bytes)
{
#ifdef __SSE2__
	return (uint64_t)(unsigned)_mm_movemask_epi8((__m128i)bytes);
#else
	uint64_t half[2];
	bytes &= 1;
	memcpy(half, &bytes, sizeof(half));
	half[0] = le64toh(half[0]) * 0x0102040810204080U >> 56;
	half[1] = le64toh(half[1]) * 0x0102040810204080U >> 56;
	return half[0] | half[1] << 8;
#endif
}

static struct block block_of(const char *p)
{
	uint64_t digits = 0, small = 0;
	for (unsigned i = 0; i < BLOCK; i += sizeof(vector)) {
		vector c;
		memcpy(&c, p + i, sizeof(c));
		digits |= pack_bits((vector)((c - '0') < 10) | (vector)(((c | 0x20) - 'a') < 6))
		          << i;
		small |= pack_bits((vector)(c == ':') | (vector)(c == ' ') | (vector)(c == '-'))
		         << i;
	}
	/* one or two between two digits; what stands at the edges may have one beyond them */
	uint64_t behind = digits << 1 | 1, before = digits >> 1 | (uint64_t)1 << 63;
	behind |= (small & behind) << 1 | 2;
	before |= (small & before) >> 1 | (uint64_t)1 << 62;
	return (struct block){ digits, digits | (small & behind & before) };
}

static uint64_t low_bits(unsigned n)
{
	return n < BLOCK ? ((uint64_t)1 << n) - 1 : UINT64_MAX;
}

/* Does a form begin among the @n digits at @p? A filter's word: it may say so of others. */
static bool may_hold(const struct filters *f, const char *p, size_t n)
{
	for (size_t i = 0; i + HEX_SHORTEST <= n; i++) {
		uint32_t four;
		memcpy(&four, p + i, sizeof(four));
		/* digits have that bit, letters get their lower case */
		if (may_begin(f, four | 0x20202020))
			return true;
	}
	return false;
}

/* The run of @b that begins at bit @at: where it ends, and whether somebody must look at it.
 * @begins: what stands in front of it is not in the buffer. */
static bool run_matters(const struct mask_view *v, const struct block *b, unsigned at,
                        const char *p, bool begins, const struct filters *f, unsigned *ret_end)
{
	uint64_t rest = ~(b->run >> at);
	unsigned n = rest ? (unsigned)__builtin_ctzll(rest) : BLOCK, chars = 0;
	*ret_end = at + n;
	if (*ret_end >= BLOCK)
		return true;
	uint64_t digits = b->digits >> at & low_bits(n);
	unsigned all = (unsigned)__builtin_popcountll(digits);
	unsigned e = *ret_end;
	while (e < BLOCK && e < *ret_end + SMALL_MAX && is_small(v, p[e]))
		e++;
	bool line_ends = e == BLOCK || p[e] == '\n' || p[e] == '\r';
	if (all < HEX_SHORTEST || (line_ends && (all >= VIEW_HEX_LINE_MIN || begins)))
		return all >= HEX_SHORTEST;
	unsigned first = (unsigned)__builtin_ctzll(digits);
	if (digits >> first == low_bits(all))
		return may_hold(f, p + at + first, all);
	for (; digits; digits &= digits - 1)
		v->text[chars++] = p[at + (unsigned)__builtin_ctzll(digits)];
	return may_hold(f, v->text, chars);
}

/* Where eight bits in a row begin. */
static uint64_t eight_in_a_row(uint64_t bits)
{
	bits &= bits >> 1;
	bits &= bits >> 2;
	return bits & bits >> 4;
}

/* Of a block: where somebody must look; BLOCK: nowhere. *@ret_next: what is to be classed next.
 * Where no separator and no end of a line plays a part, each eight digits are asked for by
 * themselves; else run by run. */
static unsigned block_matters(const struct mask_view *v, const char *p, bool begins,
                              const struct filters *f, unsigned *ret_next)
{
	const struct block b = block_of(p);
	const uint64_t together = eight_in_a_row(b.digits);
	unsigned end = STARTS;

	*ret_next = STARTS;
	if (b.run == b.digits && !(together & together >> HEX_SHORTEST) && !begins) {
		for (uint64_t at = together & low_bits(STARTS); at; at &= at - 1)
			if (may_hold(f, p + __builtin_ctzll(at), HEX_SHORTEST))
				return (unsigned)__builtin_ctzll(at);
		return BLOCK;
	}
	uint64_t starts = eight_in_a_row(b.run) & low_bits(STARTS);
	for (; starts; starts &= ~low_bits(end)) {
		unsigned at = (unsigned)__builtin_ctzll(starts);
		bool matters = run_matters(v, &b, at, p, begins && at == 0, f, &end);
		if (end >= BLOCK && at > 0) { /* it begins the next block */
			*ret_next = at;
			return BLOCK;
		}
		if (matters)
			return at;
	}
	*ret_next = end > STARTS ? end : STARTS;
	return BLOCK;
}

/* The next run of digits and separators that could hold a form, or that the buffer's end cuts. */
static void find_hex(struct mask_view *v, const struct filters *f, const char *buf, size_t len)
{
	size_t p = v->next;
	while (p + BLOCK <= len) {
		unsigned next, at = block_matters(v, buf + p, p == 0, f, &next);
		if (at < BLOCK) {
			wake(v, buf, p + at);
			return;
		}
		p += next;
	}
	while (p < len) {
		size_t end = len - p < HEX_SHORTEST ? len : p + HEX_SHORTEST, q = end;
		while (q > p && (classes[(unsigned char)buf[q - 1]] & (CLASS_HEX | CLASS_SMALL)))
			q--;
		if (q == p) {
			wake(v, buf, p);
			return;
		}
		p = q;
	}
	v->next = len;
}

/* Could a form begin in buf[from..end) and go on behind the end of the line? Asked of the filter,
 * for each place and, at the last three, with what stands behind. */
static bool line_matters(const struct filters *f, const char *buf, size_t from, size_t end,
                         size_t behind, size_t len)
{
	char both[2 * (SHORTEST - 1)];
	uint32_t four;
	size_t n = 0;
	for (size_t i = from; i + SHORTEST <= end; i++) {
		memcpy(&four, buf + i, sizeof(four));
		if (may_begin(f, four))
			return true;
	}
	while (behind < len && (buf[behind] == '\r' || buf[behind] == '\n' || buf[behind] == ' ' ||
	                        buf[behind] == '\t'))
		behind++;
	if (behind + SHORTEST - 1 > len || end - from < SHORTEST - 1)
		return true;
	memcpy(both, buf + end - (SHORTEST - 1), SHORTEST - 1);
	memcpy(both + SHORTEST - 1, buf + behind, SHORTEST - 1);
	for (; n < SHORTEST - 1; n++) {
		memcpy(&four, both + n, sizeof(four));
		if (may_begin(f, four))
			return true;
	}
	return false;
}

/* Most lines are told apart by their last sixteen bytes. */
static bool ends_in_base64(const char *buf, size_t end)
{
	vector c;
	if (end < sizeof(c))
		return true;
	memcpy(&c, buf + end - sizeof(c), sizeof(c));
	vector is = (vector)(((c | 0x20) - 'a') < 26) | (vector)((c - '0') < 10) |
	            (vector)(c == '+') | (vector)(c == '-') | (vector)(c == '/') |
	            (vector)(c == '_');
	return pack_bits(is) == 0xffff;
}

/* The next end of a line that has enough characters, and its line. One that ends with a carriage
 * return may be over with the next byte. */
static void find_base64(struct mask_view *v, const struct filters *f, const char *buf, size_t len)
{
	for (size_t p = v->next; p < len;) {
		const char *nl = memchr(buf + p, '\n', len - p);
		size_t end = nl ? (size_t)(nl - buf) : len;
		if (!nl && buf[len - 1] != '\r')
			break;
		p = end + 1;
		if (end > 0 && buf[end - 1] == '\r')
			end--;
		if (!ends_in_base64(buf, end) || lead_of(v, buf, end).chars < v->line_min)
			continue;
		size_t from = end;
		while (from > 0 && is_char(v, buf[from - 1]))
			from--;
		if (!line_matters(f, buf, from, end, end, len))
			continue;
		wake(v, buf, from);
		return;
	}
	v->next = len;
}

/* ---- awake ---- */

static void put(struct mask_view *v, char c, size_t at)
{
	v->text[v->len] = c;
	if (v->kind == FORM_HEX && c >= 'A' && c <= 'F')
		v->text[v->len] = (char)(c - 'A' + 'a');
	v->at[v->len++] = (uint32_t)at;
}

/* Does @c belong to the end of a line that stands in front of it, or begin one? */
static bool goes_on(const struct mask_view *v, char c)
{
	if (v->line_end == 0)
		return (c == '\n' || c == '\r') && v->here.chars >= v->line_min;
	if (v->half_end)
		return c == '\n';
	return v->line_end < VIEW_GAP_MAX && (c == '\n' || c == '\r' || c == ' ' || c == '\t');
}

/* One byte; false: it ends the run. */
static bool take(struct mask_view *v, char c, size_t at)
{
	if (is_char(v, c) && !v->half_end) {
		if (v->line_end > 0)
			v->here.chars = 0;
		v->here.chars += v->here.chars < v->line_min;
		v->here.gap = 0;
		v->line_end = 0;
		put(v, c, at);
		return true;
	}
	if (v->line_end == 0 && is_small(v, c))
		return ++v->here.gap <= SMALL_MAX;
	if (!goes_on(v, c))
		return false;
	v->half_end = v->line_end++ == 0 && c == '\r';
	return true;
}

static int look(struct mask_view *v, const struct automaton *const automata[VIEW_TIERS],
                automaton_match_fn fn, void *arg, size_t *ret_keep)
{
	int r = 0;
	*ret_keep = v->len;
	for (size_t i = 0; i < VIEW_TIERS && r == 0; i++) {
		size_t one = v->len;
		if (automata[i])
			r = automaton_scan(automata[i], &v->cursors[i], v->text, v->len, fn, arg,
			                   &one);
		*ret_keep = one < *ret_keep ? one : *ret_keep;
	}
	return r;
}

static void sleep_again(struct mask_view *v)
{
	v->active = false;
	v->len = 0;
	memset(v->cursors, 0, sizeof(v->cursors));
}

struct from {
	const struct mask_view *view;
	automaton_match_fn fn;
	void *arg;
};

static int match(void *arg, size_t begin, size_t end)
{
	const struct from *f = arg;
	return f->fn(f->arg, f->view->at[begin], (size_t)f->view->at[end - 1] + 1);
}

int mask_view_scan(struct mask_view *v, const struct automaton *const automata[VIEW_TIERS],
                   const char *buf, size_t len, automaton_match_fn fn, void *arg, size_t *ret_hold)
{
	struct from from = { v, fn, arg };
	struct filters filters;
	int r = 0;
	*ret_hold = len;
	if (!filters_of(automata, &filters))
		return 0;
	while (r == 0 && v->next < len) {
		bool goes = true;
		size_t keep = 0;
		if (!v->active && v->kind == FORM_HEX)
			find_hex(v, &filters, buf, len);
		else if (!v->active)
			find_base64(v, &filters, buf, len);
		if (!v->active)
			break;
		while (v->next < len && (goes = take(v, buf[v->next], v->next)))
			v->next++;
		r = look(v, automata, match, &from, &keep);
		if (!goes) {
			sleep_again(v);
			v->next += is_small(v, buf[v->next]); /* one too many begins no run */
		} else if (keep < v->len) {
			*ret_hold = v->at[keep];
		}
	}
	return r;
}

void mask_view_drop(struct mask_view *v, const char *buf, size_t n)
{
	size_t gone = 0;
	if (n == 0)
		return;
	v->front = lead_of(v, buf, n);
	while (gone < v->len && v->at[gone] < n)
		gone++;
	memmove(v->text, v->text + gone, v->len - gone);
	for (size_t i = gone; i < v->len; i++)
		v->at[i - gone] = v->at[i] - (uint32_t)n;
	v->len -= gone;
	v->next -= n < v->next ? n : v->next;
	for (size_t i = 0; i < VIEW_TIERS; i++)
		v->cursors[i].at -= gone < v->cursors[i].at ? gone : v->cursors[i].at;
}

void mask_view_again(struct mask_view *v)
{
	sleep_again(v);
	v->next = 0;
}

void mask_view_end(struct mask_view *v)
{
	mask_view_again(v);
	v->front = (struct view_lead){ 0 };
}
