// SPDX-License-Identifier: Apache-2.0
/* reason.c - the table of reasons: what each is called in a record, how it reads, and what would
 * change it.
 *
 * Runs in: every role. Pure. A new reason is a row here and a number in reason.h; docs/record.md
 * lists the names, and a test holds the two together.
 */
#include "drydock/reason.h"

#include "drydock/err.h"

#include <stdbool.h>

static const char no_metadata[] =
	"a metadata service hands out the credentials of this machine; no phase may reach it";
static const char tcp_only[] = "steps have TCP through the gate only; clients fall back to it";
static const char be_strict[] =
	"what servers may read differently can mean another host; the program must say it plainly";

static const struct dd_reason_row rows[REASON__COUNT] = {
	[REASON_NONE] = { "", "no reason is known", ABOUT_NOTHING, REMEDY_NONE, NULL },

	[REASON_NAME_NOT_LISTED] = { "name-not-listed", "not in the allowlist", ABOUT_LIST,
	                             REMEDY_ENTRY, NULL },
	[REASON_PORT_NOT_LISTED] = { "port-not-listed",
	                             "the allowlist has this name, but not this port", ABOUT_LIST,
	                             REMEDY_ENTRY, NULL },
	[REASON_ADDRESS_NOT_LISTED] = { "address-not-listed", "no entry for this address",
	                                ABOUT_LIST, REMEDY_ENTRY, NULL },
	[REASON_ADDRESS_PRIVATE] = { "address-private",
	                             "no entry says `private: allow` for this address", ABOUT_LIST,
	                             REMEDY_ENTRY, NULL },
	[REASON_ADDRESS_METADATA] = { "address-metadata",
	                              "metadata service: blocked in every phase", ABOUT_WIRE,
	                              REMEDY_NONE, no_metadata },
	[REASON_ADDRESS_SPECIAL] = { "address-special", "no single host stands behind this address",
	                             ABOUT_WIRE, REMEDY_NONE,
	                             "no entry can mean such an address; name the host instead" },

	[REASON_ANSWER_PRIVATE] = { "answer-private", "private answer", ABOUT_ANSWER,
	                            REMEDY_PRIVATE, NULL },
	[REASON_ANSWER_METADATA] = { "answer-metadata", "the name leads to a metadata service",
	                             ABOUT_ANSWER, REMEDY_NONE, no_metadata },
	[REASON_ANSWER_SPECIAL] = { "answer-special",
	                            "the name leads to an address that no host can have",
	                            ABOUT_ANSWER, REMEDY_NONE,
	                            "whoever serves this name's DNS must change the answer" },
	[REASON_ANSWER_NONE] = { "answer-none", "the name has no address that its entry may dial",
	                         ABOUT_ANSWER, REMEDY_NONE,
	                         "the name has no address that this entry may dial" },
	[REASON_NAME_UNRESOLVED] = { "name-unresolved", "the name could not be resolved",
	                             ABOUT_ANSWER, REMEDY_NONE,
	                             "the policy allows it; the host's resolver has no answer" },
	[REASON_UNREACHABLE] = { "unreachable", "could not connect", ABOUT_ANSWER, REMEDY_NONE,
	                         "the policy allows it; the destination did not answer" },

	[REASON_NOT_A_NAME] = { "not-a-name", "not a host name", ABOUT_WIRE, REMEDY_NONE,
	                        "this is no host name, so no entry can name it" },
	[REASON_RECORD_TYPE] = { "record-type",
	                         "only addresses are answered, not this type of record", ABOUT_WIRE,
	                         REMEDY_NONE,
	                         "the step's resolver answers A only; other record types carry "
	                         "data out, and clients (apt asks for SRV) go on without them" },
	[REASON_NOT_LOOKED_UP] = { "not-looked-up",
	                           "no lookup in this step was answered with this address",
	                           ABOUT_WIRE, REMEDY_NONE,
	                           "the address came from no lookup of this step; the program must "
	                           "ask for the name again" },
	[REASON_GATE_ADDRESS] = { "gate-address", "not a destination: the gate's own address",
	                          ABOUT_WIRE, REMEDY_NONE,
	                          "the gate's own address is no destination" },
	[REASON_FOREIGN_RESOLVER] = { "foreign-resolver",
	                              "a foreign resolver; the step's own is 198.18.0.1",
	                              ABOUT_WIRE, REMEDY_NONE,
	                              "names are asked at the step's own resolver, 198.18.0.1 in "
	                              "/etc/resolv.conf" },
	[REASON_UDP] = { "udp", "UDP is not carried; clients fall back to TCP", ABOUT_WIRE,
	                 REMEDY_NONE, tcp_only },

	[REASON_SPEAKS_NEITHER] = { "speaks-neither",
	                            "the client says neither TLS nor HTTP: entry needs tls: raw",
	                            ABOUT_HELLO, REMEDY_RAW, NULL },
	[REASON_HELLO_SILENT] = { "hello-silent",
	                          "the client says neither TLS nor HTTP within 10 s: entry needs "
	                          "tls: raw",
	                          ABOUT_HELLO, REMEDY_RAW, NULL },
	[REASON_HELLO_UNFINISHED] = { "hello-unfinished",
	                              "the client's first message did not come within 10 s",
	                              ABOUT_HELLO, REMEDY_NONE,
	                              "the policy allows it; the client began and did not go on" },
	[REASON_HELLO_TOO_LARGE] = { "hello-too-large",
	                             "the client's first message is larger than 16 KiB",
	                             ABOUT_HELLO, REMEDY_RAW, NULL },
	[REASON_TLS_OTHER_HOST] = { "tls-other-host", "TLS: the server name is another host",
	                            ABOUT_HELLO, REMEDY_RAW, NULL },
	[REASON_TLS_NO_NAME] = { "tls-no-name", "TLS: no server name", ABOUT_HELLO, REMEDY_RAW,
	                         NULL },
	[REASON_TLS_NAME_MALFORMED] = { "tls-name-malformed",
	                                "TLS: the server name is no proper host name", ABOUT_HELLO,
	                                REMEDY_NONE, be_strict },
	[REASON_TLS_NAMES] = { "tls-names", "TLS: more than one server name", ABOUT_HELLO,
	                       REMEDY_NONE, be_strict },
	[REASON_TLS_ENCRYPTED_HELLO] = { "tls-encrypted-hello",
	                                 "TLS: the hello holds an encrypted one (ECH), and the "
	                                 "entry says `ech: refuse`",
	                                 ABOUT_HELLO, REMEDY_ECH, NULL },
	[REASON_TLS_VERSION] = { "tls-version", "TLS: not a version of TLS", ABOUT_HELLO,
	                         REMEDY_NONE, be_strict },
	[REASON_TLS_NOT_A_HELLO] = { "tls-not-a-hello",
	                             "TLS: the first message is not a ClientHello", ABOUT_HELLO,
	                             REMEDY_NONE, be_strict },
	[REASON_TLS_EXTENSION_TWICE] = { "tls-extension-twice", "TLS: an extension comes twice",
	                                 ABOUT_HELLO, REMEDY_NONE, be_strict },
	[REASON_TLS_TOO_LARGE] = { "tls-too-large", "TLS: the hello is too large", ABOUT_HELLO,
	                           REMEDY_NONE, be_strict },
	[REASON_TLS_MALFORMED] = { "tls-malformed", "TLS: the hello is malformed", ABOUT_HELLO,
	                           REMEDY_NONE, be_strict },
	[REASON_HTTP_OTHER_HOST] = { "http-other-host", "HTTP: Host names another host",
	                             ABOUT_HELLO, REMEDY_RAW, NULL },
	[REASON_HTTP_NO_HOST] = { "http-no-host", "HTTP: no Host", ABOUT_HELLO, REMEDY_NONE,
	                          be_strict },
	[REASON_HTTP_HOSTS] = { "http-hosts", "HTTP: more than one Host", ABOUT_HELLO, REMEDY_NONE,
	                        be_strict },
	[REASON_HTTP_HOST_MALFORMED] = { "http-host-malformed", "HTTP: Host names no proper host",
	                                 ABOUT_HELLO, REMEDY_NONE, be_strict },
	[REASON_HTTP_TARGET_HOST] = { "http-target-host",
	                              "HTTP: target and Host name different hosts", ABOUT_HELLO,
	                              REMEDY_NONE, be_strict },
	[REASON_HTTP_TARGET] = { "http-target",
	                         "HTTP: the target is neither a path nor a proper http://",
	                         ABOUT_HELLO, REMEDY_NONE, be_strict },
	[REASON_HTTP_CONNECT] = { "http-connect", "HTTP: CONNECT is not carried", ABOUT_HELLO,
	                          REMEDY_NONE,
	                          "a proxy reaches every name for its clients; the program must "
	                          "dial "
	                          "its destination itself" },
	[REASON_HTTP_VERSION] = { "http-version", "HTTP: neither HTTP/1.0 nor HTTP/1.1",
	                          ABOUT_HELLO, REMEDY_RAW, NULL },
	[REASON_HTTP_REQUEST_LINE] = { "http-request-line", "HTTP: malformed request line",
	                               ABOUT_HELLO, REMEDY_NONE, be_strict },
	[REASON_HTTP_HEADER] = { "http-header", "HTTP: malformed or folded header", ABOUT_HELLO,
	                         REMEDY_NONE, be_strict },
	[REASON_HTTP_LINE_END] = { "http-line-end",
	                           "HTTP: NUL, bare line feed or bare carriage return", ABOUT_HELLO,
	                           REMEDY_NONE, be_strict },
	[REASON_HTTP_LENGTH] = { "http-length", "HTTP: malformed Content-Length", ABOUT_HELLO,
	                         REMEDY_NONE, be_strict },
	[REASON_HTTP_LENGTHS] = { "http-lengths", "HTTP: more than one Content-Length", ABOUT_HELLO,
	                          REMEDY_NONE, be_strict },
	[REASON_HTTP_ENCODING] = { "http-encoding",
	                           "HTTP: a Transfer-Encoding other than one \"chunked\"",
	                           ABOUT_HELLO, REMEDY_NONE, be_strict },
	[REASON_HTTP_BOTH_LENGTHS] = { "http-both-lengths",
	                               "HTTP: both Content-Length and Transfer-Encoding",
	                               ABOUT_HELLO, REMEDY_NONE, be_strict },
	[REASON_HTTP_BODY] = { "http-body", "HTTP: a body on a request whose method has none",
	                       ABOUT_HELLO, REMEDY_NONE, be_strict },
	[REASON_HTTP_EXPECT] = { "http-expect",
	                         "HTTP: an Expect other than 100-continue, or not on the first "
	                         "request with a body",
	                         ABOUT_HELLO, REMEDY_NONE, be_strict },
	[REASON_HTTP_UNASKED_BODY] = { "http-unasked-body",
	                               "HTTP: a body although the server answered without asking "
	                               "for it",
	                               ABOUT_HELLO, REMEDY_NONE, be_strict },
	[REASON_HTTP_CONNECTION] = { "http-connection",
	                             "HTTP: Connection names a header that a request needs",
	                             ABOUT_HELLO, REMEDY_NONE, be_strict },
	[REASON_HTTP_HEADER_NAME] = { "http-header-name",
	                              "HTTP: a header name that some servers read as Host or as a "
	                              "length",
	                              ABOUT_HELLO, REMEDY_NONE, be_strict },
	[REASON_HTTP_CHUNK] = { "http-chunk", "HTTP: malformed chunked body", ABOUT_HELLO,
	                        REMEDY_NONE, be_strict },
	[REASON_HTTP_TOO_LARGE] = { "http-too-large",
	                            "HTTP: a head of more than 16 KiB or 128 headers, or a chunk "
	                            "line or trailers without end",
	                            ABOUT_HELLO, REMEDY_NONE, be_strict },
	[REASON_HTTP_UPGRADE_LATE] = { "http-upgrade-late", "HTTP: Upgrade after the first request",
	                               ABOUT_HELLO, REMEDY_RAW, NULL },
	[REASON_HTTP_UPGRADE_INTERIM] = { "http-upgrade-interim",
	                                  "HTTP: an interim answer to an upgrade", ABOUT_HELLO,
	                                  REMEDY_RAW, NULL },
	[REASON_HTTP_UPGRADE_OTHER] = { "http-upgrade-other",
	                                "HTTP: the server changes to a protocol other than "
	                                "WebSocket",
	                                ABOUT_HELLO, REMEDY_RAW, NULL },

	[REASON_UPLOAD] = { "upload", "over the upload budget of this entry", ABOUT_BUDGET,
	                    REMEDY_UPLOAD, NULL, "upload" },
	[REASON_STEP_UPLOAD] = { "step-upload", "over the upload budget of this entry in one step",
	                         ABOUT_BUDGET, REMEDY_UPLOAD, NULL, "step_upload" },
	[REASON_UPLOAD_USED_UP] = { "upload-used-up", "the upload budget of this entry is used up",
	                            ABOUT_BUDGET, REMEDY_UPLOAD, NULL, "upload" },
	[REASON_STEP_UPLOAD_USED_UP] = { "step-upload-used-up",
	                                 "the upload budget of this entry in one step is used up",
	                                 ABOUT_BUDGET, REMEDY_UPLOAD, NULL, "step_upload" },
	[REASON_CONNECTIONS] = { "connections", "too many open connections in this step",
	                         ABOUT_BUDGET, REMEDY_COUNT, NULL, "connections" },
	[REASON_WILDCARD_NAMES] = { "wildcard-names",
	                            "too many different names under this wildcard", ABOUT_BUDGET,
	                            REMEDY_COUNT, NULL, "wildcard_names" },
	[REASON_STEP_WILDCARD_NAMES] = { "step-wildcard-names",
	                                 "too many different names under this wildcard in one step",
	                                 ABOUT_BUDGET, REMEDY_COUNT, NULL, "step_wildcard_names" },
	[REASON_CIDR_ADDRESSES] = { "cidr-addresses", "too many different addresses in this block",
	                            ABOUT_BUDGET, REMEDY_COUNT, NULL, "cidr_addresses" },
	[REASON_STEP_CIDR_ADDRESSES] = { "step-cidr-addresses",
	                                 "too many different addresses in this block in one step",
	                                 ABOUT_BUDGET, REMEDY_COUNT, NULL, "step_cidr_addresses" },
	[REASON_STEP_NAMES] = { "step-names", "too many different names in this step", ABOUT_BUDGET,
	                        REMEDY_NONE, "a step has addresses for 16384 names; split it" },
	[REASON_JOB_NAMES] = { "job-names", "too many different names in this job", ABOUT_BUDGET,
	                       REMEDY_NONE,
	                       "a job has room for 65536 names and addresses below wildcards and "
	                       "blocks; split it" },
	[REASON_DESTINATIONS] = { "destinations", "too many different destinations in this step",
	                          ABOUT_BUDGET, REMEDY_NONE,
	                          "a gate keeps 20000 destinations apart; split the step" },
	[REASON_MEMORY] = { "memory", "the gate has no memory for another connection", ABOUT_BUDGET,
	                    REMEDY_NONE, "the host has no memory left" },
	[REASON_GONE] = { "gone", "the connection is gone", ABOUT_WIRE, REMEDY_NONE,
	                  "the client closed it before anybody could look" },

	[REASON_CALL_NOT_LISTED] = { "call-not-listed", "not in the seccomp profile", ABOUT_CALL,
	                             REMEDY_CALL, NULL },
	[REASON_CALL_NEVER] = { "call-never", "never allowed by the seccomp profile", ABOUT_CALL,
	                        REMEDY_NONE,
	                        "the profile says `never`: no policy can allow this system call" },
	[REASON_CALL_UNKNOWN] = { "call-unknown", "nobody here knows this number", ABOUT_CALL,
	                          REMEDY_NONE, "no name is known of it, so no list can hold it" },
	[REASON_CALL_FOREIGN] = { "call-foreign", "an entry of the kernel that steps do not have",
	                          ABOUT_CALL, REMEDY_NONE,
	                          "steps have the 64-bit entry of the kernel only" },
};

const struct dd_reason_row *dd_reason_row(unsigned reason)
{
	return &rows[reason < REASON__COUNT ? reason : REASON_NONE];
}

enum dd_reason dd_reason_by_name(const char *name)
{
	for (unsigned i = 1; name && i < REASON__COUNT; i++)
		if (strcmp(rows[i].name, name) == 0)
			return (enum dd_reason)i;
	return REASON_NONE;
}

void dd_reason_say(unsigned reason, const char *detail, char *out, size_t size)
{
	bool more = detail && *detail;
	(void)snprintf(out, size, "%s%s%s", dd_reason_row(reason)->sentence, more ? ": " : "",
	               more ? detail : "");
}
