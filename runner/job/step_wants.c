// SPDX-License-Identifier: Apache-2.0
/* step_wants.c - port, protocol and place of a destination that was refused.
 *
 * Runs in: supervisor. The program is asked first (process_aim.h: its arguments and environment),
 * then the step's script, then the custom of the port. All of that is hostile and none of it
 * decides anything: it fills in a line that a person reads.
 */
#include "step_wants.h"

#include "drydock/fd.h"
#include "policy/advice.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* a step can have them read at each of its refusals */
enum { HOSTS_READ = 65536, SCRIPT_READ = 65536 };

static struct process_aim wants_aim_of(const struct job_step *step, const char *host, uint16_t port,
                                       const struct process_hint *who, bool read)
{
	struct process_aim aim = who->pid ? who->aim : process_aim("", "", 0, host, port);
	const char *script = step->recipe ? step->recipe->script : NULL;

	if (aim.known || !script || !read)
		return aim;
	struct process_aim written = process_aim_text(script, strnlen(script, SCRIPT_READ), host,
	                                              port);
	return written.known ? written : aim;
}

/* ---- the host's own file ---- */

static bool address_is_inside(const char *text, bool *ret_is_address)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} addr = { .v4 = { .sin_family = AF_INET } };

	*ret_is_address = true;
	if (inet_pton(AF_INET, text, &addr.v4.sin_addr) != 1) {
		addr.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
		*ret_is_address = inet_pton(AF_INET6, text, &addr.v6.sin6_addr) == 1;
	}
	return *ret_is_address && egress_addr_reason(&addr.any) == REASON_ADDRESS_PRIVATE;
}

bool step_wants_inside(const char *hosts, const char *host)
{
	char line[1024], *rest = NULL;
	bool found = false;

	for (const char *p = hosts; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		(void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(p, "\n#"), p);
		const char *word = strtok_r(line, " \t\r", &rest);
		bool is_address = false, inside = word && address_is_inside(word, &is_address);
		while (is_address && (word = strtok_r(NULL, " \t\r", &rest)))
			if (strcasecmp(word, host) == 0) {
				if (!inside)
					return false;
				found = true;
			}
	}
	return found;
}

/* Heap; NULL: there is none, or it cannot be read. */
static char *wants_read_hosts(void)
{
	FILE *f = fopen("/etc/hosts", "re");
	char *text = f ? malloc(HOSTS_READ) : NULL;

	if (text)
		text[fread(text, 1, HOSTS_READ - 1, f)] = '\0';
	if (f)
		(void)fclose(f);
	return text;
}

static bool host_file_is_inside(const char *host)
{
	dd_auto_free char *text = wants_read_hosts();
	return text && step_wants_inside(text, host);
}

bool step_wants_hosts_has(const char *host)
{
	dd_auto_free char *text = wants_read_hosts();
	char *lines = text, *line;

	while (lines && (line = strsep(&lines, "\n"))) {
		char *words = line + strcspn(line, "#"), *word;
		*words = '\0';
		for (words = line; (word = strsep(&words, " \t\r"));)
			if (word != line && strcasecmp(word, host) == 0)
				return true;
	}
	return false;
}

/* ---- all of it ---- */

/* Does a line that changes or makes an entry answer this? */
static bool has_entry_line(const struct gate_msg *msg)
{
	enum dd_remedy remedy = dd_reason_row(msg->reason)->remedy;
	return msg->host[0] &&
	       (remedy == REMEDY_ENTRY || remedy == REMEDY_PRIVATE || remedy == REMEDY_RAW) &&
	       (msg->type == GATE_DNS_DENY || msg->proto == IPPROTO_TCP);
}

void step_wants(const struct job_step *step, const struct gate_msg *msg,
                const struct process_hint *who, unsigned *reads, struct facts_wants *ret)
{
	const struct egress_list *list = &step->terms->egress;
	bool query = msg->type == GATE_DNS_DENY;
	uint16_t port = query ? 0 : msg->port;
	const struct egress_entry *entry, *other;

	*ret = (struct facts_wants){ .known = false };
	if (!has_entry_line(msg))
		return;
	bool read = *reads < STEP_WANTS_READS_MAX;
	*reads += read;
	struct process_aim aim = wants_aim_of(step, msg->host, port, who, read);
	entry = query || !port ? NULL : egress_verdict_name(list, msg->host, port).entry;
	other = egress_verdict_name(list, msg->host, 0).entry;
	bool place = entry && advice_origin_is_place(entry->origin);
	ret->port = port ? 0 : aim.port;
	/* an entry that can be written to has what it has; one of a set is written anew */
	ret->raw = place ? aim.raw && entry->tls != EGRESS_TLS_RAW
	                 : aim.raw || (entry && entry->tls == EGRESS_TLS_RAW);
	ret->private_ok = msg->reason == REASON_ANSWER_PRIVATE || (other && other->private_ok) ||
	                  (read && host_file_is_inside(msg->host));
	/* "at most 8, ended by NULL unless full" is not what a list of texts is */
	if (!place && other && other->pins[0] && !other->pins[EGRESS_PINS_MAX - 1])
		ret->address = other->pins;
	ret->known = ret->port || ret->raw || ret->private_ok || ret->address;
}
