// SPDX-License-Identifier: Apache-2.0
/* actions_fetch.c - see actions_fetch.h.
 *
 * Runs in: command line, a child of it that becomes the keeper of the fetching job, and that job's
 * supervisor. git runs in the sandbox and nowhere else. What it leaves are packs and names, copied
 * out by digest; all of it is a stranger's until the store has compared it with its names. */
#include "actions_fetch.h"

#include "base/exit_code.h"
#include "base/text_escape.h"
#include "drydock/fd.h"
#include "input/read_file.h"
#include "job/job_start.h"
#include "job/job_voice.h"
#include "model/places.h"
#include "policy/policy_actions.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SAID_MAX = 300, RECORD_MAX = 600, CA_MAX = 4 * 1024 * 1024, TIME_SEC = 600 };

#define SCRIPT_PATH PLACE_SCRIPTS "/fetch.sh"
#define CA_PATH     PLACE_SCRIPTS "/ca.pem"

/* $1 address, $2 ref, $3 commit or nothing, $4 owner/repo, $5 format of the objects. First all that
 * branches and tags are on, but commits alone: that says what a tag is, and whether a commit is the
 * repository's own. Then the files of one commit. A forge that moved the repository is not
 * followed: what it is called now is another name, and the policy may not allow that. */
static const char script[] =
	"set -eu\n"
	"url=$1 ref=$2 commit=$3 name=$4 format=$5 top=$PWD\n"
	"g() {\n"
	"  git -c core.hooksPath=/dev/null -c gc.auto=0 -c maintenance.auto=false \\\n"
	"    -c fetch.unpackLimit=1 -c http.followRedirects=false -c credential.helper= \"$@\"\n"
	"}\n"
	"g init --quiet --bare --template= \"--object-format=$format\" \"$name.git\"\n"
	"cd \"$name.git\"\n"
	"g remote add origin \"$url\"\n"
	"g fetch --quiet --no-tags --filter=tree:0 origin '+refs/heads/*:refs/heads/*' "
	"'+refs/tags/*:refs/tags/*'\n"
	"if [ -z \"$commit\" ]; then\n"
	"  commit=$(g rev-parse --quiet --verify \"refs/tags/$ref^{commit}\" ||\n"
	"    g rev-parse --quiet --verify \"refs/heads/$ref^{commit}\") || {\n"
	"    echo \"it has no tag and no branch of that name\"\n"
	"    exit 1\n"
	"  }\n"
	"fi\n"
	"g init --quiet --bare --template= \"--object-format=$format\" \"$top/tip.git\"\n"
	"g -C \"$top/tip.git\" fetch --quiet --no-tags --depth=1 -- \"$url\" \"$commit\"\n"
	"mv -f \"$top\"/tip.git/objects/pack/pack-* objects/pack/\n"
	"g pack-refs --all\n";

/* What crosses from the fetching job; shared memory. */
struct fetched {
	char said[SAID_MAX + 1]; /* the last line of its log, or why it could not run */
	char record[RECORD_MAX];
	bool refused; /* by the gate: that says more than git's own words */
};

struct fetching {
	const struct actions_fetch *how;
	const struct actions_from *from;
	const struct store_asked *asked;
	const char *into;
	struct fetched *fetched;
	struct plan_arena *arena;
	struct job *job; /* in the supervisor */
	struct recipe recipe;
	struct spec_forge forge;
	unsigned turn;
	bool failed;
	struct dd_err *err;
};

/* ---- what runs ---- */

static const char *url_of(struct fetching *f)
{
	return arena_printf(f->arena, "%s/%s", f->from->url, f->asked->repository);
}

static bool is_hex(const char *text)
{
	return text[strspn(text, "0123456789abcdef")] == '\0';
}

static void make_recipe(struct fetching *f, const char *ca, size_t ca_len)
{
	static const struct pair plain[] = {
		{ .name = "GIT_TERMINAL_PROMPT", .value = "0" },
		{ .name = "GIT_ALLOW_PROTOCOL", .value = "https" },
		{ .name = "GIT_CONFIG_NOSYSTEM", .value = "1" },
		{ .name = "GIT_CONFIG_GLOBAL", .value = "/dev/null" },
		{ .name = "GIT_NO_LAZY_FETCH", .value = "1" },
		{ .name = "GIT_SSL_CAINFO", .value = CA_PATH },
	};
	const char **argv = arena_array(f->arena, 9, sizeof(*argv));
	struct recipe_file *file = arena_alloc(f->arena, sizeof(*file));
	struct env_layer *layer = arena_alloc(f->arena, sizeof(*layer));
	const char *ref = f->asked->ref, *commit = f->asked->commit;
	size_t len = strlen(ref);

	if (!commit)
		commit = (len == 40 || len == 64) && is_hex(ref) ? ref : "";
	*file = (struct recipe_file){ CA_PATH, ca, ca_len };
	*layer = (struct env_layer){ .origin = "drydock",
		                     .vars = plain,
		                     .n = ARRAY_LEN(plain) - !ca };
	argv[0] = "sh";
	argv[1] = SCRIPT_PATH;
	argv[2] = url_of(f);
	argv[3] = ref;
	argv[4] = commit;
	argv[5] = f->asked->repository;
	argv[6] = strlen(commit) == 64 ? "sha256" : "sha1";
	f->recipe = (struct recipe){ .name = arena_printf(f->arena, "Fetch %s@%s",
		                                          f->asked->repository, ref),
		                     .argv = argv,
		                     .script = script,
		                     .script_path = SCRIPT_PATH,
		                     .files = file,
		                     .n_files = ca ? 1 : 0,
		                     .workdir = PLACE_WORKSPACE,
		                     .env = layer,
		                     .n_env = 1,
		                     .time_sec = TIME_SEC };
}

static int begins(void *arg, struct job *job, struct dd_err *err)
{
	(void)err;
	((struct fetching *)arg)->job = job;
	return 0;
}

static int next(void *arg, const struct job_so_far *so_far, struct step_order *ret,
                enum job_conclusion *ret_conclusion, struct dd_err *err)
{
	struct fetching *f = arg;
	(void)err;
	*ret_conclusion = f->failed || so_far->cancelled ? JOB_FAILED : JOB_SUCCEEDED;
	if (f->turn++ > 0 || so_far->cancelled)
		return 0;
	*ret = (struct step_order){ .grant = 1, .written = true, .recipe = &f->recipe };
	return 1;
}

/* ---- what is taken out ---- */

struct taking {
	struct fetching *f;
	char pack[300], refs[300];
	int to_fd;
	struct dd_err *err;
};

static int take_file(void *arg, const char *path, uint64_t size, const char *sha256, bool tracked)
{
	struct taking *t = arg;
	size_t head = strlen(t->pack), len = strlen(path);
	(void)tracked;
	bool pack = strncmp(path, t->pack, head) == 0 && !strchr(path + head, '/') &&
	            ((len > 5 && strcmp(path + len - 5, ".pack") == 0) ||
	             (len > 4 && strcmp(path + len - 4, ".idx") == 0));
	return pack || strcmp(path, t->refs) == 0
	               ? job_voice_take(t->f->job, path, size, sha256, t->to_fd, t->err)
	               : 0;
}

/* In the supervisor, when every process of the step is dead. */
static int ended(void *arg, const struct step_order *order, const struct step_result *result,
                 const struct step_left *left, struct dd_err *err)
{
	struct fetching *f = arg;
	struct taking t = { .f = f, .err = err };
	(void)order;
	(void)left;
	f->failed = step_outcome_is_failure(result->outcome);
	if (f->failed)
		return 0;
	dd_auto_fd int to = open(f->into, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return dd_err_set(err, errno, "open %s", f->into);
	t.to_fd = to;
	(void)snprintf(t.pack, sizeof(t.pack), "%.200s.git/objects/pack/pack-",
	               f->asked->repository);
	(void)snprintf(t.refs, sizeof(t.refs), "%.200s.git/packed-refs", f->asked->repository);
	return job_voice_files(f->job, take_file, &t);
}

/* ---- what is heard ---- */

static void keep_words(struct fetching *f, const char *text, bool refusal)
{
	if (!*text || (f->fetched->refused && !refusal))
		return;
	(void)snprintf(f->fetched->said, sizeof(f->fetched->said), "%.*s", SAID_MAX, text);
	f->fetched->refused |= refusal;
}

static void hear_begin(void *arg, const struct sink_job *job)
{
	struct fetching *f = arg;
	(void)snprintf(f->fetched->record, sizeof(f->fetched->record), "%s", job->record);
}

static void hear_line(void *arg, const struct job_step *step, const struct step_line *line)
{
	(void)step;
	keep_words(arg, line->text, false);
}

static void hear_refusal(void *arg, const struct job_step *step, const char *line)
{
	(void)step;
	keep_words(arg, line, true);
}

static void hear_note(void *arg, const struct job_step *step, enum sink_level level,
                      const char *text)
{
	(void)step;
	if (level == SINK_ERROR)
		keep_words(arg, text, false);
}

/* ---- the job ---- */

static const struct spec_step *make_step(struct fetching *f)
{
	struct spec_step *step = arena_alloc(f->arena, sizeof(*step));
	f->forge = (struct spec_forge){
		.host = f->from->host,
		.address = f->from->address,
		.port = f->from->port,
		.origin = arena_printf(f->arena, "%s:%u:%u: actions.from",
		                       f->from->mark.file ? f->from->mark.file : "policy",
		                       f->from->mark.line, f->from->mark.column),
		.why = "drydock's own step: it fetches an action from the forge of the policy",
		.public_only = !f->from->private_ok,
	};
	*step = (struct spec_step){ .mark = f->from->mark,
		                    .facts = { .job = "actions",
		                               .id = "fetch",
		                               .name = f->recipe.name,
		                               .uses = "drydock/actions" },
		                    .forge = &f->forge,
		                    .label = job_spec_label(f->arena, 1, "fetch"),
		                    .recipe = f->recipe };
	return step;
}

/* who: becomes the keeper of the fetching job; can do: what the command line can; holds: nothing of
 * the real job's credentials, which are not read yet. */
static int run_job(struct fetching *f)
{
	const struct run_args *args = f->how->args;
	const struct job_sink sink = { .arg = f,
		                       .job_begins = hear_begin,
		                       .line = hear_line,
		                       .note = hear_note,
		                       .refusal = hear_refusal };
	const struct job_sink *const sinks[] = { &sink };
	const struct job_script say = { .arg = f, .begins = begins, .next = next, .ended = ended };
	struct job_spec spec = { .source = f->from->mark.file,
		                 .pipeline = "actions",
		                 .id = "actions",
		                 .name = f->recipe.name,
		                 .event = *f->how->event,
		                 .steps = make_step(f),
		                 .n_steps = 1 };
	struct diag_list diags = { 0 };
	struct plan *plan = NULL;

	if (plan_make(&spec, f->how->policy, &plan, &diags) < 0) {
		keep_words(f, diags.n ? diags.items[0].text : "the policy cannot be used", true);
		return DRYDOCK_EXIT_USAGE;
	}
	return job_start(&(struct job_request){ .plan = plan,
	                                        .id = args->id,
	                                        .script = &say,
	                                        .sinks = sinks,
	                                        .n_sinks = 1,
	                                        .record_key = args->record_key,
	                                        .record_to = args->record_to,
	                                        .state_dir = args->state_dir });
}

/* A signal that reaches this process is the child's: it ends, and cleans up. */
static int wait_for(pid_t pid, const sigset_t *signals, bool *ret_asked)
{
	int status = 0;

	for (;;) {
		siginfo_t info;
		int got = sigwaitinfo(signals, &info);
		if (got > 0 && got != SIGCHLD) {
			*ret_asked = true;
			(void)kill(pid, SIGINT);
		}
		pid_t done = waitpid(pid, &status, WNOHANG);
		if (done == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : DRYDOCK_EXIT_INTERNAL;
		if (done < 0 && errno != EINTR)
			return DRYDOCK_EXIT_INTERNAL;
	}
}

static int run_apart(struct fetching *f, bool *ret_asked)
{
	static const int some[] = { SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t signals, before;
	pid_t parent = getpid();

	(void)sigemptyset(&signals);
	for (size_t i = 0; i < ARRAY_LEN(some); i++)
		(void)sigaddset(&signals, some[i]);
	(void)sigprocmask(SIG_BLOCK, &signals, &before);
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		(void)setpgid(0, 0);
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		(void)sigprocmask(SIG_SETMASK, &before, NULL);
		_exit(getppid() == parent ? run_job(f) : DRYDOCK_EXIT_CANCELLED);
	}
	int code = pid < 0 ? DRYDOCK_EXIT_INTERNAL : wait_for(pid, &signals, ret_asked);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return code;
}

static int judge(struct fetching *f, int code, bool asked)
{
	struct fetched *got = f->fetched;
	got->said[SAID_MAX] = '\0';
	got->record[RECORD_MAX - 1] = '\0';
	if (asked || code == DRYDOCK_EXIT_CANCELLED)
		return dd_err_say(f->err, ECANCELED, "cancelled while %s was fetched",
		                  f->asked->repository);
	if (code == DRYDOCK_EXIT_OK) {
		(void)fprintf(stderr, "drydock: fetched %s@%s from %s (record: %s)\n",
		              f->asked->repository, f->asked->ref, f->from->url, got->record);
		return 0;
	}
	int r = dd_err_say(f->err, code == DRYDOCK_EXIT_JOB_FAILED ? ENOENT : EIO,
	                   "it cannot be fetched from %.100s: %.280s", f->from->url, got->said);
	if (code == DRYDOCK_EXIT_REFUSED)
		return dd_err_blame(f->err, DD_BLAME_POLICY, r);
	return r;
}

int actions_fetch(const struct actions_fetch *how, const struct store_asked *asked,
                  const char *into, struct dd_err *err)
{
	struct fetching f = { .how = how,
		              .from = &policy_actions_of(how->policy)->from,
		              .asked = asked,
		              .into = into,
		              .err = err };
	dd_auto_free char *ca = NULL;
	size_t ca_len = 0;
	bool asked_to_end = false;
	int r = f.from->ca ? read_file_bounded(f.from->ca, CA_MAX, &ca, &ca_len, err) : 0;

	if (r < 0)
		return dd_err_ctx(err, r, "actions.from.ca");
	f.fetched = mmap(NULL, sizeof(*f.fetched), PROT_READ | PROT_WRITE,
	                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (f.fetched == MAP_FAILED)
		return dd_err_set(err, errno, "fetch an action");
	f.arena = arena_new();
	make_recipe(&f, ca, ca_len);
	r = judge(&f, run_apart(&f, &asked_to_end), asked_to_end);
	arena_free(f.arena);
	(void)munmap(f.fetched, sizeof(*f.fetched));
	return r;
}
