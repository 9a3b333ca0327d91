# Everything a developer or CI runs. Only Go (and a C compiler for the race detector)
# is expected on the machine; the linters are built from source, once, into .cache.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# One setting for build, vet and linters, so that they share one build cache. Tests
# under the race detector need cgo and have a cache of their own whatever we do.
export CGO_ENABLED ?= 0
GO    ?= go
BIN   := .cache/bin
RACE  := $(shell command -v gcc cc clang >/dev/null 2>&1 && echo -race)
SEEDS ?= 20
FUZZ  ?= 60s
FLAGS ?=

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

.PHONY: build
build: ## compile everything and leave bin/lifeboat
	$(GO) build ./...
	$(GO) build -trimpath -o bin/lifeboat ./cmd/lifeboat

.PHONY: test
test: ## everything: build, vet, linters, vulnerabilities, race tests, fuzz smoke, tidy, docs
	@scripts/step.sh build       $(MAKE) --no-print-directory build
	@scripts/step.sh tidy        $(MAKE) --no-print-directory tidy
	@scripts/step.sh vet         $(MAKE) --no-print-directory vet
	@scripts/step.sh lint        $(MAKE) --no-print-directory lint
	@scripts/step.sh vulncheck   $(MAKE) --no-print-directory vulncheck
	@scripts/step.sh unit        $(MAKE) --no-print-directory unit
	@scripts/step.sh fuzz-smoke  $(MAKE) --no-print-directory fuzz-smoke
	@scripts/step.sh --summary

.PHONY: vet
vet: ## go vet
	$(GO) vet ./...

.PHONY: lint
lint: tools ## golangci-lint, staticcheck, actionlint, and proof that the import rules bite
	$(BIN)/golangci-lint run ./...
	$(BIN)/staticcheck ./...
	$(BIN)/actionlint -shellcheck= -pyflakes=
	scripts/depguard-bites.sh

.PHONY: vulncheck
vulncheck: tools ## known vulnerabilities in what we call
	scripts/vulncheck.sh

.PHONY: unit
unit: extras ## the tests, under the race detector, in random order
	scripts/unit.sh $(RACE) $(FLAGS)

.PHONY: fuzz-smoke
fuzz-smoke: ## a few seconds on every fuzz target
	scripts/fuzz.sh 3s 240

.PHONY: fuzz
fuzz: ## FUZZ=60s on every fuzz target
	scripts/fuzz.sh $(FUZZ) 0

.PHONY: tidy
tidy: ## go.mod and go.sum are what the code needs, in every module
	scripts/tidy.sh

.PHONY: soak
soak: ## the long tests: 10,000 seeded runs of the log, SEEDS=20 drills of each kind of loss
	scripts/soak.sh $(SEEDS)

.PHONY: bench
bench: ## benchmarks, each beside the physical limit measured in the same run
	$(GO) test -run '^$$' -bench . -skip OnAzurite -benchmem -timeout 60m ./eventlog/... ./restore/... ./internal/...

.PHONY: bench-azure
bench-azure: ## the Azure figures of docs/performance.md, beside azblob, rclone and restic
	$(GO) test ./internal/blob/azure -run '^$$' -bench LogOnAzurite -benchtime 20000x -timeout 60m
	$(GO) test ./internal/blob/azure -run '^$$' -bench 'SnapshotOnAzurite|MirrorOnAzurite/1.*000x' -benchtime 1x -timeout 60m
	$(GO) test ./cmd/lifeboat -run '^$$' -bench SecondSnapshot -benchtime 1x -timeout 60m

.PHONY: drill
drill: ## lose a region on this machine and prove that nothing is lost
	$(GO) run ./cmd/lifeboat drill $(FLAGS)

.PHONY: golden
golden: ## rewrite golden files after a wanted change; look at the diff
	$(GO) test ./cmd/... ./internal/config/... ./internal/drill/... -update

.PHONY: tools
tools: ## build the linters
	@scripts/tools.sh

# What other parts of the project need built before their tests can run.
.PHONY: extras
extras:
	@for s in scripts/extras/*.sh; do [ ! -e "$$s" ] || "$$s"; done

.PHONY: clean
clean: ## remove what was built
	rm -rf bin .cache
