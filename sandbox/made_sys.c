// SPDX-License-Identifier: Apache-2.0
/* made_sys.c - a /sys made up from the number of processors: what lscpu, hwloc, psutil and language
 * runtimes read there, and nothing else of the host.
 *
 * Runs in: zygote, once for the steps of a tree, on a tmpfs (inside_root.c), so a launch costs the
 * same however many processors there are. The real file system
 * cannot be shown: it has the host's disks, cards, serial numbers, other interfaces and knobs. What
 * stands here a step knows already, from /proc/stat, /proc/meminfo and its own `lo`. The topology
 * is the plainest one: one package, one node, each processor a core of its own.
 */
#include "drydock/made_sys.h"

#include "drydock/fd.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CPUS_MAX = 8192, LIST_MAX = CPUS_MAX * 6, MASK_MAX = CPUS_MAX / 32 * 9 + 2 };

struct cpus {
	bool is[CPUS_MAX];
	unsigned n, last;
	char list[LIST_MAX], mask[MASK_MAX]; /* of all, each with its line end */
};

/* ---- what the numbers look like ---- */

/* "0-3,8" */
static void spell_list(struct cpus *cpus)
{
	size_t len = 0;

	for (unsigned i = 0; i <= cpus->last; i++) {
		unsigned to = i;
		if (!cpus->is[i])
			continue;
		while (to < cpus->last && cpus->is[to + 1])
			to++;
		len += (size_t)snprintf(cpus->list + len, sizeof(cpus->list) - len,
		                        to > i ? "%s%u-%u" : "%s%u", len ? "," : "", i, to);
		i = to;
	}
	(void)snprintf(cpus->list + len, sizeof(cpus->list) - len, "\n");
}

/* Words of 32 bits, the highest first, as many as the last processor needs. @only: that one. */
static void spell_mask(const struct cpus *cpus, int only, char out[MASK_MAX])
{
	size_t len = 0;

	for (unsigned word = cpus->last / 32 + 1; word-- > 0;) {
		uint32_t bits = 0;
		for (unsigned b = 0; b < 32; b++) {
			unsigned cpu = word * 32 + b;
			bool in = only < 0 ? cpu < CPUS_MAX && cpus->is[cpu]
			                   : cpu == (unsigned)only;
			bits |= in ? UINT32_C(1) << b : 0;
		}
		len += (size_t)snprintf(out + len, MASK_MAX - len, len ? ",%08x" : "%x", bits);
	}
	(void)snprintf(out + len, MASK_MAX - len, "\n");
}

/* "0-3,8\n", as the kernel's own list of those that are on. */
static void take_cpu_list(struct cpus *cpus, const char *list)
{
	unsigned from, to;
	int len = 0;

	for (const char *p = list; sscanf(p, "%u%n", &from, &len) == 1; p += *p == ',') {
		to = from;
		p += len;
		if (sscanf(p, "-%u%n", &to, &len) == 1)
			p += len;
		for (unsigned cpu = from; cpu <= to && cpu < CPUS_MAX; cpu++) {
			cpus->n += !cpus->is[cpu];
			cpus->is[cpu] = true;
			cpus->last = cpu > cpus->last ? cpu : cpus->last;
		}
	}
}

/* Not the lines "cpuN ..." of /proc/stat, which say the same: the service has ProcSubset=pid, so
 * that a new /proc can be mounted below it, and that leaves no such file. */
static int count_cpus(struct cpus *cpus, struct dd_err *err)
{
	static const char path[] = "/sys/devices/system/cpu/online";
	char *list = cpus->list; /* large enough for every list, and spelled anew below */
	dd_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, list, LIST_MAX - 1);

	if (n < 0)
		return dd_err_set(err, errno, "read %s", path);
	list[n] = '\0';
	take_cpu_list(cpus, list);
	if (cpus->n == 0)
		return dd_err_say(err, EINVAL, "%s names no processor", path);
	spell_list(cpus);
	spell_mask(cpus, -1, cpus->mask);
	return 0;
}

static unsigned long memory_kb(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	return pages > 0 && size > 0 ? (unsigned long)pages * ((unsigned long)size / 1024) : 0;
}

/* ---- the tree ---- */

static int made(int r, const char *path, struct dd_err *err)
{
	return r < 0 ? dd_err_set(err, errno, "make up /sys/%s", path) : 0;
}

static int sys_make_file(int dir, const char *path, const char *content, struct dd_err *err)
{
	size_t len = strlen(content);
	dd_auto_fd int fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (fd < 0)
		return made(-1, path, err);
	ssize_t n = write(fd, content, len);
	if (n >= 0 && (size_t)n != len)
		return dd_err_set(err, ENOSPC, "make up /sys/%s", path);
	return made(n < 0 ? -1 : 0, path, err);
}

static const char *const dirs[] = {
	"class",
	"class/net",
	"class/power_supply", /* empty: psutil lists it */
	"devices",
	"devices/system",
	"devices/system/cpu",
	"devices/system/node",
	"devices/system/node/node0",
	"devices/virtual",
	"devices/virtual/net",
	"devices/virtual/net/lo",
};

/* The same on every host: `lo` as the kernel makes it, and one node. */
static const struct same_row {
	const char *path, *content;
} same_rows[] = {
	{ "devices/virtual/net/lo/address", "00:00:00:00:00:00\n" },
	{ "devices/virtual/net/lo/broadcast", "00:00:00:00:00:00\n" },
	{ "devices/virtual/net/lo/addr_len", "6\n" },
	{ "devices/virtual/net/lo/carrier", "1\n" },
	{ "devices/virtual/net/lo/flags", "0x9\n" },
	{ "devices/virtual/net/lo/ifindex", "1\n" },
	{ "devices/virtual/net/lo/iflink", "1\n" },
	{ "devices/virtual/net/lo/mtu", "65536\n" },
	{ "devices/virtual/net/lo/operstate", "unknown\n" },
	{ "devices/virtual/net/lo/tx_queue_len", "1000\n" },
	{ "devices/virtual/net/lo/type", "772\n" },
	{ "devices/virtual/net/lo/uevent", "INTERFACE=lo\nIFINDEX=1\n" },
	{ "devices/system/cpu/offline", "\n" },
	{ "devices/system/node/online", "0\n" },
	{ "devices/system/node/possible", "0\n" },
	{ "devices/system/node/has_cpu", "0\n" },
	{ "devices/system/node/has_memory", "0\n" },
	{ "devices/system/node/node0/distance", "10\n" },
};

/* What holds all processors. */
static const struct all_row {
	const char *path;
	bool mask;
} all_rows[] = {
	{ "devices/system/cpu/online", false },
	{ "devices/system/cpu/possible", false },
	{ "devices/system/cpu/present", false },
	{ "devices/system/node/node0/cpulist", false },
	{ "devices/system/node/node0/cpumap", true },
};

static int make_same(int dir, const struct cpus *cpus, struct dd_err *err)
{
	char text[80];
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(dirs); i++)
		r = made(mkdirat(dir, dirs[i], 0755), dirs[i], err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(same_rows); i++)
		r = sys_make_file(dir, same_rows[i].path, same_rows[i].content, err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(all_rows); i++)
		r = sys_make_file(dir, all_rows[i].path, all_rows[i].mask ? cpus->mask : cpus->list,
		                  err);
	if (r == 0)
		r = made(symlinkat("../../devices/virtual/net/lo", dir, "class/net/lo"),
		         "class/net/lo", err);
	(void)snprintf(text, sizeof(text), "%u\n", cpus->last);
	if (r == 0)
		r = sys_make_file(dir, "devices/system/cpu/kernel_max", text, err);
	(void)snprintf(text, sizeof(text), "Node 0 MemTotal: %15lu kB\n", memory_kb());
	return r < 0 ? r : sys_make_file(dir, "devices/system/node/node0/meminfo", text, err);
}

/* Old and new names of one thing, and for whole packages one file for all processors: a second name
 * costs a third of a file. */
static const struct topology_row {
	const char *name;
	enum { OF_PACKAGE = 0, OF_CORE } of;
	bool mask;
	const char *first; /* the name that has the same content already */
} topology_rows[] = {
	{ "core_cpus", OF_CORE, true, NULL },
	{ "core_cpus_list", OF_CORE, false, NULL },
	{ "thread_siblings", OF_CORE, true, "core_cpus" },
	{ "thread_siblings_list", OF_CORE, false, "core_cpus_list" },
	{ "package_cpus", OF_PACKAGE, true, "node/node0/cpumap" },
	{ "package_cpus_list", OF_PACKAGE, false, "node/node0/cpulist" },
	{ "core_siblings", OF_PACKAGE, true, "node/node0/cpumap" },
	{ "core_siblings_list", OF_PACKAGE, false, "node/node0/cpulist" },
};

static int make_link(int dir, unsigned cpu, const struct topology_row *row, struct dd_err *err)
{
	char from[96], to[96];

	if (row->of == OF_PACKAGE)
		(void)snprintf(from, sizeof(from), "devices/system/%s", row->first);
	else
		(void)snprintf(from, sizeof(from), "devices/system/cpu/cpu%u/topology/%s", cpu,
		               row->first);
	(void)snprintf(to, sizeof(to), "devices/system/cpu/cpu%u/topology/%s", cpu, row->name);
	return made(linkat(dir, from, dir, to, 0), to, err);
}

static int make_cpu(int dir, const struct cpus *cpus, unsigned cpu, struct dd_err *err)
{
	char path[96], text[MASK_MAX];
	int r;

	(void)snprintf(path, sizeof(path), "devices/system/cpu/cpu%u", cpu);
	if ((r = made(mkdirat(dir, path, 0755), path, err)) < 0)
		return r;
	(void)snprintf(path, sizeof(path), "devices/system/cpu/cpu%u/topology", cpu);
	if ((r = made(mkdirat(dir, path, 0755), path, err)) < 0)
		return r;
	(void)snprintf(path, sizeof(path), "devices/system/cpu/cpu%u/topology/physical_package_id",
	               cpu);
	r = sys_make_file(dir, path, "0\n", err);
	(void)snprintf(path, sizeof(path), "devices/system/cpu/cpu%u/topology/core_id", cpu);
	(void)snprintf(text, sizeof(text), "%u\n", cpu);
	if (r == 0)
		r = sys_make_file(dir, path, text, err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(topology_rows); i++) {
		const struct topology_row *row = &topology_rows[i];
		(void)snprintf(path, sizeof(path), "devices/system/cpu/cpu%u/topology/%s", cpu,
		               row->name);
		if (row->mask)
			spell_mask(cpus, (int)cpu, text);
		else
			(void)snprintf(text, sizeof(text), "%u\n", cpu);
		r = row->first ? make_link(dir, cpu, row, err)
		               : sys_make_file(dir, path, text, err);
	}
	return r;
}

static void free_cpus_p(struct cpus **cpus)
{
	free(*cpus);
}

int made_sys_fill(int dir, struct dd_err *err)
{
	__attribute__((cleanup(free_cpus_p))) struct cpus *cpus = calloc(1, sizeof(*cpus));

	if (!cpus)
		return dd_err_set(err, ENOMEM, "make up /sys");
	/* the files are for every id, whatever this process was started with */
	mode_t mask = umask(022);
	int r = count_cpus(cpus, err);
	if (r == 0)
		r = make_same(dir, cpus, err);
	for (unsigned cpu = 0; r == 0 && cpu <= cpus->last; cpu++)
		if (cpus->is[cpu])
			r = make_cpu(dir, cpus, cpu, err);
	(void)umask(mask);
	return r;
}
