// SPDX-License-Identifier: Apache-2.0
/* fuzz_nflog_packet.c - any bytes as a netlink datagram of logged packets, and as one packet. */
#include "netpolicy/gate/nflog_packet.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nflog_packet packet;
	size_t pos = 0;
	unsigned bad = 0;
	size_t n = 0;

	while (nflog_next(data, size, &pos, &packet, &bad)) {
		if (pos > size || ++n > size)
			abort();
	}
	if (nflog_packet_parse(data, size, &packet) && packet.dst.any.sa_family != AF_INET &&
	    packet.dst.any.sa_family != AF_INET6)
		abort();
	return 0;
}
