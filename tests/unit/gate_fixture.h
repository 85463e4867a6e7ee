// SPDX-License-Identifier: Apache-2.0
/* gate_fixture.h - what the tests of the gate share: one world and the sockets in it, released
 * after each test. */
#ifndef TESTS_UNIT_GATE_FIXTURE_H
#define TESTS_UNIT_GATE_FIXTURE_H

#include "gate_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static bool have_world;
static struct world w;
static int server = -1, peer = -1, client = -1;

static int tear_down(void **state)
{
	(void)state;
	dd_close_p(&server);
	dd_close_p(&peer);
	dd_close_p(&client);
	if (have_world)
		world_end(&w);
	egress_spent_free(w.spent);
	w.spent = NULL;
	return 0;
}

static void need_world(void)
{
	if (!have_world) {
		print_message("# SKIP no user, network and mount namespaces for this user\n");
		skip();
	}
}

/* The event, or the end of the test. */
static const struct gate_msg *told_of(enum gate_msg_type type, const char *why, int ms)
{
	const struct gate_msg *m = world_event(&w, type, why, ms);
	if (!m) {
		fail_msg("no message of type %d with \"%s\"", (int)type, why);
		abort(); /* not reached; fail_msg does not say so to the compiler */
	}
	return m;
}

#endif
