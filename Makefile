# What people type. CI types the same.
#
#   make demo     the main job, end to end, on a machine of its own
#   make test     every test
#   make check    format, lints, tidy, unit tests and laws; before every push
#   make soak     many random topologies, each packet compared with its prediction
#   make bench    ratios to the distribution's engines
#   make install  binary, completions, manual pages, units

SHELL   := /bin/bash
CARGO   ?= cargo
PREFIX  ?= /usr/local
DESTDIR ?=
RELEASE := target/release/tombolo

# Debian's packages. `busybox-static` is the default image; `nftables`, `iproute2`
# and `bridge-utils` let tests look at the kernel with somebody else's eyes.
TEST_PACKAGES  := gcc libc6-dev busybox-static nftables iproute2 bridge-utils curl ca-certificates python3 tini netbase \
	e2fsprogs xfsprogs btrfs-progs docker-registry openssl skopeo umoci bind9-dnsutils
BENCH_PACKAGES := docker.io containerd runc iptables dnsperf

.PHONY: all demo test check soak bench install uninstall setup setup-bench test-vm golden clean

all: $(RELEASE)

$(RELEASE): FORCE
	$(CARGO) build --release --locked --package tombolo

FORCE:

demo: setup
	$(CARGO) build --release --locked --package tombolo
	$(RELEASE) demo

test: setup
	./xtask/test

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked --quiet -- -D warnings
	$(CARGO) xtask tidy
	./xtask/test --lib

bench: setup setup-bench
	$(CARGO) build --release --locked --package tombolo --package benches
	target/release/benches

test-vm: setup
	$(CARGO) build --release --locked --package tombolo
	./xtask/test-vm

soak: setup
	ORACLE_WORLDS=$${ORACLE_WORLDS:-200} $(CARGO) test --locked --package net --test oracle -- --nocapture

golden:
	UPDATE_GOLDEN=1 $(CARGO) test --package cnm --quiet

install: $(RELEASE)
	install -D -m 0755 $(RELEASE) $(DESTDIR)$(PREFIX)/bin/tombolo
	install -D -m 0644 docs/systemd/tombolo.service $(DESTDIR)/etc/systemd/system/tombolo.service
	install -D -m 0644 docs/systemd/tombolo.socket $(DESTDIR)/etc/systemd/system/tombolo.socket
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	  $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d $(DESTDIR)$(PREFIX)/share/man/man1
	$(RELEASE) completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/tombolo
	$(RELEASE) completion zsh  > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_tombolo
	$(RELEASE) completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/tombolo.fish
	$(RELEASE) man --out $(DESTDIR)$(PREFIX)/share/man/man1

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/tombolo $(DESTDIR)/etc/systemd/system/tombolo.{service,socket} \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/tombolo \
	  $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_tombolo \
	  $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/tombolo.fish \
	  $(DESTDIR)$(PREFIX)/share/man/man1/tombolo*.1

setup:
	@./xtask/apt $(TEST_PACKAGES)
	@command -v docker >/dev/null && command -v dockerd >/dev/null || ./xtask/apt docker.io

setup-bench:
	@./xtask/apt $(BENCH_PACKAGES)

clean:
	$(CARGO) clean
