# What a contributor types. Everything is installed into .venv/, with the exact versions of constraints.txt.
# `make PYTHON=python3.12 demo` chooses the interpreter that the environment is made from.

PYTHON ?= python3
# Most tests wait for something, so a few run at a time; those of one file one after another, in one process.
WORKERS ?= 3
BIN := .venv/bin
PYTEST = $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile
# PIP_CONSTRAINT rather than --constraint: it holds the build tools too. Relative, since pip splits it at spaces.
PIP_INSTALL := PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip --disable-pip-version-check install --quiet --editable

.PHONY: help demo debian test prove bench check docs clean
help: ## say what there is to make
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

# One stamp for each set of extras: a set is installed again only when what it is made from has changed.
.venv/bin/python:
	@scripts/make-venv .venv $(PYTHON)

.venv/installed-%: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing weft[$*] into .venv"
	@$(PIP_INSTALL) '.[$*]'
	@touch $@

demo: .venv/installed-examples,plots,serve,tapis ## run examples/portal-ida from one file to a table and a report
	@$(BIN)/python scripts/demo.py

# What the tests run for real. Where it may not be installed, the tests that need it say so and are skipped.
debian:
	-@scripts/debian-packages slurmctld slurmd slurm-client slurmdbd munge mariadb-server postgresql acl unzip python3-tk chromium

test: debian .venv/installed-all,dev ## the tests, with reduced counts
	$(PYTEST)

prove: debian .venv/installed-all,dev ## the tests, with full counts
	WEFT_PROVE=1 $(PYTEST)

bench: .venv/installed-bench,plots,serve,tapis ## measure the promised figures; GNU parallel is wanted for comparison
	-@scripts/debian-packages parallel
	$(BIN)/python -m benchmarks

check: .venv/installed-all,dev ## style, types, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/rules

docs: .venv/installed-all,dev ## what the documentation says is tried
	$(BIN)/python -m pytest tests/docs

clean: ## remove what the tools and the examples left behind
	rm -rf .venv .hypothesis build dist examples/*/.weft
	find . '(' -name __pycache__ -o -name '.*_cache' ')' -type d -prune -exec rm -rf {} +
