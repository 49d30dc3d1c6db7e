# Everything people do with this repository, one word each.
CLUSTER = cargo run --quiet --package breakwater-e2e --bin cluster --

.DEFAULT_GOAL := help
.PHONY: help cluster-up cluster-down cluster-status cluster-env deploy images demo test soak bench bench-peers fuzz fmt lint crdgen

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

cluster-up: ## Bring up the local cluster (root, Linux; minutes the first time, seconds later)
	@$(CLUSTER) up

cluster-down: ## Take it down; nothing is left but the build cache
	@$(CLUSTER) down

cluster-status: ## Say how it is
	@$(CLUSTER) status

cluster-env: ## Print its variables: eval "$$(make -s cluster-env)"
	@$(CLUSTER) env

deploy: cluster-up ## Build Breakwater and install it on the local cluster
	@$(CLUSTER) deploy

images: ## Build the three images and push them: make images REGISTRY=registry.example.com/breakwater
	@scripts/images "$(REGISTRY)"

demo: ## From a vulnerable image to scale-to-zero and back, on the local cluster
	@scripts/demo

test: ## Everything, end-to-end included
	@scripts/test

soak: ## The long tests: make soak HISTORIES=100000
	@scripts/soak "$(HISTORIES)"

bench: deploy ## Benchmarks: advisories, one image beside peers, then scan time, memory and judging on the local cluster
	cargo bench -p breakwater-advisories
	cargo bench --profile dev -p breakwater-e2e --bench peers
	@$(CLUSTER) image build demo-app shop/app:1.0
	eval "$$($(CLUSTER) env)" && cargo bench --profile dev -p breakwater-e2e --features cluster --bench scan --bench registry --bench memory --bench judging

bench-peers: ## Build the peers that `make bench` takes from PATH (minutes, once), and measure beside them
	cargo bench --profile dev -p breakwater-e2e --bench peers -- --install

fuzz: ## Fuzz the parsers of hostile input: make fuzz SECONDS=60 TARGETS='tar jar'
	@scripts/fuzz $(or $(SECONDS),60) $(TARGETS)

fmt: ## Format
	cargo fmt --all

lint: ## What continuous integration refuses
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings

crdgen: ## Write the CustomResourceDefinitions from their Rust types
	cargo run --quiet --package breakwater-crds --bin crdgen
