# make run    simulate, train, run the coffea processor and plot: the W-boson study, from an empty machine
# make test   the test suite
# make lint   ruff and mypy
# make bench  speed against weaver-core, memory, real-data benchmarks (long)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PRESET ?= quick

.PHONY: run test lint bench install clean
.DELETE_ON_ERROR:

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev --editable ".[train,plot,sim,acts,graphs,dask,export,fit,explain,flows]"
	touch $@

run: install
	$(BIN)/cortado run analyses/w_tagging --preset $(PRESET)

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) output .bench
