// SPDX-License-Identifier: Apache-2.0
/* bench_launch.c - from "start" to "it has exited": a static `true`, bare and in the sandboxes that
 * people use.
 *
 * Runs in: an ordinary process outside of everything. drydock's rows come from a child of its own,
 * because identity_enter() moves a process into the outer user namespace for good. Rounds are
 * interleaved (one of each per round), so that a noisy moment hits all alike. */
#include "drydock/fd.h"
#include "drydock/identity.h"
#include "drydock/netns.h"
#include "drydock/sandbox.h"

#include <fcntl.h>
#include <jansson.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 2000, PARTS = 4 };

static char true_path[512];
static char stage[] = "/tmp/dd-bench-XXXXXX";

static double now_us(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* ---- the others: each starts the program once and returns 0 when it ended well ---- */

static int wait_ok(pid_t pid)
{
	int status;
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0
	               ? 0
	               : -1;
}

static int spawn_quiet(const char *const *argv)
{
	extern char **environ;
	posix_spawn_file_actions_t quiet;
	char *copy[24] = { NULL }; /* posix_spawn(3) wants writable pointers and never writes */
	pid_t pid;

	for (size_t i = 0; argv[i] && i + 1 < ARRAY_LEN(copy); i++)
		memcpy(&copy[i], &argv[i], sizeof(copy[i]));
	if (posix_spawn_file_actions_init(&quiet) != 0)
		return -1;
	(void)posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	int r = posix_spawnp(&pid, copy[0], &quiet, NULL, copy, environ);
	(void)posix_spawn_file_actions_destroy(&quiet);
	return r == 0 ? wait_ok(pid) : -1;
}

static int run_bare(void)
{
	return spawn_quiet((const char *[]){ true_path, NULL });
}

static int run_clone3(void)
{
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
		         CLONE_NEWUTS | CLONE_NEWCGROUP,
		.exit_signal = SIGCHLD,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		(void)execl(true_path, true_path, (char *)NULL);
		_exit(127);
	}
	return pid > 0 ? wait_ok(pid) : -1;
}

static int run_unshare(void)
{
	return spawn_quiet((const char *[]){ "unshare", "-rmnipuC", "--fork", "--mount-proc",
	                                     true_path, NULL });
}

static int run_bwrap(void)
{
	return spawn_quiet((const char *[]){ "bwrap", "--unshare-all", "--ro-bind", "/", "/",
	                                     "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
	                                     "--bind", stage, "/mnt", true_path, NULL });
}

static int run_runc(void)
{
	static unsigned serial;
	char id[64], bundle[600], state[600];

	(void)snprintf(id, sizeof(id), "dd-bench-%d-%u", (int)getpid(), serial++);
	(void)snprintf(bundle, sizeof(bundle), "%s/bundle", stage);
	(void)snprintf(state, sizeof(state), "%s/state", stage);
	return spawn_quiet(
		(const char *[]){ "runc", "--root", state, "run", "--bundle", bundle, id, NULL });
}

/* The bundle that `runc spec --rootless` proposes, with our program in it and no terminal. */
static int make_bundle(void)
{
	char command[2400];

	(void)snprintf(command, sizeof(command),
	               "mkdir -p %s/bundle/rootfs && cp %s %s/bundle/rootfs/true && cd %s/bundle "
	               "&& runc spec --rootless",
	               stage, true_path, stage, stage);
	if (system(command) !=
	    0) /* NOLINT(cert-env33-c): a benchmark, with paths of its own making */
		return -1;
	char path[600];
	(void)snprintf(path, sizeof(path), "%s/bundle/config.json", stage);
	json_t *config = json_load_file(path, 0, NULL);
	json_t *process = json_object_get(config, "process");
	if (!process)
		return -1;
	(void)json_object_set_new(process, "args", json_pack("[s]", "/true"));
	(void)json_object_set_new(process, "terminal", json_false());
	int r = json_dump_file(config, path, JSON_INDENT(1));
	json_decref(config);
	return r;
}

/* ---- drydock, in a child: one request byte in, the times of the parts out ---- */

static int devnull = -1;

/* From nothing, or from a parked sandbox that stands. */
static int stand(const struct sandbox_spec *spec, bool parked, struct sandbox *sb,
                 struct dd_err *err)
{
	int r = parked ? sandbox_park(spec, sb, err) : 0;

	if (r <= 0)
		return r < 0 ? r : sandbox_build(spec, sb, err);
	r = sandbox_unpark(spec, sb, err);
	return r < 0 ? r : sandbox_built(spec, sb, err);
}

static int launch_once(const struct sandbox_spec *spec, const struct net_plan *net, bool parked,
                       double ret_parts[PARTS], struct dd_err *err)
{
	struct sandbox sb = SANDBOX_NONE;
	char path[] = "PATH=/usr/bin:/bin";
	char *const envp[] = { path, NULL };
	const struct sandbox_delivery what = { .envp = envp };
	struct sandbox_status status = { 0 };
	double t[PARTS + 1] = { now_us() };

	int r = stand(spec, parked, &sb, err);
	if (parked) /* all of that was while another step ran */
		t[0] = now_us();
	if (r == 0)
		r = net_rules_verify(sb.net[NET_FD_RULES], net, true, err);
	t[1] = now_us();
	if (r == 0)
		r = sandbox_release(&sb, spec, &what, err);
	t[2] = now_us();
	while (r == 0) {
		struct pollfd ready = { .fd = sb.ctl, .events = POLLIN };
		(void)poll(&ready, 1, 5000);
		int got = sandbox_recv_status(&sb, &status, err);
		if (got == 1)
			break;
		if (got != -EAGAIN)
			r = got < 0 ? got : -ECHILD;
	}
	t[3] = now_us();
	int gone = sandbox_destroy(&sb, err);
	t[4] = now_us();
	for (int i = 0; i < PARTS; i++)
		ret_parts[i] = t[i + 1] - t[i];
	if (r == 0 && (!status.exited || status.code != 0))
		r = dd_err_say(err, EIO, "the program ended with %d, signal %d", status.code,
		               status.signal);
	return r ? r : gone;
}

static _Noreturn void drydock_child(unsigned slot, int requests, int answers)
{
	struct identity identity;
	struct dd_err err = { 0 };
	struct net_plan *net = NULL;
	struct seccomp_program *filter = NULL;
	const struct egress_list closed = { 0 };
	uid_t gate_uid, step_uid;

	if (identity_enter(&identity, &err) ||
	    identity_slot(&identity, slot, &gate_uid, &step_uid, &err) ||
	    net_plan_new(&closed, &net, &err) ||
	    seccomp_program_load_with("configs/seccomp/default.seccomp", NULL, SECCOMP_ASK_TOLD,
	                              &filter, &err)) {
		fprintf(stderr, "bench_launch: drydock: %s\n", err.msg);
		_exit(1);
	}
	char root[sizeof(stage) + 16]; /* the supervisor's own, as a job's tree is */
	(void)snprintf(root, sizeof(root), "%s.root%u", stage, slot);
	if (mkdir(root, 0755)) {
		perror(root);
		_exit(1);
	}
	const struct sandbox_mount mounts[] = {
		{ .source = true_path, .target = "/opt/true", .flags = SANDBOX_MOUNT_RO }
	};
	struct sandbox_zygotes *zygotes =
		NULL; /* as the steps of a job: the first launch starts it */
	if (sandbox_zygotes_new(&zygotes, &err) < 0) {
		fprintf(stderr, "bench_launch: %s\n", err.msg);
		_exit(1);
	}
	char target[] = "/opt/true";
	char *const argv[] = { target, NULL };
	const struct sandbox_spec spec = {
		.zygotes = zygotes,
		.identity = &identity,
		.step_uid = step_uid,
		.step_gid = step_uid,
		.hostname = "bench",
		.root = root,
		.mounts = mounts,
		.n_mounts = 1,
		.made_sys = true,
		.workdir = "/",
		.argv = argv,
		.seccomp = filter,
		.net = net,
		.name = "bench",
		.stdout_fd = devnull,
		.stderr_fd = devnull,
		.limits = { .pids = 64 },
	};
	char go;
	while (read(requests, &go, 1) == 1) {
		double parts[PARTS];
		if (launch_once(&spec, net, go == 'p', parts, &err)) {
			fprintf(stderr, "bench_launch: drydock: %s\n", err.msg);
			_exit(1);
		}
		if (write(answers, parts, sizeof(parts)) != (ssize_t)sizeof(parts))
			_exit(1);
	}
	_exit(0);
}

/* Two supervisors, each with its own ids, as the jobs of an agent. */
enum { SUPERVISORS = 2 };
static struct supervisor {
	pid_t pid;
	int ask, answer;
} supervisors[SUPERVISORS];
static double parts[PARTS][ROUNDS_MAX];
static unsigned n_parts;

static int start_drydock(unsigned slot)
{
	int ask[2], answer[2];

	if (pipe2(ask, O_CLOEXEC) || pipe2(answer, O_CLOEXEC))
		return -1;
	pid_t pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0) {
		(void)close(ask[1]);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		drydock_child(slot, ask[0], answer[1]);
	}
	(void)close(ask[0]);
	(void)close(answer[1]);
	supervisors[slot] = (struct supervisor){ pid, ask[1], answer[0] };
	return 0;
}

static int launch_by(const struct supervisor *s, char how, double ret[PARTS])
{
	const size_t size = PARTS * sizeof(*ret);
	return write(s->ask, &how, 1) == 1 && read(s->answer, ret, size) == (ssize_t)size ? 0 : -1;
}

static int run_drydock(void)
{
	double got[PARTS];
	if (launch_by(&supervisors[0], 'x', got))
		return -1;
	for (int i = 0; i < PARTS; i++)
		parts[i][n_parts] = got[i];
	n_parts++;
	return 0;
}

/* Its turn has come: rules read back, released, gone. */
static double parked_us;

static int run_parked(void)
{
	double got[PARTS];
	if (launch_by(&supervisors[0], 'p', got))
		return -1;
	parked_us = 0;
	for (int i = 0; i < PARTS; i++)
		parked_us += got[i];
	return 0;
}

/* ---- the table ---- */

static struct contender {
	const char *name;
	int (*run)(void);
	double us[ROUNDS_MAX];
	unsigned n;
	bool out;           /* could not run here; said aloud */
	const double *took; /* it measures itself */
} contenders[] = {
	{ .name = "posix_spawn, no sandbox", .run = run_bare },
	{ .name = "clone3, the same 7 namespaces, nothing else", .run = run_clone3 },
	{ .name = "unshare (7 namespaces, proc)", .run = run_unshare },
	{ .name = "bubblewrap --unshare-all", .run = run_bwrap },
	{ .name = "runc, rootless bundle", .run = run_runc },
	{ .name = "drydock, parked: from its turn on", .run = run_parked, .took = &parked_us },
	{ .name = "drydock, complete sandbox", .run = run_drydock },
};

enum { BARE = 1, RUNC = 4 }; /* of them */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), by_value);
	return n ? values[n / 2] : 0;
}

static void measure(unsigned rounds)
{
	for (unsigned round = 0; round < rounds + 3; round++)
		for (size_t i = 0; i < ARRAY_LEN(contenders); i++) {
			struct contender *c = &contenders[i];
			if (c->out)
				continue;
			double start = now_us();
			if (c->run()) {
				c->out = true;
				printf("# SKIPPED: %s does not run on this machine\n", c->name);
			} else if (round >= 3) { /* the first three warm caches */
				c->us[c->n++] = c->took ? *c->took : now_us() - start;
			}
		}
}

static bool print_table(void)
{
	static const char *const part_names[PARTS] = {
		"build: namespaces, mounts, rules, read-back", "release: delivery, locks, exec",
		"the program itself, until its status", "destroy: kill, reap, namespaces gone"
	};
	struct contender *ours = &contenders[ARRAY_LEN(contenders) - 1];
	double mine = median(ours->us, ours->n);
	double bare = median(contenders[BARE].us, contenders[BARE].n);

	for (size_t i = 0; i < ARRAY_LEN(contenders); i++) {
		struct contender *c = &contenders[i];
		if (c->out)
			continue;
		double mid = median(c->us, c->n);
		printf("launch\t%s\t%.0f\t%.0f\tus\t", c->name, mid, c->us[0]);
		if (c == ours || ours->out)
			printf("-\n");
		else if (c->took)
			printf("%.2f of a bare clone3\n", mid / bare);
		else
			printf("drydock takes %.2f of it\n", mine / mid);
	}
	for (int i = 0; i < PARTS && !ours->out; i++) {
		double mid = median(parts[i], n_parts);
		printf("launch-part\t%s\t%.0f\t%.0f\tus\t%.0f %%\n", part_names[i], mid,
		       parts[i][0], 100 * mid / mine);
	}
	return !ours->out;
}

/* ---- many ---- */

enum { EDGE = 200 };

/* Lines of a file of /proc, or the number behind @label in it. */
static double proc_number(pid_t pid, const char *file, const char *label)
{
	char path[64], line[512];
	double n = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (!label)
			n++;
		else if (strncmp(line, label, strlen(label)) == 0)
			n = strtod(line + strlen(label), NULL);
	}
	if (f)
		(void)fclose(f);
	return n;
}

static double one_launch(void)
{
	double got[PARTS], start = now_us();
	return launch_by(&supervisors[0], 'x', got) ? -1 : now_us() - start;
}

/* One supervisor, one launch behind the other: is the last as quick as the first, and what grows?
 */
static void print_last(unsigned n)
{
	static const struct {
		const char *what, *file, *label, *unit;
	} grows[] = { { "memory of the supervisor", "status", "VmRSS:", "KiB" },
		      { "mounts in its view", "mountinfo", NULL, "" } };
	double first[EDGE], last[EDGE], before[ARRAY_LEN(grows)];
	const pid_t pid = supervisors[0].pid;

	for (unsigned i = 0; i < EDGE; i++)
		first[i] = one_launch();
	for (size_t i = 0; i < ARRAY_LEN(grows); i++)
		before[i] = proc_number(pid, grows[i].file, grows[i].label);
	for (unsigned i = EDGE; i + EDGE < n; i++)
		(void)one_launch();
	for (unsigned i = 0; i < EDGE; i++)
		last[i] = one_launch();
	double was = median(first, EDGE), is = median(last, EDGE);
	printf("launch-many\tthe last %d of %u\t%.0f\t%.0f\tus\t%.2f of the first (aim 1.05)\n",
	       EDGE, n, is, last[0], is / was);
	for (size_t i = 0; i < ARRAY_LEN(grows); i++) {
		double now = proc_number(pid, grows[i].file, grows[i].label);
		printf("launch-many\t%s behind them\t%.0f\t%.0f\t%s\t%.2f of before\n",
		       grows[i].what, now, before[i], grows[i].unit, now / before[i]);
	}
}

/* Both supervisors, each with a launch at any time. */
static void print_rate(unsigned n)
{
	struct pollfd ready[SUPERVISORS];
	double got[PARTS], start = now_us();
	unsigned asked = 0, done = 0;

	for (unsigned i = 0; i < SUPERVISORS; i++) {
		ready[i] = (struct pollfd){ .fd = supervisors[i].answer, .events = POLLIN };
		asked += write(supervisors[i].ask, "x", 1) == 1;
	}
	while (done < n && poll(ready, SUPERVISORS, 10000) > 0)
		for (unsigned i = 0; i < SUPERVISORS && done < n; i++) {
			if (!ready[i].revents ||
			    read(ready[i].fd, got, sizeof(got)) != (ssize_t)sizeof(got))
				continue;
			done++;
			if (asked < n)
				asked += write(supervisors[i].ask, "x", 1) == 1;
		}
	double rate = done / (now_us() - start) * 1e6;
	printf("launch-many\tlaunches a second, two at a time\t%.0f\t-\t1/s\t%.2f of the aim\n",
	       rate, rate / 600);
}

int main(void)
{
	const char *build = getenv("DRYDOCK_BUILD"), *wanted = getenv("DD_BENCH_ROUNDS");
	unsigned rounds = wanted ? (unsigned)strtoul(wanted, NULL, 10) : 100;

	if (rounds > ROUNDS_MAX - 3)
		rounds = ROUNDS_MAX - 3;
	(void)snprintf(true_path, sizeof(true_path), "%s/tests/attack/probe_true",
	               build ? build : "build");
	devnull = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (access(true_path, X_OK) || devnull < 0 || !mkdtemp(stage)) {
		fprintf(stderr, "bench_launch: %s is not built (make bench)\n", true_path);
		return 1;
	}
	for (unsigned i = 0; i < SUPERVISORS; i++)
		if (start_drydock(i))
			return 1;
	contenders[RUNC].out = make_bundle() != 0;
	if (contenders[RUNC].out)
		printf("# SKIPPED: runc is not installed or makes no bundle\n");
	measure(rounds);
	bool good = print_table();
	/* DD_BENCH_MANY=10000 for the whole row of it */
	const char *many = getenv("DD_BENCH_MANY");
	if (good) {
		print_rate(1000);
		print_last(many ? (unsigned)strtoul(many, NULL, 10) : 1000);
	}
	char command[300];
	(void)snprintf(command, sizeof(command), "rm -rf %s %s.root*", stage, stage);
	if (system(command) != 0) /* NOLINT(cert-env33-c) */
		fprintf(stderr, "bench_launch: %s was not removed\n", stage);
	return good ? 0 : 1;
}
