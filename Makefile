# make run   set everything up and run the main job: model_release, through Airflow
# make check lint, types, import contracts, unit tests
# make test  make check, then integration and one end-to-end story a product
# make test-all  make test, then every real server, browser and case; make test-long: what is longer
# make ui    Airflow's own UI with our DAGs; prints address and login
# make bench what is measured against whom; prints ratios, takes minutes
# Needs git, make and Python 3.11 or 3.12; everything else goes into .venv.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

# Without byte code every process would compile Airflow, pandas and GX anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3,$(shell command -v $(p))))
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup run check test test-rest test-all test-long lint format ui repro bench lock clean
# The tests use all cores by themselves.
.NOTPARALLEL:

help:
	@sed -n '/^#/!q; s/^# //p' Makefile

setup: $(READY)

$(READY): requirements.lock pyproject.toml setup.py plugins/dvc_airflow/pyproject.toml .ci/uv.lock.txt
	@[ -n "$(PYTHON)" ] && $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
	  || { echo "error: Signalbox needs Python 3.11 or 3.12; install it or say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@command -v git >/dev/null || { echo "error: git is missing; install it" >&2; exit 1; }
	@echo "[1/4] virtual environment in $(VENV)"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) \
	  || { echo "error: 'python -m venv' failed; install the venv module (Debian: python3-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r .ci/uv.lock.txt \
	  || { echo "error: uv could not be installed; is a package index reachable?" >&2; exit 1; }
	@echo "[2/4] locked packages (requirements.lock)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock \
	  || { echo "error: the locked packages could not be installed; see the lines above" >&2; exit 1; }
	@echo "[3/4] Signalbox itself and its bridge, editable"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation \
	  --editable plugins/dvc_airflow --editable .
	@echo "[4/4] byte code, once (about half a minute)"
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true
	@touch $@

run: $(READY)
	@signalbox run

ui: $(READY)
	@signalbox ui

repro: $(READY)
	@dvc repro

lint: $(READY)
	ruff format --check .
	ruff check .
	mypy
	lint-imports

format: $(READY)
	ruff format .
	ruff check --fix .

# Which test is in which tier: tests/conftest.py. Each runs in one of these targets only, and
# pytest fails where it finds none.
PYTEST := pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: lint
	$(PYTEST) tests/unit -m tier_check

test: check
	$(PYTEST) -m tier_test

test-rest: $(READY)
	$(PYTEST) -m tier_rest

test-all: test test-rest

# Exit code 5: no test is that long at the moment.
test-long: $(READY)
	$(PYTEST) -m tier_long || { [ $$? -eq 5 ] && echo "no test is marked long: make test-all runs them all"; }

bench: $(READY)
	python -m benchmarks

# The bridge is ours: what it needs is locked, it itself comes from plugins/dvc_airflow.
lock:
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-emit-package dvc-airflow \
	  --extra dev pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .airflow runs
