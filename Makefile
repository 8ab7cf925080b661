# Two commands do everything: `make demo` and `make test`. Both create the environment in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help demo test test-slow bench bench-scaling lint clean
help:
	@echo "make demo       simulate animals, pretrain, evaluate, draw: demo/scores.csv and demo/raster.png"
	@echo "make test       the tests (minutes)"
	@echo "make test-slow  the long tests too"
	@echo "make bench      how fast it is on this machine, next to its ceilings and a plain reference"
	@echo "make bench-scaling  how time and memory grow with units, bins, trials and sessions, and what a compiler gives"
	@echo "make lint       ruff and pyright"
	@echo "make clean      remove the environment and the demo"

demo: $(VENV)/core
	$(BIN)/spikeglot demo --out demo

test: $(VENV)/test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(VENV)/test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

# One thread: its own computing time is measured, which others on the machine do not slow.
bench: $(VENV)/core
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks

bench-scaling: $(VENV)/core
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks --parts scaling compiler

lint: $(VENV)/dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/pyright

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "spikeglot needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/core: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable .
	@touch $@

# The two scorers of other groups pin older versions of what they need: they come without their dependencies.
$(VENV)/test: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[test]'
	$(PIP) --no-deps nlb_tools ibl-bwb-eval
	@touch $@ $(VENV)/core

$(VENV)/dev: $(VENV)/test
	$(PIP) --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) demo
