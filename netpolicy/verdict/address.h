// SPDX-License-Identifier: Apache-2.0
/* address.h - inside netpolicy/: the metadata addresses that the rules refuse by number. See
 * address.c. */
#ifndef NETPOLICY_ADDRESS_H
#define NETPOLICY_ADDRESS_H

#include "drydock/egress.h"

/* Call @fn for every IPv4 metadata address (network byte order), in a fixed order. Stops at the
 * first non-zero result, which is returned. */
int address_each_metadata_v4(int (*fn)(void *arg, struct in_addr addr), void *arg);

/* The same for every IPv4 range that is not ordinary public space; the metadata addresses have the
 * function above. */
int address_each_special_v4(int (*fn)(void *arg, struct in_addr net, unsigned prefix), void *arg);

/* Is @entry a /32 of this very address that also says `private: allow`? Only then may a metadata
 * address be reached (N-12). */
bool address_entry_names(const struct egress_entry *entry, struct in_addr addr);

#endif
