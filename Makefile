# `make help` lists what there is to do.

.DEFAULT_GOAL := help
.PHONY: help control-plane clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-14s %s\n", $$1, $$2 }'

# The control plane is built once; only its own sources make it stale.
KUBERNETES_VERSION = v1.36.3
CONTROL_PLANE = target/control-plane/bin/control-plane

control-plane: $(CONTROL_PLANE) ## build etcd, kube-apiserver and the rest of a real control plane, once

$(CONTROL_PLANE): $(wildcard control-plane/*.go control-plane/*.yaml) control-plane/go.mod control-plane/go.sum control-plane/build.sh
	@control-plane/build.sh $(KUBERNETES_VERSION) $(abspath $(dir $@))

clean: ## remove everything that was built
	rm -rf target
