// SPDX-License-Identifier: Apache-2.0
/* process_find_test.c - naming the process behind a refusal: what is shown of its arguments, and
 * who is found. */
#include "runner/job/process_find.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child of a child holds a bound UDP socket: it is found below the process that plays init. */
static void the_holder_of_a_bound_udp_port_is_found_below_init(void **state)
{
	(void)state;
	int ready[2];
	assert_int_equal(pipe(ready), 0);
	pid_t init = fork();
	if (init == 0) {
		pid_t holder = fork();
		if (holder == 0) {
			struct sockaddr_in sin = { .sin_family = AF_INET,
				                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
			socklen_t len = sizeof(sin);
			int s = socket(AF_INET, SOCK_DGRAM, 0);
			if (bind(s, (struct sockaddr *)&sin, len) < 0 ||
			    getsockname(s, (struct sockaddr *)&sin, &len) < 0)
				_exit(1);
			unsigned port = ntohs(sin.sin_port);
			if (write(ready[1], &port, sizeof(port)) != (ssize_t)sizeof(port))
				_exit(1);
			pause();
		}
		pause();
	}
	unsigned port = 0;
	assert_int_equal(read(ready[0], &port, sizeof(port)), (ssize_t)sizeof(port));
	struct process_hint who;
	process_find(init,
	             &(struct process_try){ .proto = IPPROTO_UDP, .src_port = (uint16_t)port },
	             &who);
	pid_t found = who.pid;
	struct process_hint nobody;
	process_find(init,
	             &(struct process_try){ .proto = IPPROTO_UDP,
	                                    .src_port = (uint16_t)(port == 9 ? 10 : 9) },
	             &nobody);

	if (found > 0)
		(void)kill(found, SIGKILL);
	(void)kill(init, SIGKILL);
	(void)waitpid(init, NULL, 0);
	(void)close(ready[0]);
	(void)close(ready[1]);
	assert_true(found > 0);
	assert_int_not_equal(found, init);
	assert_string_equal(who.exe, "process_find_test");
	assert_int_equal(nobody.pid, 0); /* a listed socket of another port is no candidate */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_holder_of_a_bound_udp_port_is_found_below_init),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("process_find", tests, NULL, NULL);
}
