// SPDX-License-Identifier: Apache-2.0
/* hatch_library.c - finds libmicrohttpd.
 *
 * Runs in: hatch, before the lock. It is loaded here and not linked: it brings gnutls and what that
 * needs, nine libraries that no other process of drydock has a use for. */
#include "hatch_state.h"

#include "drydock/fault.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

struct mhd mhd;

#define CALL(member)                                                                               \
	{                                                                                          \
		"MHD_" #member, offsetof(struct mhd, member)                                       \
	}

int hatch_library_load(struct dd_err *err)
{
	static const struct {
		const char *name;
		size_t at;
	} calls[] = {
		CALL(start_daemon),
		CALL(get_daemon_info),
		CALL(get_timeout),
		CALL(run),
		CALL(lookup_connection_value),
		CALL(create_response_from_buffer),
		CALL(create_response_from_callback),
		CALL(add_response_header),
		CALL(queue_response),
		CALL(destroy_response),
	};
	void *lib = dd_fault("libmicrohttpd")
	                    ? NULL
	                    : dlopen("libmicrohttpd.so.12", RTLD_NOW | RTLD_LOCAL);
	if (!lib)
		return dd_err_say(err, ENOENT,
		                  "libmicrohttpd cannot be loaded, and without it an action has no "
		                  "caches and artifacts: install it (package libmicrohttpd12)");
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		void *call = dlsym(lib, calls[i].name);
		if (!call)
			return dd_err_say(err, ENOSYS, "libmicrohttpd.so.12 has no %s",
			                  calls[i].name);
		memcpy((char *)&mhd + calls[i].at, &call, sizeof(call));
	}
	return 0;
}
