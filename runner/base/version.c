// SPDX-License-Identifier: Apache-2.0
/* version.c - the one file that is compiled with the version, so that a commit rebuilds one object.
 */
#include "version.h"

#ifndef DRYDOCK_VERSION
#define DRYDOCK_VERSION "unversioned" /* analysers and fuzz targets, which print none */
#endif

const char *drydock_version(void)
{
	return DRYDOCK_VERSION;
}
