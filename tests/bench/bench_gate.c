// SPDX-License-Identifier: Apache-2.0
/* bench_gate.c - throughput and connections per second through the real gate, beside direct
 * loopback, interleaved.
 *
 * Both ends live in namespaces of our own: "direct" is client and server on the host side's lo,
 * "gate" is the same client in the step's namespace. Every round runs every variant once; printed
 * are the best (min of times) and the median, and ratios, because absolute numbers of a shared
 * machine mean little.
 */
#include "tests/unit/gate_world.h"

enum { ROUNDS = 5, SAMPLE_MS = 500, BUF = 256 * 1024, PORT_RAW = 22, PORT_SNI = 443 };

static struct world w;
static const struct egress_entry entries[] = {
	{ .host = "raw.test",
	  .port = PORT_RAW,
	  .tls = EGRESS_TLS_RAW,
	  .pins = { WORLD_PUBLIC },
	  .origin = "bench" },
	{ .host = "sni.test", .port = PORT_SNI, .pins = { WORLD_PUBLIC }, .origin = "bench" },
};
static const struct egress_list list = {
	.entries = entries,
	.n = ARRAY_LEN(entries),
	.job = EGRESS_CAPS_WIDEST,
	.step = EGRESS_CAPS_WIDEST,
	.connections = 64,
};

/* Server: reads the hello (one byte or a real one), then sends until the client goes, or answers
 * one byte and waits. */
static void serve_stream(int fd, bool bulk)
{
	static char buf[BUF];
	if (recv(fd, buf, sizeof(buf), 0) > 0) {
		if (!bulk)
			(void)send(fd, "y", 1, MSG_NOSIGNAL);
		while (bulk && send(fd, buf, sizeof(buf), MSG_NOSIGNAL) > 0)
			;
		if (!bulk)
			(void)recv(fd, buf, sizeof(buf), 0);
	}
	dd_close(fd);
}

static void server_main(int listener, bool bulk)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			_exit(1);
		if (bulk && fork() == 0) {
			serve_stream(fd, true);
			_exit(0);
		}
		if (bulk)
			dd_close(fd);
		else
			serve_stream(fd, false);
	}
}

struct sample {
	double bytes, connections, gate_cpu;
};

/* One client process: runs for SAMPLE_MS and writes what it did. */
static void client_main(int out, struct in_addr addr, uint16_t port, const char *sni, bool bulk)
{
	static char buf[BUF];
	uint8_t hello[600];
	size_t len = world_hello(sni, hello);
	struct sample s = { 0 };
	struct sockaddr_in to = world_sockaddr(addr, port);
	struct linger now = { 1, 0 };
	uint64_t end = world_ms() + SAMPLE_MS;

	do {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (void *)&to, sizeof(to)) < 0 ||
		    send(fd, hello, len, MSG_NOSIGNAL) < 0)
			_exit(1);
		ssize_t n;
		while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
			s.bytes += (double)n;
			if (!bulk || world_ms() >= end)
				break;
		}
		if (n <= 0)
			_exit(1);
		s.connections++;
		/* no TIME_WAIT: ports would run out */
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		dd_close(fd);
	} while (world_ms() < end);
	_exit(write(out, &s, sizeof(s)) == sizeof(s) ? 0 : 1);
}

static double gate_cpu_sec(void)
{
	char path[64];
	unsigned long user = 0;
	unsigned long sys = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)w.gate.pid);
	FILE *f = fopen(path, "re");
	if (!f || fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
	                 &sys) != 2)
		(void)fprintf(stderr, "bench_gate: cannot read %s\n", path);
	if (f)
		(void)fclose(f);
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

static struct sample measure(bool gate, struct in_addr addr, uint16_t port, const char *sni,
                             bool bulk, int clients)
{
	struct sample total = { 0 };
	int out[2];
	double cpu = gate_cpu_sec();

	if (pipe2(out, O_CLOEXEC) < 0)
		exit(1);
	for (int i = 0; i < clients; i++) {
		if (fork() == 0) {
			if (gate && setns(w.step_ns, CLONE_NEWNET) < 0)
				_exit(1);
			client_main(out[1], addr, port, sni, bulk);
		}
	}
	(void)world_serve(&w, -1, 0, SAMPLE_MS + 100);
	for (int i = 0; i < clients; i++) {
		struct sample s;
		struct pollfd p = { out[0], POLLIN, 0 };
		if (poll(&p, 1, 5000) != 1 || read(out[0], &s, sizeof(s)) != sizeof(s)) {
			(void)fprintf(stderr, "bench_gate: a client failed (%s, %s)\n",
			              gate ? "gate" : "direct", sni);
			exit(1);
		}
		total.bytes += s.bytes;
		total.connections += s.connections;
	}
	total.gate_cpu = gate_cpu_sec() - cpu;
	dd_close(out[0]);
	dd_close(out[1]);
	w.n_events = 0;
	return total;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;
	return (x > y) - (x < y);
}

static const struct bench_row {
	const char *name;
	const char *host;
	uint16_t port;
	bool bulk;
	int clients;
} rows[] = {
	{ "gate.throughput_1", "sni.test", PORT_SNI, true, 1 },
	{ "gate.throughput_8", "sni.test", PORT_SNI, true, 8 },
	{ "gate.throughput_raw_1", "raw.test", PORT_RAW, true, 1 },
	{ "gate.connections_1", "sni.test", PORT_SNI, false, 1 },
	{ "gate.connections_8", "sni.test", PORT_SNI, false, 8 },
	{ "gate.connections_raw_1", "raw.test", PORT_RAW, false, 1 },
};

static void start_servers(pid_t pids[], bool bulk)
{
	const uint16_t ports[] = { PORT_RAW, PORT_SNI };
	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		int fd = world_listen(WORLD_PUBLIC, ports[i]);
		(void)fcntl(fd, F_SETFL, 0);
		pids[i] = fork();
		if (pids[i] == 0) {
			(void)signal(SIGCHLD, SIG_IGN);
			server_main(fd, bulk);
		}
		dd_close(fd);
	}
}

static void run_row(const struct bench_row *row, struct in_addr synthetic)
{
	double direct[ROUNDS];
	double gate[ROUNDS];
	double cpu[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		struct sample d = measure(false, world_ip(WORLD_PUBLIC), row->port, row->host,
		                          row->bulk, row->clients);
		struct sample g = measure(true, synthetic, row->port, row->host, row->bulk,
		                          row->clients);
		direct[i] = row->bulk ? d.bytes / SAMPLE_MS / 1e6
		                      : d.connections * 1000 / SAMPLE_MS;
		gate[i] = row->bulk ? g.bytes / SAMPLE_MS / 1e6 : g.connections * 1000 / SAMPLE_MS;
		cpu[i] = row->bulk ? g.gate_cpu / (g.bytes / 1e9)
		                   : g.gate_cpu / g.connections * 1e6;
	}
	qsort(direct, ROUNDS, sizeof(double), ascending);
	qsort(gate, ROUNDS, sizeof(double), ascending);
	qsort(cpu, ROUNDS, sizeof(double), ascending);
	const char *unit = row->bulk ? "GB/s" : "conn/s";
	printf("%s direct %.2f gate %.2f ratio %.2f %s (median of %d; best %.2f %.2f)\n", row->name,
	       direct[ROUNDS / 2], gate[ROUNDS / 2], gate[ROUNDS / 2] / direct[ROUNDS / 2], unit,
	       ROUNDS, direct[ROUNDS - 1], gate[ROUNDS - 1]);
	printf("%s.cpu median %.3f min %.3f %s\n", row->name, cpu[ROUNDS / 2], cpu[0],
	       row->bulk ? "s/GB" : "us/conn");
	(void)fflush(stdout);
}

/* The first argument: only rows with this in their name. */
int main(int argc, char **argv)
{
	struct dd_err err = { 0 };
	pid_t servers[2] = { 0 };

	(void)signal(SIGCHLD, SIG_DFL);
	if (!world_enter() || !world_start(&w, &list, &err)) {
		(void)fprintf(stderr, "bench_gate: cannot make its namespaces: %s\n", err.msg);
		return 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct in_addr addr;
		if (argc > 1 && !strstr(rows[i].name, argv[1]))
			continue;
		start_servers(servers, rows[i].bulk);
		if (world_resolve(&w, rows[i].host, 1, &addr) != 0 || addr.s_addr == 0) {
			(void)fprintf(stderr, "bench_gate: %s does not resolve\n", rows[i].host);
			return 1;
		}
		run_row(&rows[i], addr);
		for (size_t s = 0; s < ARRAY_LEN(servers); s++) {
			(void)kill(servers[s], SIGKILL);
			(void)waitpid(servers[s], NULL, 0);
		}
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	world_end(&w);
	return 0;
}
