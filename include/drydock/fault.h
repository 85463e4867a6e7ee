// SPDX-License-Identifier: Apache-2.0
/* fault.h - takes one kernel feature away, so that "fails closed" is tested and not hoped.
 *
 * DRYDOCK_FAULT=name[,name...] in the environment of the drydock process makes the named set-up
 * call fail as an old kernel would. It can only ever make drydock refuse, so it is honoured in
 * every build; `drydock doctor` says when it is set. A name that is none is refused by main(): a
 * test that took nothing away would prove nothing. A step never sees or sets it. Read once, before
 * any thread or child exists, by dd_fault_init().
 */
#ifndef DRYDOCK_FAULT_H
#define DRYDOCK_FAULT_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Every name that means something: a set-up call, or a question of the doctor. scripts/rooms holds
 * them against the places that ask. */
static const char *const dd_fault_points[] = {
	"admitted",
	"bash",
	"calls",
	"capabilities",
	"certificates",
	"cgroup",
	"cgroup2",
	"cgroup_clone",
	"cgroup_kill",
	"clock",
	"clone3",
	"close_range",
	"courier_seccomp",
	"cpu",
	"crash",
	"dev",
	"files_cover",
	"gate_fork",
	"gate_lock",
	"gate_seccomp",
	"gate_zygote",
	"gate_zygote_fork",
	"hatch_fork",
	"hatch_seccomp",
	"io_uring",
	"kernel",
	"landlock",
	"libcurl",
	"libmicrohttpd",
	"listener",
	"loader",
	"maps",
	"max_user_namespaces",
	"memory",
	"mlock",
	"mount_setattr",
	"mounts",
	"namespaces",
	"netns",
	"nflog",
	"nftables",
	"no_new_privs",
	"open_tree",
	"openat2",
	"overlayfs",
	"park",
	"pidfd",
	"pids",
	"pivot_root",
	"proc",
	"reader_seccomp",
	"rlimits",
	"routes",
	"rules_close",
	"rules_readback",
	"seccomp",
	"seccomp_notify",
	"sh",
	"state",
	"store_lease",
	"step",
	"subids",
	"swap",
	"tproxy",
	"unpark",
	"userns",
	"zygote",
	"zygote_maps",
	"zygote_request",
};

/* One copy in the whole program: weak, because the ground floor has no object of its own. */
__attribute__((weak)) char dd_fault_names[256]; /* "name,name"; empty: nothing is taken away */
__attribute__((weak)) bool
	dd_fault_all; /* the list did not fit: refuse everything rather than forget a name */

/* Called first in main(). */
static inline void dd_fault_init(void)
{
	const char *list = getenv("DRYDOCK_FAULT");
	size_t len = list ? strlen(list) : 0;

	dd_fault_all = len >= sizeof(dd_fault_names);
	if (dd_fault_all)
		len = 0;
	if (list)
		memcpy(dd_fault_names, list, len);
	dd_fault_names[len] = '\0';
}

static inline bool dd_fault_is(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(dd_fault_points) / sizeof(dd_fault_points[0]); i++)
		if (strncmp(dd_fault_points[i], name, len) == 0 && !dd_fault_points[i][len])
			return true;
	return false;
}

/* The first of the names that is none, and its length; NULL: all are. */
static inline const char *dd_fault_unknown(size_t *ret_len)
{
	for (const char *p = dd_fault_names; *(p += strspn(p, ",")); p += *ret_len)
		if (*ret_len = strcspn(p, ","), !dd_fault_is(p, *ret_len))
			return p;
	return NULL;
}

/* True: behave as if the call of this name had failed with ENOSYS. */
static inline bool dd_fault(const char *point)
{
	size_t len = strlen(point);

	if (dd_fault_all)
		return true;
	for (const char *p = dd_fault_names; *p; p += strcspn(p, ",")) {
		p += strspn(p, ",");
		if (strcspn(p, ",") == len && len > 0 && memcmp(p, point, len) == 0)
			return true;
	}
	return false;
}

#endif
