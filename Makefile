# Two commands need nothing but Python 3.11 to 3.13: `make demo` and `make test`.
# Each makes .venv and installs what it needs. Variables to set on the command line:
#   VENV      the folder of the environment
#   PYTHON    the interpreters to try, in this order; also read from the environment
#   COVERAGE  pytest's options for coverage; `make coverage` sets them (about a fifth slower)

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3.13 python3.12 python3.11 python3 python
COVERAGE :=
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check $(PIP_OPTIONS)
PIP_OPTIONS :=
LOWEST := .venv-lowest

.PHONY: demo test test-long coverage test-fast test-lowest test-versions audit fuzz check gate baselines reports gallery site bench bench-peers clean

demo: $(VENV)/.installed
	$(BIN)/gradscope run configs/quickstart.yaml
	@echo
	@echo "The report is reports/quickstart/report.html: open it in a browser."

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2 --dist loadfile $(COVERAGE)

# The tests that `make test` leaves out for their length.
test-long: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2 --dist loadfile -m long --long

# All tests, with the branch coverage of gradscope/.
coverage:
	$(MAKE) COVERAGE='--long -p pytest_cov --cov=gradscope' test

test-fast: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m "not tensorflow" -n 2 --dist worksteal

# All tests with the lowest Python and the lowest versions of the dependencies.
test-lowest:
	$(MAKE) VENV=$(LOWEST) PYTHON=python3.11 $(LOWEST)/bin/python
	$(LOWEST)/bin/python scripts/lowest_versions.py > $(LOWEST)/constraints.txt
	$(MAKE) VENV=$(LOWEST) PIP_OPTIONS='--constraint $(LOWEST)/constraints.txt' test

# The tests without TensorFlow, with every Python that is supported and installed here, at the newest
# versions of the dependencies; COMMAND=test runs all of them. Ends with a line for each.
COMMAND := test-fast
test-versions:
	@failed=0; lines=; for version in 3.11 3.12 3.13; do \
	  if ! python$$version -c 'import venv' 2>/dev/null; then \
	    lines="$$lines\nPython $$version: not installed, not tried"; continue; fi; \
	  if $(MAKE) VENV=.venv-$$version PYTHON=python$$version $(COMMAND); \
	  then lines="$$lines\nPython $$version: passed"; \
	  else lines="$$lines\nPython $$version: FAILED"; failed=1; fi; \
	done; printf "$$lines\n"; exit $$failed

# Known weaknesses of the installed versions, where a source of advisories can be reached.
audit: $(VENV)/.installed
	@$(PIP_INSTALL) --quiet 'pip-audit>=2.9'
	@$(BIN)/python scripts/audit.py

# Each test of damaged input with EXAMPLES examples; docs/reliability.md then has the count.
EXAMPLES := 6250
fuzz: $(VENV)/.installed-test
	$(BIN)/python -m scripts.run_fuzz $(EXAMPLES)

check: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The shipped configs against their committed baselines, as initialised.
gate: $(VENV)/.installed
	$(BIN)/gradscope check configs/*.yaml --at-init --quiet

baselines: $(VENV)/.installed
	$(BIN)/gradscope baseline configs/*.yaml --at-init --update --quiet

# The example reports that the documentation shows.
reports: $(VENV)/.installed
	$(BIN)/gradscope run configs/quickstart.yaml --output docs/examples/quickstart --replace
	$(BIN)/gradscope run configs/notebook.yaml --output docs/examples/notebook --replace

# The papers' figures, measured again: pictures, configs and the tables of reports/README.md.
gallery: $(VENV)/.installed
	$(BIN)/gradscope gallery --page reports/README.md

# The documentation as a site in build/site; a warning is an error.
site: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks

bench-peers: $(VENV)/.installed-peers
	$(BIN)/python -m benchmarks --peers

clean:
	rm -rf $(VENV)

$(VENV)/bin/python:
	@for python in $(PYTHON); do \
	  if $$python -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; \
	  then echo "making $(VENV) with $$python"; exec $$python -m venv $(VENV); fi; \
	done; \
	echo "gradscope needs Python 3.11, 3.12 or 3.13 with the venv module (Debian: apt install python3-venv); tried: $(PYTHON)" >&2; \
	exit 1

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "installing gradscope and TensorFlow into $(VENV) (about 2 GB, a few minutes the first time)"
	@$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	@echo "installing gradscope, TensorFlow and the test tools into $(VENV)"
	@$(PIP_INSTALL) --quiet -e '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/bin/python
	@echo "installing mkdocs-material and mkdocstrings into $(VENV)"
	@$(PIP_INSTALL) --quiet 'mkdocs-material>=9.5' 'mkdocstrings-python>=1.12'
	@touch $@

$(VENV)/.installed-bench: pyproject.toml | $(VENV)/bin/python
	@echo "installing gradscope, TensorFlow and the packages that Keras imports along into $(VENV)"
	@$(PIP_INSTALL) --quiet -e '.[bench]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-peers: pyproject.toml | $(VENV)/bin/python
	@echo "installing gradscope, TensorFlow, PyTorch, wandb and TensorBoard into $(VENV)"
	@$(PIP_INSTALL) --quiet -e '.[peers]'
	@touch $@ $(VENV)/.installed
