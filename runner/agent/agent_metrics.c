// SPDX-License-Identifier: Apache-2.0
/* agent_metrics.c - see agent_metrics.h. Runs in: agent. */
#include "agent_metrics.h"

#include "agent_loop.h"
#include "base/exit_code.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const poll_names[METRICS_POLLS] = { [POLL_JOB] = "job",
	                                               [POLL_NOTHING] = "nothing",
	                                               [POLL_AGAIN] = "again",
	                                               [POLL_BAD_TOKEN] = "bad_token",
	                                               [POLL_TROUBLE] = "trouble" };

static const struct result_row {
	int code;
	const char *name;
} result_rows[METRICS_RESULTS] = { { DRYDOCK_EXIT_OK, "succeeded" },
	                           { DRYDOCK_EXIT_JOB_FAILED, "failed" },
	                           { DRYDOCK_EXIT_CANCELLED, "cancelled" },
	                           { DRYDOCK_EXIT_REFUSED, "refused" },
	                           { DRYDOCK_EXIT_INTERNAL, "broken" } };

static const double bounds[METRICS_BUCKETS - 1] = { 1, 5, 15, 60, 300, 900, 1800, 3600 };

void agent_metrics_poll(struct agent_metrics *m, unsigned frame)
{
	if (frame < METRICS_POLLS)
		m->polls[frame]++;
}

void agent_metrics_job(struct agent_metrics *m, int code, double sec)
{
	size_t result = METRICS_RESULTS - 1, bucket = 0;
	for (size_t i = 0; i < METRICS_RESULTS; i++)
		if (result_rows[i].code == code)
			result = i;
	while (bucket < METRICS_BUCKETS - 1 && sec > bounds[bucket])
		bucket++;
	m->jobs[result]++;
	m->buckets[bucket]++;
	m->seconds += sec;
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

static void print(const struct agent_metrics *m, FILE *f)
{
	uint64_t all = 0;
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
	(void)fprintf(f,
	              "# HELP drydock_agent_jobs_running Jobs that run.\n"
	              "# TYPE drydock_agent_jobs_running gauge\ndrydock_agent_jobs_running %zu\n"
	              "# HELP drydock_agent_job_seconds From the job's message to its end.\n"
	              "# TYPE drydock_agent_job_seconds histogram\n",
	              m->running);
	for (size_t i = 0; i < METRICS_BUCKETS; i++) {
		all += m->buckets[i];
		if (i < METRICS_BUCKETS - 1)
			(void)fprintf(f, "drydock_agent_job_seconds_bucket{le=\"%g\"} %llu\n",
			              bounds[i], (unsigned long long)all);
		else
			(void)fprintf(f, "drydock_agent_job_seconds_bucket{le=\"+Inf\"} %llu\n",
			              (unsigned long long)all);
	}
	(void)fprintf(f, "drydock_agent_job_seconds_sum %g\ndrydock_agent_job_seconds_count %llu\n",
	              m->seconds, (unsigned long long)all);
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
