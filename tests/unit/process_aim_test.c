// SPDX-License-Identifier: Apache-2.0
/* process_aim_test.c - what a command line, an environment or a script says of how a host is
 * spoken to. */
#include "runner/job/process_aim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Blanks between words stand for the NULs between arguments. */
static const struct {
	const char *program, *args, *host;
	uint16_t at; /* known already; 0: a query */
	uint16_t port;
	bool raw;
} rows[] = {
	/* a URL says it all */
	{ "curl", "curl -sS https://r.test/x", "r.test", 0, 443, false },
	{ "curl", "curl http://r.test:8080/x", "r.test", 0, 8080, false },
	{ "curl", "curl HTTP://user:pw@R.test./x", "r.test", 0, 80, false },
	{ "python3.11", "python3 -m pip install -i http://pypi.test:3141/simple x", "pypi.test", 0,
	  3141, false },
	{ "git", "git clone git://g.test/x.git", "g.test", 0, 9418, true },
	{ "git-remote-http", "/usr/lib/git-core/git-remote-https origin https://g.test/x", "g.test",
	  0, 443, false },
	{ "svn", "svn checkout svn://s.test/x", "s.test", 0, 3690, true },
	{ "app", "app postgres://me:pw@db.test:5433/x", "db.test", 0, 5433, true },
	{ "app", "app rediss://db.test/0", "db.test", 0, 6379, false },
	/* what a program does where the host stands bare */
	{ "curl", "curl r.test", "r.test", 0, 80, false },
	{ "curl", "curl r.test:9000/x", "r.test", 0, 9000, false },
	{ "wget", "wget r.test", "r.test", 0, 80, false },
	{ "ssh", "ssh git@g.test git-upload-pack 'x.git'", "g.test", 0, 22, true },
	{ "ssh", "ssh -p 2022 g.test", "g.test", 0, 2022, true },
	{ "ssh", "ssh -p2022 g.test", "g.test", 0, 2022, true },
	{ "ssh", "ssh -x -oPort=2022 g.test", "g.test", 0, 2022, true },
	{ "ssh", "ssh -o Port=2022 g.test", "g.test", 0, 2022, true },
	{ "ssh", "ssh alias", "g.test", 0, 22, true },
	{ "psql", "psql -h db.test -U me x", "db.test", 0, 5432, true },
	{ "psql", "psql --host=db.test --port=5433", "db.test", 0, 5433, true },
	{ "psql", "psql host=db.test port=5433 user=me", "db.test", 0, 5433, true },
	{ "mysql", "mysql -h db.test -P 3307", "db.test", 0, 3307, true },
	{ "nc", "nc -w 3 s.test 7000", "s.test", 0, 7000, true },
	{ "telnet", "telnet s.test", "s.test", 0, 23, true },
	{ "http", "/usr/lib/apt/methods/http", "deb.test", 0, 80, false },
	{ "http", "/usr/lib/apt/methods/https", "deb.test", 0, 443, false },
	{ "openssl", "openssl s_client -connect t.test:5432", "t.test", 0, 5432, false },
	{ "python3.11", "python3 -c import socket; socket.create_connection(('q.test', 6379))",
	  "q.test", 0, 6379, true },
	/* HTTP/2 in the clear is neither */
	{ "curl", "curl --http2-prior-knowledge http://h.test/", "h.test", 0, 80, true },
	{ "curl", "curl --http2-prior-knowledge h.test:8081", "h.test", 0, 8081, true },
	{ "curl", "curl --http2-prior-knowledge https://h.test/", "h.test", 0, 443, false },
	{ "grpcurl", "grpcurl -plaintext g.test:9090 list", "g.test", 0, 9090, true },
	{ "grpcurl", "grpcurl g.test:9090 list", "g.test", 0, 9090, false },
	{ "nghttp", "nghttp http://h.test/", "h.test", 0, 80, true },
	/* a name that a search list made longer */
	{ "curl", "curl http://registry:8080/", "registry.corp.test", 0, 8080, false },
	/* not this host */
	{ "curl", "curl http://notr.test http://r.test.evil http://x.r.test", "r.test", 0, 0,
	  false },
	{ "curl", "curl https://start.test/", "redirected.test", 0, 0, false },
	{ "node", "npm ci", "r.test", 0, 0, false },
	{ "", "", "r.test", 0, 0, false },
	/* the port is known: what is spoken there */
	{ "ssh", "ssh g.test", "g.test", 443, 443, true },
	{ "curl", "curl http://r.test:22/", "r.test", 22, 22, false },
	{ "curl", "curl --http2-prior-knowledge http://h.test/", "h.test", 80, 80, true },
	{ "curl", "curl --http2-prior-knowledge http://h.test/", "h.test", 443, 443, false },
	{ "curl", "curl http://r.test/", "r.test", 443, 443, false },
	{ "", "", "r.test", 22, 22, true },
	{ "", "", "r.test", 8443, 8443, false },
	{ "node", "node x.js", "db.test", 5432, 5432, true },
	/* nonsense is no port */
	{ "app", "app r.test:99999", "r.test", 0, 0, false },
	{ "app", "app r.test:0", "r.test", 0, 0, false },
	{ "app", "app r.test:80x", "r.test", 0, 0, false },
};

static void a_command_line_says_port_and_protocol(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char args[200];
		size_t len = strlen(rows[i].args);
		memcpy(args, rows[i].args, len + 1);
		for (size_t k = 0; k < len; k++)
			if (args[k] == ' ' && !strstr(rows[i].args, "import"))
				args[k] = '\0';
		struct process_aim aim = process_aim(rows[i].program, args, len ? len + 1 : 0,
		                                     rows[i].host, rows[i].at);
		if (aim.port != rows[i].port || aim.raw != rows[i].raw)
			fail_msg("`%s` for %s: port %u%s, expected %u%s", rows[i].args,
			         rows[i].host, aim.port, aim.raw ? " raw" : "", rows[i].port,
			         rows[i].raw ? " raw" : "");
	}
}

static void an_environment_or_a_script_says_it_too(void **state)
{
	(void)state;
	static const char environment[] =
		"PATH=/bin\0npm_config_registry=http://npm.test:4873/\0DB=postgres://db.test/x\0";
	struct process_aim aim = process_aim_text(environment, sizeof(environment), "npm.test", 0);
	assert_true(aim.known && aim.port == 4873 && !aim.raw);
	aim = process_aim_text(environment, sizeof(environment), "db.test", 0);
	assert_true(aim.known && aim.port == 5432 && aim.raw);
	aim = process_aim_text(environment, sizeof(environment), "other.test", 0);
	assert_false(aim.known || aim.port || aim.raw);
	aim = process_aim_text(environment, sizeof(environment), "other.test", 22);
	assert_true(aim.port == 22 && aim.raw && !aim.known);
}

/* Every cut of a hostile command line is read within its bounds (the sanitizers look). */
static void no_cut_of_it_reads_beyond_its_end(void **state)
{
	(void)state;
	static const char text[] = "ssh\0-p\0"
				   "22\0-oPort=\0http://u@r.test:8080/\0r.test:\0r.test\0";
	for (size_t from = 0; from < sizeof(text); from++)
		for (size_t len = 0; from + len <= sizeof(text); len++) {
			char *copy = malloc(len + 1);
			assert_non_null(copy);
			memcpy(copy, text + from, len);
			(void)process_aim("ssh", copy, len, "r.test", 0);
			(void)process_aim("nc", copy, len, "r.test", 0);
			(void)process_aim_text(copy, len, "r.test", 0);
			free(copy);
		}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_line_says_port_and_protocol),
		cmocka_unit_test(an_environment_or_a_script_says_it_too),
		cmocka_unit_test(no_cut_of_it_reads_beyond_its_end),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("process_aim", tests, NULL, NULL);
}
