// SPDX-License-Identifier: Apache-2.0
/* journal.c - an append-only file of handles.
 *
 * Runs in: supervisor, keeper, command line. */
#include "journal.h"

#include "drydock/fd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { JOURNAL_BYTES_MAX = 16 * 1024 * 1024 };

struct journal {
	int fd;
	char path[700];
	unsigned last_id;
};

static int append(struct journal *j, json_t *line, struct dd_err *err)
{
	if (!line)
		return dd_err_set(err, ENOMEM, "write %s", j->path);
	(void)json_object_set_new(line, "v", json_integer(1));
	(void)json_object_set_new(line, "ts", json_integer((json_int_t)time(NULL)));
	char *text = json_dumps(line, JSON_COMPACT), *whole = NULL;
	json_decref(line);
	int len = text ? asprintf(&whole, "%s\n", text) : -1;
	free(text);
	if (len < 0)
		return dd_err_set(err, ENOMEM, "write %s", j->path);
	ssize_t n;
	do
		n = write(j->fd, whole, (size_t)len);
	while (n < 0 && errno == EINTR);
	free(whole);
	if (n != len)
		return dd_err_set(
			err, n < 0 ? errno : ENOSPC,
			"write to the journal of credentials %s (nothing is asked for that "
			"could not be taken back)",
			j->path);
	return fdatasync(j->fd) < 0 ? dd_err_set(err, errno, "write %s to disk", j->path) : 0;
}

static int make_dir(const char *dir, struct dd_err *err)
{
	struct stat st;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return dd_err_set(err, errno, "make %s", dir);
	if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 0022))
		return dd_err_say(err, EPERM,
		                  "%s is not a directory of this user alone: chmod go-w it", dir);
	return 0;
}

static int sync_dir(const char *dir, struct dd_err *err)
{
	dd_auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? dd_err_set(err, errno, "write %s to disk", dir) : 0;
}

int journal_open(const char *dir, const char *run, const char *record, struct journal **ret,
                 struct dd_err *err)
{
	int r = make_dir(dir, err);
	if (r < 0)
		return r;
	struct journal *j = calloc(1, sizeof(*j));
	if (!j)
		return dd_err_set(err, ENOMEM, "make a journal of credentials");
	(void)snprintf(j->path, sizeof(j->path), "%s/%s.jsonl", dir, run);
	j->fd = open(j->path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (j->fd < 0 || flock(j->fd, LOCK_EX | LOCK_NB) < 0)
		r = dd_err_set(err, errno, "make %s", j->path);
	if (r == 0)
		r = append(j,
		           json_pack("{s:s, s:s, s:s}", "t", "run", "run", run, "record", record),
		           err);
	if (r == 0)
		r = sync_dir(dir, err);
	if (r < 0) {
		journal_free(j);
		return r;
	}
	*ret = j;
	return 0;
}

int journal_open_dead(const char *path, struct journal **ret, struct dd_err *err)
{
	struct stat st;
	struct journal *j = calloc(1, sizeof(*j));
	if (!j)
		return dd_err_set(err, ENOMEM, "read %s", path);
	(void)snprintf(j->path, sizeof(j->path), "%s", path);
	j->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	int r = j->fd < 0 ? dd_err_set(err, errno, "open %s", path) : 0;
	if (r == 0 && flock(j->fd, LOCK_EX | LOCK_NB) < 0)
		r = dd_err_say(err, EBUSY, "%s belongs to a run that lives", path);
	/* somebody else was faster, and has settled it */
	if (r == 0 && (fstat(j->fd, &st) < 0 || st.st_nlink == 0))
		r = dd_err_say(err, EBUSY, "%s is settled", path);
	if (r == 0 && (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 0022)))
		r = dd_err_say(err, EPERM, "%s is not this user's alone", path);
	if (r < 0) {
		journal_free(j);
		return r;
	}
	*ret = j;
	return 0;
}

int journal_intent(struct journal *j, const struct journal_entry *about, unsigned *ret_id,
                   struct dd_err *err)
{
	unsigned id = j->last_id + 1;
	int r = append(j,
	               json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:I}", "t", "intent", "id",
	                         (int)id, "credential", about->credential, "kind", about->kind,
	                         "step", about->step, "phase", about->phase, "until",
	                         (json_int_t)about->until),
	               err);
	if (r < 0)
		return r;
	*ret_id = j->last_id = id;
	return 0;
}

int journal_issued(struct journal *j, unsigned id, const char *handle, struct dd_err *err)
{
	json_error_t why;
	json_t *said = json_loads(handle, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(said)) {
		json_decref(said);
		return dd_err_say(err, EBADMSG, "a handle that is no JSON object");
	}
	return append(j, json_pack("{s:s, s:i, s:o}", "t", "issued", "id", (int)id, "handle", said),
	              err);
}

int journal_ended(struct journal *j, unsigned id, const char *how, struct dd_err *err)
{
	return append(j, json_pack("{s:s, s:i, s:s}", "t", "ended", "id", (int)id, "how", how),
	              err);
}

/* ---- reading ---- */

static void copy_text(char *to, size_t size, const json_t *line, const char *key)
{
	const char *text = json_string_value(json_object_get(line, key));
	(void)snprintf(to, size, "%s", text ? text : "");
}

static struct journal_entry *find(struct journal_state *s, json_int_t id)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->entries[i].id == (unsigned)id)
			return &s->entries[i];
	return NULL;
}

static int take_intent(struct journal_state *s, const json_t *line, json_int_t id)
{
	if (s->n == JOURNAL_ENTRIES_MAX || find(s, id))
		return -EBADMSG;
	struct journal_entry *more = reallocarray(s->entries, s->n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	s->entries = more;
	struct journal_entry *e = &s->entries[s->n++];
	*e = (struct journal_entry){ .id = (unsigned)id,
		                     .until = json_integer_value(json_object_get(line, "until")) };
	copy_text(e->credential, sizeof(e->credential), line, "credential");
	copy_text(e->kind, sizeof(e->kind), line, "kind");
	copy_text(e->step, sizeof(e->step), line, "step");
	copy_text(e->phase, sizeof(e->phase), line, "phase");
	s->n_open++;
	return 0;
}

static int take_line(struct journal_state *s, const json_t *line)
{
	const char *t = json_string_value(json_object_get(line, "t"));
	json_int_t id = json_integer_value(json_object_get(line, "id"));
	if (!t)
		return -EBADMSG;
	if (strcmp(t, "run") == 0) {
		copy_text(s->run, sizeof(s->run), line, "run");
		copy_text(s->record, sizeof(s->record), line, "record");
		return 0;
	}
	if (strcmp(t, "intent") == 0)
		return take_intent(s, line, id);
	struct journal_entry *e = find(s, id);
	if (!e)
		return -EBADMSG;
	if (strcmp(t, "ended") == 0) {
		s->n_open -= !e->ended;
		e->ended = true;
	} else if (strcmp(t, "issued") == 0) {
		const json_t *handle = json_object_get(line, "handle");
		free(e->handle);
		e->handle = json_dumps(handle, JSON_COMPACT);
		e->until = json_integer_value(json_object_get(handle, "until"));
	}
	return 0;
}

static int read_all(const struct journal *j, char **ret, size_t *ret_len, struct dd_err *err)
{
	struct stat st;
	if (fstat(j->fd, &st) < 0 || st.st_size > JOURNAL_BYTES_MAX)
		return dd_err_set(err, st.st_size > JOURNAL_BYTES_MAX ? EFBIG : errno, "read %s",
		                  j->path);
	char *text = malloc((size_t)st.st_size + 1);
	if (!text)
		return dd_err_set(err, ENOMEM, "read %s", j->path);
	ssize_t n = pread(j->fd, text, (size_t)st.st_size, 0);
	if (n < 0) {
		int r = dd_err_set(err, errno, "read %s", j->path);
		free(text);
		return r;
	}
	*ret = text;
	*ret_len = (size_t)n;
	return 0;
}

int journal_read(struct journal *j, struct journal_state *ret, struct dd_err *err)
{
	char *text = NULL;
	size_t len = 0;
	*ret = (struct journal_state){ .n = 0 };
	int r = read_all(j, &text, &len, err);
	for (char *p = text, *nl; r == 0 && (nl = memchr(p, '\n', (size_t)(text + len - p)));
	     p = nl + 1) {
		json_error_t why;
		json_t *line = json_loadb(p, (size_t)(nl - p), JSON_REJECT_DUPLICATES, &why);
		r = line ? take_line(ret, line) : -EBADMSG;
		json_decref(line);
		if (r < 0)
			(void)dd_err_say(
				err, -r,
				"the journal of credentials %s has a line that is none of ours",
				j->path);
	}
	free(text);
	for (size_t i = 0; i < ret->n; i++)
		if (ret->entries[i].id > j->last_id)
			j->last_id = ret->entries[i].id;
	if (r < 0)
		journal_state_done(ret);
	return r;
}

void journal_state_done(struct journal_state *state)
{
	for (size_t i = 0; i < state->n; i++)
		free(state->entries[i].handle);
	free(state->entries);
	*state = (struct journal_state){ .n = 0 };
}

int journal_settle(struct journal *j, struct dd_err *err)
{
	struct journal_state state;
	int r = journal_read(j, &state, err);
	if (r < 0)
		return r;
	bool open = state.n_open > 0;
	journal_state_done(&state);
	if (!open && unlink(j->path) < 0 && errno != ENOENT)
		return dd_err_set(err, errno, "remove %s", j->path);
	return open;
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	dd_close_p(&j->fd);
	free(j);
}

int journal_fd(const struct journal *j)
{
	return j->fd;
}

const char *journal_path(const struct journal *j)
{
	return j->path;
}
