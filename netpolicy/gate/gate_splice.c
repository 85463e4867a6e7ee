// SPDX-License-Identifier: Apache-2.0
/* gate_splice.c - moves the bytes of a relayed connection in one direction, through a pipe and
 * without copying them.
 *
 * Runs in: gate. A pipe is borrowed from a pool only while bytes are inside, so idle connections
 * hold none (pipe pages are counted per user). Without a pipe the bytes are copied. Upload is
 * counted when it is taken from the client, and never more is taken than the budget has left.
 */
#include "gate_internal.h"

#include <fcntl.h>

enum { ROUNDS_MAX = 16 }; /* about 1 MiB, then the other connections have their turn */

void gate_pump_init(struct gate_pump *p, struct gate_source *from, struct gate_source *to,
                    bool upload)
{
	*p = (struct gate_pump){ .from = from, .to = to, .upload = upload, .pipe = { -1, -1 } };
}

/* Something to hold bytes: a pooled pipe, a new one, or plain memory. */
static bool splice_borrow(struct gate_state *g, struct gate_pump *p)
{
	if (p->pipe[0] >= 0 || p->copy)
		return true;
	if (g->n_pipes > 0) {
		g->n_pipes--;
		p->pipe[0] = g->pipe_pool[g->n_pipes][0];
		p->pipe[1] = g->pipe_pool[g->n_pipes][1];
		return true;
	}
	if (pipe2(p->pipe, O_NONBLOCK | O_CLOEXEC) == 0)
		return true;
	p->pipe[0] = p->pipe[1] = -1;
	p->copy = malloc(GATE_BUFFER);
	return p->copy != NULL;
}

static void splice_give_back(struct gate_state *g, struct gate_pump *p)
{
	if (p->pending > 0)
		return;
	free(p->copy);
	p->copy = NULL;
	if (p->pipe[0] < 0)
		return;
	if (g->n_pipes < ARRAY_LEN(g->pipe_pool)) {
		g->pipe_pool[g->n_pipes][0] = p->pipe[0];
		g->pipe_pool[g->n_pipes][1] = p->pipe[1];
		g->n_pipes++;
	} else {
		dd_close(p->pipe[0]);
		dd_close(p->pipe[1]);
	}
	p->pipe[0] = p->pipe[1] = -1;
}

void gate_pump_done(struct gate_state *g, struct gate_pump *p)
{
	if (p->pending > 0 &&
	    p->pipe[0] >= 0) { /* foreign bytes inside: this pipe is never used again */
		dd_close(p->pipe[0]);
		dd_close(p->pipe[1]);
		p->pipe[0] = p->pipe[1] = -1;
	}
	p->pending = 0;
	splice_give_back(g, p);
}

void gate_pipes_close(struct gate_state *g)
{
	while (g->n_pipes > 0) {
		g->n_pipes--;
		dd_close(g->pipe_pool[g->n_pipes][0]);
		dd_close(g->pipe_pool[g->n_pipes][1]);
	}
}

static ssize_t take_in(struct gate_pump *p, size_t want)
{
	if (p->copy) {
		p->copy_at = 0;
		return recv(p->from->fd, p->copy, want < GATE_BUFFER ? want : GATE_BUFFER,
		            MSG_DONTWAIT);
	}
	return splice(p->from->fd, NULL, p->pipe[1], NULL, want, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
}

static ssize_t put_out(struct gate_pump *p)
{
	if (p->copy)
		return send(p->to->fd, p->copy + p->copy_at, p->pending,
		            MSG_DONTWAIT | MSG_NOSIGNAL);
	return splice(p->pipe[0], NULL, p->to->fd, NULL, p->pending,
	              SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
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
		return errno == EAGAIN || errno == EINTR ? MOVED_BLOCKED : MOVED_BROKEN;
	p->eof = true;
	return MOVED_MORE;
}

static enum gate_moved fill(struct gate_flow *f, struct gate_pump *p)
{
	size_t want = GATE_PIPE_BYTES;
	if (p->upload) {
		uint64_t left = gate_budget_left(f->gate, f->dest);
		if (left == 0)
			return beyond_budget(p);
		want = left < want ? (size_t)left : want;
	}
	if (!splice_borrow(f->gate, p))
		return MOVED_BROKEN;
	ssize_t n = take_in(p, want);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? MOVED_BLOCKED : MOVED_BROKEN;
	p->eof = n == 0;
	p->pending = (size_t)n;
	if (p->upload)
		gate_budget_sent(f->gate, f->dest, (uint64_t)n);
	else
		f->dest->bytes_in += (uint64_t)n;
	return MOVED_MORE;
}

static enum gate_moved splice_drain(struct gate_pump *p)
{
	while (p->pending > 0) {
		ssize_t n = put_out(p);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? MOVED_BLOCKED : MOVED_BROKEN;
		if (n == 0)
			return MOVED_BROKEN;
		p->pending -= (size_t)n;
		p->copy_at += (size_t)n;
	}
	return MOVED_MORE;
}

/* Move until one side blocks. MOVED_MORE: there may be more, call again when the others had their
 * turn. */
enum gate_moved gate_pump_run(struct gate_flow *f, struct gate_pump *p)
{
	enum gate_moved moved = MOVED_MORE;

	for (unsigned i = 0; i < ROUNDS_MAX && moved == MOVED_MORE && !p->shut; i++) {
		if (p->pending == 0 && !p->eof)
			moved = fill(f, p);
		if (moved == MOVED_MORE)
			moved = splice_drain(p);
		if (moved == MOVED_MORE && p->eof) {
			/* half-close goes on to the other side */
			(void)shutdown(p->to->fd, SHUT_WR);
			p->shut = true;
		}
	}
	splice_give_back(f->gate, p);
	return p->shut ? MOVED_END : moved;
}
