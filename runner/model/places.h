// SPDX-License-Identifier: Apache-2.0
/* places.h - fixed places inside every sandbox. */
#ifndef RUNNER_PLACES_H
#define RUNNER_PLACES_H

#define PLACE_WORKSPACE "/work"
#define PLACE_HOME      "/home/runner"
#define PLACE_TEMP      "/work-temp" /* RUNNER_TEMP */
#define PLACE_TMP       "/tmp"
#define PLACE_VAR_TMP   "/var/tmp"
#define PLACE_SCRIPTS                                                                              \
	"/run/drydock/step" /* the script of the step, read-only: a workspace that a step wrote    \
	                       cannot replace it */
#define PLACE_CHANNEL                                                                              \
	"/run/drydock/channel" /* files for what the step leaves; only where its recipe has any */
#define PLACE_ACTIONS                                                                              \
	"/run/drydock/actions" /* files of actions, read-only; only where a step is of one */
#define PLACE_TOOLS "/opt/hostedtoolcache"
#define PLACE_PATH                                                                                 \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" /* PATH, where nobody says  \
	                                                                  another */

#endif
