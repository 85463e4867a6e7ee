// SPDX-License-Identifier: Apache-2.0
/* process_find.c - walks a step's process tree in /proc to name the process behind a refused
 * attempt.
 *
 * Runs in: supervisor. Everything read here is hostile text of bounded size.
 * How: a socket that still exists is listed with its port and inode in /proc/PID/net/{tcp,udp}*,
 * and the owner has a descriptor with that inode. A refused TCP connect has left those lists
 * already (its socket is closed but not yet freed), so the second try is the one process that holds
 * a socket which no list names. More than one candidate: unknown.
 */
#include "process_find.h"

#include "step_pids.h"
#include "drydock/fd.h"
#include "base/argv_clean.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>

enum { PIDS_MAX = 256, FDS_MAX = 256, INODES_MAX = 1024, ARGV_READ = 512, TEXT_READ = 32768 };

struct pid_list {
	pid_t pid[PIDS_MAX];
	size_t n;
};

struct inode_list {
	uint64_t inode[INODES_MAX];
	size_t n;
};

/* Read one socket table of the step's netns. Every inode goes to @all; returns that of @port, or 0.
 */
static uint64_t inodes_of(pid_t init, const char *table, uint16_t port, struct inode_list *all)
{
	char path[64], line[512];
	uint64_t found = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)init, table);
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		unsigned local = 0;
		uint64_t inode = 0;
		if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
		           &local, &inode) != 2)
			continue;
		if (all->n < INODES_MAX)
			all->inode[all->n++] = inode;
		if (port && local == port)
			found = inode;
	}
	(void)fclose(f);
	return found;
}

/* Tables of another shape: which column the inode is. The C library asks netlink for the addresses
 * before it connects, and a socket for that must not be taken for the one that was refused. */
static const struct table_row {
	const char *name;
	unsigned column; /* of the inode, from 0 */
} other_tables[] = { { "unix", 6 }, { "netlink", 9 } };

static void inodes_of_other(pid_t init, const struct table_row *table, struct inode_list *all)
{
	char path[64], line[512], *rest = NULL;
	(void)snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)init, table->name);
	FILE *f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f) && all->n < INODES_MAX) {
		const char *word = strtok_r(line, " \t\n", &rest);
		for (unsigned i = 0; word && i < table->column; i++)
			word = strtok_r(NULL, " \t\n", &rest);
		if (word)
			all->inode[all->n++] = strtoull(word, NULL, 10);
	}
	(void)fclose(f);
}

static bool is_listed(const struct inode_list *all, uint64_t inode)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->inode[i] == inode)
			return true;
	return false;
}

/* Does @pid hold the socket @wanted, or, with @wanted == 0, a socket that no table lists? */
static bool holds_socket(pid_t pid, uint64_t wanted, const struct inode_list *all)
{
	char path[64], target[64];
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	bool held = false;
	int seen = 0;

	if (!dir)
		return false;
	for (struct dirent *e = readdir(dir); e && !held && seen < FDS_MAX;
	     e = readdir(dir), seen++) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
		uint64_t inode = 0;
		if (n <= 0)
			continue;
		target[n] = '\0';
		if (sscanf(target, "socket:[%" SCNu64 "]", &inode) == 1)
			held = wanted ? inode == wanted : !is_listed(all, inode);
	}
	(void)closedir(dir);
	return held;
}

static bool sigsys_ends(pid_t pid)
{
	static const char *const masks[] = { "\nSigBlk:", "\nSigIgn:", "\nSigCgt:" };
	char path[64], text[4096];

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	dd_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
		const char *mask = strstr(text, masks[i]);
		if (!mask || strtoull(mask + strlen(masks[i]), NULL, 16) >> (SIGSYS - 1) & 1)
			return false;
	}
	return true;
}

/* The beginning of /proc/@pid/@name; returns how much, 0 if it cannot be read. */
static size_t read_text(pid_t pid, const char *name, char *out, size_t size)
{
	char path[64];
	size_t n = 0;
	ssize_t r = 1;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	dd_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && n < size && (r = read(fd, out + n, size - n)) > 0)
		n += (size_t)r;
	return n;
}

/* Its arguments say best what it means, its environment second best: a package manager has its
 * registry there, and a title of its own where the arguments were. */
static struct process_aim find_aim_of(pid_t pid, const char *exe, char *text, size_t args,
                                      const struct process_try *what)
{
	struct process_aim aim = process_aim(exe, text, args, what->host, what->port);

	if (aim.known)
		return aim;
	size_t n = read_text(pid, "environ", text, TEXT_READ);
	struct process_aim other = process_aim_text(text, n, what->host, what->port);
	explicit_bzero(text, n); /* a step's credential may have been in it */
	return other.known ? other : aim;
}

void process_describe(pid_t pid, const struct process_try *what, struct process_hint *ret)
{
	static char text[TEXT_READ]; /* static: large, and whoever looks has one thread */
	char path[64];

	ret->pid = pid;
	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	ssize_t link = readlink(path, text, ARGV_READ - 1);
	if (link > 0) {
		text[link] = '\0';
		const char *base = strrchr(text, '/');
		base = base ? base + 1 : text;
		argv_clean(base, strlen(base), ret->exe, sizeof(ret->exe));
	}
	size_t all = read_text(pid, "cmdline", text, sizeof(text));
	size_t n = all < ARGV_READ ? all : ARGV_READ;
	/* A URL that is cut before its "@" would show what stands there. */
	for (bool cut = n == ARGV_READ; cut && n > 0; n--)
		cut = text[n - 1] != '\0' && !isspace((unsigned char)text[n - 1]);
	if (n > 0)
		argv_clean(text, n, ret->argv, sizeof(ret->argv));
	ret->sigsys_ends = sigsys_ends(pid);
	if (what && what->host && what->host[0])
		ret->aim = find_aim_of(pid, ret->exe, text, all, what);
}

void process_find(pid_t init, const struct process_try *what, struct process_hint *ret)
{
	static struct pid_list pids; /* static: large, and the supervisor has one thread */
	static struct inode_list all;
	pid_t only = 0;

	memset(ret, 0, sizeof(*ret));
	all.n = 0;
	uint16_t tcp_port = what->proto == IPPROTO_TCP ? what->src_port : 0,
		 udp_port = what->proto == IPPROTO_UDP ? what->src_port : 0;
	uint64_t wanted = inodes_of(init, "tcp", tcp_port, &all);
	wanted |= inodes_of(init, "udp", udp_port, &all);
	uint64_t wanted6 = inodes_of(init, "tcp6", tcp_port, &all);
	wanted6 |= inodes_of(init, "udp6", udp_port, &all);
	for (size_t i = 0; i < ARRAY_LEN(other_tables); i++)
		inodes_of_other(init, &other_tables[i], &all);
	if (!wanted)
		wanted = wanted6;

	pids.n = step_pids(init, pids.pid, PIDS_MAX);
	for (size_t i = 1; i < pids.n; i++) { /* 0 is init itself: it opens nothing */
		if (!holds_socket(pids.pid[i], wanted, &all))
			continue;
		if (only && !wanted)
			return;
		/* of several holders of one inode the youngest: the parent handed it down */
		only = pids.pid[i];
	}
	if (only)
		process_describe(only, what, ret);
}
