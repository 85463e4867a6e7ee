// SPDX-License-Identifier: Apache-2.0
/* doctor_try.c - one step of nothing through the code of a run: sandbox, rules, gate, exec, end.
 *
 * Runs in: command line, after identity_enter() and after the single questions. Each of those asks
 * for one thing; what only fails together (a filter that one call of many meets, a mount that
 * another one locked) is found here and not by the first step of somebody's job. Writes nothing and
 * opens no file but the profile.
 */
#include "doctor.h"

#include "input/config_path.h"
#include "drydock/clock.h"
#include "drydock/fault.h"
#include "drydock/fd.h"
#include "drydock/gate.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_MS = 15000, EXIT_OF_STEP = 7 };

struct trial {
	struct seccomp_program *seccomp;
	struct net_plan *net;
	struct sandbox_spec spec;
	struct sandbox sb;
	struct gate gate;
};

static int wait_for(int fd, const char *what, struct dd_err *err)
{
	struct pollfd said = { .fd = fd, .events = POLLIN };
	int n;
	while ((n = poll(&said, 1, PATIENCE_MS)) < 0 && errno == EINTR)
		;
	return n > 0 ? 0 : dd_err_set(err, n < 0 ? errno : ETIMEDOUT, "wait for %s", what);
}

/* A gate that is closed, as most are. */
static int prepare(struct trial *t, struct dd_err *err)
{
	static const struct egress_list nothing = { .entries = NULL };
	char path[512];
	int r = config_path_seccomp("default", path, sizeof(path), err);
	if (r == 0)
		r = seccomp_program_load(path, &t->seccomp, err);
	return r < 0 ? r : net_plan_new(&nothing, &t->net, err);
}

static int build(struct trial *t, const struct identity *id, uid_t step_uid, struct dd_err *err)
{
	static char *const argv[] = { (char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c",
		                      (char *)(uintptr_t) "exit 7", NULL };
	dd_auto_fd int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (nowhere < 0)
		return dd_err_set(err, errno, "open /dev/null");
	t->spec = (struct sandbox_spec){ .identity = id,
		                         .step_uid = step_uid,
		                         .step_gid = step_uid,
		                         .hostname = "drydock",
		                         .workdir = "/",
		                         .argv = argv,
		                         .seccomp = t->seccomp,
		                         .limits = { .pids = 64 },
		                         .net = t->net,
		                         .name = "doctor",
		                         .stdout_fd = nowhere,
		                         .stderr_fd = nowhere };
	int r = sandbox_build(&t->spec, &t->sb, err);
	return r < 0 ? r : net_rules_verify(t->sb.net[NET_FD_RULES], t->net, false, err);
}

static int start_gate(struct trial *t, const struct identity *id, uid_t gate_uid,
                      struct dd_err *err)
{
	struct gate_msg msg = { .type = GATE_MSG_INVALID };
	const struct gate_spec spec = { .net = t->sb.net,
		                        .switch_ids = id->mode == IDENTITY_RANGE,
		                        .uid = gate_uid,
		                        .gid = gate_uid };
	int r = gate_start(&spec, &t->gate, err);
	if (r == 0)
		r = wait_for(t->gate.ctl, "the gate", err);
	if (r < 0)
		return r;
	r = gate_recv(&t->gate, &msg, err);
	if (r == 0)
		return dd_err_say(err, ECHILD, "the gate ended before it was ready");
	return r < 0 ? r
	       : msg.type == GATE_READY
	               ? 0
	               : dd_err_say(err, EPROTO, "the gate did not say that it is ready");
}

static int run_to_its_end(struct trial *t, struct dd_err *err)
{
	static char *const envp[] = { (char *)(uintptr_t) "PATH=/usr/bin:/bin", NULL };
	const struct sandbox_delivery what = { .envp = envp };
	struct sandbox_status status = { .exited = false };
	int r = sandbox_release(&t->sb, &t->spec, &what, err);
	if (r == 0)
		r = wait_for(t->sb.ctl, "the end of the step", err);
	if (r < 0)
		return r;
	r = sandbox_recv_status(&t->sb, &status, err);
	if (r <= 0)
		return r < 0 ? r : dd_err_say(err, ECHILD, "the step ended without a word");
	if (!status.exited || status.code != EXIT_OF_STEP)
		return dd_err_say(err, EPROTO, "a shell that was to exit with %d %s %d",
		                  EXIT_OF_STEP,
		                  status.exited ? "exited with" : "was ended by signal",
		                  status.exited ? status.code : status.signal);
	return net_rules_close(t->sb.net[NET_FD_RULES], err);
}

static int try_once(const struct identity *id, struct dd_err *err)
{
	struct trial t = { .sb = SANDBOX_NONE, .gate = GATE_NONE };
	uid_t gate_uid = 0, step_uid = 0;
	struct dd_err ending = { .code = 0 };

	int r = identity_slot(id, 0, &gate_uid, &step_uid, err);
	if (r == 0)
		r = prepare(&t, err);
	if (r == 0)
		r = build(&t, id, step_uid, err);
	if (r == 0)
		r = start_gate(&t, id, gate_uid, err);
	if (r == 0)
		r = run_to_its_end(&t, err);
	gate_destroy(&t.gate);
	int ended = sandbox_destroy(&t.sb, &ending);
	net_plan_free(t.net);
	seccomp_program_free(t.seccomp);
	if (r == 0 && ended < 0) {
		*err = ending;
		r = ended;
	}
	return r;
}

/* What failed alone fails here again, and its own row has the better remedy. */
static const struct sandbox_feature *missing_already(const struct diagnosis *d)
{
	for (size_t i = 0; i < d->n_features; i++)
		if (d->features[i].required && !d->features[i].present)
			return &d->features[i];
	return NULL;
}

void doctor_try(struct diagnosis *d)
{
	if (d->n_features == DOCTOR_FEATURES_MAX)
		return;
	const struct sandbox_feature *missing = missing_already(d);
	struct sandbox_feature *f = &d->features[d->n_features];
	struct dd_err err = { .code = 0 };
	*f = (struct sandbox_feature){
		.name = "step",
		.area = "isolation",
		.need = "all of it together: one step from its sandbox to its end",
		.required = true,
		.remedy = "what the sentence names. Where a container or a unit is around drydock, "
			  "docs/container.md says what it must leave to drydock"
	};
	int64_t began = dd_now_ms();
	if (dd_fault("step"))
		(void)snprintf(f->found, sizeof(f->found), "taken away by DRYDOCK_FAULT");
	else if (d->id_err.code || missing) {
		(void)snprintf(f->found, sizeof(f->found), "not tried: %s is missing",
		               missing ? missing->name : "an identity");
		f->remedy = missing ? missing->remedy : f->remedy;
	} else if (try_once(&d->id, &err) < 0)
		(void)snprintf(f->found, sizeof(f->found), "%.230s", err.msg);
	else {
		f->present = true;
		(void)snprintf(f->found, sizeof(f->found),
		               "built, verified, run and ended in %d ms",
		               (int)(dd_now_ms() - began));
	}
	d->n_features++;
}
