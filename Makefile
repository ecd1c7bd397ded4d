# make                 build/runsc, static and stripped, and build/selftest
# make check           every test that ends within minutes; check-long: the rest
# make lint            lock annotations, include directions, format
# make bench           numbers against the host and other runtimes
# make install PREFIX= | dist | clean | fuzz | format
# make SAN=address,undefined | SAN=thread      sanitizer build, in its own tree
# make build/unit-NAME one file of unit tests: selftest/unit/NAME.c
# make build/bench-NAME one benchmark: selftest/bench/NAME.c
#
# V=1 shows commands.  GCC="ccache gcc" or MUSL_CC=... choose the compiler;
# LIBSECCOMP_PREFIX and ZLIB_PREFIX name libraries already built for musl.
# ./build.sh does what a fresh machine needs first.  There are no file lists:
# every .c and .S below DIRS is part of the program.

DIRS	= $(wildcard applets core kernel fs9p net platform)
comma	= ,
B	= build
OUT	= $(B)$(if $(SAN),-$(subst $(comma),-,$(SAN)))
VDSO	= $(sort $(wildcard kernel/loader/vdso/*.c))
SRCS	:= $(filter-out $(VDSO) core/compat_chk.c, \
	   $(sort $(shell find $(DIRS) -name '*.[cS]')))
GUEST	:= selftest/main.c $(sort $(shell find $(wildcard $(addprefix selftest/, \
	   sys fs net platform)) -name '*.c'))
UNIT	:= $(sort $(wildcard selftest/unit/*.c))
HAMMER	= selftest/hammer/hammer.c
FUZZ	:= $(patsubst selftest/fuzz/%.c,%,$(sort $(wildcard selftest/fuzz/*.c)))
SIZE_MAX = 2000000

# --- version: of the commit, so that one commit gives one binary
GIT	= git -c safe.directory='*'
VERSION	?= $(shell v=$$($(GIT) rev-parse --short=12 HEAD 2>/dev/null) && \
	   echo "0.1-$$v$$($(GIT) diff --quiet HEAD -- || echo -dirty)" || echo 0.1)
VERSION	:= $(VERSION)
VERSIONED := $(shell grep -rlw VERSION --include='*.c' $(DIRS))

# --- tool chain: gcc with musl's headers and libraries; glibc for sanitizers
GCC	?= gcc
AR	= ar
LIBDIR	?= /usr/lib/x86_64-linux-musl
INCDIR	?= /usr/include/x86_64-linux-musl
KERNEL_INC ?= /usr/include
ASM_INC	?= $(firstword $(wildcard /usr/include/x86_64-linux-gnu/asm) $(KERNEL_INC)/asm)
ifdef MUSL_CC
MUSL	= $(MUSL_CC)
else
MUSL	= $(GCC) -specs=$(CURDIR)/$(B)/musl.specs
PREP	= $(B)/musl.specs
endif
PREP	+= $(B)/kinc/.ok

WARN	= -Wall -Wextra -Wshadow -Wundef -Wvla -Wwrite-strings -Wpointer-arith \
	  -Wstrict-prototypes -Wmissing-prototypes -Wimplicit-fallthrough -Werror
# gcc reads "fallthrough" in a comment, clang does not: leave that one to gcc.
CLANG_WARN = $(WARN) -Wno-implicit-fallthrough -Wno-unknown-warning-option
BASE	= -O2 -g -std=gnu11 -D_GNU_SOURCE -I. -fno-strict-aliasing -fno-common \
	  -ffile-prefix-map=$(CURDIR)=. $(EXTRA)
HARDEN	= -fPIE -ffunction-sections -fdata-sections -fstack-protector-strong \
	  -fstack-clash-protection -ftrivial-auto-var-init=zero
MUSL_CF	= $(BASE) $(HARDEN) -isystem $(B)/kinc
MUSL_LF	= $(BASE) -static-pie -Wl,-z,relro,-z,now,-z,noexecstack,--gc-sections \
	  -Wl,--hash-style=gnu,--build-id=sha1

ifeq ($(SAN),)
CC	= $(MUSL)
CF	= $(MUSL_CF)
LF	= $(MUSL_LF)
else ifeq ($(SAN),fuzzer)
CC	= clang
WARN	:= $(CLANG_WARN)
CF	= $(BASE) -fsanitize=fuzzer-no-link,address,undefined \
	  -fno-sanitize-recover=undefined -DLOCK_DEBUG -DSANITIZED
LF	= $(BASE) -fsanitize=fuzzer,address,undefined -lm
else
CC	= $(GCC)
CF	= $(BASE) -fsanitize=$(SAN) -fno-sanitize-recover=undefined \
	  -fno-omit-frame-pointer -DLOCK_DEBUG -DSANITIZED
LF	= $(BASE) -fsanitize=$(SAN) -pthread -lm
endif
ifneq ($(SAN),)
# The sanitizers replace memcpy themselves.
SRCS	:= $(filter-out core/fastmem.c,$(SRCS))
# core/objects.c counts what they hand out.
wrap	= malloc calloc realloc reallocarray aligned_alloc strdup strndup free
LF	+= $(addprefix -Wl$(comma)--wrap=,$(wrap))
else
SRCS	:= $(filter-out core/sanitizer.c core/objects.c kernel/fs/proc/debug.c,$(SRCS))
endif

# --- libseccomp and zlib: pinned sources, or libraries named by the caller
DEPS	?= source
DEPS_DIR ?= $(B)/deps
SYS_LIB	= /usr/lib/x86_64-linux-gnu
ifneq ($(LIBSECCOMP_PREFIX),)
SECCOMP_INC = $(LIBSECCOMP_PREFIX)/include
SECCOMP_LIB = $(LIBSECCOMP_PREFIX)/lib/libseccomp.a
else ifeq ($(DEPS),system)
SECCOMP_INC = $(B)/sysinc
SECCOMP_LIB = $(SYS_LIB)/libseccomp.a
else
SECCOMP_INC = $(DEPS_DIR)/libseccomp/include
SECCOMP_LIB = $(OUT)/libseccomp.a
FETCH	= $(DEPS_DIR)/.ok
endif
ifneq ($(ZLIB_PREFIX),)
ZLIB_INC = $(ZLIB_PREFIX)/include
ZLIB_LIB = $(ZLIB_PREFIX)/lib/libz.a
else ifeq ($(DEPS),system)
ZLIB_INC = $(B)/sysinc
ZLIB_LIB = $(SYS_LIB)/libz.a
else
ZLIB_INC = $(DEPS_DIR)/zlib
ZLIB_LIB = $(OUT)/libz.a
FETCH	= $(DEPS_DIR)/.ok
endif
ifeq ($(DEPS)$(SAN),system)
SRCS	+= core/compat_chk.c
endif
LIBS	= $(SECCOMP_LIB) $(ZLIB_LIB)
LIB_CF	= -isystem $(SECCOMP_INC) -isystem $(ZLIB_INC)

Q	= $(if $(V),,@)
say	= $(if $(V),,@printf '%-7s %s\n' $(1) $(2))
obj	= $(patsubst %,$(OUT)/obj/%.o,$(basename $(1)))
guest_obj = $(patsubst %,$(B)/guest/%.o,$(basename $(1)))

all: $(OUT)/runsc $(B)/selftest
unit: $(OUT)/unit

# --- the program
ifeq ($(SAN),)
$(OUT)/runsc: $(OUT)/runsc.full selftest/gate.sh
	$(call say,STRIP,$@)
	$(Q)objcopy --only-keep-debug $< $@.debug
	$(Q)strip -o $@ $<
	$(Q)selftest/gate.sh $@ $(SIZE_MAX)
$(OUT)/runsc.full: $(call obj,$(SRCS)) $(LIBS)
else
$(OUT)/runsc: $(call obj,$(SRCS)) $(LIBS)
endif
$(OUT)/runsc$(if $(SAN),,.full):
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $^ $(LF)

$(OUT)/obj/%.o: %.c Makefile | $(PREP) $(FETCH)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CF) $(WARN) $(LIB_CF) $(DEFS) -MMD -MP -c -o $@ $<

$(OUT)/obj/%.o: %.S Makefile | $(PREP)
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CF) -Wa,-I$(OUT) -MMD -MP -c -o $@ $<

$(call obj,core/fastmem.c): DEFS = -fno-builtin -fno-tree-loop-distribute-patterns
$(call obj,$(VERSIONED)): DEFS = -DVERSION='"$(VERSION)"'
$(call obj,$(VERSIONED)): $(OUT)/version
$(OUT)/version: force
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@

# --- the vDSO: an ELF of its own, embedded by kernel/loader/vdso_image.S
ifneq ($(VDSO),)
$(call obj,kernel/loader/vdso_image.S): $(OUT)/vdso.so
$(OUT)/vdso.so: $(VDSO) $(wildcard kernel/loader/vdso/*.[hS] \
		kernel/loader/vdso/*.lds) Makefile | $(PREP)
	$(call say,VDSO,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSL) $(filter-out -g,$(BASE)) -isystem $(B)/kinc $(WARN) -fPIC -nostdlib \
		-shared -fno-stack-protector -fno-builtin -fcf-protection=none \
		-fno-asynchronous-unwind-tables -Wl,-soname=linux-vdso.so.1 \
		-Wl,--hash-style=both,-Bsymbolic,-z,noseparate-code,-z,norelro \
		-Wl,-z,max-page-size=4096 \
		-Wl,--build-id=none,-s $(addprefix -Wl$(comma)-T$(comma), \
		$(wildcard kernel/loader/vdso/*.lds)) -o $@ $(VDSO)
endif

# --- tests: a guest program, in-process unit tests, fuzz targets
$(B)/selftest: $(call guest_obj,$(GUEST))
	$(call say,LINK,$@)
	$(Q)$(MUSL) -static -pthread -o $@ $^
$(B)/bench: $(B)/guest/selftest/bench/guest.o
	$(call say,LINK,$@)
	$(Q)$(MUSL) -static -pthread -o $@ $^
$(B)/hammer: $(call guest_obj,$(HAMMER))
	$(call say,LINK,$@)
	$(Q)$(MUSL) -static -pthread -o $@ $^
$(B)/guest/%.o: %.c Makefile | $(PREP)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSL) $(BASE) $(WARN) -isystem $(B)/kinc -pthread -MMD -MP -c -o $@ $<

# All of the program but main(), in an archive: a test links what it uses.
$(OUT)/runsc.a: $(call obj,$(filter-out applets/main.c,$(SRCS)))
	$(Q)rm -f $@
	$(Q)$(AR) rcsDT $@ $^
$(OUT)/unit: $(call obj,$(UNIT)) $(OUT)/runsc.a $(LIBS)
$(OUT)/unit-%: $(OUT)/obj/selftest/unit/main.o $(OUT)/obj/selftest/unit/%.o \
		$(OUT)/runsc.a $(LIBS)
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $^ $(LF)
$(OUT)/unit:
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $^ $(LF)
$(OUT)/fuzz-%: $(OUT)/obj/selftest/fuzz/%.o $(OUT)/runsc.a $(LIBS)
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $^ $(LF)
$(OUT)/bench-%: $(OUT)/obj/selftest/bench/%.o $(OUT)/runsc.a $(LIBS)
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $^ $(LF)
fuzz-targets: $(addprefix $(OUT)/fuzz-,$(FUZZ))
fuzz:
	$(Q)$(MAKE) --no-print-directory SAN=fuzzer fuzz-targets

# The plus sign: the script makes further trees, with our jobs and variables.
check: all unit $(B)/hammer
	+$(Q)selftest/check.sh $(B)
check-long: all unit $(B)/hammer
	+$(Q)LONG=1 selftest/check.sh $(B)
bench: all $(B)/bench
	$(Q)selftest/bench/run.sh $(B)

# --- lint
lint: lint-locks lint-includes lint-format

LINT_C	= $(filter %.c,$(SRCS) $(UNIT) $(wildcard selftest/fuzz/*.c))
lint-locks: | $(FETCH)
	$(call say,LOCKS,'clang -Wthread-safety')
	$(Q)printf '%s\n' $(LINT_C) | xargs -P $$(nproc) -n 16 clang $(BASE) $(CLANG_WARN) \
		$(LIB_CF) -DVERSION='"lint"' -fsyntax-only \
		-Wthread-safety -Wthread-safety-beta
lint-includes:
	$(call say,INCLUDE,'who may include whom')
	$(Q)selftest/lint-includes.sh
FORMATTED = $(filter %.c,$(SRCS) $(VDSO) $(GUEST) $(HAMMER) $(UNIT) $(wildcard selftest/fuzz/*.c))
lint-format:
	$(call say,FORMAT,'clang-format')
	$(Q)clang-format --dry-run -Werror $(FORMATTED)
format: # all of it: FILES="a.c b.c" for some
	$(Q)clang-format -i $(or $(FILES),$(FORMATTED))

# --- install, dist
PREFIX	?= /usr/local
install: $(B)/runsc
	install -D -m 755 $(B)/runsc $(DESTDIR)$(PREFIX)/bin/runsc
	ln -sf runsc $(DESTDIR)$(PREFIX)/bin/containerd-shim-runsc-v1
dist: $(B)/runsc
	$(Q)rm -rf $(B)/dist && mkdir -p $(B)/dist
	$(Q)cd $(B)/dist && for n in runsc containerd-shim-runsc-v1; do \
		install -m 755 ../runsc $$n && sha512sum $$n > $$n.sha512 || exit 1; done
	$(call say,DIST,$(B)/dist)
clean:
	rm -rf build build-*

# --- musl tool chain.  musl-gcc cannot make a static PIE; these specs can.
$(B)/musl.specs: Makefile
	@mkdir -p $(@D)
	@printf '%s\n' \
	'%rename cpp_options old_cpp_options' '' \
	'*cpp_options:' '-nostdinc -isystem $(INCDIR) -isystem include%s %(old_cpp_options)' '' \
	'*cc1:' '%(cc1_cpu) -nostdinc -isystem $(INCDIR) -isystem include%s' '' \
	'*link_libgcc:' '-L$(LIBDIR) -L .%s' '' \
	'*libgcc:' 'libgcc.a%s' '' \
	'*startfile:' '%{static-pie:$(LIBDIR)/rcrt1.o;:$(LIBDIR)/crt1.o} $(LIBDIR)/crti.o crtbeginS.o%s' '' \
	'*endfile:' 'crtendS.o%s $(LIBDIR)/crtn.o' '' \
	'*link:' '-nostdlib %{static-pie:-static -pie --no-dynamic-linker -z text;shared:-shared;:-static}' '' \
	'*esp_link:' '' '' '*esp_options:' '' '' '*esp_cpp_options:' '' '' > $@.new
	@mv $@.new $@
# Kernel headers only: /usr/include itself would bring in another libc's.
$(B)/kinc/.ok:
	@mkdir -p $(@D) $(B)/sysinc
	@ln -sfn $(KERNEL_INC)/linux $(@D)/linux
	@ln -sfn $(KERNEL_INC)/asm-generic $(@D)/asm-generic
	@ln -sfn $(ASM_INC) $(@D)/asm
	@for h in seccomp.h seccomp-syscalls.h zlib.h zconf.h; do \
		for d in /usr/include /usr/include/x86_64-linux-gnu; do \
			[ ! -e $$d/$$h ] || ln -sf $$d/$$h $(B)/sysinc/$$h; \
		done; done
	@mkdir -p $(@D)/libseccomp && touch $(@D)/libseccomp/configure.h
	@touch $@

# --- libraries from source
$(DEPS_DIR)/.ok: deps.lock
	$(Q)DEPS_DIR='$(DEPS_DIR)' ./build.sh deps
LS	= api system helper gen_pfc gen_bpf hash db syscalls syscalls.perf arch \
	  $(addprefix arch-,x86 x86_64 x32 arm aarch64 mips mips64 mips64n32 parisc \
	  parisc64 ppc ppc64 riscv64 s390 s390x)
ZL	= adler32 crc32 deflate inflate inffast inftrees trees zutil compress uncompr
ZL_CF	= -DHAVE_HIDDEN -D_LARGEFILE64_SOURCE=1 -DHAVE_UNISTD_H -DHAVE_STDARG_H
$(OUT)/libseccomp.a: $(LS:%=$(OUT)/obj/libseccomp/%.o)
$(OUT)/libz.a: $(ZL:%=$(OUT)/obj/zlib/%.o)
$(OUT)/libseccomp.a $(OUT)/libz.a:
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rcsD $@ $^
$(OUT)/obj/libseccomp/%.o: $(DEPS_DIR)/.ok | $(PREP)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CF) -w -DHAVE_LINUX_SECCOMP_H=1 -I$(B)/kinc/libseccomp \
		-I$(DEPS_DIR)/libseccomp/include -c -o $@ $(DEPS_DIR)/libseccomp/src/$*.c
$(OUT)/obj/zlib/%.o: $(DEPS_DIR)/.ok | $(PREP)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CF) -w $(ZL_CF) -c -o $@ $(DEPS_DIR)/zlib/$*.c

.PHONY: all unit fuzz fuzz-targets check check-long bench lint lint-locks \
	lint-includes lint-format format install dist clean force
.DELETE_ON_ERROR:
.SECONDARY:
-include $(shell find $(wildcard $(OUT)/obj $(B)/guest) -name '*.d' 2>/dev/null)
