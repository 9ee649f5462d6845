# ClearView's commands. `make run` needs Rust alone; `make test` a C compiler and Python 3 too, as do `make check` and `make package`.

.DEFAULT_GOAL := help
.PHONY: help run demo browser examples node chromium test nightly clients cost check contract evaluate audit gateway api sbom fmt mutants package sizes bench bench-quick soak peers flame wrk perf rie venv nextest deny redis cyclonedx
SHELL := bash

CARGO ?= cargo
VENV := .venv/bin
NEXTEST_VERSION := 0.9.143
DENY_VERSION := 0.20.2
CYCLONEDX_VERSION := 0.5.9
ARGS ?=
SEEDS ?= 5000
TIMES ?= 20
# A container or a build machine, where tools may be installed. A machine of somebody's own is theirs.
MAY_INSTALL := $(shell [ "$$(id -u)" = 0 ] && command -v apt-get)
ARCH ?= arm64
TARGET = $(or $(CARGO_TARGET_DIR),target)

help: ## Lists these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

# Built with the features of the whole workspace, as for the tests: nothing is compiled twice.
run: ## Runs ClearView here, on http://127.0.0.1:3000 (options in ARGS, such as ARGS='--data-dir state')
	$(CARGO) build --workspace --bin clearview
	$(TARGET)/debug/clearview $(ARGS)

demo: redis ## The same with a shared cache and a scripted provider, so that the console has everything to break
	$(CARGO) build --workspace --bin clearview
	tests/scripts/demo.sh $(TARGET)/debug/clearview $(ARGS)

test: nextest redis venv ## Runs every test
	$(CARGO) build --workspace --bins
	$(CARGO) nextest run --workspace

check: venv deny contract browser examples ## Checks formatting, lints, documentation, licences, template and contract, the console, the examples, one function in an emulator
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --quiet
	$(CARGO) deny --log-level error check bans licenses sources
	@! $(CARGO) tree --workspace --invert ring --edges normal 2>/dev/null | grep . || { echo 'a second TLS stack (ring) is in the tree'; exit 1; }
	SAM_CLI_TELEMETRY=0 $(VENV)/sam validate --lint --region us-east-1 --template template.yaml
	$(VENV)/cfn-lint template.yaml
	$(VENV)/openapi-spec-validator openapi.yaml
	$(VENV)/python tests/scripts/gateway.py --check
	$(VENV)/python tests/scripts/api_page.py --check
	.venv-checkov/bin/checkov --config-file .checkov.yaml
	python3 tests/scripts/cost.py --check >/dev/null
	$(CARGO) build --workspace --bins
	timeout 120 $(VENV)/python tests/scripts/rie.py $(TARGET)/debug

nightly: nextest redis clients ## Runs the random tests at length (SEEDS=5000 fleets, TIMES=20 times as long; 15 minutes or more)
	$(CARGO) build --workspace --bins
	FLEET_SEEDS=$(SEEDS) NIGHTLY_TIMES=$(TIMES) $(CARGO) nextest run -p tests -p vision --profile nightly --no-fail-fast \
		-E 'test(/^(sim|laws|fuzz|limits|safe_pictures)::/) + test(/^(providers::(breaker|fleet)|process::workers)::/)'

clients: nextest redis node ## Chats through the JavaScript clients of tests/clients, against a local server (needs node and npm)
	cd tests/clients && npm ci --no-audit --no-fund --ignore-scripts --silent
	$(CARGO) build --workspace --bins
	$(CARGO) nextest run --workspace --run-ignored only -E 'test(/^chat::clients::/)'

mutants: ## Changes the quota rules a line at a time and expects a test to fail (an hour or more; results in mutants.out)
	@$(CARGO) mutants --version >/dev/null 2>&1 || { $(call get_by_cargo,cargo-mutants@27.1.0); }
	$(CARGO) mutants --in-place --test-workspace=true --baseline=skip --timeout 120

package: venv ## Builds the packages that `sam deploy` uploads, in .aws-sam/build; for arm64, or with ARCH=x86_64 for that
	PATH="$(CURDIR)/$(VENV):$$PATH" SAM_CLI_TELEMETRY=0 sam build --parameter-overrides Architecture=$(ARCH)

sizes: ## The zipped sizes of the packaged functions, after `make package`
	@for file in .aws-sam/build/*/bootstrap; do \
		printf '%-20s %6.2f MB  %s\n' "$$(basename "$$(dirname "$$file")")" "$$(gzip -6 -c "$$file" | wc -c)e-6" \
			"$$(od -An -tx1 -j18 -N1 "$$file" | sed 's/ 3e/x86_64/; s/ b7/arm64/')"; \
	done

rie: venv ## Runs every function in SAM CLI's runtime interface emulator, against a local server
	$(CARGO) build --workspace --bins
	$(VENV)/python tests/scripts/rie.py $(TARGET)/debug

bench: redis ## Measures speed and cost, next to their marks (some 20 minutes; ARGS='--only server' for a part); draws target/bench/report.html
	$(CARGO) build --release --workspace --bins
	$(TARGET)/release/bench $(ARGS)
	@python3 tests/scripts/report.py bench $(TARGET)/bench $(TARGET)/bench/report.html

bench-quick: redis ## Measures the same with fewer runs, in some two minutes once it is built
	$(CARGO) build --release --workspace --bins
	$(TARGET)/release/bench --quick $(ARGS)
	@python3 tests/scripts/report.py bench $(TARGET)/bench $(TARGET)/bench/report.html

soak: redis ## Loads the local server for half an hour while its stores fail and recover (ARGS=--quick for two minutes)
	$(CARGO) build --release --workspace --bins
	$(TARGET)/release/bench --only soak $(ARGS)

peers: redis wrk node .venv-peers/.installed tests/peers/node_modules/.installed ## Compares speed with other gateways, in some 7 minutes once it is built
	$(CARGO) build --release --workspace --bins
	.venv-peers/bin/python tests/peers/peers.py $(TARGET)/release/clearview --out $(TARGET)/peers $(ARGS)

flame: redis wrk perf ## Draws where the local server's time goes, as SVG in target/flame-graphs; builds it with symbols first
	$(CARGO) build --profile flame --workspace --bin clearview
	python3 tests/peers/flame.py $(TARGET)/flame/clearview $(TARGET)/flame-graphs

evaluate: ## Prints the embedded judge's figures (ARGS=--held-out for rows that did not tune it, --file=third for one file, --rows-file=PATH for rows of your own, --rows for its mistakes); draws target/judge/report.html
	@mkdir -p $(TARGET)/judge
	$(CARGO) run --release -p judge-evaluation -- --json $(TARGET)/judge/rows.jsonl $(ARGS)
	@case '$(ARGS)' in *--rank*) ;; *) python3 tests/scripts/report.py evaluate $(TARGET)/judge/rows.jsonl $(TARGET)/judge/report.html ;; esac

gateway: venv ## Writes gateway.json, which API Gateway imports, from openapi.yaml
	$(VENV)/python tests/scripts/gateway.py

api: venv ## Writes docs/API.md from openapi.yaml
	$(VENV)/python tests/scripts/api_page.py

contract: venv ## Sends thousands of good and bad requests of openapi.yaml to a local server, for a minute
	$(CARGO) build --workspace --bin clearview
	tests/contract/run.sh $(TARGET)/debug/clearview

browser: redis chromium tests/node/node_modules/.installed ## Uses the console in Chromium, as a person would; pictures in target/console
	$(CARGO) build --workspace --bin clearview
	timeout 600 tests/node/browser.sh $(TARGET)/debug/clearview $(TARGET)/console

examples: venv tests/node/node_modules/.installed ## Runs the examples against a local server, and compiles types made of openapi.yaml
	$(CARGO) build --workspace --bin clearview
	timeout 300 tests/node/examples.sh $(TARGET)/debug/clearview $(VENV)/python

sbom: cyclonedx ## Lists the dependencies of each program, as CycloneDX JSON beside its Cargo.toml (*.cdx.json)
	$(CARGO) cyclonedx --format json --describe binaries --target-in-filename --target all

cost: ## The costs of a month, line by line, for 1K to 1M daily users
	@python3 tests/scripts/cost.py

audit: deny ## Checks known advisories against the dependencies (fetches the RustSec database)
	$(CARGO) deny check advisories

fmt: ## Formats the code
	$(CARGO) fmt --all

# Tools of the recipes above: installed if missing and this is root's Debian, else named. Python tools go into this tree.

# $(1) is what is missing, $(2) installs it, $(3) is how to get it elsewhere.
get = if [ -n "$(MAY_INSTALL)" ]; then echo 'Installing $(1)'; $(2); \
	else echo '$(1) is missing. Get it with: $(3)' >&2; exit 1; fi
get_by_cargo = $(call get,$(1),$(CARGO) install --locked --quiet $(1),cargo install --locked $(1))

nextest:
	@$(CARGO) nextest --version >/dev/null 2>&1 || { $(call get_by_cargo,cargo-nextest@$(NEXTEST_VERSION)); }

redis:
	@command -v redis-server >/dev/null || { $(call get,redis-server,apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server >/dev/null,sudo apt-get install redis-server (Debian) or brew install redis (macOS)); }

deny:
	@$(CARGO) deny --version >/dev/null 2>&1 || { $(call get_by_cargo,cargo-deny@$(DENY_VERSION)); }

cyclonedx:
	@$(CARGO) cyclonedx --version >/dev/null 2>&1 || { $(call get_by_cargo,cargo-cyclonedx@$(CYCLONEDX_VERSION)); }

wrk:
	@command -v wrk >/dev/null || { $(call get,wrk,apt-get update -qq && apt-get install -y -qq --no-install-recommends wrk >/dev/null,sudo apt-get install wrk (Debian) or brew install wrk (macOS)); }

perf:
	@command -v perf >/dev/null || { $(call get,perf,apt-get update -qq && apt-get install -y -qq --no-install-recommends linux-perf >/dev/null,sudo apt-get install linux-perf (Debian)); }

chromium:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { $(call get,chromium,apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null,sudo apt-get install chromium (Debian) or brew install --cask chromium (macOS)); }

node:
	@{ command -v node && command -v npm; } >/dev/null || { $(call get,nodejs and npm,apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null,sudo apt-get install nodejs npm (Debian) or brew install node (macOS)); }

tests/node/node_modules/.installed: tests/node/package.json tests/node/package-lock.json | node
	@echo 'Installing the Node tools of tests/node/package.json in tests/node'
	cd tests/node && npm ci --no-audit --no-fund --loglevel=error
	touch $@

tests/peers/node_modules/.installed: tests/peers/package.json tests/peers/package-lock.json | node
	@echo 'Installing the gateway of tests/peers/package.json in tests/peers'
	cd tests/peers && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	touch $@

.venv-peers/.installed: tests/peers/requirements.txt
	@echo 'Installing the gateways of tests/peers/requirements.txt in .venv-peers'
	python3 -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --disable-pip-version-check -r tests/peers/requirements.txt
	touch $@

venv: .venv/.installed .venv-checkov/.installed

.venv/.installed: tests/requirements.txt
	@echo 'Installing the Python tools of tests/requirements.txt in .venv'
	python3 -m venv .venv
	$(VENV)/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

# Its own: it pins what the others need newer.
.venv-checkov/.installed: tests/requirements-checkov.txt
	@echo 'Installing checkov in .venv-checkov'
	python3 -m venv .venv-checkov
	.venv-checkov/bin/pip install --quiet --disable-pip-version-check -r tests/requirements-checkov.txt
	touch $@
