# Everything is set up by itself: the first target that needs it makes .venv from the lock file.

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; \
	done)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
DEMO := --cores all --configfile config/demo.yaml

.PHONY: help demo test lint format lock clean

help:
	@echo "make demo    run the whole workflow on two CPU cores with models of random weights"
	@echo "make test    run all tests"
	@echo "make lint    check style, types and the workflow"
	@echo "make format  format the code"
	@echo "make lock    renew requirements.lock from pyproject.toml"
	@echo "make clean   remove the demo's results and models"

.venv: requirements.lock
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or later found; set PYTHON=/path/to/python"; exit 1; }
	@echo "setting up .venv with $(PYTHON); the first time this downloads about 3 GB"
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch .venv

resources/demo/models: .venv
	@python scripts/demo_models.py --out resources/demo/models
	@touch resources/demo/models

demo: .venv resources/demo/models
	@snakemake $(DEMO)
	@echo "report: $(CURDIR)/results/demo/report/index.html"

test: .venv
	@python -m pytest

lint: .venv
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	mypy scripts/edit_benchmark
	snakemake --lint --configfile config/demo.yaml

format: .venv
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

lock: .venv
	uv pip compile --no-config --universal --python-version 3.11 --extra dev --no-annotate \
	  --no-header --no-emit-index-url --no-emit-find-links --upgrade pyproject.toml \
	  --output-file requirements.lock

clean:
	rm -rf results/demo resources/demo/models
