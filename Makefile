# Builds, installs, tests and shows lxcri. `make help` lists the targets.

PREFIX = /usr
DESTDIR =
CARGO = cargo
TARGET_DIR = $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
RELEASE = $(TARGET_DIR)/release
# Installed to bin; those of COMPLETED print completions with `completions SHELL`.
PROGRAMS = lxcri lxcri-inject lxcri-ctl lxcri-nri lxcri-watch
COMPLETED = lxcri lxcri-ctl lxcri-nri lxcri-watch
BIN = $(RELEASE)/lxcri
LAUNCHER = $(RELEASE)/lxcri-hook
GATE = $(RELEASE)/liblxc_gate.so
INSTALL = install

.DEFAULT_GOAL := build
.PHONY: build install uninstall demo test test-v2 test-matrix bench lint help clean deps

# These live for milliseconds, half of one in the dynamic linker: without it where the C library can be linked statically.
STATIC = $(if $(wildcard $(shell $(CC) -print-file-name=libc.a)),-C target-feature=+crt-static)
define BUILD
$(CARGO) build --workspace --exclude lxcri-tests --exclude lxcri-runtime --exclude inject --release
$(CARGO) rustc -p lxcri-runtime --bin lxcri --release -- $(STATIC)
$(CARGO) rustc -p inject --bin lxcri-inject --release -- $(STATIC)
endef

build: ## build the release binaries (the default)
	$(BUILD)

# Built only if missing, so that root can install without a toolchain.
BUILT = $(addprefix $(RELEASE)/,$(PROGRAMS)) $(LAUNCHER) $(GATE)
$(BUILT):
	$(BUILD)

SHARE = $(DESTDIR)$(PREFIX)/share
UNITS = crates/nri-plugin/deploy/lxcri-nri.service crates/watch/deploy/lxcri-watch.service
UNIT_DIR = $(DESTDIR)$(PREFIX)/lib/systemd/system
install: $(BUILT) ## install to $(DESTDIR)$(PREFIX)
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/man/man8
	$(INSTALL) -m 0755 $(addprefix $(RELEASE)/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin/
	$(INSTALL) -D -m 0755 $(LAUNCHER) $(DESTDIR)$(PREFIX)/libexec/lxcri/lxcri-hook
	$(INSTALL) -m 0755 $(GATE) $(DESTDIR)$(PREFIX)/libexec/lxcri/
	$(INSTALL) -m 0644 docs/man/*.8 $(SHARE)/man/man8/
	$(INSTALL) -d $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	set -e; for program in $(COMPLETED); do \
		$(RELEASE)/$$program completions bash > $(SHARE)/bash-completion/completions/$$program; \
		$(RELEASE)/$$program completions zsh > $(SHARE)/zsh/site-functions/_$$program; \
		$(RELEASE)/$$program completions fish > $(SHARE)/fish/vendor_completions.d/$$program.fish; \
	done
	$(INSTALL) -d $(UNIT_DIR)
	set -e; for unit in $(UNITS); do \
		sed 's|/usr/bin/|$(PREFIX)/bin/|' $$unit > $(UNIT_DIR)/$${unit##*/}; \
		chmod 0644 $(UNIT_DIR)/$${unit##*/}; \
	done

uninstall: ## remove what install has put in place
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(PROGRAMS))
	rm -f $(addprefix $(UNIT_DIR)/,$(notdir $(UNITS)))
	rm -rf $(DESTDIR)$(PREFIX)/libexec/lxcri
	rm -f $(addprefix $(SHARE)/man/man8/,$(notdir $(wildcard docs/man/*.8)))
	rm -f $(addprefix $(SHARE)/bash-completion/completions/,$(COMPLETED))
	rm -f $(addprefix $(SHARE)/zsh/site-functions/_,$(COMPLETED))
	rm -f $(addsuffix .fish,$(addprefix $(SHARE)/fish/vendor_completions.d/,$(COMPLETED)))

deps: ## install the Debian packages that building and testing need, if any is missing (as root)
	tests/scripts/deps.sh build test

demo: ## run a container with two hooks in each phase and print what ran (as root)
	tests/scripts/deps.sh build demo
	$(MAKE) build
	LXCRI=$(BIN) tests/scripts/demo.sh

test: ## run every test, the privileged ones as far as the machine allows (as root)
	tests/scripts/deps.sh build test
	$(MAKE) build
	LXCRI_TEST_RUNTIME=$${LXCRI_TEST_RUNTIME:-$(BIN)} CARGO=$(CARGO) tests/scripts/test.sh

test-v2: ## run the main tests on a real cgroup v2 kernel, by user-mode-linux (as root)
	tests/scripts/deps.sh build test v2
	$(MAKE) build
	LXCRI_TEST_RUNTIME=$${LXCRI_TEST_RUNTIME:-$(BIN)} CARGO=$(CARGO) tests/scripts/test-v2.sh

test-matrix: ## print the hook matrix of lxcri, or of LXCRI_TEST_RUNTIME=runc (as root)
	test -n "$$LXCRI_TEST_RUNTIME" || $(MAKE) build
	LXCRI_TEST_RUNTIME=$${LXCRI_TEST_RUNTIME:-$(BIN)} $(CARGO) test --quiet -p lxcri-tests --test matrix

bench: ## measure lxcri against lxc-start, runc and crun, and lxcri-inject (as root)
	tests/scripts/deps.sh build bench
	$(MAKE) build
	$(CARGO) build --release -p lxcri-tests --bin lxcri-bench --bin lxcri-tiny
	LXCRI=$(BIN) LAUNCHER=$(LAUNCHER) INJECT=$(RELEASE)/lxcri-inject tests/scripts/bench.sh
	$(CARGO) bench --quiet -p nri-plugin --bench answers

# What has code of its own for each processor, or numbers of system calls, is checked for the other one where its target is installed.
OTHER = aarch64-unknown-linux-gnu
OTHER_CRATES = hook-tree call-list lxc-entry lxc-gate lxcri-hook hook-exec
lint: ## check formatting and run clippy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	if [ -d "$$($${RUSTC:-rustc} --print target-libdir --target $(OTHER))" ]; then \
		$(CARGO) clippy --target $(OTHER) $(addprefix -p ,$(OTHER_CRATES)) -- -D warnings; \
	else \
		echo "lint: $(OTHER) is not installed, its code is not checked"; \
	fi

clean: ## remove what was built
	$(CARGO) clean

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14
	@echo
	@echo "variables: DESTDIR PREFIX CARGO; docs/testing.md lists those of the tests"
