// SPDX-License-Identifier: Apache-2.0
/* gl_trace.c - see gl_trace.h.
 *
 * Runs in: job's host, keeper, supervisor. Text has been masked by the job's values and escaped
 * before it comes here; what is masked here has a known shape and no known value. */
#include "gl_trace.h"

#include "base/text_escape.h"
#include "drydock/fd.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MASKED "[MASKED]"
#define CLEAR  "\033[0K"
#define RESET  "\033[0;m"

enum { SAY_MAX = 4000, PREFIXES_MAX = 40 };

/* What all processes of a job know of the file. */
struct trace_shared {
	uint64_t bytes; /* that count: what was kept, and the notice */
	bool cut;
	bool goes_on[GL__STREAMS]; /* the next entry of the stream continues a line */
	int error;
};

struct gl_trace {
	struct gl_trace_spec spec;
	struct trace_shared *shared;
	const char *prefixes[PREFIXES_MAX];
	size_t n_prefixes;
};

static const char *const stream_names[] = { "00O", "01O", "01E" };
_Static_assert(ARRAY_LEN(stream_names) == GL__STREAMS, "a stream has no name");

static const char *const colours[] = {
	[GL_SAY] = CLEAR,
	[GL_SAY_GOOD] = "\033[32;1m",
	[GL_SAY_WARNING] = "\033[0;33mWARNING: ",
	[GL_SAY_ERROR] = "\033[31;1mERROR: ",
	[GL_SAY_TITLE] = "\033[0K\033[36;1m",
};

/* What tokens of GitLab begin with, whatever the server says. */
static const char *const own_prefixes[] = { "glpat-", "gloas-",          "gldt-",   "glrt-",
	                                    "glcbt-", "glrtr-",          "glptt-",  "glft-",
	                                    "glimt-", "glagent-",        "glsoat-", "glffct-",
	                                    "gltok-", "_gitlab_session=" };

/* ---- masks of a known shape ---- */

size_t gl_mask_room(size_t len)
{
	return len * 4 + 64;
}

static size_t token_len(const char *text, size_t len)
{
	size_t n = 0;
	while (n < len && (isalnum((unsigned char)text[n]) || (text[n] && strchr("_.=-", text[n]))))
		n++;
	return n;
}

/* The longest prefix that @text begins with. */
static size_t prefix_len(const char *const *prefixes, size_t n, const char *text, size_t len)
{
	size_t best = 0;
	for (size_t i = 0; i < n; i++) {
		size_t own = strlen(prefixes[i]);
		if (own > best && own <= len && memcmp(prefixes[i], text, own) == 0)
			best = own;
	}
	return best;
}

/* "?private_token=" at @text: so many bytes; 0: none. */
static size_t parameter_len(const char *text, size_t len)
{
	static const char *const names[] = { "private_token",    "authenticity_token",
		                             "rss_token",        "x-amz-signature",
		                             "x-amz-credential", "x-amz-security-token" };
	if (len < 2 || (text[0] != '?' && text[0] != '&'))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t own = strlen(names[i]);
		if (own + 2 <= len && strncasecmp(text + 1, names[i], own) == 0 &&
		    text[own + 1] == '=')
			return own + 2;
	}
	return 0;
}

static size_t value_len(const char *text, size_t len)
{
	size_t n = 0;
	while (n < len && !isspace((unsigned char)text[n]) && !iscntrl((unsigned char)text[n]) &&
	       text[n] != '?' && text[n] != '&')
		n++;
	return n;
}

size_t gl_mask_line(const char *const *prefixes, size_t n, const char *text, size_t len, char *out)
{
	size_t to = 0;
	for (size_t at = 0; at < len;) {
		size_t keep = prefix_len(prefixes, n, text + at, len - at);
		size_t drop = keep ? token_len(text + at + keep, len - at - keep) : 0;
		if (!keep && (keep = parameter_len(text + at, len - at)) > 0)
			drop = value_len(text + at + keep, len - at - keep);
		if (drop == 0)
			keep = 1;
		memcpy(out + to, text + at, keep);
		to += keep;
		if (drop) {
			memcpy(out + to, MASKED, sizeof(MASKED) - 1);
			to += sizeof(MASKED) - 1;
		}
		at += keep + drop;
	}
	return to;
}

/* ---- bytes ---- */

static void put(struct gl_trace *t, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(t->spec.fd, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			t->shared->error = n < 0 ? errno : EIO;
			return;
		}
		bytes += n;
		len -= (size_t)n;
		t->shared->bytes += (uint64_t)n;
	}
}

static void say_cut(struct gl_trace *t)
{
	char notice[300];
	int n = snprintf(notice, sizeof(notice),
	                 "\n\033[33;1mJob's log exceeded limit of %llu bytes.\nJob execution will "
	                 "continue but no more output will be collected.\033[0;m\n",
	                 (unsigned long long)t->spec.limit);
	t->shared->cut = true;
	put(t, notice, (size_t)n);
}

/* Everything goes through here; never half a character at the limit. */
static void put_limited(struct gl_trace *t, const char *bytes, size_t len)
{
	uint64_t room = t->shared->bytes < t->spec.limit ? t->spec.limit - t->shared->bytes : 0;
	if (t->shared->cut)
		return;
	if (len <= room) {
		put(t, bytes, len);
		return;
	}
	size_t keep = (size_t)room;
	while (keep > 0 && ((unsigned char)bytes[keep] & 0xc0) == 0x80)
		keep--;
	put(t, bytes, keep);
	say_cut(t);
}

/* ---- entries ---- */

static void clock_now(int64_t *ret_sec, long *ret_usec)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	*ret_sec = ts.tv_sec;
	*ret_usec = ts.tv_nsec / 1000;
}

static void now(const struct gl_trace *t, int64_t *ret_sec, long *ret_usec)
{
	(t->spec.now ? t->spec.now : clock_now)(ret_sec, ret_usec);
}

static size_t head(struct gl_trace *t, enum gl_stream stream, char ret[48])
{
	int64_t sec;
	long usec;
	struct tm tm;
	char date[32];
	now(t, &sec, &usec);
	time_t when = (time_t)sec;
	(void)gmtime_r(&when, &tm);
	(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	int n = snprintf(ret, 48, "%.19s.%06ldZ %s%c", date, usec % 1000000, stream_names[stream],
	                 t->shared->goes_on[stream] ? '+' : ' ');
	t->shared->goes_on[stream] = false;
	return n > 0 ? (size_t)n : 0;
}

/* One entry: @goes_on where the line is not over with it. */
static void entry(struct gl_trace *t, enum gl_stream stream, const char *text, size_t len,
                  bool goes_on)
{
	size_t at = 0;
	dd_auto_free char *line = malloc(len + 64);
	if (!line) {
		t->shared->error = ENOMEM;
		return;
	}
	if (t->spec.stamps)
		at = head(t, stream, line);
	memcpy(line + at, text, len);
	at += len;
	if (t->spec.stamps || !goes_on)
		line[at++] = '\n';
	t->shared->goes_on[stream] = goes_on && t->spec.stamps;
	put_limited(t, line, at);
}

void gl_trace_say(struct gl_trace *t, enum gl_colour colour, const char *fmt, ...)
{
	char text[SAY_MAX], line[SAY_MAX + 80];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	dd_auto_free char *masked = malloc(gl_mask_room(strlen(text)) + 1);
	if (!masked) {
		t->shared->error = ENOMEM;
		return;
	}
	size_t len = gl_mask_line(t->prefixes, t->n_prefixes, text, strlen(text), masked);
	int n = snprintf(line, sizeof(line), "%s%.*s%s" RESET, colours[colour],
	                 (int)(len < SAY_MAX ? len : SAY_MAX), masked,
	                 colour == GL_SAY_TITLE ? RESET : "");
	entry(t, GL_RUNNER, line, n > 0 ? (size_t)n : 0, false);
}

void gl_trace_line(struct gl_trace *t, enum gl_stream stream, const char *text, size_t len,
                   bool continues)
{
	dd_auto_free char *masked = malloc(gl_mask_room(len) + 1);
	if (!masked) {
		t->shared->error = ENOMEM;
		return;
	}
	entry(t, stream, masked, gl_mask_line(t->prefixes, t->n_prefixes, text, len, masked),
	      continues);
}

void gl_trace_section(struct gl_trace *t, bool start, const char *name, const char *options)
{
	char marker[300];
	int64_t sec;
	long usec;
	if (!t->spec.sections)
		return;
	now(t, &sec, &usec);
	int n = snprintf(marker, sizeof(marker), "section_%s:%lld:%s%s\r" CLEAR,
	                 start ? "start" : "end", (long long)sec, name, options ? options : "");
	entry(t, GL_RUNNER, marker, n > 0 ? (size_t)n : 0, true);
}

void gl_trace_own_section(struct gl_trace *t, enum gl_stream stream, const char *marker, size_t len)
{
	char whole[400];
	int n = snprintf(whole, sizeof(whole), "%.*s\r" CLEAR, (int)len, marker);
	if (n > 0 && (size_t)n < sizeof(whole))
		entry(t, stream, whole, (size_t)n, true);
}

int gl_trace_error(const struct gl_trace *t)
{
	return t->shared->error;
}

/* ---- life ---- */

int gl_trace_new(const struct gl_trace_spec *spec, struct gl_trace **ret, struct dd_err *err)
{
	struct gl_trace *t = calloc(1, sizeof(*t));
	if (!t)
		return dd_err_set(err, ENOMEM, "begin the job's log");
	t->spec = *spec;
	for (size_t i = 0; i < ARRAY_LEN(own_prefixes); i++)
		t->prefixes[t->n_prefixes++] = own_prefixes[i];
	for (size_t i = 0; i < spec->n_prefixes && t->n_prefixes < PREFIXES_MAX; i++)
		if (*spec->prefixes[i])
			t->prefixes[t->n_prefixes++] = spec->prefixes[i];
	void *shared = mmap(NULL, sizeof(*t->shared), PROT_READ | PROT_WRITE,
	                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		free(t);
		return dd_err_set(err, ENOMEM, "begin the job's log");
	}
	t->shared = shared;
	off_t end = lseek(spec->fd, 0, SEEK_END);
	t->shared->bytes = end > 0 ? (uint64_t)end : 0;
	*ret = t;
	return 0;
}

void gl_trace_free(struct gl_trace *t)
{
	if (!t)
		return;
	(void)munmap(t->shared, sizeof(*t->shared));
	free(t);
}
