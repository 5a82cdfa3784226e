# make demo, make test: each sets itself up on a fresh machine (Python 3.11+, make, network to the registry).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BASE := .venv-base
UV := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)
INSTALL = VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip install --quiet --compile-bytecode --constraint requirements.lock

.PHONY: demo test test-base hostile check check-portable lint types docs bench lock clean

demo: $(VENV)/run.stamp
	$(BIN)/lightprobe demo
	@echo 'The command, too, in this shell: source $(BIN)/activate'

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest

# The same tests, but for those marked `torch`, where no extra is installed.
test-base: $(BASE)/base.stamp
	$(BASE)/bin/python -m pytest -m "not torch and not slow and not gpu and not network"

# Attacks of every kind, an hour on two cores; HOSTILE=quick takes minutes, and what was stopped goes on.
hostile: $(VENV)/dev.stamp
	$(BIN)/python -m tests.hostile

check: lint types docs test

# The tests where libraries use less of the processor, with other threads, and beside other work: an hour or so.
check-portable: $(VENV)/dev.stamp
	$(BIN)/python -m tests.portability

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

docs: $(VENV)/dev.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/dev.stamp
	for claim in projection fit factor scaling extraction start; do $(BIN)/python benchmarks/$$claim.py || exit 1; done
	for claim in $(if $(DATA),screening label_errors planted_faults unknown calibration update views label_next resizing precisions coverage heads contention); do $(BIN)/python benchmarks/$$claim.py $(DATA) || exit 1; done

lock: $(VENV)/bin/python
	$(UV) pip compile --quiet --universal --no-annotate --no-header --all-extras --upgrade pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) $(BASE) build dist site .mypy_cache .ruff_cache .pytest_cache

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lightprobe needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	command -v uv >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/run.stamp: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(INSTALL) --editable .
	touch $@

$(VENV)/dev.stamp: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(INSTALL) --editable ".[dev]"
	touch $@ $(VENV)/run.stamp

$(BASE)/base.stamp: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(PYTHON) -m venv $(BASE)
	VIRTUAL_ENV=$(CURDIR)/$(BASE) $(UV) pip install --quiet --compile-bytecode --constraint requirements.lock --editable ".[test]"
	touch $@
