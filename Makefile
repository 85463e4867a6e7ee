# SPDX-License-Identifier: Apache-2.0
# Makefile - builds drydock out of tree (build/), tests it, measures it, installs it. `make help` lists the targets.

B       ?= build
ifeq ($(origin CC),default)
CC      := gcc
endif
Q       := $(if $(V),,@)
PREFIX  ?= /usr/local
# The file VERSION says it all in a release; between two ("-dev") the commit belongs to it.
RELEASE := $(shell cat VERSION)
COMMIT  := $(if $(findstring -dev,$(RELEASE)),$(shell git describe --always --dirty=.dirty --exclude='*' --abbrev=10 2>/dev/null))
VERSION := $(RELEASE)$(if $(COMMIT),+g$(COMMIT))

PKGS    := libseccomp libcap libnl-3.0 libnl-route-3.0 libmnl libcares yaml-0.1 jansson libcrypto expat minizip zlib smartcols libpcre2-8
WARN    := -std=gnu17 -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
           -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla -Walloca -Wformat=2 -Wimplicit-fallthrough -Wswitch-enum \
           -Wconversion -Wnull-dereference -Wdate-time -Wframe-larger-than=16384
GCCWARN := -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wformat-signedness -Wjump-misses-init -Wtrampolines
# A row of a table leaves fields out on purpose: zero is the safe value. gcc knows that of rows with a designator, clang 14 does not.
CLANGWARN := -Wno-missing-field-initializers
HARD    := -O2 -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -fno-common \
           -fno-strict-aliasing -fPIE
HARDGCC := -ftrivial-auto-var-init=zero
LINK    := -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
SAN     := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -U_FORTIFY_SOURCE -fPIE

ISGCC   := $(if $(findstring clang,$(CC)),,yes)
MODE    ?= release
CFLAGS_release := $(HARD) $(if $(ISGCC),$(HARDGCC))
CFLAGS_asan    := $(SAN)
LDFLAGS_asan   := -fsanitize=address,undefined
# A point release of a library may deprecate a call that the oldest supported system has nothing else for.
WERROR  ?= $(if $(CI),-Werror -Wno-error=deprecated-declarations)

# Asked once, and only when something is compiled: `make deps` must work on a machine that has no pkg-config yet.
PKGCFLAGS = $(eval PKGCFLAGS := $(shell pkg-config --cflags $(PKGS)))$(PKGCFLAGS)
PKGLIBS   = $(eval PKGLIBS := $(shell pkg-config --libs $(PKGS)) -lm)$(PKGLIBS)
CPPFLAGS_ALL = -D_GNU_SOURCE -Iinclude -Irunner -Inetpolicy -I. $(PKGCFLAGS) $(CPPFLAGS)
CFLAGS_ALL   = $(WARN) $(if $(ISGCC),$(GCCWARN),$(CLANGWARN)) $(WERROR) -g $(CFLAGS_$(MODE)) -MMD -MP $(CFLAGS)
LDFLAGS_ALL  = $(LINK) $(LDFLAGS_$(MODE)) $(LDFLAGS)

SRC     := $(sort $(wildcard sandbox/*.c netpolicy/*/*.c runner/*.c runner/*/*.c runner/*/*/*.c))
OBJ     := $(SRC:%.c=$(B)/%.o)
MAINOBJ := $(B)/runner/main.o
LIBOBJ  := $(filter-out $(MAINOBJ),$(OBJ))
UNIT    := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/unit/*_test.c)))
# Programs that run inside a sandbox: static, plain, no sanitizer, so that they need nothing from the view they probe.
PROBES  := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/attack/probe_*.c)))
# Front ends of the tests: they find the data files where drydock itself does.
FAKES   := $(patsubst tests/fakes/%.c,$(B)/fake_%,$(sort $(wildcard tests/fakes/*.c)))
BENCH   := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/bench/bench_*.c)))
FUZZ    := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

.PHONY: FORCE all deps demo test check conformance bench lint format asan fuzz install uninstall deb clean help
.SECONDARY:
all: $(B)/drydock                    ## build build/drydock

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC    $<")
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c -o $@ $<

# What the assembler takes in (.incbin) is not seen by -MMD.
EMBEDDED := runner/view/report.html runner/view/report.css
$(B)/runner/view/report_files.o $(B)/fuzz/obj/runner/view/report_files.o: $(EMBEDDED)
$(B)/runner/forges/engine/checkout_script.o $(B)/fuzz/obj/runner/forges/engine/checkout_script.o: runner/forges/engine/checkout.sh

# A version that changed rebuilds this one object.
$(B)/version: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' >$@
$(B)/runner/base/version.o: $(B)/version
$(B)/runner/base/version.o: CPPFLAGS += -DDRYDOCK_VERSION='"$(VERSION)"'

$(B)/libdrydock.a: $(LIBOBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(B)/drydock: $(MAINOBJ) $(B)/libdrydock.a
	$(if $(Q),@echo "  LINK  $@")
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $(MAINOBJ) $(B)/libdrydock.a $(PKGLIBS)

# Programs of the tests: compiled and linked in two steps, so that a change of the library only links them again.
define link-test =
	$(if $(Q),@echo "  LINK  $@")
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(B)/libdrydock.a $(PKGLIBS) $(TESTLIBS)
endef
$(B)/tests/%: $(B)/tests/%.o $(B)/libdrydock.a
	$(link-test)
$(B)/tests/unit/%: TESTLIBS = -lcmocka
# Front ends of the tests: beside drydock itself; by the path of its source, as every program of the tests.
$(B)/fake_%: $(B)/tests/fakes/%.o $(B)/libdrydock.a
	$(link-test)
$(B)/tests/fakes/%: $(B)/fake_%
	@:

$(B)/tests/attack/probe_%: tests/attack/probe_%.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  PROBE $@")
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu17 -Wall -Wextra -O1 -static -o $@ $<

DIR ?= tests/conformance
conformance: $(B)/tests/conformance/conformance  ## GitHub's own test data in DIR against our reading of its language
	$(B)/tests/conformance/conformance "$(DIR)"

deps:                                ## install what is missing (Debian, Ubuntu); asks for root only here
	scripts/deps

demo:                                ## install, build, and run one workflow through fetch, build and push
	scripts/deps
	$(MAKE) all
	scripts/demo

check: all $(UNIT) $(PROBES) $(FAKES)         ## build and run the tests; some of them: make check ONLY='unit attack/gate'
	scripts/run-tests $(B) $(ONLY)

test:                                ## install what is missing, build, run every test that this machine can run
	scripts/deps --test
	$(MAKE) check

bench: all $(BENCH) $(PROBES)                  ## measure, side by side in one run; never a test
	scripts/bench $(B)

lint:                                ## layout, rooms, clang, clang-tidy, cppcheck, gcc -fanalyzer, shellcheck
	scripts/lint

.PHONY: flags
flags:                               # for scripts/lint
	@echo -std=gnu17 $(CPPFLAGS_ALL)

format:                              ## lay every C file out as .clang-format says
	git ls-files '*.c' '*.h' ':!tests/demo' | xargs clang-format -i

asan:                                ## the unit tests under AddressSanitizer and UBSan
	DD_DOCTOR_ASKED=1 $(MAKE) B=$(B)/asan MODE=asan unit

.PHONY: unit
unit: $(UNIT)
	scripts/run-tests $(B) unit

# Fuzz targets: clang's libFuzzer, the whole library rebuilt with coverage and sanitizers below build/fuzz.
$(B)/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  FUZZ  $@")
	$(Q)clang $(CPPFLAGS_ALL) -std=gnu17 $(SAN) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(B)/fuzz/libdrydock.a: $(LIBOBJ:$(B)/%=$(B)/fuzz/obj/%)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(B)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(B)/fuzz/libdrydock.a
	@mkdir -p $(@D)
	$(if $(Q),@echo "  FUZZ  $@")
	$(Q)clang $(CPPFLAGS_ALL) -std=gnu17 $(SAN) -fsanitize=fuzzer -o $@ $< $(B)/fuzz/libdrydock.a $(PKGLIBS)

FUZZ_SECONDS ?= 60
fuzz: $(FUZZ)                        ## run every fuzz target for FUZZ_SECONDS (default 60) each
	scripts/fuzz $(B)/fuzz $(FUZZ_SECONDS)

# The masker alone, so many cases as are asked for: see tests/fuzz/mask_cases.c.
MASKSRC := $(addprefix runner/lease/,mask.c mask_automaton.c mask_forms.c mask_view.c secret_memory.c)
$(B)/fuzz/mask_cases: tests/fuzz/mask_cases.c tests/fuzz/fuzz_mask.c $(MASKSRC) $(wildcard runner/lease/mask*.h)
	@mkdir -p $(@D)
	$(Q)clang $(CPPFLAGS_ALL) -std=gnu17 $(SAN) -o $@ $(filter %.c,$^) -lcrypto

CASES   ?= 10000000
SEED    ?= 1
MINUTES ?= 60
.PHONY: mask-cases
mask-cases: $(B)/fuzz/mask_cases     ## the masker against a slow one: CASES (10 million) of SEED, or MINUTES (60), under sanitizers
	$< $(CASES) $(SEED) $(MINUTES)

install: all                         ## install below PREFIX (default /usr/local; ~/.local without root), DESTDIR honoured
	scripts/install "$(B)" "$(DESTDIR)" "$(PREFIX)"

uninstall:                           ## remove what `make install` put below PREFIX
	scripts/install --uninstall "$(DESTDIR)" "$(PREFIX)"

deb: all                             ## a Debian package of what was built, in build/
	@scripts/deb "$(B)" "$(VERSION)"

clean:                               ## remove build/
	rm -rf $(B)

help:                                ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

-include $(OBJ:.o=.d) $(wildcard $(B)/fuzz/obj/*/*.d $(B)/fuzz/obj/*/*/*.d $(B)/fuzz/obj/*/*/*/*.d $(B)/tests/*/*.d)
