SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# The same for all that is compiled, so that nothing is compiled twice. The race
# detector alone needs cgo.
export CGO_ENABLED := 0
export GOFLAGS := $(strip $(GOFLAGS) -trimpath)

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/bgctl
LINT_VERSION := $(shell awk '$$1 == "github.com/golangci/golangci-lint/v2" { print $$2 }' tools/go.mod)
LINT := $(CACHE)/tools/$(LINT_VERSION)/golangci-lint
URL := http://127.0.0.1:$(or $(HTTP_PORT),8080)/

# Asks for the proxy's base image, and builds it where none can be pulled. Only the
# recipes that need the engine expand it.
WITH_IMAGE = NGINX_IMAGE="$$(scripts/proxy-image.sh)"; export NGINX_IMAGE

.PHONY: help build images demo up down test lint fmt unit e2e fuzz bench bench-switch bench-dashboard soak-watch soak-safe bench-logs drill picture clean clean-images

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build bin/bgctl, one static binary
	go build -ldflags '-s -w' -o bin/bgctl ./cmd/bgctl

images: build ## Make sure the engine has the proxy's base image and the bgctl image
	$(WITH_IMAGE); bin/bgctl image

demo: build ## Bring the stack up, send it traffic, and show it
	scripts/demo.sh "$(URL)"

up: build ## Bring the stack up
	$(WITH_IMAGE); bin/bgctl up

down: build ## Take the stack down, its volumes too
	bin/bgctl down --volumes --yes

drill: build ## Drill the stack that is up: break it on purpose, judge how it holds
	bin/bgctl drill --yes

test: ## Run everything: lint, unit tests with the race detector, e2e on the real engine
	@MAKE="$(MAKE)" scripts/test.sh lint unit e2e

lint: $(LINT) ## Vet, golangci-lint with its formatters, go mod tidy -diff, docs for Prometheus
	go vet -tags e2e ./...
	$(LINT) run ./...
	go mod tidy -diff
	cd tools/promcheck && go vet ./... && go test -count=1 ./...

fmt: $(LINT) ## Format the Go files
	$(LINT) fmt ./...

unit: build ## Run the unit tests, shuffled, with the race detector
	CGO_ENABLED=1 BGCTL_BIN="$$PWD/bin/bgctl" go test -race -parallel 4 -shuffle=on -timeout 10m ./...

e2e: build ## Run the tests that need the Docker engine
	$(WITH_IMAGE); DOCKER_COMPOSE="$$(scripts/docker-compose.sh)"; export DOCKER_COMPOSE; scripts/e2e.sh

fuzz: ## Fuzz each fuzz test for 10 s (FUZZTIME=1m for longer)
	scripts/fuzz.sh "$(or $(FUZZTIME),10s)"

bench: ## Run the benchmarks
	go test -run '^$$' -bench . -benchmem ./...

bench-switch: build ## Measure what moving traffic costs: flag file, reload, recreate
	$(WITH_IMAGE); BGCTL_BIN="$$PWD/bin/bgctl" go test -tags 'e2e bench' -count=1 -timeout 20m -run TestBenchSwitch -v ./cmd/bgctl

bench-dashboard: build ## Measure the dashboard: paint, keys, processor, memory; beside other screens
	$(WITH_IMAGE); BGCTL_BIN="$$PWD/bin/bgctl" go test -tags 'e2e bench' -count=1 -timeout 20m -run 'TestBenchDashboard|TestBenchPeers' -v ./cmd/bgctl

soak-watch: build ## Measure what the watcher uses: idle, at 5,000 requests/s, over 10 million lines
	BGCTL_BIN="$$PWD/bin/bgctl" go test -tags soak -count=1 -timeout 20m -run TestSoakWatch -v ./cmd/bgctl

soak-safe: build ## Kill every command at each of its steps, 10 times (SAFE_ROUNDS), at most 90 min
	$(WITH_IMAGE); SAFE_ROUNDS="$(or $(SAFE_ROUNDS),10)" BGCTL_BIN="$$PWD/bin/bgctl" go test -tags e2e -count=1 -timeout 90m -parallel 2 -run '^TestSafe_Cut' -v ./cmd/bgctl

bench-logs: build ## Measure reading logs, beside wc, grep, zcat, GoAccess, jq and Python
	scripts/bench-logs.sh

picture: ## Draw docs/dashboard.svg anew
	go run ./internal/tui/picture > docs/dashboard.svg

clean: ## Remove what was built in the tree
	rm -rf bin dist

clean-images: ## Remove the images that bgctl made, and the cached root file system
	scripts/clean-images.sh

$(LINT):
	cd tools && GOBIN="$(@D)" go install tool
