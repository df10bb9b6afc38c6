# `make` lists what there is. Set-up is shared and quick when complete: scripts/setup.sh says what it does.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
BIN := .venv/bin

.PHONY: help setup setup-train train-protection setup-bench-protection bench-protection demo demo-live screenshots test hostile simulate crash-points scenarios fuzz journal-crash kill-test uplink-soak model-check coverage-table bench deb deb-test boot-test arm64-test test-interop tamper bench-protect-tables audit sbom lint format docs train setup-bench test-train bench-detector lock clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16 | sed 's/^/  make /'

setup: ## what demo and test need: Debian packages, .venv (at most 5 minutes the first time)
	@scripts/setup.sh

demo: setup ## three deposits on the simulated hardware, from banknote to verified record
	@$(BIN)/python -m scripts.demo

demo-live: setup ## the whole kiosk to try by hand: touch screen and simulated cabinet in the browser, until Ctrl-C
	@$(BIN)/python -m scripts.demo_live

screenshots: setup ## every screen of the terminal as PNG in run/screens, both sizes, every language
	@$(BIN)/python -m scripts.screenshots

.PHONY: commission-pictures
commission-pictures: setup ## the pictures of docs/commissioning.md, from real commands at a terminal (a minute)
	@$(BIN)/python -m scripts.commission_pictures

test: setup ## lint, types, import directions, tests
	@$(MAKE) --no-print-directory lint
	$(BIN)/pytest -n 2 -m "not train"

hostile: setup ## MESSAGES=10000 SEED=7: random and hostile messages to the touch screen (about a minute)
	HOSTILE=$(or $(MESSAGES),10000) SEED=$(or $(SEED),7) $(BIN)/pytest -q tests/unit/test_terminal_hostile.py tests/simulation/test_hostile_screen.py

.PHONY: ui-paths
ui-paths: setup ## PATHS=all: jams, limits, dangers, whoever walks away: by touches in Chromium on real processes, in three languages (half an hour)
	PATHS=$(or $(PATHS),all) $(BIN)/pytest -q -s tests/ui/test_every_path.py

.PHONY: shell-test
shell-test: setup ## the maintenance shell at a real terminal, every command of it, and a controller that is stopped and killed (two minutes)
	SHELL_TEST=1 $(BIN)/pytest -q tests/contract/test_shell_terminal.py tests/contract/test_shell_commands.py

journal-crash: setup ## SEED=1: what a crash leaves of the real journal on a disk that loses what was not synced (about 3 minutes)
	@$(BIN)/python -m tests.journal_crash --seed $(or $(SEED),1)

FUZZ_S ?= 60
fuzz: setup ## every decoder for FUZZ_S=60 seconds under a fuzzer, and the property tests with other examples each time
	HYPOTHESIS_PROFILE=random $(BIN)/pytest -q -n 2 --timeout 600 tests/property
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_S)

simulate: setup ## SCHEDULES=10000 SEED=1: seeded faults and crashes against the whole controller; the world judges
	@$(BIN)/python -m tests.simulation --schedules $(or $(SCHEDULES),10000) --seed $(or $(SEED),1)

scenarios: setup ## NORMAL=300 EACH=30 SEED=1: dangers acted out before the watcher, in virtual time (about 20 minutes on one core)
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.dangers --normal $(or $(NORMAL),300) --each $(or $(EACH),30) --seed $(or $(SEED),1)

crash-points: setup ## power cut and process death at every journal write and every device frame of each scenario
	CRASH_STEP=1 $(BIN)/pytest -q -n 2 --timeout 3600 tests/simulation/test_power_cuts.py tests/simulation/test_final_notes.py

model-check: setup ## explore the deposit table in every order of events, losses and crashes (about ten minutes)
	@$(BIN)/python -m tests.model

kill-test: setup ## KILLS=200 SEED=1: kill -9 of the real controller while deposits run (about 10 minutes); the world judges
	@$(BIN)/python -m tests.kill_test --kills $(or $(KILLS),200) --seed $(or $(SEED),1)

uplink-soak: setup ## RECORDS=100000 KILLS=50 SEED=1: every record once through a broker that is stopped and killed (about 10 minutes)
	@$(BIN)/python -m tests.uplink_soak --records $(or $(RECORDS),100000) --kills $(or $(KILLS),50) --seed $(or $(SEED),1)

coverage-table: setup ## every (state, fact) pair of the deposit table: reached by model, directed walk or 200 schedules, or impossible
	@mkdir -p run
	@$(BIN)/python -m tests.simulation --schedules $(or $(SCHEDULES),200) --seed $(or $(SEED),1) --coverage run/coverage.json
	@$(BIN)/python -m tests.model --coverage run/coverage.json

bench: setup ## our figures beside the machine's limits, in about six minutes; writes bench/results.json
	@$(BIN)/python -m tests.bench

deb: setup ## Debian packages for amd64 and arm64 in dist/, from the locked wheels; the same sources give the same bytes
	@$(BIN)/python -m scripts.deb

deb-test: deb ## both packages installed, upgraded, removed and purged in Debian chroots without a network (root; minutes)
	@$(BIN)/python -m tests.packages

boot-test: setup ## the amd64 package in a container that boots systemd: each unit lives, watchdog and restart limits act (root; minutes)
	@command -v systemd-nspawn >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends systemd-container
	@$(BIN)/python -m scripts.deb --arch amd64
	@$(BIN)/python -m tests.packages.boot

arm64-test: setup ## a whole deposit by the arm64 package under qemu-user; each process's memory against its budget (root; minutes)
	@$(BIN)/python -m scripts.deb --arch arm64
	@$(BIN)/python -m tests.arm64

test-interop: setup ## our formats before verifiers that are not ours (Go, npm); installs them; half a minute
	@scripts/setup-interop.sh
	@$(BIN)/python -m tests.interop

tamper: setup ## every other value in the place of every byte of what is signed, stored or printed (a quarter of an hour)
	TAMPER=all $(BIN)/pytest -q -n 2 --dist worksteal --timeout 3600 tests/tamper

audit: setup ## OFFLINE=: known vulnerabilities of what is locked, and installed files against their hashes; asks PyPI
	@$(BIN)/python -m scripts.audit $(if $(OFFLINE),--offline)

sbom: setup ## the software bill of materials (CycloneDX) of everything that is locked, as run/sbom.cdx.json
	@mkdir -p run
	@$(BIN)/python -m scripts.sbom requirements/all.lock run/sbom.cdx.json

bench-protect-tables: setup ## ROWS=5000000 CELL_MIB=100: memory and speed of `kiosk-protect scan` on a large table and a huge cell (a quarter of an hour)
	@$(BIN)/python -m tests.protect_large --rows $(or $(ROWS),5000000) --cell-mib $(or $(CELL_MIB),100)

lint: setup ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo >.stamps/lint-imports.txt || { cat .stamps/lint-imports.txt; exit 1; }

format: setup ## format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix --quiet

docs: setup ## renew what is made from the code: docs/settings.md, the metrics of docs/observing.md, the diagrams of ARCHITECTURE.md
	@$(BIN)/python -m kiosk.config.reference docs/settings.md
	@$(BIN)/python -m kiosk.core.diagram ARCHITECTURE.md
	@$(BIN)/python -m kiosk.observing.reference docs/observing.md

setup-train: setup ## CPU torch into the same .venv, for training only
	@scripts/setup-train.sh

train: setup-train ## train the SOM-GAN on data of the simulator; writes models/artifacts
	@scripts/train.sh

train-protection: setup-train ## train the networks that tell protected data; writes models/protection (minutes)
	@scripts/train-protection.sh $(FEEDBACK)

setup-bench: setup-train ## the detectors of other people that benchmarks compare with, into the same .venv
	@scripts/setup-bench.sh

setup-bench-protection: setup ## argus-redact and Presidio in a virtual environment of their own, .cache/bench-protection
	@scripts/setup-bench-protection.sh

bench-protection: setup ## EACH=1000 SEED=2026: how well and how fast protected data is told, with pictures; beside its peers where installed
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.protection_bench --each $(or $(EACH),1000) --seed $(or $(SEED),2026) --pictures docs/images

bench-detector: setup-bench ## DATA=../shared/data SEEDS=5: the SOM-GAN on public tables, video, transactions; into its cards (hours with all peers)
	@scripts/bench-detector.sh

test-train: setup-train ## the tests that need torch
	$(BIN)/pytest -n 2 -m train

lock: setup ## renew requirements/*.lock after a change in pyproject.toml
	@scripts/lock.sh

clean: ## remove what was made here: .venv, stamps, caches, run directories
	rm -rf .venv .stamps run build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
