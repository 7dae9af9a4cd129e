# Set-up needs no command: the first target that needs .venv makes it from the lock file.

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; \
	done)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
DEMO := --cores all --configfile config/demo.yaml
# Written last: an installation that was interrupted is never taken for a complete one.
INSTALLED := .venv/installed

.PHONY: help .venv models demo test bench faults slurm cluster-test statistics lint format schema lock clean

help:
	@echo "make demo    run the whole workflow on two CPU cores, in a small world whose truth is known"
	@echo "make test    run all tests"
	@echo "make bench   measure speed against stock diffusers; BENCH=--full-size on a GPU"
	@echo "make faults  kill a run at 30 random moments and compare it with an undisturbed one"
	@echo "make slurm   install Debian's Slurm, which takes root; cluster-test does so by itself"
	@echo "make cluster-test  run the workflow on a real Slurm, made here, and disturb it; eight minutes"
	@echo "make statistics  simulate how often intervals, tests and places are right; ten minutes"
	@echo "make lint    check style, types, imports and the workflow"
	@echo "make format  format the code"
	@echo "make schema  renew the schema of the configuration from its types"
	@echo "make .venv   only set up the environment; the other targets do so by themselves"
	@echo "make models  only make the models of random weights; what needs them does so by itself"
	@echo "make lock    renew requirements.lock from pyproject.toml"
	@echo "make clean   remove the demo's results and the models of random weights"

.venv: $(INSTALLED)

$(INSTALLED): requirements.lock
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or later found; set PYTHON=/path/to/python" >&2; exit 1; }
	@test ! -L .venv || { echo "error: .venv is a link to $$(readlink .venv), and its set-up would empty that folder; remove the link" >&2; exit 1; }
	@echo "setting up .venv with $(PYTHON); the first time this downloads about 3 GB"
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $@

models: $(INSTALLED)
	@PYTHONPATH=scripts python tests/random_models.py --out build/random-models

demo: $(INSTALLED)
	@snakemake $(DEMO)
	@echo "report: $(CURDIR)/results/demo/report/index.html"

test: $(INSTALLED)
	@python -m pytest --numprocesses auto --dist worksteal

# BENCH="--full-size" measures the released shapes on a GPU.
bench: $(INSTALLED)
	@python tests/performance/bench.py $(BENCH)

faults: models
	@python tests/fault_run.py --kills 30

# Debian's slurm-wlm and munge, where they are missing, which takes root.
slurm: $(INSTALLED)
	@PYTHONPATH=tests/cluster python -c "from slurm import install; install()"

cluster-test: models slurm
	@PYTHONPATH=tests:scripts python tests/cluster/check.py

# A process for each core: threads within them would only be in each other's way.
statistics: $(INSTALLED)
	@OPENBLAS_NUM_THREADS=1 PYTHONPATH=scripts python tests/simulations.py > tests/statistics.md
	@cat tests/statistics.md

lint: $(INSTALLED)
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	mypy
	@imports=$$(PYTHONPATH=scripts lint-imports --no-logo --no-cache 2>&1) || { echo "$$imports"; exit 1; }
	snakemake --lint --configfile config/demo.yaml

# --no-sort: where snakefmt 2.1 sorts directives it moves the docstring behind them, and then
# cannot read the file any more.
format: $(INSTALLED)
	ruff check --fix .
	ruff format .
	snakefmt --no-sort Snakefile workflow

schema: $(INSTALLED)
	@PYTHONPATH=scripts python -m edit_benchmark.config.schema > workflow/schemas/config.schema.yaml

# --no-config: what is pinned comes from the public index, whatever this machine is set up for.
lock: $(INSTALLED)
	uv pip compile --no-config --universal --python-version 3.11 --extra dev --extra slurm \
	  --extra kubernetes \
	  --no-annotate --no-header --no-emit-index-url --no-emit-find-links --upgrade --quiet \
	  pyproject.toml --output-file requirements.lock
	@echo "now give environment.yml the same versions; tests/test_packaging.py names what differs"

clean:
	rm -rf results/demo build/random-models
