// SPDX-License-Identifier: Apache-2.0
/* run_shell.c - looks at what the caller of `run --shell` sits at.
 *
 * Runs in: command line, before the job. A terminal is opened anew: not to wait is a property of
 * the open file, and the caller's own, which the caller's shell goes on using, keeps its.
 */
#include "run_shell.h"

#include "drydock/fd.h"

#include <fcntl.h>
#include <string.h>

/* Where the name of a shell is looked for: what the host has there, a step sees at the same path.
 */
static const char *const dirs[] = { "/bin", "/usr/bin", "/usr/local/bin" };

static bool find_program(const char *name, char *ret, size_t size)
{
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if ((size_t)snprintf(ret, size, "%s/%s", dirs[i], name) < size &&
		    access(ret, X_OK) == 0)
			return true;
	return false;
}

static int choose_program(const char *wanted, struct run_shell *s, struct dd_err *err)
{
	if (!wanted)
		return find_program("bash", s->program, sizeof(s->program)) ||
		                       find_program("sh", s->program, sizeof(s->program))
		               ? 0
		               : dd_err_say(err, EINVAL, "this host has neither bash nor sh");
	if (wanted[0] == '/') /* in the sandbox, so nothing out here can tell */
		return (size_t)snprintf(s->program, sizeof(s->program), "%s", wanted) <
		                       sizeof(s->program)
		               ? 0
		               : dd_err_say(err, EINVAL, "--shell-program: the path is too long");
	return !strchr(wanted, '/') && find_program(wanted, s->program, sizeof(s->program))
	               ? 0
	               : dd_err_say(err, EINVAL,
	                            "--shell-program %.100s: there is none in /bin, /usr/bin or "
	                            "/usr/local/bin; name bash, sh, or a path in the sandbox",
	                            wanted);
}

/* Start-up files lie in places that earlier steps wrote: a bash reads none. */
static void make_argv(struct run_shell *s)
{
	const char *base = strrchr(s->program, '/') + 1;
	size_t n = 0;

	s->argv[n++] = s->program;
	if (strcmp(base, "bash") == 0) {
		s->argv[n++] = "--noprofile";
		s->argv[n++] = "--norc";
	}
	if (s->shell.terminal)
		s->argv[n++] = "-i";
	s->shell.argv = s->argv;
}

static int open_anew(int fd, int *ret, struct dd_err *err)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*ret = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return *ret < 0
	               ? dd_err_set(err, errno,
	                            "open your terminal (give the commands through a pipe instead)")
	               : 0;
}

static int find_terminal(struct run_shell *s, struct dd_err *err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._+-";
	const char *term = getenv("TERM");
	int r;

	s->shell.in = STDIN_FILENO;
	s->shell.terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	if (!s->shell.terminal)
		return 0;
	s->shell.in = -1;
	if ((r = open_anew(STDIN_FILENO, &s->shell.in, err)) < 0 ||
	    (r = open_anew(STDOUT_FILENO, &s->shell.out, err)) < 0)
		return r;
	if (term && *term && strlen(term) < sizeof(s->term) && term[strspn(term, plain)] == '\0')
		(void)snprintf(s->term, sizeof(s->term), "%s", term);
	s->shell.term = s->term[0] ? s->term : NULL;
	return 0;
}

int run_shell_make(const struct plan *plan, const char *wanted, const char *program,
                   struct run_shell *ret, struct dd_err *err)
{
	const struct grant *grant = plan_find(plan, wanted);
	int r;

	*ret = (struct run_shell){ .shell = { .in = -1, .out = -1 } };
	if (!grant)
		return dd_err_say(
			err, EINVAL,
			"--shell %.100s: no step of this job has that id, number or label, "
			"nor alone that name (`drydock plan` lists them)",
			wanted);
	if (grant->written->recipe.nothing)
		return dd_err_say(err, EINVAL,
		                  "--shell %.100s: no process is run for that step, so it has no "
		                  "sandbox: %.200s",
		                  wanted, grant->written->recipe.nothing);
	ret->shell.grant = grant->index;
	if ((r = choose_program(program, ret, err)) < 0 || (r = find_terminal(ret, err)) < 0) {
		run_shell_done(ret);
		return r;
	}
	make_argv(ret);
	return 0;
}

void run_shell_done(struct run_shell *s)
{
	if (s->shell.in != STDIN_FILENO)
		dd_close_p(&s->shell.in);
	dd_close_p(&s->shell.out);
}
