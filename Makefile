# Every target sets up what it needs in .venv by itself; nothing but Python 3.11 and make is assumed.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/lock-py311.txt
UV_VERSION := 0.13.9
READY := $(VENV)/.ready
DEMO := demo

.PHONY: help setup demo test test-fast test-long browser lint format bench lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## install everything into .venv (1 to 3 minutes the first time)

# uv installs 190 packages in the time in which pip resolves them; it comes from a small environment of its own.
$(READY): $(LOCK) setup.py rsbot_beam/VERSION
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not on the PATH; install Python 3.11, or run make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "setting up $(VENV): about 190 packages, 3 GB"
	@test -x $(VENV)/uv/bin/uv || { $(PYTHON) -m venv $(VENV)/uv && $(VENV)/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); }
	@test -x $(BIN)/python || $(VENV)/uv/bin/uv venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	@$(VENV)/uv/bin/uv pip sync --quiet --python $(BIN)/python $(LOCK)
	@$(VENV)/uv/bin/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: $(READY) ## the whole way on the local Earth Engine: export, train, evaluate, map; crops and wind (under 12 minutes)
	@rm -rf $(DEMO)
	@examples/demo.sh $(DEMO)

test: $(READY) ## the tests (15 to 18 minutes on two cores)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=20 -m "not long"

test-fast: $(READY) ## the tests without pipelines, servers and emulators (2 minutes on two cores)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not integration and not long"

test-long: $(READY) ## what takes minutes: trainings on real imagery, which print their scores, a notebook, and more kills (about 12 minutes)
	$(BIN)/python -m pytest -s -m long

browser: ## install Chromium for the tests of pages (Debian and Ubuntu; without it they are skipped)
	@command -v chromium >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; }

lint: $(READY) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## measure speed and memory (about 20 minutes); prints figures, tests nothing
	$(BIN)/python -m benchmarks

lock: $(READY) ## resolve the dependencies anew
	$(VENV)/uv/bin/uv pip compile setup.py --extra all --extra test --extra lint --python-version 3.11 --no-emit-index-url --no-header --no-annotate --upgrade -q -o $(LOCK)
	sed -i '1i # Everything for development on Python 3.11: the run-time set and all extras. Made by `make lock`; no index URLs.' $(LOCK)

clean: ## remove what make made
	rm -rf $(VENV) $(DEMO) build dist *.egg-info .mypy_cache .ruff_cache .hypothesis
