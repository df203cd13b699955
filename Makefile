# make run    simulate, train, run the coffea processor and plot: the W-boson study, from an empty machine
# make test   the test suite
# make lint   ruff and mypy
# make docs   the pages of docs/ as a site, in docs/_build/html
# make mutants  would the tests notice a change? of the files that differ from SINCE, one revision back
# make bench  speed against weaver-core, memory, real-data benchmarks (long)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PRESET ?= quick
SINCE ?= HEAD~1
CONSTRAINTS ?= constraints.txt

.PHONY: run test lint docs bench mutants install clean
.DELETE_ON_ERROR:

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --group dev --editable ".[train,plot,sim,acts,graphs,dask,export,fit,explain,flows]"
	touch $@

run: install
	$(BIN)/cortado run analyses/w_tagging --preset $(PRESET)

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed-docs
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --fail-on-warning --keep-going --fresh-env -b html docs docs/_build/html

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --group docs
	touch $@

bench: install
	$(BIN)/python benchmarks/run.py

mutants: install
	OMP_NUM_THREADS=1 $(BIN)/python tests/mutants.py --since $(SINCE) $(ARGS)

clean:
	rm -rf $(VENV) output .bench docs/_build docs/api/rooms
