// SPDX-License-Identifier: Apache-2.0
/* verdict_index.h - between verdict.c and verdict_index.c; everybody else asks egress.h. */
#ifndef NETPOLICY_VERDICT_INDEX_H
#define NETPOLICY_VERDICT_INDEX_H

#include "drydock/egress.h"

/* Was @index made of exactly these entries? A list that was cut or copied since is walked instead.
 * NULL fits nothing. */
bool egress_index_fits(const struct egress_index *index, const struct egress_entry *entries,
                       size_t n);
/* The entry that decides about @host at @port (0: any), or NULL; *ret_known: some entry fits the
 * name, whatever its port. */
const struct egress_entry *egress_index_find(const struct egress_index *index, const char *host,
                                             uint16_t port, bool *ret_known);
/* The entries that are blocks of addresses: their places in the list, in order. */
size_t egress_index_blocks(const struct egress_index *index, const uint32_t **ret);

#endif
