// SPDX-License-Identifier: Apache-2.0
/* policy_actions.h - what the operator says about actions of other repositories: which, by what
 * name, and where they are. */
#ifndef RUNNER_POLICY_ACTIONS_H
#define RUNNER_POLICY_ACTIONS_H

#include "input/diag.h"

#include <stdbool.h>
#include <stddef.h>

struct policy;

/* How firmly an action must be named. Zero is the strictest. */
enum actions_pin {
	ACTIONS_PIN_SHA = 0, /* by a commit */
	ACTIONS_PIN_TAG,     /* or by a tag */
	ACTIONS_PIN_ANY,     /* or by whatever the repository has: branches move every day */
};
extern const char *const actions_pin_names[];

/* A directory of this host with Node.js of one major version in it (bin/node). */
struct actions_node {
	unsigned major;
	const char *dir;
};

/* Where repositories are fetched from that the mirror lacks. */
struct actions_from {
	const char *url;      /* "https://host[:port][/path]", no slash at its end; NULL: nowhere */
	const char *host;     /* of it, as egress_host_parse() gives it; NULL: @address */
	unsigned int address; /* IPv4, network byte order */
	unsigned short port;
	const char *ca;  /* a file of this host with the authorities; NULL: the host's own */
	bool private_ok; /* its address may be a private one */
	struct diag_mark mark;
};

struct policy_actions {
	enum actions_pin pin;
	const char *const *allow; /* globs over "owner/repo[/path]", NULL-terminated; NULL: none */
	const char *mirror;       /* a directory of this host; NULL: none */
	struct actions_from from;
	const struct actions_node *nodes;
	size_t n_nodes;
	/* a directory of this host, NAME/VERSION/ARCH as the tool directory has it; NULL: none */
	const char *tools;
};

/* @policy NULL: what a policy without `actions` says. */
const struct policy_actions *policy_actions_of(const struct policy *policy);
/* @name: "owner/repo/path", without what stands behind the @. */
bool policy_allows_action(const struct policy_actions *actions, const char *name);

#endif
