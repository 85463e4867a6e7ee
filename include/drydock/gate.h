// SPDX-License-Identifier: Apache-2.0
/* gate.h - the egress proxy of one step: a process of its own between the step's sockets and the
 * world.
 *
 * It parses hostile bytes (DNS queries, TLS hellos, HTTP heads, logged packets), so it owns nothing
 * else: no files, no capabilities, its own uid in range mode, its own seccomp filter; a closed
 * gate's filter has no socket(2) and no connect(2). It cannot change rules: it asks the supervisor,
 * which re-checks the name against the same allowlist.
 *
 * Order of use (supervisor): gate_start(), wait for GATE_READY, release the step; answer
 * GATE_ASK_ADMIT; when the step has ended: net_rules_close(), GATE_CLOSE -> GATE_CLOSED (no
 * byte passes any more); kill the step's pid namespace; GATE_FINISH -> the last denials, one
 * GATE_RECEIPT per destination, GATE_DONE; then the process exits 0. EOF, a message out of turn or
 * of another size, or any other exit: the supervisor must kill the step (fail closed). The gate
 * dies with its supervisor (parent-death signal and EOF on the socket).
 */
#ifndef DRYDOCK_GATE_H
#define DRYDOCK_GATE_H

#include "egress.h"
#include "egress_spent.h"
#include "netns.h"

#include <sys/types.h>

enum gate_msg_type {
	GATE_MSG_INVALID = 0,
	/* gate -> supervisor */
	GATE_READY, /* locked down and serving */
	/* host, port (0 = every port the list has for this host), addr = the synthetic address */
	GATE_ASK_ADMIT,
	/* host, port, addr = the address that was dialled, speaks, why = the entry's; would (and
	   then no why) in observe mode */
	GATE_NET_ALLOW,
	/* host (may be empty), port, addr, proto, src_port, reason, why; would: tried in observe
	   mode, and not reached */
	GATE_NET_DENY,
	GATE_DNS_DENY, /* host = the name asked (escaped), reason, why, src_port */
	/* observe mode: a name that enforcing refuses was answered; host, would */
	GATE_DNS_ALLOW,
	/* from now on @host (a name, or an address as text) counts against the cap of the entry
	   with index id; before anything is asked outside about it */
	GATE_COUNTED,
	GATE_VIOLATION, /* a budget was exceeded: host, port, reason, why, bytes_out = all that its
	                   account has sent */
	GATE_RECEIPT,   /* host, port, connections, ech_connections, bytes_in, bytes_out, denials */
	GATE_CLOSED,    /* every flow is reset, nothing listens */
	/* denials = all refusals seen; dropped = those not reported one by one; connections = most
	   that were open at once; strays = logged packets that were no attempt */
	GATE_DONE,
	/* supervisor -> gate */
	GATE_ADMITTED, /* admitted = false: the rules refused; the gate answers SERVFAIL */
	/* id of a refused query: the process behind it has been looked for, and may go on */
	GATE_SEEN,
	GATE_CLOSE,
	GATE_FINISH,
	GATE_MSG__COUNT
};

/* What the first bytes of a client were, as far as an entry can ask about them. */
enum gate_speaks {
	GATE_SPEAKS_NOTHING = 0, /* unknown, or nothing was said */
	GATE_SPEAKS_TLS,         /* a hello for this very name */
	GATE_SPEAKS_HTTP,        /* requests for this very name */
	/* anything else, or nobody looked: only an entry with `tls: raw` lets it pass */
	GATE_SPEAKS_RAW,
	GATE_SPEAKS__COUNT
};

/* One shape for all messages, read at exact size. Text is NUL-terminated and holds only printable
 * ASCII: the gate escapes, and the receiver checks again (gate_msg_is_sane). */
struct gate_msg {
	uint32_t type; /* enum gate_msg_type */
	/* ties GATE_ADMITTED to its GATE_ASK_ADMIT, GATE_SEEN to its GATE_DNS_DENY or, for a name
	 * whose answers are refused, GATE_NET_DENY (0: nobody waits) */
	uint32_t id;
	uint16_t port;
	uint16_t src_port; /* the step's port, to find the process that tried; 0 = unknown */
	uint8_t src_proto; /* of src_port; 0: as proto */
	uint8_t proto;     /* IPPROTO_TCP, IPPROTO_UDP, ... of a refusal */
	uint8_t admitted;
	uint8_t speaks;  /* enum gate_speaks */
	uint8_t ech;     /* of GATE_NET_ALLOW: its hello holds an encrypted one besides */
	uint16_t reason; /* enum dd_reason of a refusal */
	/* enum dd_reason: let through by observe mode alone, and this is what enforcing says; 0:
	 * enforcing lets it through */
	uint16_t would;
	char host[EGRESS_HOST_MAX + 3];
	char addr[48]; /* textual */
	char why[160]; /* of a refusal: the detail of its reason, may be empty */
	uint64_t connections, bytes_in, bytes_out, denials, dropped, ech_connections, strays;
};

struct gate_spec {
	/* borrowed; NULL or empty = closed: every name is refused, nothing is dialled */
	const struct egress_list *egress;
	/* what the job's earlier steps have used of the list; NULL: nothing. The gate adds to the
	 * copy that it has by its fork */
	struct egress_spent *spent;
	/* borrowed, canonical, NULL-terminated: what the step's resolver makes longer names with;
	 * NULL: nothing */
	const char *const *search;
	/* let public destinations through and report them; what is not public stays refused */
	bool observe;
	/* NET_FD__COUNT fds; the gate takes all but NET_FD_RULES and NET_FD_HATCH, the caller
	 * closes its copies */
	const int *net;
	bool switch_ids; /* range mode */
	uid_t uid;       /* in the caller's user namespace; only with switch_ids */
	gid_t gid;
	/* borrowed, must outlive the gate: where a closed gate is forked from; NULL: from the
	 * caller, as an open one always is. With the ids that the zygote was started with */
	struct gate_zygote *zygote;
};

struct gate {
	pid_t pid;                  /* 0: not heard of from the zygote yet */
	int ctl;                    /* SEQPACKET, non-blocking */
	struct gate_zygote *zygote; /* NULL: forked from the caller */
	uint32_t id;                /* of the zygote's answer */
};
#define GATE_NONE                                                                                  \
	{                                                                                          \
		.ctl = -1                                                                          \
	}

/* ---- the zygote of a job's closed gates (gate_zygote.c) ---- */

/* Supervisor only, once per job and before it holds a secret: the process starts with a copy of the
 * caller's memory, but for what is marked MADV_WIPEONFORK. It is locked once; a fork of it has only
 * its sockets to take. Returns at once: what fails inside is told by the gates that it should have
 * made. */
int gate_zygote_start(const struct gate_spec *ids, struct gate_zygote **ret, struct dd_err *err);
/* Kills it; its gates go on. NULL is fine. */
void gate_zygote_free(struct gate_zygote *zygote);

/* ---- a gate ---- */

/* Supervisor only. Forks the gate. Returns at once; GATE_READY comes over ctl. The child keeps
 * nothing of the caller but what
 * @spec names: memory marked MADV_WIPEONFORK stays behind, every other fd is closed. */
int gate_start(const struct gate_spec *spec, struct gate *ret_gate, struct dd_err *err);
int gate_send(const struct gate *gate, const struct gate_msg *msg, struct dd_err *err);
/* 1: @ret_msg is a sane message; 0: end of file; -EAGAIN: nothing there; other: protocol error,
 * kill the step. */
int gate_recv(struct gate *gate, struct gate_msg *ret_msg, struct dd_err *err);
bool gate_msg_is_sane(const struct gate_msg *msg);
/* Kill, reap, close. Safe on a gate that never started (GATE_NONE). */
void gate_destroy(struct gate *gate);

#endif
