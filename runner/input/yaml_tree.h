// SPDX-License-Identifier: Apache-2.0
/* yaml_tree.h - one YAML document as a bounded tree in which every node knows where it stands.
 *
 * Refused, with positions: aliases, anchors, merge keys, tags, directives, a second document,
 * duplicate keys (both places), keys that are not scalars, NUL, bytes that are not UTF-8, line
 * separators that YAML 1.1 and 1.2 read differently, and more than the limits below. What files of
 * other people may hold of it is asked for with options.
 */
#ifndef RUNNER_YAML_TREE_H
#define RUNNER_YAML_TREE_H

#include "base/arena.h"
#include "diag.h"

#include <stdbool.h>

enum { TREE_BYTES_MAX = 1024 * 1024, TREE_DEPTH_MAX = 32, TREE_NODES_MAX = 100000 };

enum tree_kind {
	TREE_SCALAR = 1,
	TREE_LIST = 2,
	TREE_MAP = 4
}; /* bits, so that a row can allow several */

struct tree_pair;

struct tree_node {
	enum tree_kind kind;
	struct diag_mark mark;
	const char *text;         /* scalar: NUL-terminated value */
	const char *tag;          /* "tag:yaml.org,2002:str"; NULL: none is written */
	bool plain;               /* scalar without quotes: may be null, a number, a boolean */
	size_t start, end;        /* byte range in the source, tag and anchor included */
	size_t weight;            /* nodes in it, itself and what aliases repeat included */
	struct tree_node **items; /* list */
	struct tree_pair *pairs;  /* map */
	size_t n;
};

struct tree_pair {
	struct tree_node *key, *value;
};

/* @name must live as long as the tree. 0, or -EINVAL with complaints. */
int tree_parse(struct plan_arena *arena, const char *name, const char *text, size_t len,
               struct tree_node **ret, struct diag_list *diags);

/* Why a file became no tree, for readers that have classes of errors. */
enum tree_trouble {
	TREE_TROUBLE_NONE,
	TREE_TROUBLE_SYNTAX, /* all that is not named below */
	TREE_TROUBLE_BYTES,  /* the file is too large */
	TREE_TROUBLE_DEPTH,
	TREE_TROUBLE_NODES,
	TREE_TROUBLE_ANCHOR, /* or an alias */
	TREE_TROUBLE_TAG,
};

struct tree_options {
	/* Anchors and aliases. An alias is the very node that it names, so the tree is one no more:
	 * walk it, never write to it. The limit of nodes counts what aliases repeat. */
	bool aliases;
	bool tags;     /* kept in the node for the reader to judge */
	bool any_keys; /* equal keys, and `<<` as an ordinary one: for the reader to judge */
	unsigned depth_max;
	size_t nodes_max;
};

/* The same with @options; *@ret_trouble tells why not, when it is not NULL. */
int tree_parse_with(struct plan_arena *arena, const char *name, const char *text, size_t len,
                    const struct tree_options *options, struct tree_node **ret,
                    enum tree_trouble *ret_trouble, struct diag_list *diags);

const struct tree_node *tree_get(const struct tree_node *map,
                                 const char *key); /* NULL when absent or not a map */
const char *tree_kind_name(enum tree_kind kind);
bool tree_is_null(const struct tree_node *node);
/* YAML 1.2 core: plain true, True, TRUE, false, ...; anything else is no boolean. */
bool tree_is_bool(const struct tree_node *node, bool *ret);
/* Where in the source @needle first stands inside the scalar @node; the node's own mark when it was
 * written with escapes. */
struct diag_mark tree_mark_inside(const struct tree_node *node, const char *source,
                                  const char *needle, size_t length);

#endif
