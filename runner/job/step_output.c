// SPDX-License-Identifier: Apache-2.0
/* step_output.c - mask, count, split into lines, escape, log, show: in this order, so that nothing
 * unmasked and nothing that a terminal obeys is ever stored or shown.
 *
 * A log is read as text: colours are left out of it, and of a line that was written over itself (a
 * progress bar) what stands there last is kept. What that brings together is masked once more.
 *
 * Runs in the supervisor, on hostile bytes.
 */
#include "step_output.h"

#include "drydock/fd.h"
#include "base/text_escape.h"

struct stream {
	struct step_output *so;
	enum step_stream which;
	struct mask_stream *mask;
	size_t len;
	char line[STEP_LINE_MAX];
	/* of a line that may be a command and is longer than that; NULL: none is at hand */
	char *whole;
	size_t whole_len;
	bool goes_on; /* the beginning of the line was shown already */
	bool partial; /* the raw bytes so far end inside of a line */
};

/* To be masked once the feed at hand is over. */
struct pending {
	struct pending *next;
	size_t len;
	char value[];
};

struct step_output {
	struct step_output_spec spec;
	struct stream streams[STEP_STREAMS];
	uint64_t told; /* masked bytes that were let through */
	bool cut;
	struct dd_err *err; /* of the call at hand */
	struct pending *pending;
	/* a mark of eight bytes becomes eleven, so each byte still has its share of what follows */
	char spelled[STEP_LINE_MAX * 2];
	struct mask_stream *again; /* for lines of which something was left out */
	char plain[STEP_LINE_MAX * 2], remasked[STEP_LINE_MAX * 2];
	size_t remasked_len;
	char escaped[STEP_LINE_MAX * TEXT_ESCAPE_MAX + 16];
	char coloured[STEP_LINE_MAX * TEXT_ESCAPE_MAX + 16];
	size_t log_len;
	char log[65536]; /* more than one escaped line */
};

static const char sgr_reset[] = "\x1b[0m";

static void drop_whole(struct stream *st)
{
	if (st->whole)
		explicit_bzero(st->whole, STEP_COMMAND_MAX);
	free(st->whole);
	st->whole = NULL;
	st->whole_len = 0;
}

static void drop_pending(struct step_output *so)
{
	while (so->pending) {
		struct pending *one = so->pending;
		so->pending = one->next;
		explicit_bzero(one->value, one->len);
		free(one);
	}
}

int step_output_new(const struct step_output_spec *spec, struct step_output **ret,
                    struct dd_err *err)
{
	struct step_output *so = calloc(1, sizeof(*so));
	if (!so)
		return dd_err_set(err, ENOMEM, "prepare a step's output");
	int r = step_output_restart(so, spec, err);
	if (r < 0)
		step_output_free(so);
	else
		*ret = so;
	return r;
}

int step_output_restart(struct step_output *so, const struct step_output_spec *spec,
                        struct dd_err *err)
{
	step_output_stop(so);
	so->spec = *spec;
	so->told = 0;
	so->cut = false;
	so->log_len = 0;
	int made = mask_stream_new(spec->mask, &so->again, err);
	if (made < 0)
		return made;
	for (int i = 0; i < STEP_STREAMS; i++) {
		so->streams[i].so = so;
		so->streams[i].which = (enum step_stream)i;
		so->streams[i].len = 0;
		so->streams[i].goes_on = so->streams[i].partial = false;
		int r = mask_stream_new(spec->mask, &so->streams[i].mask, err);
		if (r < 0) {
			step_output_stop(so);
			return r;
		}
	}
	return 0;
}

void step_output_stop(struct step_output *so)
{
	mask_stream_free(so->again);
	so->again = NULL;
	drop_pending(so);
	for (int i = 0; i < STEP_STREAMS; i++) {
		drop_whole(&so->streams[i]);
		mask_stream_free(so->streams[i].mask);
		so->streams[i].mask = NULL;
	}
}

void step_output_free(struct step_output *so)
{
	if (!so)
		return;
	step_output_stop(so);
	free(so);
}

bool step_output_was_cut(const struct step_output *so)
{
	return so->cut;
}

enum { STYLE_MAX = 32 };

/* Length of a colour sequence (ESC [ digits ; : m) at @s, or 0. */
static size_t sgr_len(const char *s, size_t len)
{
	if (len < 3 || s[0] != '\x1b' || s[1] != '[')
		return 0;
	for (size_t i = 2; i < len && i < STYLE_MAX; i++) {
		if (s[i] == 'm')
			return i + 1;
		if ((s[i] < '0' || s[i] > '9') && s[i] != ';' && s[i] != ':')
			return 0;
	}
	return 0;
}

/* Likewise of anything that only says how text looks: a colour, "erase to the end of the line"
 * (which comes with progress bars), "the ASCII letters" (which comes with tput's reset). */
static size_t style_len(const char *s, size_t len)
{
	static const char *const others[] = { "\x1b[K", "\x1b[0K", "\x1b(B" };
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		size_t n = strlen(others[i]);
		if (len >= n && memcmp(s, others[i], n) == 0)
			return n;
	}
	return sgr_len(s, len);
}

/* Escaped, with the step's colours, or without any. */
static size_t escape_line(char *out, const char *s, size_t len, bool colour)
{
	size_t o = 0, from = 0;
	bool coloured = false;
	for (size_t i = 0; i < len;) {
		size_t n = style_len(s + i, len - i);
		if (n == 0) {
			i++;
			continue;
		}
		o += text_escape(out + o, s + from, i - from);
		if (colour && sgr_len(s + i, len - i) > 0) {
			memcpy(out + o, s + i, n);
			o += n;
			/* "ESC[m", "ESC[0;m": nothing is open after it */
			coloured = strspn(s + i + 2, "0;") + 3 < n;
		}
		i += n;
		from = i;
	}
	o += text_escape(out + o, s + from, len - from);
	if (coloured) {
		memcpy(out + o, sgr_reset, sizeof(sgr_reset));
		o += sizeof(sgr_reset) - 1;
	}
	return o;
}

static int keep_remasked(void *arg, const char *bytes, size_t len)
{
	struct step_output *so = arg;
	size_t room = sizeof(so->remasked) - so->remasked_len;
	size_t n = len < room ? len : room;
	memcpy(so->remasked + so->remasked_len, bytes, n);
	so->remasked_len += n;
	return 0;
}

/* Without its styles a line may hold a secret that the mask saw in two parts. Then it goes without
 * them everywhere, and what is left is @line. */
static int mask_again(struct step_output *so, const char **line, size_t *len)
{
	size_t n = 0;
	for (size_t i = 0, style; i < *len; i += style ? style : 1) {
		style = style_len(*line + i, *len - i);
		if (style == 0)
			so->plain[n++] = (*line)[i];
	}
	so->remasked_len = 0;
	int r = mask_feed(so->again, so->plain, n, keep_remasked, so);
	if (r == 0)
		r = mask_flush(so->again, keep_remasked, so);
	if (r == 0 && (so->remasked_len != n || memcmp(so->remasked, so->plain, n) != 0)) {
		*line = so->remasked;
		*len = so->remasked_len;
	}
	return r;
}

/* ---- drydock's mark: no line that a step prints holds it (L-10) ---- */

/* Bytes at @s that nobody sees: a colour, or a character without width. */
static size_t unseen_len(const char *s, size_t len)
{
	static const char *const unseen[] = {
		"\xc2\xad",     "\xcd\x8f",     "\xe1\xa0\x8e", "\xe2\x80\x8b", "\xe2\x80\x8c",
		"\xe2\x80\x8d", "\xe2\x81\xa0", "\xef\xb8\x8e", "\xef\xb8\x8f",
	};
	for (size_t i = 0; i < ARRAY_LEN(unseen); i++) {
		size_t n = strlen(unseen[i]);
		if (len >= n && memcmp(s, unseen[i], n) == 0)
			return n;
	}
	return style_len(s, len);
}

/* Does the mark begin at @s, whatever stands between its letters unseen? At the end of a piece its
 * beginning is enough: the rest may follow in the next one. */
static bool mark_begins(const char *s, size_t len, bool continues)
{
	size_t i = 0;
	for (const char *m = STEP_OUTPUT_MARK; *m; m++) {
		for (size_t n; i < len && (n = unseen_len(s + i, len - i)) > 0;)
			i += n;
		if (i == len)
			return continues;
		if ((s[i++] | 0x20) != *m)
			return false;
	}
	return true;
}

/* The line with the first letter of each mark spelled out; returns its length. */
static size_t spell_marks(struct step_output *so, const char *s, size_t len, bool continues)
{
	size_t o = 0;
	for (size_t i = 0; i < len; i++) {
		if ((s[i] | 0x20) == STEP_OUTPUT_MARK[0] && mark_begins(s + i, len - i, continues))
			o += (size_t)sprintf(so->spelled + o, "\\x%02x", (unsigned char)s[i]);
		else
			so->spelled[o++] = s[i];
	}
	return o;
}

static int flush_log(struct step_output *so)
{
	size_t at = 0;
	while (so->spec.log_fd >= 0 && at < so->log_len) {
		ssize_t n = write(so->spec.log_fd, so->log + at, so->log_len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dd_err_set(so->err, errno, "write the step's log");
		at += (size_t)n;
	}
	so->log_len = 0;
	return 0;
}

/* Many short lines, one write: flushed at the end of every feed. */
static int write_log(struct step_output *so, const char *bytes, size_t len)
{
	int r = so->log_len + len > sizeof(so->log) ? flush_log(so) : 0;
	if (r < 0)
		return r;
	memcpy(so->log + so->log_len, bytes, len);
	so->log_len += len;
	return 0;
}

static int show(struct stream *st, size_t step_len, bool continues)
{
	struct step_output *so = st->so;
	size_t len = spell_marks(so, st->line, step_len, continues);
	const char *spelled = so->spelled;
	int r = memchr(spelled, '\x1b', len) ? mask_again(so, &spelled, &len) : 0;
	if (r < 0)
		return r;
	size_t n = escape_line(so->escaped, spelled, len, false);
	struct step_line line = { .stream = st->which,
		                  .text = so->escaped,
		                  .len = n,
		                  .coloured = so->escaped,
		                  .coloured_len = n,
		                  .continues = continues };
	r = write_log(so, so->escaped, n);
	if (r == 0 && !continues)
		r = write_log(so, "\n", 1);
	if (r < 0 || !so->spec.line)
		return r;
	if (so->spec.colour && memchr(spelled, '\x1b', len)) {
		line.coloured = so->coloured;
		line.coloured_len = escape_line(so->coloured, spelled, len, true);
	}
	return so->spec.line(so->spec.arg, &line);
}

/* A style that is not whole at the end of @line: where it begins; else @len. */
static size_t before_style(const char *line, size_t len)
{
	for (size_t back = 1; back < STYLE_MAX && back < len; back++)
		if (line[len - back] == '\x1b')
			return style_len(line + len - back, back) > 0 ? len : len - back;
	return len;
}

/* Where to break a full line: not inside a character or a style, nor before a CR that may be the
 * line's end. */
static size_t break_at(const char *line, size_t len)
{
	while (len > 1 && line[len - 1] == '\r')
		len--;
	len = before_style(line, len);
	for (size_t back = 1; back <= 3 && back < len; back++) {
		unsigned char c = (unsigned char)line[len - back];
		if (c < 0x80)
			return len;
		if (c >= 0xc0)
			return utf8_char_len(line + len - back, back) == 0 ? len - back : len;
	}
	return len;
}

static void drop_front(struct stream *st, size_t n)
{
	memmove(st->line, st->line + n, st->len - n);
	st->len -= n;
}

/* Of a line that was written over itself what stands there last; CRs at its end are its end. */
static size_t last_start(const char *line, size_t len)
{
	while (len > 0 && line[len - 1] == '\r')
		len--;
	const char *cr = memrchr(line, '\r', len);
	return cr ? (size_t)(cr + 1 - line) : 0;
}

static int show_piece(struct stream *st)
{
	size_t over = last_start(st->line, st->len);
	if (over > 0) {
		drop_front(st, over);
		return 0;
	}
	size_t n = break_at(st->line, st->len);
	int r = show(st, n, true);
	drop_front(st, n);
	st->goes_on = true;
	return r;
}

/* ---- workflow commands: for the front end to read ---- */

/* `::name` with blanks before it, or `##[` anywhere: one look at what a line may be. */
static bool looks_like_command(const char *line, size_t len)
{
	size_t n = 0;
	while (n < len && (line[n] == ' ' || line[n] == '\t'))
		n++;
	return (len - n >= 2 && memcmp(line + n, "::", 2) == 0) || memmem(line, len, "##[", 3);
}

/* A command is read whole or not at all: its beginning must not be shown before its end is known.
 */
static bool step_output_collect(struct stream *st)
{
	if (!st->so->spec.said || st->goes_on || !looks_like_command(st->line, st->len))
		return false;
	st->whole = malloc(STEP_COMMAND_MAX);
	if (!st->whole)
		return false;
	memcpy(st->whole, st->line, st->len);
	st->whole_len = st->len;
	st->len = 0;
	return true;
}

/* What does not fit is left out: the front end sees a line that is too long. */
static void collect_more(struct stream *st, const char *bytes, size_t len)
{
	size_t room = STEP_COMMAND_MAX - st->whole_len;
	size_t n = len < room ? len : room;
	memcpy(st->whole + st->whole_len, bytes, n);
	st->whole_len += n;
}

static int show_text(struct stream *st, const char *text, size_t len)
{
	int r = 0;
	while (r == 0 && len > STEP_LINE_MAX) {
		size_t n;
		memcpy(st->line, text, STEP_LINE_MAX);
		n = break_at(st->line, STEP_LINE_MAX);
		r = show(st, n, true);
		text += n;
		len -= n;
	}
	if (r < 0)
		return r;
	memmove(st->line, text, len);
	return show(st, len, false);
}

static int end_line(struct stream *st)
{
	const struct step_output_spec *spec = &st->so->spec;
	struct step_said said = { .hidden = false };
	bool whole = st->whole;

	size_t over = whole ? 0 : last_start(st->line, st->len);
	if (over > 0 && spec->over && !st->goes_on)
		spec->over(spec->arg, st->which, st->line, over);
	drop_front(st, over);
	const char *text = whole ? st->whole : st->line;
	size_t len = whole ? st->whole_len : st->len;
	while (len > 0 && text[len - 1] == '\r')
		len--;
	if (spec->said && !st->goes_on)
		said = spec->said(spec->arg, st->which, text, len);
	st->len = 0;
	st->goes_on = false;
	int r = said.hidden    ? 0
	        : said.instead ? show_text(st, said.instead, said.len)
	                       : show_text(st, text, len);
	drop_whole(st);
	return r;
}

static int split(struct stream *st, const char *bytes, size_t len)
{
	int r = 0;
	while (r == 0 && len > 0) {
		const char *nl = memchr(bytes, '\n', len);
		size_t n = nl ? (size_t)(nl - bytes) : len;
		size_t room = STEP_LINE_MAX - st->len;
		size_t take = n < room || st->whole ? n : room;
		if (st->whole) {
			collect_more(st, bytes, take);
		} else {
			memcpy(st->line + st->len, bytes, take);
			st->len += take;
		}
		bytes += take;
		len -= take;
		if (nl && take == n) {
			r = end_line(st);
			bytes++;
			len--;
		} else if (st->len == STEP_LINE_MAX && !step_output_collect(st)) {
			r = show_piece(st);
		}
	}
	return r;
}

static int say_cut(struct stream *st)
{
	char text[120];
	struct step_output *so = st->so;
	int n = snprintf(text, sizeof(text),
	                 STEP_OUTPUT_MARK
	                 " the output is cut here, it is longer than the limit of %llu bytes",
	                 (unsigned long long)so->spec.log_bytes);
	so->cut = true;
	int r = st->len > 0 || st->whole ? end_line(st) : 0;
	if (r == 0)
		r = write_log(so, text, (size_t)n);
	if (r == 0)
		r = write_log(so, "\n", 1);
	const struct step_line line = { .stream = st->which,
		                        .text = text,
		                        .len = (size_t)n,
		                        .coloured = text,
		                        .coloured_len = (size_t)n,
		                        .own = true };
	return r < 0 || !so->spec.line ? r : so->spec.line(so->spec.arg, &line);
}

/* From the mask: these bytes may be stored and shown. */
static int masked(void *arg, const char *bytes, size_t len)
{
	struct stream *st = arg;
	struct step_output *so = st->so;
	if (so->cut)
		return 0; /* read on and thrown away: the step must not notice by hanging */
	uint64_t room = so->spec.log_bytes - so->told;
	size_t take = len < room ? len : (size_t)room;
	so->told += take;
	int r = split(st, bytes, take);
	return r == 0 && take < len ? say_cut(st) : r;
}

int step_output_mask(struct step_output *so, const char *value, size_t len, struct dd_err *err)
{
	while (len > 0 && (value[len - 1] == '\n' || value[len - 1] == '\r'))
		len--;
	/* Said a second time, it came through the mask: client libraries say a value and the same
	 * one escaped. */
	if (mask_is_word(so->spec.mask, value, len))
		return 0;
	if (len < MASK_MIN || len > MASK_VALUE_MAX)
		return dd_err_say(err, EINVAL,
		                  "a value of %zu bytes cannot be masked, only %d to %d", len,
		                  MASK_MIN, MASK_VALUE_MAX);
	struct pending *one = malloc(sizeof(*one) + len);
	if (!one)
		return dd_err_set(err, ENOMEM, "mask a value");
	one->len = len;
	memcpy(one->value, value, len);
	one->next = so->pending;
	so->pending = one;
	return 0;
}

/* Between two feeds: nothing of a stream is being worked at. */
static int apply_pending(struct step_output *so)
{
	struct mask_stream *const live[] = { so->again, so->streams[0].mask, so->streams[1].mask };
	int r = 0;
	for (struct pending *one = so->pending; r == 0 && one; one = one->next)
		r = mask_add_live(so->spec.mask, one->value, one->len, live, ARRAY_LEN(live),
		                  so->err);
	drop_pending(so);
	return r;
}

static int feed_some(struct stream *st, const char *bytes, size_t len)
{
	int r = mask_feed(st->mask, bytes, len, masked, st);
	return r == 0 && st->so->pending ? apply_pending(st->so) : r;
}

/* A line that may be a command is fed by itself: what it has masked must be masked in the next. So
 * is one that began in another feed. */
static int feed_lines(struct stream *st, const char *bytes, size_t len)
{
	const char *from = bytes, *end = bytes + len;
	bool any = memmem(bytes, len, "::", 2) || memmem(bytes, len, "##[", 3);
	int r = 0;

	while (r == 0 && bytes < end && (any || st->partial)) {
		const char *nl = memchr(bytes, '\n', (size_t)(end - bytes));
		const char *next = nl ? nl + 1 : end;
		bool maybe = st->partial || looks_like_command(bytes, (size_t)(next - bytes));
		st->partial = false;
		bytes = next;
		if (maybe) {
			r = feed_some(st, from, (size_t)(bytes - from));
			from = bytes;
		}
	}
	st->partial = len > 0 && end[-1] != '\n';
	return r == 0 && from < end ? feed_some(st, from, (size_t)(end - from)) : r;
}

int step_output_feed(struct step_output *so, enum step_stream stream, const char *bytes, size_t len,
                     struct dd_err *err)
{
	struct stream *st = &so->streams[stream];
	so->err = err;
	int r = so->spec.said ? feed_lines(st, bytes, len)
	                      : mask_feed(st->mask, bytes, len, masked, st);
	int written = flush_log(so);
	return r ? r : written;
}

int step_output_end(struct step_output *so, struct dd_err *err)
{
	int r = 0;
	so->err = err;
	for (int i = 0; i < STEP_STREAMS && r == 0; i++) {
		struct stream *st = &so->streams[i];
		r = mask_flush(st->mask, masked, st);
		if (r == 0 && (st->len > 0 || st->whole))
			r = end_line(st);
		if (r == 0 && so->pending)
			r = apply_pending(so);
	}
	int written = flush_log(so);
	return r ? r : written;
}
