// SPDX-License-Identifier: Apache-2.0
/* step_hint.c - reads the last lines of a step that failed, and says what of it is the sandbox.
 *
 * Runs in: supervisor, once for each step that failed. The lines are hostile: a name is taken only
 * if it is made of the letters of a program's name, a path only if the host has it, others may
 * read it, and the step does not see it; and at most a few sentences come of it.
 */
#include "step_hint.h"

#include "policy/shown_by.h"
#include "base/size_text.h"
#include "drydock/fd.h"
#include "drydock/sandbox.h"

#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATHS_TOLD_MAX = 2, PATHS_LOOKED_AT_MAX = 64 };

/* ---- the last lines ---- */

void step_hint_line(struct step_hint *h, const char *line, size_t len)
{
	const size_t keep = sizeof(h->text) / 2;

	if (len > keep)
		len = keep;
	if (h->n + len + 1 > sizeof(h->text)) { /* half of it goes, so that not every line moves */
		size_t from = h->n - keep;
		memmove(h->text, h->text + from, keep);
		h->n = keep;
	}
	if (h->n + len + 1 > sizeof(h->text))
		h->n = 0;
	memcpy(h->text + h->n, line, len);
	h->n += len;
	h->text[h->n++] = '\n';
}

/* ---- a program that is not there ---- */

/* What shells and runtimes say, around the name. */
static const struct missing_row {
	const char *before; /* its last place before the name */
	const char *after;  /* "": the end of the line */
} missing_rows[] = {
	{ ": ", ": command not found" },              /* bash */
	{ "command not found: ", "" },                /* zsh */
	{ ": ", ": not found" },                      /* dash, busybox, exec of bash */
	{ "env: '", "': No such file or directory" }, /* env in the C locale, and in others */
	{ "env: \u2018", "\u2019: No such file or directory" },
	{ "run command '", "': No such file or directory" }, /* timeout, nice, nohup, stdbuf */
	{ "run command \u2018", "\u2019: No such file or directory" },
	{ "make: ", ": No such file or directory" },
	{ "xargs: ", ": No such file or directory" },
	{ "No such file or directory: '", "'" },              /* python */
	{ "spawn ", " ENOENT" },                              /* node */
	{ "exec: \"", "\": executable file not found" },      /* go */
	{ "Can't exec \"", "\": No such file or directory" }, /* perl */
	{ "linker `", "` not found" },                        /* rustc */
	{ "Cannot run program \"", "\"" },                    /* java */
};

static bool is_program_name(const char *name, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._+-";
	if (len == 0 || len >= STEP_HINT_NAME_MAX || name[0] == '.' || name[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!memchr(letters, name[i], sizeof(letters) - 1))
			return false;
	return true;
}

/* The name that ends at @end, if one does. */
static bool name_before(const char *line, const struct missing_row *row, const char *end,
                        char ret[STEP_HINT_NAME_MAX])
{
	const char *name = NULL;

	for (const char *p = line; (p = strstr(p, row->before)); p++)
		if (p + strlen(row->before) <= end)
			name = p + strlen(row->before);
	if (!name || !is_program_name(name, (size_t)(end - name)))
		return false;
	memcpy(ret, name, (size_t)(end - name));
	ret[end - name] = '\0';
	return true;
}

static bool name_between(const char *line, const struct missing_row *row,
                         char ret[STEP_HINT_NAME_MAX])
{
	if (!row->after[0])
		return name_before(line, row, line + strlen(line), ret);
	for (const char *p = line; (p = strstr(p, row->after)); p++)
		if (name_before(line, row, p, ret))
			return true;
	return false;
}

bool step_hint_program(const char *line, char ret[STEP_HINT_NAME_MAX])
{
	for (size_t i = 0; i < ARRAY_LEN(missing_rows); i++)
		if (name_between(line, &missing_rows[i], ret))
			return true;
	return false;
}

/* ---- where it is ---- */

static bool hint_is_program(const char *file)
{
	struct stat st;
	return stat(file, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

/* The first directory of @path that has the program, whatever a step sees of it. */
static bool find_in(const char *path, const char *name, char ret[PATH_MAX])
{
	for (const char *p = path; *p; p += *p == ':') {
		size_t len = strcspn(p, ":");
		int n = snprintf(ret, PATH_MAX, "%.*s/%s", (int)len, p, name);
		p += len;
		if (len > 0 && ret[0] == '/' && n > 0 && n < PATH_MAX && hint_is_program(ret))
			return true;
	}
	return false;
}

/* Where people put programs that are in nobody's PATH, or only in that of a login shell. */
static bool find_elsewhere(const char *name, char ret[PATH_MAX])
{
	static const char *const places[] = { "/usr/local/*/bin", "/opt/*/bin",       "/opt/*",
		                              "/usr/lib/*/bin",   "/usr/lib/*/*/bin", "/usr/games",
		                              "/snap/bin" };
	static const char *const at_home[] = { ".local/bin", ".cargo/bin", "go/bin", "bin" };
	const char *home = getenv("HOME");
	char pattern[PATH_MAX];

	for (size_t i = 0; home && home[0] == '/' && i < ARRAY_LEN(at_home); i++) {
		(void)snprintf(ret, PATH_MAX, "%.2000s/%s/%s", home, at_home[i], name);
		if (hint_is_program(ret))
			return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		glob_t found = { .gl_pathc = 0 };
		(void)snprintf(pattern, sizeof(pattern), "%s/%s", places[i], name);
		bool any = glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc > 0 &&
		           strlen(found.gl_pathv[0]) < PATH_MAX &&
		           hint_is_program(found.gl_pathv[0]);
		if (any)
			memcpy(ret, found.gl_pathv[0], strlen(found.gl_pathv[0]) + 1);
		globfree(&found);
		if (any)
			return true;
	}
	return false;
}

/* ---- the sentences ---- */

__attribute__((format(printf, 2, 3))) static void hint_tell(const struct step_hint_about *about,
                                                            const char *fmt, ...)
{
	char line[1800] = "drydock: ";
	size_t len = strlen(line);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	va_end(ap);
	about->tell(about->arg, line);
}

/* "; to show it, in policy.yml add under sandbox.read: - /opt/tool"; @real has no links. */
static void spell_line(const struct step_hint_about *about, const char *real, char *out,
                       size_t size)
{
	char dir[512];

	if (!shown_to_others(real))
		(void)snprintf(out, size,
		               "; others may not read it, and a step is one, so no line shows it");
	else if (shown_by(real, dir, sizeof(dir)))
		(void)snprintf(out, size, "; to show it, in %s add under sandbox.read: - %s",
		               about->policy ? about->policy
		                             : "a policy file (--policy; there is none now)",
		               dir);
	else
		(void)snprintf(out, size,
		               "; no line shows that place: copy what the step needs into the "
		               "workspace");
}

static void tell_program(const struct step_hint_about *about, const char *name)
{
	char file[PATH_MAX], line[900];
	struct sandbox_followed to;
	const char *own = getenv("PATH");

	if (!about->trusted) {
		hint_tell(about,
		          "%s was not found: a step runs the programs that its host shows (drydock "
		          "policy explain --path FILE), and what it brings along",
		          name);
		return;
	}
	bool in_path = find_in(about->path, name, file);
	if (!in_path && !(own && find_in(own, name, file)) && !find_elsewhere(name, file)) {
		hint_tell(
			about,
			"%s was not found, and this host has none in its PATH: steps run what the "
			"host "
			"has below /usr. Install it there, or bring it into the workspace in a "
			"fetch "
			"step",
			name);
		return;
	}
	if (sandbox_path_follow(file, about->read, &to) < 0)
		return;
	dd_auto_free char *real = realpath(file, NULL);
	char *slash = strrchr(file, '/');
	if (to.end.access != SANDBOX_ABSENT && !in_path && slash) {
		*slash = '\0';
		hint_tell(about,
		          "%s was not found in PATH; this host has it in %s, which steps see: add "
		          "that "
		          "directory to PATH in the step",
		          name, file);
	} else if (to.end.access == SANDBOX_ABSENT && real && slash) {
		spell_line(about, real, line, sizeof(line));
		bool is_link = strcmp(real, file) != 0;
		hint_tell(about,
		          "%s was not found; this host has it at %s%s%s, which no step sees%s%s",
		          name, file, is_link ? ", a link to " : "", is_link ? real : "", line,
		          in_path || strstr(line, "no line") ? "" : ", and its directory to PATH");
	}
}

/* What speaks of rights that a step cannot have. */
static const struct rights_row {
	const char *says;
	bool begins; /* the line begins so */
	const char *sentence;
} rights_rows[] = {
#define SUDO                                                                                       \
	"sudo, su, doas and pkexec have no effect in a step: no program gains rights there, and "  \
	"the step's user is never root. Where it only stands before a command that needs none, "   \
	"leave it out; packages are installed on the host, before the job"
#define PACKAGES                                                                                   \
	"a step is not root and sees the host's packages read-only: install what is missing on "   \
	"the host before the job, or bring it into the workspace in a fetch step"
	{ "sudo: ", true, SUDO },
	{ "su: ", true, SUDO },
	{ "doas: ", true, SUDO },
	{ "pkexec must be setuid root", false, SUDO },
	{ "are you root?", false, PACKAGES },
	{ "requires superuser privilege", false, PACKAGES },
	{ "E: Could not open lock file /var/lib/", true, PACKAGES },
	{ "unless you are root", false, PACKAGES },
	{ "has to be run with superuser privileges", false, PACKAGES },
#undef SUDO
#undef PACKAGES
};

static const char *rights_sentence(const char *line)
{
	for (size_t i = 0; i < ARRAY_LEN(rights_rows); i++) {
		const char *at = strstr(line, rights_rows[i].says);
		if (at && (!rights_rows[i].begins || at == line))
			return rights_rows[i].sentence;
	}
	return NULL;
}

static bool is_about_rights(const char *program)
{
	static const char *const names[] = { "sudo", "su", "doas", "pkexec", "runuser" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(program, names[i]) == 0)
			return true;
	return false;
}

/* ---- a limit ---- */

enum limit_met { LIMIT_SPACE, LIMIT_FILE_SIZE, LIMIT_PIDS, LIMIT_CORE, LIMIT__COUNT };

/* The kernel tells the process, in its words, and nobody else. */
static const struct limit_row {
	const char *says;
	const char *also; /* somewhere else in the line; NULL: that is enough */
	enum limit_met met;
} limit_rows[] = {
	{ "No space left on device", NULL, LIMIT_SPACE },
	{ "ENOSPC", NULL, LIMIT_SPACE },
	{ "Disk quota exceeded", NULL, LIMIT_SPACE },
	{ "File too large", NULL, LIMIT_FILE_SIZE },
	{ "File size limit exceeded", NULL, LIMIT_FILE_SIZE },
	{ "EFBIG", NULL, LIMIT_FILE_SIZE },
	{ "an't start new thread", NULL, LIMIT_PIDS },                /* python, ruby */
	{ "unable to create native thread", NULL, LIMIT_PIDS },       /* java */
	{ "failed to create new OS thread", NULL, LIMIT_PIDS },       /* go */
	{ "fork", "Resource temporarily unavailable", LIMIT_PIDS },   /* bash, make, perl */
	{ "Cannot fork", NULL, LIMIT_PIDS },                          /* dash */
	{ "thread", "Resource temporarily unavailable", LIMIT_PIDS }, /* C++, rust */
	{ "pthread_create", "failed", LIMIT_PIDS },
	{ "BlockingIOError: [Errno 11]", NULL, LIMIT_PIDS }, /* python's os.fork */
	{ "spawn", "EAGAIN", LIMIT_PIDS },                   /* node */
	{ "core", "No such file", LIMIT_CORE },
	{ "core dump", NULL, LIMIT_CORE },
	{ "core file", NULL, LIMIT_CORE },
};

/* `core`, `core.123` or `core dump`, and not `corepack`. */
static bool names_a_dump(const char *line)
{
	for (const char *p = line; (p = strstr(p, "core")); p += 4)
		if ((p == line || strchr(" /'\"`:", p[-1])) && strchr(" .:'\"`*", p[4]))
			return true;
	return false;
}

static bool meets_limit(const char *line, enum limit_met *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(limit_rows); i++) {
		const struct limit_row *row = &limit_rows[i];
		if (!strstr(line, row->says) || (row->also && !strstr(line, row->also)) ||
		    (row->met == LIMIT_CORE && !names_a_dump(line)))
			continue;
		*ret = row->met;
		return true;
	}
	return false;
}

static void tell_limit(const struct step_hint_about *about, enum limit_met met)
{
	const struct step_limits *l = about->limits;
	const char *policy = about->policy ? about->policy : "a policy file (--policy)";
	char shm[16], left[16], disk[16], now[60] = "";

	if (about->trusted)
		(void)snprintf(now, sizeof(now), ", where %s are free now",
		               size_text(about->free_bytes, left));
	if (met == LIMIT_SPACE)
		hint_tell(
			about,
			"no space is left: /dev/shm of a step ends at %s (limits: { shm: SIZE } in "
			"%s); "
			"/tmp, the home and the workspace end with the host's disk below the state "
			"directory%s",
			size_text(l->sandbox.shm_bytes, shm), policy, now);
	else if (met == LIMIT_FILE_SIZE && l->disk_bytes)
		hint_tell(about,
		          "no file of a step can be larger than limits.disk, which is %s: raise it "
		          "in "
		          "%s",
		          size_text(l->disk_bytes, disk), policy);
	else if (met == LIMIT_PIDS)
		hint_tell(
			about,
			"a step has at most %u processes and threads at once; if that was it, more "
			"come "
			"with limits: { pids: %llu } in %s",
			l->sandbox.pids, 2ULL * l->sandbox.pids, policy);
	else if (met == LIMIT_CORE)
		hint_tell(about,
		          "a step writes no core dumps, whatever ulimit -c says: they would hold "
		          "what the step was given. gdb works with sandbox: { seccomp: debug }");
}

/* ---- a file behind a link ---- */

static bool speaks_of_a_missing_file(const char *line)
{
	static const char *const words[] = { "No such file", "not found",    "ENOENT",
		                             "NoSuchFile",   "annot find",   "annot open",
		                             "an't open",    "annot load",   "annot access",
		                             "ould not",     "not exist",    "FileNotFound",
		                             "annot read",   "annot locate", "ailed to" };
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strstr(line, words[i]))
			return true;
	return false;
}

/* True: a sentence was said about @path. */
static bool tell_path(const struct step_hint_about *about, const char *path)
{
	struct sandbox_followed to;
	char line[900];

	if (!about->trusted || sandbox_path_follow(path, about->read, &to) < 0 ||
	    to.end.access != SANDBOX_ABSENT)
		return false;
	dd_auto_free char *real = realpath(path, NULL);
	if (!real || !shown_to_others(real))
		return false;
	spell_line(about, real, line, sizeof(line));
	if (to.link[0])
		hint_tell(about, "%s: the link %s leads to %s, which no step sees%s", path, to.link,
		          real, line);
	else
		hint_tell(about, "%s is a file of this host that no step sees%s", path, line);
	return true;
}

/* The next absolute path of @line from *@at on, into @ret. */
static bool next_path(const char **at, char ret[512])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._+-/@~";
	for (const char *p = *at; (p = strchr(p, '/')); p++) {
		if (p > *at && memchr(letters, p[-1], sizeof(letters) - 1))
			continue;
		size_t len = strspn(p, letters);
		*at = p + len;
		while (len > 1 && strchr("./", p[len - 1]))
			len--;
		if (len < 2 || len >= 512)
			continue;
		memcpy(ret, p, len);
		ret[len] = '\0';
		return true;
	}
	return false;
}

/* ---- all of it, the last line first ---- */

struct told {
	bool program, rights, limit[LIMIT__COUNT];
	unsigned paths, looked_at;
};

static void read_line(const struct step_hint_about *about, const char *line, struct told *told)
{
	char name[STEP_HINT_NAME_MAX], path[512];
	const char *rights = told->rights ? NULL : rights_sentence(line);
	bool missing = !told->program && step_hint_program(line, name);

	if (rights || (missing && !told->rights && is_about_rights(name))) {
		told->rights = true;
		hint_tell(about, "%s", rights ? rights : rights_rows[0].sentence);
	} else if (missing && !is_about_rights(name)) {
		told->program = true;
		tell_program(about, name);
	}
	enum limit_met met;
	if (about->limits && meets_limit(line, &met) && !told->limit[met]) {
		told->limit[met] = true;
		tell_limit(about, met);
	}
	for (const char *at = line; speaks_of_a_missing_file(line) && next_path(&at, path);) {
		if (told->paths == PATHS_TOLD_MAX || told->looked_at++ == PATHS_LOOKED_AT_MAX)
			return;
		told->paths += tell_path(about, path);
	}
}

void step_hint_tell(const struct step_hint *h, const char *program,
                    const struct step_hint_about *about)
{
	struct told told = { .program = program != NULL };
	char line[STEP_HINT_KEPT / 2 + 1];
	size_t end = h->n;

	if (program && is_program_name(program, strlen(program)))
		tell_program(about, program);
	while (end > 0) {
		size_t start = end - 1;
		while (start > 0 && h->text[start - 1] != '\n')
			start--;
		size_t len = end - 1 - start;
		if (len < sizeof(line)) {
			memcpy(line, h->text + start, len);
			line[len] = '\0';
			read_line(about, line, &told);
		}
		end = start;
	}
}
