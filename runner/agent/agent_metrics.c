// SPDX-License-Identifier: Apache-2.0
/* agent_metrics.c - see agent_metrics.h. Runs in: agent. */
#include "agent_metrics.h"

#include "agent_loop.h"
#include "base/exit_code.h"
#include "base/words.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const poll_names[METRICS_POLLS] = {
	[POLL_JOB] = "job",         [POLL_NOTHING] = "nothing",
	[POLL_AGAIN] = "again",     [POLL_BAD_TOKEN] = "bad_token",
	[POLL_TROUBLE] = "trouble", [POLL_TOKEN] = "token"
};

static const struct result_row {
	int code;
	const char *name;
} result_rows[METRICS_RESULTS] = { { DRYDOCK_EXIT_OK, "succeeded" },
	                           { DRYDOCK_EXIT_JOB_FAILED, "failed" },
	                           { DRYDOCK_EXIT_CANCELLED, "cancelled" },
	                           { DRYDOCK_EXIT_REFUSED, "refused" },
	                           { DRYDOCK_EXIT_INTERNAL, "broken" } };

static const double bounds[COUNTS_BUCKETS - 1] = { 1, 5, 15, 60, 300, 900, 1800, 3600 };

void agent_metrics_poll(struct agent_metrics *m, unsigned frame)
{
	if (frame < METRICS_POLLS)
		m->polls[frame]++;
}

void agent_histogram_add(struct agent_histogram *h, double sec)
{
	size_t bucket = 0;
	if (!(sec >= 0))
		return;
	while (bucket < COUNTS_BUCKETS - 1 && sec > bounds[bucket])
		bucket++;
	h->buckets[bucket]++;
	h->seconds += sec;
}

void agent_metrics_job(struct agent_metrics *m, int code, double sec)
{
	size_t result = METRICS_RESULTS - 1;
	for (size_t i = 0; i < METRICS_RESULTS; i++)
		if (result_rows[i].code == code)
			result = i;
	m->jobs[result]++;
	agent_histogram_add(&m->whole, sec);
}

void agent_metrics_counts(struct agent_metrics *m, const struct agent_counts *counts)
{
	if (counts->queued)
		agent_histogram_add(&m->queued, counts->queued_sec);
	for (size_t p = 0; p < DD_PHASE__COUNT; p++) {
		for (size_t i = 0; i < COUNTS_BUCKETS; i++)
			m->steps[p].buckets[i] += counts->steps[p].buckets[i];
		m->steps[p].seconds += counts->steps[p].seconds;
	}
	m->refused += counts->refused;
	m->leases += counts->leases;
}

static uint64_t sum(const struct agent_metrics *m)
{
	uint64_t n = 1;
	for (size_t i = 0; i < METRICS_POLLS; i++)
		n += m->polls[i];
	for (size_t i = 0; i < METRICS_RESULTS; i++)
		n += m->jobs[i];
	return n;
}

static void print_head(FILE *f, const char *name, const char *help)
{
	(void)fprintf(f, "# HELP drydock_agent_%s %s\n# TYPE drydock_agent_%s histogram\n", name,
	              help, name);
}

static void print_histogram(FILE *f, const char *name, const char *phase,
                            const struct agent_histogram *h)
{
	uint64_t all = 0;
	char label[40] = "", bound[24];
	if (phase)
		(void)snprintf(label, sizeof(label), "phase=\"%s\"", phase);
	for (size_t i = 0; i < COUNTS_BUCKETS; i++) {
		all += h->buckets[i];
		if (i < COUNTS_BUCKETS - 1)
			(void)snprintf(bound, sizeof(bound), "%g", bounds[i]);
		else
			(void)snprintf(bound, sizeof(bound), "+Inf");
		(void)fprintf(f, "drydock_agent_%s_bucket{%s%sle=\"%s\"} %llu\n", name, label,
		              *label ? "," : "", bound, (unsigned long long)all);
	}
	const char *open = *label ? "{" : "", *close = *label ? "}" : "";
	(void)fprintf(f, "drydock_agent_%s_sum%s%s%s %g\ndrydock_agent_%s_count%s%s%s %llu\n", name,
	              open, label, close, h->seconds, name, open, label, close,
	              (unsigned long long)all);
}

static void print(const struct agent_metrics *m, FILE *f)
{
	(void)fprintf(f, "# HELP drydock_agent_polls_total Questions for a job, by their answer.\n"
	                 "# TYPE drydock_agent_polls_total counter\n");
	for (size_t i = 0; i < METRICS_POLLS; i++)
		if (poll_names[i])
			(void)fprintf(f, "drydock_agent_polls_total{answer=\"%s\"} %llu\n",
			              poll_names[i], (unsigned long long)m->polls[i]);
	(void)fprintf(f, "# HELP drydock_agent_jobs_total Jobs that ended, by how.\n"
	                 "# TYPE drydock_agent_jobs_total counter\n");
	for (size_t i = 0; i < METRICS_RESULTS; i++)
		(void)fprintf(f, "drydock_agent_jobs_total{result=\"%s\"} %llu\n",
		              result_rows[i].name, (unsigned long long)m->jobs[i]);
	(void)fprintf(
		f,
		"# HELP drydock_agent_jobs_running Jobs that run.\n"
		"# TYPE drydock_agent_jobs_running gauge\ndrydock_agent_jobs_running %zu\n"
		"# HELP drydock_agent_refusals_total What steps were refused, as told in logs.\n"
		"# TYPE drydock_agent_refusals_total counter\n"
		"drydock_agent_refusals_total %llu\n"
		"# HELP drydock_agent_leases_total Credentials that steps were given.\n"
		"# TYPE drydock_agent_leases_total counter\ndrydock_agent_leases_total %llu\n",
		m->running, (unsigned long long)m->refused, (unsigned long long)m->leases);
	print_head(f, "job_seconds", "From the job's message to its end.");
	print_histogram(f, "job_seconds", NULL, &m->whole);
	print_head(f, "queue_seconds", "How long jobs waited at the forge, by its word.");
	print_histogram(f, "queue_seconds", NULL, &m->queued);
	print_head(f, "step_seconds", "Steps that ended, by phase.");
	for (size_t p = 0; p < DD_PHASE__COUNT; p++)
		print_histogram(f, "step_seconds", phase_names[p], &m->steps[p]);
}

void agent_metrics_write(struct agent_metrics *m, const char *path, size_t running)
{
	char temporary[600];
	uint64_t now = sum(m);
	if (!path || (now == m->written && running == m->running))
		return;
	m->running = running;
	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.tmp", path) >= sizeof(temporary))
		return;
	FILE *f = fopen(temporary, "we");
	if (!f) {
		if (m->written != now)
			(void)fprintf(stderr, "drydock: metrics: %s cannot be written\n",
			              temporary);
		m->written = now;
		return;
	}
	print(m, f);
	bool fine = fflush(f) == 0;
	(void)fclose(f);
	if (!fine || rename(temporary, path) < 0)
		(void)unlink(temporary);
	else
		(void)chmod(path, 0644);
	m->written = now;
}
