# Two commands need nothing but Python 3.11 to 3.13: `make demo` and `make test`.
# Each makes .venv and installs what it needs.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-fast check gate baselines reports bench bench-peers clean

demo: $(VENV)/.installed
	$(BIN)/gradscope run configs/quickstart.yaml
	@echo
	@echo "The report is reports/quickstart/report.html: open it in a browser."

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-fast: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m "not tensorflow" -n 2 --dist worksteal

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

reports: $(VENV)/.installed
	$(BIN)/gradscope run configs/quickstart.yaml --force
	$(BIN)/gradscope run configs/notebook.yaml --force

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks

bench-peers: $(VENV)/.installed-peers
	$(BIN)/python -m benchmarks --peers

clean:
	rm -rf $(VENV)

$(VENV)/bin/python:
	@for python in python3.13 python3.12 python3.11 python3 python; do \
	  if $$python -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; \
	  then echo "making $(VENV) with $$python"; exec $$python -m venv $(VENV); fi; \
	done; \
	echo "gradscope needs Python 3.11, 3.12 or 3.13 with the venv module (Debian: apt install python3-venv)" >&2; \
	exit 1

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "installing gradscope and TensorFlow into $(VENV) (about 2 GB, a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	@echo "installing gradscope, TensorFlow and the test tools into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: pyproject.toml | $(VENV)/bin/python
	@echo "installing gradscope, TensorFlow and the packages that Keras imports along into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-peers: pyproject.toml | $(VENV)/bin/python
	@echo "installing gradscope, TensorFlow, PyTorch, wandb and TensorBoard into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[peers]'
	@touch $@ $(VENV)/.installed
