// SPDX-License-Identifier: Apache-2.0
/* gate_splice.c - moves the bytes of a relayed connection in one direction: many through a pipe and
 * without copying them, few by a copy, which costs less calls.
 *
 * Runs in: gate. A pipe is borrowed from a pool only while bytes are inside, so idle connections
 * hold none (pipe pages are counted per user); one that stands in the way of a stream is grown.
 * Without a pipe the bytes are copied. Upload is counted when it is taken from the client, and
 * never more is taken than the budget has left. Events are edge-triggered: what is known of both
 * ends stands in their sources, and a pump makes no call that the last answer says is in vain.
 */
#include "gate_internal.h"

#include <fcntl.h>

enum { TURN_BYTES = 1 << 20 }; /* then the other connections have their turn */

static const struct gate_pipe no_pipe = GATE_PIPE_NONE;

void gate_pump_init(struct gate_pump *p, struct gate_source *from, struct gate_source *to,
                    bool upload)
{
	*p = (struct gate_pump){ .from = from, .to = to, .upload = upload, .pipe = no_pipe };
}

/* ---- pipes ---- */

static void pipe_close(struct gate_state *g, struct gate_pipe *pipe)
{
	g->n_grown -= pipe->asked;
	dd_close(pipe->fd[0]);
	dd_close(pipe->fd[1]);
	*pipe = no_pipe;
}

/* A pooled pipe or a new one; false: none can be had. */
static bool splice_borrow(struct gate_state *g, struct gate_pump *p)
{
	if (p->pipe.fd[0] >= 0)
		return true;
	if (g->n_pipes > 0) {
		p->pipe = g->pipe_pool[--g->n_pipes];
		return true;
	}
	int fd[2];
	if (pipe2(fd, O_NONBLOCK | O_CLOEXEC) < 0)
		return false;
	p->pipe = (struct gate_pipe){ .fd = { fd[0], fd[1] }, .bytes = GATE_PIPE_BYTES };
	return true;
}

static void splice_give_back(struct gate_state *g, struct gate_pump *p)
{
	if (p->pending > 0)
		return;
	free(p->copy);
	p->copy = NULL;
	if (p->pipe.fd[0] < 0)
		return;
	if (g->n_pipes < ARRAY_LEN(g->pipe_pool)) {
		g->pipe_pool[g->n_pipes++] = p->pipe;
		p->pipe = no_pipe;
	} else {
		pipe_close(g, &p->pipe);
	}
}

/* A slot of a pipe takes one page of what is spliced, so the 16 of a new one are full long before
 * the socket is empty. EPERM: the user has no more to spend, and it stays as it is. */
static void pipe_grow(struct gate_state *g, struct gate_pipe *pipe)
{
	if (pipe->asked || g->n_grown == GATE_PIPES_GROWN)
		return;
	pipe->asked = true;
	g->n_grown++;
	int size = fcntl(pipe->fd[1], F_SETPIPE_SZ, GATE_PIPE_GROWN);
	if (size > 0)
		pipe->bytes = (size_t)size;
}

void gate_pump_done(struct gate_state *g, struct gate_pump *p)
{
	/* foreign bytes inside: this pipe is never used again */
	if (p->pending > 0 && p->pipe.fd[0] >= 0)
		pipe_close(g, &p->pipe);
	p->pending = 0;
	splice_give_back(g, p);
}

void gate_pipes_close(struct gate_state *g)
{
	while (g->n_pipes > 0)
		pipe_close(g, &g->pipe_pool[--g->n_pipes]);
}

/* ---- in ---- */

static ssize_t take_in(struct gate_flow *f, struct gate_pump *p, size_t budget)
{
	const bool piped = p->bulk && splice_borrow(f->gate, p);
	size_t want = piped ? p->pipe.bytes : GATE_BUFFER;
	want = budget < want ? budget : want;
	p->left = NULL;
	if (piped)
		return splice(p->from->fd, NULL, p->pipe.fd[1], NULL, want,
		              SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	splice_give_back(f->gate, p);
	ssize_t n = recv(p->from->fd, f->gate->scratch, want, MSG_DONTWAIT);
	/* a splice may end with its slots, but a copy that got less has emptied the socket; but for
	 * what no further event will tell of */
	if (n > 0 && (size_t)n < want && !p->from->ending)
		p->from->readable = false;
	p->left = f->gate->scratch;
	return n;
}

static enum gate_moved would_block(bool *ready)
{
	if (errno == EINTR)
		return MOVED_MORE;
	if (errno != EAGAIN)
		return MOVED_BROKEN;
	*ready = false;
	return MOVED_BLOCKED;
}

/* With nothing left of the budget, is there a byte more? Silence and the end of the stream are
 * fine. */
static enum gate_moved beyond_budget(struct gate_pump *p)
{
	char byte;
	ssize_t n = recv(p->from->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n > 0)
		return MOVED_OVER_BUDGET;
	if (n < 0)
		return would_block(&p->from->readable);
	p->eof = true;
	return MOVED_MORE;
}

static enum gate_moved fill(struct gate_flow *f, struct gate_pump *p)
{
	uint64_t budget = p->upload ? gate_budget_left(f->gate, f->dest) : UINT64_MAX;
	const bool again = p->bulk;

	if (!p->from->readable)
		return MOVED_BLOCKED;
	if (budget == 0)
		return beyond_budget(p);
	ssize_t n = take_in(f, p, budget < SIZE_MAX ? (size_t)budget : SIZE_MAX);
	if (n < 0)
		return would_block(&p->from->readable);
	p->eof = n == 0;
	p->pending = (size_t)n;
	p->bulk = n >= GATE_BUFFER;
	if (p->upload)
		gate_budget_sent(f->gate, f->dest, (uint64_t)n);
	else
		f->dest->bytes_in += (uint64_t)n;
	if (again && p->bulk && p->pipe.fd[0] >= 0)
		pipe_grow(f->gate, &p->pipe);
	return MOVED_MORE;
}

/* ---- out ---- */

static ssize_t put_out(struct gate_pump *p)
{
	if (p->pipe.fd[0] < 0)
		return send(p->to->fd, p->left, p->pending, MSG_DONTWAIT | MSG_NOSIGNAL);
	return splice(p->pipe.fd[0], NULL, p->to->fd, NULL, p->pending,
	              SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
}

static enum gate_moved splice_drain(struct gate_pump *p)
{
	while (p->pending > 0) {
		if (!p->to->writable)
			return MOVED_BLOCKED;
		ssize_t n = put_out(p);
		if (n == 0)
			return MOVED_BROKEN;
		if (n < 0) {
			enum gate_moved moved = would_block(&p->to->writable);
			if (moved != MOVED_MORE)
				return moved;
			continue;
		}
		p->pending -= (size_t)n;
		p->left = p->left ? p->left + n : NULL;
	}
	return MOVED_MORE;
}

/* The scratch is everybody's: what is left in it goes along with its connection. */
static bool keep_left(struct gate_pump *p)
{
	if (p->pending == 0 || p->pipe.fd[0] >= 0 || p->copy)
		return true;
	p->copy = p->left ? malloc(p->pending) : NULL;
	if (!p->copy)
		return false;
	memcpy(p->copy, p->left, p->pending);
	p->left = p->copy;
	return true;
}

/* Move until one side blocks. MOVED_MORE: there may be more, call again when the others had their
 * turn. */
enum gate_moved gate_pump_run(struct gate_flow *f, struct gate_pump *p)
{
	enum gate_moved moved = MOVED_MORE;
	size_t bytes = 0;

	while (bytes < TURN_BYTES && moved == MOVED_MORE && !p->shut) {
		if (p->pending == 0 && !p->eof)
			moved = fill(f, p);
		bytes += p->pending;
		if (moved == MOVED_MORE)
			moved = splice_drain(p);
		if (moved == MOVED_MORE && p->eof) {
			/* half-close goes on to the other side */
			(void)shutdown(p->to->fd, SHUT_WR);
			p->shut = true;
		}
	}
	if (!keep_left(p))
		return MOVED_BROKEN;
	splice_give_back(f->gate, p);
	return p->shut ? MOVED_END : moved;
}
