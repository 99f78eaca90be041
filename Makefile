# The one table of commands: a target with a ## comment is in the help.
SHELL := /bin/sh
BUN_VERSION := 1.4.5
CACHE := $(or $(ACTCORE_BUILD_CACHE),$(HOME)/.cache/actcore)
BUN := $(CACHE)/bun-$(BUN_VERSION)/node_modules/.bin/bun
# bun run and its children find the same Bun and the tools of node_modules.
export PATH := $(dir $(BUN)):$(CURDIR)/node_modules/.bin:$(PATH)
.DEFAULT_GOAL := help
.PHONY: help setup generate build run test goworker smoke chaos bench check migration schemas fmt clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

setup: ## Install Bun, the dependencies and the engines, each once
	@sh deploy/build/setup.sh $(BUN_VERSION) >/dev/null
	@$(BUN) deploy/build/engines.ts >/dev/null

generate: setup ## Make src/generated: engines, workflow bundle, migrations, assets
	@$(BUN) deploy/build/generate.ts

build: generate ## Compile dist/actcore (another platform: make build TARGET=linux-arm64)
	@$(BUN) deploy/build/compile.ts $(if $(TARGET),--target=$(TARGET))

run: build ## Build, then serve with the example activities
	@ACTCORE_DEFINITIONS_DIR=$${ACTCORE_DEFINITIONS_DIR:-docs/examples} exec ./dist/actcore serve

test: build ## Build, then run every test against the real engines
	@$(BUN) deploy/build/test.ts

goworker: build ## Build the example's worker in Go (minutes at first), and run docs/examples/reports.yaml with it
	@cd docs/examples/workers/go && go build -o $(CURDIR)/dist/go-worker .
	@ACTCORE_TEST_EXAMPLE_WORKER=$(CURDIR)/dist/go-worker bun test ./test/e2e/workflow-tasks.test.ts --test-name-pattern=reports.yaml --timeout=60000

smoke: ## Rename, disable and sync against a running server, without a restart (docs/runbook.md)
	@sh deploy/build/setup.sh $(BUN_VERSION) >/dev/null
	@$(BUN) test/smoke/smoke.ts

chaos: build ## Kill, freeze and lose everything, at full size (about 15 minutes)
	@$(BUN) test/chaos/chaos.ts

bench: build ## Measure against a bare Temporal worker, in ratios of one run; then bursts of events, what events are matched against, many schedules, syncs, commands, and two million rows in each table (two binaries: test/bench/compare.ts)
	@$(BUN) test/bench/bench.ts
	@$(BUN) test/bench/events.ts
	@$(BUN) test/bench/doors.ts
	@$(BUN) test/bench/matching.ts
	@$(BUN) test/bench/schedules.ts
	@$(BUN) test/bench/sync-rounds.ts
	@$(BUN) test/bench/commands.ts
	@$(BUN) test/bench/scale.ts

check: setup ## Types, lint, import rules and the workflow bundle
	@sh deploy/build/check.sh

migration: setup ## Turn a change of the tables (src/postgres/schema.ts) into a migration: make migration NAME=what_it_does
	@drizzle-kit generate --name=$(or $(NAME),$(error Try: make migration NAME=what_it_does))

schemas: setup ## Write docs/schemas from the schemas that validate
	@$(BUN) deploy/build/schemas.ts

fmt: ## Format the code and fix what the linter can
	@sh deploy/build/setup.sh $(BUN_VERSION) >/dev/null
	@biome check --write

clean: ## Remove what was built in this checkout; the cache outside it stays
	@rm -rf dist src/generated
