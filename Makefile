# ClearView's commands. `make run` needs Rust alone; `make test` a C compiler too; `make check` and `make package` also Python 3.

.DEFAULT_GOAL := help
.PHONY: help run test check audit fmt package venv nextest deny
SHELL := bash

CARGO ?= cargo
VENV := .venv/bin
NEXTEST_VERSION := 0.9.143
DENY_VERSION := 0.20.2
ARGS ?=

help: ## Lists these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

run: ## Runs ClearView here, on http://127.0.0.1:3000 (options in ARGS, such as ARGS='--data-dir state')
	$(CARGO) run -p local --bin local -- $(ARGS)

test: nextest ## Runs every test
	$(CARGO) build --workspace --bins
	$(CARGO) nextest run --workspace

check: venv deny ## Formatting, lints, documentation, licences and advisories, template and contract
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --quiet
	$(CARGO) deny --log-level error check bans licenses sources
	@! $(CARGO) tree --workspace --invert ring --edges normal 2>/dev/null | grep . || { echo 'a second TLS stack (ring) is in the tree'; exit 1; }
	SAM_CLI_TELEMETRY=0 $(VENV)/sam validate --lint --region us-east-1 --template template.yaml
	$(VENV)/cfn-lint template.yaml
	$(VENV)/openapi-spec-validator openapi.yaml

audit: deny ## Known advisories against the dependencies (fetches the RustSec database)
	$(CARGO) deny check advisories

fmt: ## Formats the code
	$(CARGO) fmt --all

# What the recipes above need, installed when it is missing.

nextest:
	@$(CARGO) nextest --version >/dev/null 2>&1 || { echo 'Installing cargo-nextest $(NEXTEST_VERSION)'; $(CARGO) install --locked --quiet cargo-nextest@$(NEXTEST_VERSION); }

deny:
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo 'Installing cargo-deny $(DENY_VERSION)'; $(CARGO) install --locked --quiet cargo-deny@$(DENY_VERSION); }

venv: .venv/.installed

.venv/.installed: tests/requirements.txt
	@echo 'Installing the Python tools of tests/requirements.txt in .venv'
	python3 -m venv .venv
	$(VENV)/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@
