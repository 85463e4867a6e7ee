// SPDX-License-Identifier: Apache-2.0
/* replay.c - journals of the dead.
 *
 * Runs in: keeper, command line. A lease that nobody can take back any more stays open in its
 * journal until its own time is over; then it is told once and forgotten. */
#include "replay.h"

#include "courier.h"
#include "drydock/fd.h"
#include "escrow.h"
#include "journal.h"
#include "record/event_write.h"

#include <dirent.h>
#include <stdlib.h>
#include <time.h>

struct replaying {
	const struct lease_job *job; /* with the escrow, if there is one */
	struct journal *journal;
	struct record *rec; /* NULL: it cannot be written to */
	lease_tell_fn tell;
	void *arg;
	struct lease_replayed *counts;
	bool asked; /* somebody asked for it, or has just seen it happen */
};

__attribute__((format(printf, 2, 3))) static void say(const struct replaying *p, const char *fmt,
                                                      ...)
{
	char text[700];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (p->tell)
		p->tell(p->arg, text);
}

static enum dd_phase phase_of(const char *name)
{
	for (int i = 0; i < DD_PHASE__COUNT; i++)
		if (strcmp(dd_phase_name((enum dd_phase)i), name) == 0)
			return (enum dd_phase)i;
	return DD_PHASE_BUILD;
}

static void record_it(const struct replaying *p, const struct journal_entry *e, const char *result)
{
	struct dd_err err = { 0 };
	if (p->rec &&
	    record_cred_revoke(p->rec, e->step, phase_of(e->phase),
	                       &(struct facts_lease){ .name = e->credential, .result = result },
	                       &err) < 0)
		say(p, "%s", err.msg);
}

static void end_it(const struct replaying *p, const struct journal_entry *e, const char *how)
{
	struct dd_err err = { 0 };
	record_it(p, e, how); /* first: what the journal has no more, nobody would write down */
	if (journal_ended(p->journal, e->id, how, &err) < 0)
		say(p, "%s", err.msg);
	if (p->job && p->job->escrow)
		escrow_drop(p->job->escrow, e->id);
}

/* Asked for, and nobody has written down what came: the courier that asked takes it back by itself
 * when it hears nothing more, unless it died as well. */
static void unknown(const struct replaying *p, const struct journal_entry *e)
{
	if ((long long)time(NULL) <= e->until) {
		p->counts->left++;
		if (!p->asked) /* every start would say it again */
			return;
		say(p,
		    "credential %s of step %s was being asked for when drydock died; if its issuer "
		    "made "
		    "one, it ends by itself within %lld s",
		    e->credential, e->step, e->until - (long long)time(NULL));
		return;
	}
	end_it(p, e, "not known whether it was ever made; its time is over");
	p->counts->over++;
}

static void take_back(const struct replaying *p, const struct journal_entry *e)
{
	size_t len = 0;
	const char *key = p->job ? escrow_get(p->job->escrow, e->id, &len) : NULL;
	struct dd_err err = { 0 };
	char how[200] = "";
	int r = courier_revoke(p->job, e->handle, key, len, how, &err);

	if (r == 0) {
		end_it(p, e, how);
		p->counts->taken_back++;
		say(p, "credential %s of step %s was left over by a run that died: %s",
		    e->credential, e->step, how);
	} else if ((long long)time(NULL) > e->until) {
		end_it(p, e, "not revoked; its time is over");
		p->counts->over++;
	} else {
		p->counts->left++;
		say(p,
		    "credential %s of step %s is not taken back: %.300s; it ends by itself in %lld "
		    "s",
		    e->credential, e->step, err.msg, e->until - (long long)time(NULL));
	}
}

static void each(const struct replaying *p, const struct journal_state *state)
{
	for (size_t i = 0; i < state->n; i++) {
		const struct journal_entry *e = &state->entries[i];
		if (e->ended)
			continue;
		if (e->handle)
			take_back(p, e);
		else
			unknown(p, e);
	}
}

void lease_after_death(const struct lease_job *job, struct record *rec, lease_tell_fn tell,
                       void *arg)
{
	struct lease_replayed counts = { 0 };
	struct journal_state state;
	struct dd_err err = { 0 };
	const struct replaying p = { job, job->journal, rec, tell, arg, &counts, true };
	if (!job->journal)
		return;
	if (journal_read(job->journal, &state, &err) < 0) {
		say(&p, "%s", err.msg);
		return;
	}
	each(&p, &state);
	journal_state_done(&state);
}

/* The run died with all its processes: its record has no end yet. */
static struct record *reopen(const struct replaying *p, const struct journal_state *state)
{
	struct record *rec = NULL;
	struct dd_err err = { 0 };
	if (!state->record[0])
		return NULL;
	int r = record_reopen(state->record, &rec, &err);
	if (r < 0 && r != -EALREADY && r != -ENOENT)
		say(p, "%s", err.msg);
	return r < 0 ? NULL : rec;
}

static void replay_one(const char *path, const struct replaying *like)
{
	struct replaying p = *like;
	struct journal_state state = { .n = 0 };
	struct dd_err err = { 0 };
	int r = journal_open_dead(path, &p.journal, &err);
	if (r == -EBUSY) {
		p.counts->alive++;
		return;
	}
	if (r == 0)
		r = journal_read(p.journal, &state, &err);
	if (r < 0) {
		say(&p, "%s", err.msg);
		p.counts->left++;
		journal_free(p.journal);
		return;
	}
	const struct lease_job dead = { .journal = p.journal };
	p.job = &dead;
	p.rec = reopen(&p, &state);
	each(&p, &state);
	if (p.rec && record_run_end(p.rec,
	                            &(struct record_facts){
					    .status = "broken",
					    .end_why = "drydock was killed; what it had left "
						       "at issuers was taken back later" },
	                            &err) < 0)
		say(&p, "%s", err.msg);
	record_free(p.rec);
	journal_state_done(&state);
	if (journal_settle(p.journal, &err) < 0)
		say(&p, "%s", err.msg);
	journal_free(p.journal);
}

static bool is_journal(const char *name)
{
	size_t len = strlen(name);
	return name[0] != '.' && len > 6 && strcmp(name + len - 6, ".jsonl") == 0;
}

int lease_replay(const char *dir, lease_tell_fn tell, void *arg, struct lease_replayed *ret,
                 struct dd_err *err)
{
	struct lease_replayed counts = { 0 };
	const struct replaying like = { NULL, NULL, NULL, tell, arg, &counts, ret != NULL };
	DIR *d = opendir(dir);
	if (!d)
		return errno == ENOENT ? 0 : dd_err_set(err, errno, "open %s", dir);
	for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
		char path[700];
		(void)snprintf(path, sizeof(path), "%s/%.150s", dir, e->d_name);
		if (is_journal(e->d_name))
			replay_one(path, &like);
	}
	(void)closedir(d);
	if (ret)
		*ret = counts;
	return 0;
}

void lease_job_done(struct lease_job *job)
{
	journal_free(job->journal);
	escrow_free(job->escrow);
	job->journal = NULL;
	job->escrow = NULL;
}
