# Two commands do everything: `make` builds, `make test` tests. Both set up what they need.

PYTHON ?= python3
BIN := .venv/bin
# Nothing but what the locks name, with the hashes that they name.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r
LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --custom-compile-command "make lock" --constraint requirements/constraints.txt
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile
# Tests in a browser need both; empty where one is missing.
BROWSER := $(shell command -v chromium && command -v chromedriver)
NO_BROWSER := tests of MLflow's pages are left out: apt-get install -y --no-install-recommends chromium chromium-driver

.PHONY: build test test-long lint verify format docs ui lock clean help
.DEFAULT_GOAL := build

build: .venv/runtime ## build what changed, print the table of variants (the default)
	@$(BIN)/edgebuild run

test: .venv/docs ## run the tests; those in a browser only where chromium and chromedriver are
	@$(if $(BROWSER),,echo "$(NO_BROWSER)")
	@$(PYTEST) -m "not long$(if $(BROWSER),, and not browser)"

test-long: .venv/docs ## the rest: builds that are killed, the CI workflows step by step, every command of the docs
	@$(PYTEST) -m long

lint: .venv/dev ## style, types, whether the stages declare the code that they import, and whether dvc.lock is up to date
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/edgebuild deps
	@$(BIN)/edgebuild verify --quick

verify: .venv/runtime ## build HEAD again in a clean clone and compare every output with dvc.lock
	@$(BIN)/edgebuild verify

format: .venv/dev ## format the code
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

docs: .venv/docs ## the documentation as a site, dist/docs/index.html; needs no network
	@$(BIN)/python docs/reference/generate.py
	@$(BIN)/python -m sphinx --quiet --nitpicky --fail-on-warning --doctree-dir dist/doctrees docs dist/docs

ui: .venv/runtime ## open MLflow on what was built: http://127.0.0.1:5000/?workflowType=machine_learning
	@$(BIN)/mlflow ui --backend-store-uri sqlite:///mlflow.db

lock: .venv/dev ## resolve the requirements anew
	@$(LOCK) --quiet --upgrade pyproject.toml --output-file requirements/runtime.txt
	@$(LOCK) --quiet --upgrade pyproject.toml --group dev --constraint requirements/runtime.txt --output-file requirements/dev.txt
	@$(LOCK) --quiet --upgrade --group docs --constraint requirements/dev.txt --output-file requirements/docs.txt

clean: ## remove the environment and everything that was built, except DVC's cache
	@rm -rf .venv .edgebuild data models plots metrics/history metrics/predictions metrics/parity metrics/latency metrics/sensitivity.csv

help: ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 10

.venv/runtime: requirements/runtime.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing the pinned runtime into .venv (some minutes, once)"
	@$(INSTALL) requirements/runtime.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: requirements/dev.txt .venv/runtime
	@$(INSTALL) requirements/dev.txt
	@touch $@

.venv/docs: requirements/docs.txt .venv/dev
	@$(INSTALL) requirements/docs.txt
	@touch $@
