// SPDX-License-Identifier: Apache-2.0
/* seccomp_names.c - the constants that a seccomp profile may name, with their numbers on this
 * architecture. Pure. */
#include "seccomp_internal.h"

#include <asm/termbits.h>
#include <asm/ioctls.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/personality.h>
#include <linux/prctl.h>
#include <linux/random.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/resource.h>

#define ROW(name)                                                                                  \
	{                                                                                          \
#name, (uint32_t)(name)                                                            \
	}

static const struct constant_row {
	const char *name;
	uint32_t value;
} constant_rows[] = {
	/* ids of a step, and the argument that leaves one as it is */
	{ "STEP_UID", SANDBOX_UID },
	{ "STEP_GID", SANDBOX_GID },
	{ "UNCHANGED", 0xffffffff },
	/* clone, unshare */
	ROW(CLONE_NEWNS),
	ROW(CLONE_NEWCGROUP),
	ROW(CLONE_NEWUTS),
	ROW(CLONE_NEWIPC),
	ROW(CLONE_NEWUSER),
	ROW(CLONE_NEWPID),
	ROW(CLONE_NEWNET),
	ROW(CLONE_NEWTIME),
	/* socket */
	ROW(AF_UNIX),
	ROW(AF_INET),
	ROW(AF_INET6),
	ROW(AF_NETLINK),
	ROW(AF_ALG),
	ROW(SOCK_STREAM),
	ROW(SOCK_DGRAM),
	ROW(SOCK_RAW),
	ROW(SOCK_SEQPACKET),
	ROW(SOCK_PACKET),
	ROW(SOCK_CLOEXEC),
	ROW(SOCK_NONBLOCK),
	ROW(IPPROTO_TCP),
	ROW(IPPROTO_UDP),
	ROW(IPPROTO_ICMP),
	ROW(IPPROTO_ICMPV6),
	ROW(MSG_OOB),
	ROW(NETLINK_ROUTE),
	ROW(SOL_TCP),
	ROW(TCP_ULP),
	/* ioctl: terminals */
	ROW(TCGETS),
	ROW(TCSETS),
	ROW(TCSETSW),
	ROW(TCSETSF),
	ROW(TCSBRK),
	ROW(TCSBRKP),
	ROW(TCXONC),
	ROW(TCFLSH),
	ROW(TIOCEXCL),
	ROW(TIOCNXCL),
	ROW(TIOCGEXCL),
	ROW(TIOCSCTTY),
	ROW(TIOCNOTTY),
	ROW(TIOCGPGRP),
	ROW(TIOCSPGRP),
	ROW(TIOCGSID),
	ROW(TIOCOUTQ),
	ROW(TIOCGWINSZ),
	ROW(TIOCSWINSZ),
	ROW(TIOCMGET),
	ROW(TIOCGETD),
	ROW(TIOCGPTN),
	ROW(TIOCSPTLCK),
	ROW(TIOCGPTLCK),
	ROW(TIOCGPTPEER),
	ROW(TIOCPKT),
	ROW(TIOCGPKT),
	ROW(TIOCSTI),
	ROW(TIOCLINUX),
	ROW(TIOCCONS),
	ROW(TIOCSETD),
	ROW(TIOCVHANGUP),
#ifdef TCGETS2
	ROW(TCGETS2),
	ROW(TCSETS2),
	ROW(TCSETSW2),
	ROW(TCSETSF2),
#endif
	/* ioctl: any descriptor, files, sockets */
	ROW(FIOCLEX),
	ROW(FIONCLEX),
	ROW(FIONBIO),
	ROW(FIOASYNC),
	ROW(FIONREAD),
	ROW(FIOQSIZE),
	ROW(FIGETBSZ),
	ROW(FICLONE),
	ROW(FICLONERANGE),
	ROW(FS_IOC_GETFLAGS),
	ROW(FS_IOC_FIEMAP),
	ROW(FS_IOC_FSGETXATTR),
	ROW(FS_IOC_GETVERSION),
	ROW(RNDGETENTCNT),
	ROW(FIOSETOWN),
	ROW(FIOGETOWN),
	ROW(SIOCSPGRP),
	ROW(SIOCGPGRP),
	ROW(SIOCATMARK),
	ROW(SIOCETHTOOL),
	ROW(SIOCGIFNAME),
	ROW(SIOCGIFCONF),
	ROW(SIOCGIFFLAGS),
	ROW(SIOCGIFADDR),
	ROW(SIOCGIFDSTADDR),
	ROW(SIOCGIFBRDADDR),
	ROW(SIOCGIFNETMASK),
	ROW(SIOCGIFMETRIC),
	ROW(SIOCGIFMTU),
	ROW(SIOCGIFHWADDR),
	ROW(SIOCGIFINDEX),
	ROW(SIOCGIFTXQLEN),
	/* prctl */
	ROW(PR_SET_PDEATHSIG),
	ROW(PR_GET_PDEATHSIG),
	ROW(PR_GET_DUMPABLE),
	ROW(PR_SET_DUMPABLE),
	ROW(PR_GET_KEEPCAPS),
	ROW(PR_SET_KEEPCAPS),
	ROW(PR_GET_TIMING),
	ROW(PR_SET_TIMING),
	ROW(PR_SET_NAME),
	ROW(PR_GET_NAME),
	ROW(PR_GET_SECCOMP),
	ROW(PR_SET_SECCOMP),
	ROW(PR_CAPBSET_READ),
	ROW(PR_CAPBSET_DROP),
	ROW(PR_GET_TSC),
	ROW(PR_SET_TSC),
	ROW(PR_GET_SECUREBITS),
	ROW(PR_SET_SECUREBITS),
	ROW(PR_SET_TIMERSLACK),
	ROW(PR_GET_TIMERSLACK),
	ROW(RLIMIT_CORE),
	ROW(PR_SET_MM),
	ROW(PR_SET_CHILD_SUBREAPER),
	ROW(PR_GET_CHILD_SUBREAPER),
	ROW(PR_SET_NO_NEW_PRIVS),
	ROW(PR_GET_NO_NEW_PRIVS),
	ROW(PR_GET_TID_ADDRESS),
	ROW(PR_SET_THP_DISABLE),
	ROW(PR_GET_THP_DISABLE),
	ROW(PR_CAP_AMBIENT),
	ROW(PR_SVE_SET_VL),
	ROW(PR_SVE_GET_VL),
	ROW(PR_GET_SPECULATION_CTRL),
	ROW(PR_SET_SPECULATION_CTRL),
	ROW(PR_PAC_RESET_KEYS),
	ROW(PR_SET_TAGGED_ADDR_CTRL),
	ROW(PR_GET_TAGGED_ADDR_CTRL),
	ROW(PR_SET_SYSCALL_USER_DISPATCH),
	ROW(PR_SCHED_CORE),
	ROW(PR_SET_VMA),
	ROW(PR_SET_PTRACER),
	/* Linux 6.3, newer than the headers of Debian 12 */
	{ "PR_SET_MDWE", 65 },
	{ "PR_GET_MDWE", 66 },
	/* personality, seccomp */
	ROW(PER_LINUX),
	ROW(ADDR_NO_RANDOMIZE),
	ROW(SECCOMP_SET_MODE_STRICT),
	ROW(SECCOMP_SET_MODE_FILTER),
	ROW(SECCOMP_GET_ACTION_AVAIL),
	ROW(SECCOMP_GET_NOTIF_SIZES),
	ROW(SECCOMP_FILTER_FLAG_NEW_LISTENER),
};

const char *seccomp_constant_name(const char *prefix, uint32_t value)
{
	for (size_t i = 0; i < ARRAY_LEN(constant_rows); i++)
		if (constant_rows[i].value == value &&
		    strncmp(constant_rows[i].name, prefix, strlen(prefix)) == 0)
			return constant_rows[i].name;
	return NULL;
}

bool seccomp_constant(const char *name, uint32_t *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(constant_rows); i++) {
		if (strcmp(constant_rows[i].name, name) == 0) {
			*ret = constant_rows[i].value;
			return true;
		}
	}
	return false;
}
