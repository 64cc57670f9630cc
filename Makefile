# Needs Python >= 3.10 and make, nothing else. `make help` lists the targets.
PYTHON ?= python3
JOBS ?= 2
BIN := .venv/bin
INSTALLED := .venv/.installed
TOOLS := .venv/.installed-tools
OLDEST := .venv-oldest
OLDEST_INSTALLED := $(OLDEST)/.installed
# CPU=1: PyTorch's builds without CUDA, which only Linux on Intel and AMD has to be told about. Later calls remember it.
# (Other values are others': some systems set CPU to the name of the processor.)
INDEX := $(if $(filter 1 yes true on,$(CPU))$(wildcard .venv/.cpu),--extra-index-url https://download.pytorch.org/whl/cpu)

.PHONY: help lab test oldest run count bench lint build clean
.DEFAULT_GOAL := help

help:
	@echo "make lab     install what is needed, open JupyterLab on labs/"
	@echo "make test    every test, all notebooks included"
	@echo "make oldest  the same on the lowest versions that requirements.txt admits: PYTHON=python3.10 make oldest"
	@echo "make run     run the solved labs, write HTML and a page of all figures to build/  (LABS=\"01 03\" for some)"
	@echo "make count   what a student reads and writes in each lab, beside the aims"
	@echo "make site    run the students' notebooks, write a web site to build/site/ that needs no server (LABS=\"01 03\")"
	@echo "make bench   time the kit against other ways to do the same"
	@echo "make lint    style, types, import directions, labs built from solutions"
	@echo "make build   build labs/ from solutions/"
	@echo "make clean   remove build/, the phantom cache and tool caches; .venv, .venv-oldest and downloads stay"
	@echo "CPU=1        before the first lab or test: PyTorch without CUDA, 0.3 instead of 2.7 GB to download (Linux)"
	@echo "PYTHON=...   the Python (3.10 or newer) to build .venv with; LAB_PROFILE=smoke|quick|full: how much work"

# The question, over every student's first screen, whether Jupyter may send its news.
NEWS := @jupyterlab/apputils-extension:announcements

# The stamp is written last, so an installation cut short is done again; a changed requirement installs again.
$(INSTALLED): requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Python 3.10 or newer is needed; name one: make PYTHON=python3.11 lab"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "This Python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@[ "$$(uname -sm)" != "Darwin x86_64" ] || { echo "PyTorch has no builds for Macs with Intel processors after" \
	  "version 2.2, and the labs need 2.6. Run them on Colab, or with PyTorch from conda-forge. On a Mac with an Apple" \
	  "processor this is a Python for Intel: take another one, make PYTHON=... lab"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install $(INDEX) --constraint constraints.txt --requirement requirements.txt --editable .
	$(BIN)/jupyter-labextension disable $(NEWS)
	@touch $@ $(if $(INDEX),.venv/.cpu)

# What tests, style and types need besides; a lab needs none of it.
$(TOOLS): $(INSTALLED)
	$(BIN)/python -m pip install $(INDEX) --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Every "from version" of requirements.txt becomes that very version. Pins of others do not go with these.
$(OLDEST_INSTALLED): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))' || \
	  { echo "The oldest versions are for Python 3.10; name one: make PYTHON=python3.10 oldest"; exit 1; }
	$(PYTHON) -m venv $(OLDEST)
	sed 's/>=/==/' requirements.txt > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install $(INDEX) --constraint $(OLDEST)/constraints.txt \
	  --requirement requirements.txt --editable '.[dev]'
	@touch $@

# In a container people are often root, and JupyterLab refuses root without this word.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

lab: $(INSTALLED)
	$(BIN)/python -m lab_utils phantoms
	$(BIN)/python -m jupyterlab --notebook-dir=labs $(AS_ROOT)

PYTEST := -m pytest -p tests.notebooks.rules --nbval-lax --nbval-current-env --nbval-cell-timeout=1500

test: $(TOOLS)
	$(BIN)/python -m lab_utils phantoms
	$(BIN)/python $(PYTEST) --numprocesses=$(JOBS) tests labs solutions

# Without solutions: their numbers are published for the versions of constraints.txt.
oldest: $(OLDEST_INSTALLED)
	$(OLDEST)/bin/python -m lab_utils phantoms
	$(OLDEST)/bin/python $(PYTEST) --numprocesses=$(JOBS) tests labs

run: $(INSTALLED)
	$(BIN)/python -m lab_utils run $(LABS)

count: $(INSTALLED)
	$(BIN)/python -m lab_utils count

site: $(INSTALLED)
	$(BIN)/python -m pip install --quiet $(INDEX) --constraint constraints.txt --editable '.[site]'
	$(BIN)/python -m lab_utils site $(LABS)

bench: $(INSTALLED)
	$(BIN)/python -m pip install --quiet $(INDEX) --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python benchmarks/bench.py

lint: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy lab_utils
	$(BIN)/lint-imports
	$(BIN)/python -m lab_utils build --check

build: $(INSTALLED)
	$(BIN)/python -m lab_utils build

clean:
	rm -rf build data/cache/phantoms .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	find lab_utils tests labs solutions benchmarks \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
