// SPDX-License-Identifier: Apache-2.0
/* gate_internal.h - what the files of the gate process share.
 *
 * One process, one thread, one epoll set. All of it runs in the gate role after gate_lock(), except
 * what says otherwise. Who calls whom: gate_main (loop) -> gate_dns, gate_flow, gate_report by kind
 * of socket; gate_dns -> gate_name -> upstream; gate_flow -> gate_name, gate_http, gate_splice,
 * gate_observe; all of them -> gate_report.
 */
#ifndef NETPOLICY_GATE_INTERNAL_H
#define NETPOLICY_GATE_INTERNAL_H

#include "dns_message.h"
#include "drydock/fd.h"
#include "drydock/gate.h"
#include "parse.h"

#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>

#define GATE_SEC 1000000000ull

enum {
	GATE_FLOWS_MAX = 1024,  /* hard cap, whatever the policy says */
	GATE_NAMES_MAX = 16384, /* synthetic addresses of one step */
	GATE_DESTS_MAX = 20000,
	GATE_ANSWERS_MAX = 32, /* addresses kept of one name, 16 of each family */
	GATE_DNS_PENDING_MAX = 256,
	GATE_DNS_CONNS_MAX = 32,
	GATE_BUFFER = 16384, /* the first bytes of a connection must fit: a hello or a head */
	GATE_PIPE_BYTES = 65536,
	/* of a pipe that was too small, and how many of them: a user has 64 MiB for all pipes */
	GATE_PIPE_GROWN = 1 << 20,
	GATE_PIPES_GROWN = 16,
	GATE_PIPES_POOLED = 32,
	GATE_ANSWER_TTL_SEC = 30,
};

/* ---- sockets in the epoll set ---- */

enum gate_source_kind {
	SOURCE_CTL,
	SOURCE_NFLOG,
	SOURCE_LISTENER,
	SOURCE_DNS_UDP,
	SOURCE_DNS_TCP,
	SOURCE_DNS_CONN,
	SOURCE_UPSTREAM,
	SOURCE_CLIENT, /* a flow's end inside the step */
	SOURCE_SERVER, /* a flow's end outside */
};

struct gate_source {
	enum gate_source_kind kind;
	int fd; /* owned; -1 when closed */
	void *owner;
	/* Of a flow's ends, whose events come once: what they said and what has not been used up
	 * since. Only the kernel's own word clears one (it would block, or it had less than was
	 * asked), so nothing that looks at one direction loses the other. */
	bool readable, writable;
	bool ending; /* its end, an error or urgent data has been seen: less is not all */
};

union gate_addr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* ---- destinations: what budgets and receipts are counted by ---- */

struct gate_dest {
	struct gate_dest *next;         /* in its hash bucket */
	char host[EGRESS_HOST_MAX + 1]; /* or a textual address */
	uint16_t port;
	const struct egress_entry *entry; /* that let it through: its account pays */
	uint16_t told; /* which kinds of connection (gate_report_connection) have been reported */
	uint64_t connections, bytes_in, bytes_out, denials, ech;
};

/* ---- names ---- */

enum gate_name_state { NAME_IDLE = 0, NAME_RESOLVING, NAME_ASKING };

struct dns_waiter;
struct gate_state;

struct gate_name {
	struct gate_state *gate;
	struct gate_name *next; /* in its hash bucket */
	char host[EGRESS_HOST_MAX + 1];
	struct in_addr synthetic;
	uint32_t id; /* of the question to the supervisor; index + 1 */
	enum gate_name_state state;
	enum dd_reason would; /* observe mode: why the enforcing gate would not answer it */
	bool would_told;
	bool admitted; /* the supervisor has said so: the rules let TCP to synthetic through */
	bool resolved; /* answers is current until expires_ns */
	uint8_t rcode; /* of the last attempt */
	uint64_t expires_ns;  /* of answers, or of a failure's memory */
	uint64_t deadline_ns; /* of the running attempt */
	struct dns_waiter *waiters;
	/* of the report that its answers are refused: who asked is being looked for, and waits
	 * (GATE_SEEN); 0: nobody does */
	uint32_t refused_id;
	/* while resolving */
	uint32_t attempt; /* answers of an earlier one are ignored */
	unsigned outstanding, not_found, no_data;
	uint32_t ttl_sec;
	/* as they came; every use filters them (gate_name_dialable) */
	union gate_addr answers[GATE_ANSWERS_MAX];
	unsigned n_answers;
};

/* ---- one connection ---- */

enum gate_flow_state { FLOW_HELLO = 0, FLOW_RESOLVE, FLOW_DIAL, FLOW_RELAY };

struct gate_pipe {
	int fd[2]; /* -1: none */
	size_t bytes;
	bool asked; /* to be larger, and then it is not asked twice */
};
#define GATE_PIPE_NONE                                                                             \
	{                                                                                          \
		.fd = { -1, -1 }                                                                   \
	}

struct gate_pump {
	struct gate_source *from, *to;
	bool upload;           /* from the step: budgeted */
	struct gate_pipe pipe; /* borrowed from the pool while bytes are inside */
	/* instead of the pipe: short reads, and all of them where there is none */
	uint8_t *copy;       /* owned: what one turn could not put out */
	const uint8_t *left; /* what is pending: in @copy, or in the gate's scratch */
	size_t pending;
	bool bulk; /* the last read was a full one: the next goes through the pipe */
	bool eof, shut, broken;
};

struct http_relay;

struct gate_flow {
	struct gate_state *gate;
	struct gate_flow *next, *prev; /* all flows; next also in the graveyard */
	bool ready, dead;
	enum gate_flow_state state;
	struct gate_source client, server;
	struct gate_name *name; /* NULL: a raw address of a cidr entry */
	const struct egress_entry *entry;
	struct gate_dest *dest;
	struct in_addr local; /* the address that the client dialled */
	uint16_t src_port;
	uint64_t deadline_ns, dial_deadline_ns;
	uint64_t hello_ns; /* until then the first bytes should be there */
	enum gate_speaks speaks;
	bool ech; /* its hello held an encrypted one besides */
	/* observe mode: the first bytes are looked at while the connection is relayed; not reported
	 * yet */
	bool judging;
	enum dd_reason would; /* observe mode: why the enforcing gate would have refused it */
	union gate_addr candidates[GATE_ANSWERS_MAX];
	unsigned n_candidates, next_candidate;
	int dial_error;
	/* First bytes, read and not peeked: what was judged is what is sent, whatever urgent data
	 * does to the stream. */
	uint8_t *buffer;
	size_t filled, cleared, sent; /* sent <= cleared <= filled <= GATE_BUFFER */
	bool client_eof;
	struct http_relay *http; /* cleartext: every request is read */
	struct gate_pump up, down;
};

/* ---- the process ---- */

struct gate_event_queue;
struct upstream;

struct gate_state {
	const struct egress_list *egress; /* never NULL inside: an empty list is a closed gate */
	const char *const *search;        /* see struct gate_spec */
	bool observe;
	bool closed_variant;
	int epoll_fd;
	uint64_t now_ns;
	uint64_t swept_ns;
	bool closing;   /* GATE_CLOSE was obeyed */
	bool finishing; /* GATE_DONE is queued: leave when everything is sent */
	struct gate_source ctl, nflog, listener, dns_udp, dns_tcp;
	struct upstream *upstream; /* NULL in the closed variant */
	struct gate_event_queue *events;

	struct gate_name **names;
	size_t n_names, cap_names;
	struct gate_name *name_buckets[1024];
	/* of the list, by account: by the whole job until now, and by this step */
	struct egress_spent *spent, *spent_now;
	unsigned n_accounts;
	bool *exhausted; /* by account: the upload budget was exceeded, no further connection */
	unsigned busy_names, dns_pending, dns_conns;
	struct dns_waiter *held; /* refused queries whose answer waits for GATE_SEEN */
	unsigned n_held;
	uint32_t held_serial;
	struct dns_conn *dns_conn_list;

	struct gate_dest *dest_buckets[1024];
	size_t n_dests;

	struct gate_flow *flows, *graveyard;
	bool some_ready;
	unsigned n_flows, max_flows, peak_flows;
	struct gate_pipe pipe_pool[GATE_PIPES_POOLED];
	unsigned n_pipes, n_grown;
	uint8_t *scratch; /* GATE_BUFFER bytes: a short read on its way through, never longer */
	unsigned accepts; /* how many the listener is expected to hold */

	uint64_t denials, dropped, strays;
};

/* gate_main.c. The gate from the fork on; never returns. @fds: the control socket, then
 * NET_FD_NFLOG.. in their order. */
enum { GATE_FD_CTL = 0, GATE_FD__COUNT = NET_FD_HATCH, GATE_FIRST_FD = 3 };
__attribute__((noreturn)) void gate_main(const struct gate_spec *spec,
                                         const int fds[GATE_FD__COUNT], pid_t supervisor);
/* A gate that dials nobody. */
static inline bool gate_is_closed(const struct gate_spec *spec)
{
	return (!spec->egress || spec->egress->n == 0) && !spec->observe;
}
struct gate_lock;
/* The gates' zygote from its fork on (gate_zygote.c). @ctl: to the supervisor. */
__attribute__((noreturn)) void gate_zygote_main(const struct gate_lock *lock, int ctl);
/* Its parts: of any gate that is about to be locked, and of a closed one in a fork of a locked
 * zygote. */
int gate_become(const int fds[], size_t n, struct dd_err *err);
int gate_make_memory(struct gate_state *g, const struct gate_spec *spec, struct dd_err *err);
__attribute__((noreturn)) void gate_main_forked(struct gate_state *g, const int fds[GATE_FD__COUNT],
                                                pid_t supervisor);

struct zygote_ask {
	uint32_t id; /* descriptors come along: GATE_FD__COUNT */
};
struct zygote_told {
	uint32_t id;
	int32_t pid;   /* <0: -errno, and why; id 0: it cannot serve at all */
	char why[200]; /* printable ASCII, terminated */
};

/* The supervisor's side of it (gate_start.c). */
enum { ZYGOTE_ASKED_MAX = 16 };
struct gate_zygote {
	pid_t pid;
	int ctl;
	uint32_t last_id;
	struct zygote_told heard[ZYGOTE_ASKED_MAX]; /* by id; of gates that are not claimed yet */
	struct zygote_told broken;                  /* pid <0: it cannot serve */
};

int gate_watch(struct gate_state *g, struct gate_source *s, uint32_t events);
void gate_source_close(struct gate_source *s, bool reset);

/* gate_lock.c */
enum gate_kind {
	GATE_CLOSED_KIND = 0, /* no socket(2), no connect(2) */
	GATE_OPEN,
	GATE_ZYGOTE, /* of closed gates */
	GATE_KIND__COUNT
};
/* How the zygote forks: the child is the supervisor's, which can wait for it. */
#define GATE_FORK_FLAGS (CLONE_PARENT | SIGCHLD)

struct gate_lock {
	enum gate_kind kind;
	bool switch_ids;
	uid_t uid;
	gid_t gid;
	pid_t supervisor;
};
/* Compile the filter, which gate_lock() otherwise does: by the supervisor, so that a gate finds it
 * made. Once for each kind. */
int gate_lock_compile(enum gate_kind kind, struct dd_err *err);
int gate_lock(const struct gate_lock *lock, struct dd_err *err);
/* What a fork of the zygote still lacks: the death of its supervisor, no fork of its own, and the
 * filter of a closed gate over the zygote's. */
int gate_lock_forked(pid_t supervisor, struct dd_err *err);
int gate_lock_fds(const int fds[], size_t n, int first, struct dd_err *err);

/* gate_report.c */
int gate_events_init(struct gate_state *g, struct dd_err *err);
void gate_text(char *dst, size_t cap,
               const char *src); /* printable ASCII only, always terminated */
void gate_addr_text(const struct sockaddr *addr, char ret_text[48]);
/* May be merged or dropped, and is then counted. true: it is on its way by itself. */
bool gate_report(struct gate_state *g, const struct gate_msg *msg);
void gate_report_always(struct gate_state *g, const struct gate_msg *msg); /* never dropped */
/* The first of its kind to a destination is never dropped: a person who reads the record misses no
 * host. */
void gate_report_connection(struct gate_state *g, struct gate_dest *dest,
                            const struct gate_msg *msg);
void gate_report_sweep(struct gate_state *g, bool all);
bool gate_report_flush(struct gate_state *g); /* true: nothing is left to send */
bool gate_report_pending(const struct gate_state *g);
void gate_report_nflog(struct gate_state *g);
void gate_report_receipts(struct gate_state *g);

/* gate_dest.c */
struct gate_dest *gate_dest_get(struct gate_state *g, const char *host, uint16_t port,
                                const struct egress_entry *entry); /* NULL: no memory or too many */

/* gate_budget.c */
int gate_budget_init(struct gate_state *g, struct egress_spent *spent, struct dd_err *err);
/* Bytes that may still go to @dest. */
uint64_t gate_budget_left(const struct gate_state *g, const struct gate_dest *dest);
void gate_budget_sent(struct gate_state *g, struct gate_dest *dest, uint64_t bytes);
/* Observe mode: more has gone than the budget allows. */
bool gate_budget_is_over(const struct gate_state *g, const struct gate_dest *dest);
/* No byte is left, so a connection is not begun. */
bool gate_budget_is_used_up(const struct gate_state *g, const struct gate_dest *dest);
/* From now on it is used up, whatever the numbers say; true: it was not before. */
bool gate_budget_exhaust(struct gate_state *g, const struct gate_dest *dest);
/* Fill in reason, detail and bytes_out of a message about the tighter budget of @dest. */
void gate_budget_msg(const struct gate_state *g, const struct gate_dest *dest, bool used_up,
                     struct gate_msg *msg);
/* @name (a host, or an address as text) is about to be used for @entry: count it against the caps.
 * Returns what they say against it; it was counted all the same in observe mode, and not otherwise.
 */
enum dd_reason gate_budget_count(struct gate_state *g, const struct egress_entry *entry,
                                 const char *name);

/* gate_name.c */
struct gate_name *gate_name_find(struct gate_state *g, const char *host);
struct gate_name *gate_name_by_synthetic(struct gate_state *g, struct in_addr addr);
/* Find or make; NULL with *ret_reason when a cap is reached. @entry is the one that decided the
 * verdict. */
struct gate_name *gate_name_get(struct gate_state *g, const char *host,
                                const struct egress_entry *entry, enum dd_reason *ret_reason);
void gate_name_refresh(struct gate_name *name);  /* resolve unless current or already under way */
void gate_name_resolved(struct gate_name *name); /* upstream.c calls it when outstanding is 0 */
void gate_name_admitted(struct gate_state *g, uint32_t id, bool admitted);
void gate_name_sweep(struct gate_state *g);
/* The addresses of @name that @entry may dial. Returns how many; of the first that it may not,
 * *ret_refused. */
struct gate_refused {
	const char *why; /* what kind of address it is; NULL: none was refused */
	union gate_addr addr;
};
unsigned gate_name_dialable(const struct gate_name *name, const struct egress_entry *entry,
                            union gate_addr ret[GATE_ANSWERS_MAX],
                            struct gate_refused *ret_refused);
/* Fill in what a message says about a refused answer. */
void gate_name_refused_msg(const struct gate_refused *refused, struct gate_msg *msg);

/* gate_dns.c */
void gate_dns_udp(struct gate_state *g);
void gate_dns_accept(struct gate_state *g);
void gate_dns_conn_event(struct gate_source *s);
void gate_dns_answer_waiters(struct gate_name *name); /* by name->rcode */
/* The first that waits for @name, in a message about it; and a number that they all can wait for.
 */
void gate_dns_asker(struct gate_name *name, struct gate_msg *msg);
void gate_dns_seen(struct gate_state *g,
                   uint32_t id); /* the supervisor has looked who asked: the refusal may go out */
void gate_dns_sweep(struct gate_state *g);
void gate_dns_close(struct gate_state *g);

/* upstream.c */
int upstream_init(struct gate_state *g,
                  struct dd_err *err); /* before gate_lock: reads the host's files */
void upstream_resolve(struct gate_name *name);
void upstream_event(struct gate_state *g, struct gate_source *s, uint32_t events);
void upstream_sweep(struct gate_state *g);

/* gate_flow.c */
void gate_flow_accept(struct gate_state *g);
void gate_flow_event(struct gate_source *s, uint32_t events);
void gate_flow_name_ready(struct gate_name *name);
void gate_flow_close(struct gate_flow *f, bool reset);
void gate_flow_refuse(struct gate_flow *f, enum dd_reason reason);
void gate_flow_over_budget(struct gate_flow *f);
void gate_flow_report_allowed(struct gate_flow *f);
void gate_flow_report_violation(struct gate_flow *f);
enum parse gate_flow_judge(struct gate_flow *f, enum gate_speaks *ret_speaks,
                           enum dd_reason *ret_reason);
void gate_flow_run_ready(struct gate_state *g);
void gate_flow_sweep(struct gate_state *g);
void gate_flow_close_all(struct gate_state *g);
void gate_flow_bury(struct gate_state *g);

/* gate_http.c: cleartext requests. 0, or -errno after the flow was closed */
int gate_http_start(struct gate_flow *f);
int gate_http_clear(struct gate_flow *f); /* advance f->cleared over what may go out */
int gate_http_check_host(struct gate_flow *f, const char *host, size_t host_len, uint16_t port);
int gate_http_down(
	struct gate_flow *f); /* before server bytes move: look for the 101 of an upgrade */
bool gate_http_is_raw(const struct gate_flow *f);
/* A body waits for a word of the server that has not come, or will not. */
bool gate_http_holds_body(const struct gate_flow *f);
void gate_http_free(struct gate_flow *f);

/* gate_observe.c */
extern const struct egress_entry
	gate_observed_entry; /* stands for the entry that an observed destination has not */
bool gate_observe_may_pass(const struct gate_state *g,
                           const struct gate_flow *f); /* a destination that the list refuses */
void gate_observe_would(struct gate_flow *f, enum dd_reason reason);
bool gate_observe_hear(struct gate_flow *f); /* after reading from the client; true: judged, what is
                                                in the buffer may go */
void gate_observe_server_spoke(struct gate_flow *f); /* while the client was silent */
void gate_observe_ended(struct gate_flow *f);
bool gate_observe_tolerates(struct gate_flow *f,
                            enum dd_reason reason); /* a request; false: not observing, refuse it */
void gate_observe_budget(struct gate_flow *f);

/* gate_splice.c */
enum gate_moved { MOVED_BLOCKED = 0, MOVED_MORE, MOVED_END, MOVED_BROKEN, MOVED_OVER_BUDGET };
void gate_pump_init(struct gate_pump *p, struct gate_source *from, struct gate_source *to,
                    bool upload);
enum gate_moved gate_pump_run(struct gate_flow *f, struct gate_pump *p);
void gate_pump_done(struct gate_state *g, struct gate_pump *p);
void gate_pipes_close(struct gate_state *g);

#endif
