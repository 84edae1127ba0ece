# `make help` lists what there is to do.

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench soak advisories control-plane clean prerequisites binaries

# Tests wait for a real cluster most of the time, so that more of them than cores go on at once.
TEST_THREADS ?= 8
# Random cases of each property in `make soak`; the usual number is 256.
SOAK_CASES ?= 20000
CARGO_DENY = target/tools/$(CARGO_DENY_VERSION)/bin/cargo-deny
CARGO_DENY_VERSION = 0.20.2

# One line each for what is missing, and how to get it.
define need
command -v $(1) >/dev/null || { echo "brevet needs \`$(1)\`, which is not in PATH: $(2)" >&2; exit 1; }
endef

prerequisites:
	@$(call need,cargo,get it from https://rustup.rs)
	@$(call need,go,get Go 1.26 or newer from https://go.dev/dl/)
	@$(call need,cc,install a C compiler such as gcc)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-14s %s\n", $$1, $$2 }'

demo: binaries control-plane ## one elevation, from refusal to refusal, on a real API server (KEEP=1 leaves it running)
	@KEEP=$(KEEP) crates/testkit/demo.sh

test: binaries control-plane ## everything that proves it, on a real control plane
	RUST_TEST_THREADS=$(TEST_THREADS) cargo test --workspace --locked

lint: prerequisites $(CARGO_DENY) ## format, clippy, licences, bans and sources
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	$(CARGO_DENY) --locked check --hide-inclusion-graph licenses bans sources

bench: control-plane ## approve to first call, grants per second, the audit log; see bench/README.md
	cargo build --workspace --bins --profile fast --locked
	target/fast/brevet-bench
	cargo bench --profile fast --locked -p brevet --bench record

soak: binaries control-plane ## the tests with many more random cases (KUBERNETES=1.30: on the oldest server)
	PROPTEST_CASES=$(SOAK_CASES) RUST_TEST_THREADS=$(TEST_THREADS) cargo test --workspace --locked --no-fail-fast

advisories: prerequisites $(CARGO_DENY) ## known holes in dependencies; needs the RustSec database by git
	$(CARGO_DENY) --locked check advisories

binaries: prerequisites
	cargo build --workspace --bins --locked

$(CARGO_DENY):
	cargo install cargo-deny --version $(CARGO_DENY_VERSION) --locked --quiet --root $(CARGO_DENY:/bin/cargo-deny=) --target-dir target/tools/build
	rm -rf target/tools/build

# The control plane is built once; only its own sources make it stale.
# With KUBERNETES=1.30 there is also the server of that version, and tests use it.
CONTROL_PLANE = target/control-plane/bin/control-plane
CONTROL_PLANE_1.30 = target/control-plane-1.30/bin/control-plane
export KUBERNETES

control-plane: $(CONTROL_PLANE) $(CONTROL_PLANE_$(KUBERNETES)) ## build etcd, kube-apiserver and the rest of a real control plane, once

$(CONTROL_PLANE): $(wildcard control-plane/*.go control-plane/*.yaml) control-plane/go.mod control-plane/go.sum control-plane/build.sh
	@control-plane/build.sh . v1.36.3 $(abspath $(dir $@))

$(CONTROL_PLANE_1.30): control-plane/1.30/main.go control-plane/1.30/go.mod control-plane/1.30/go.sum control-plane/build.sh | $(CONTROL_PLANE)
	@control-plane/build.sh 1.30 v1.30.14 $(abspath $(dir $@)) ../../control-plane/bin

clean: ## remove everything that was built
	rm -rf target
