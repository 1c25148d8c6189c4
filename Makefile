# Everything happens in $(VENV), which is made on first use and made anew when pyproject.toml or requirements.lock changes:
# by uv where there is one, with the versions of requirements.lock, and by pip otherwise, with the newest that fit.
# Another Python, in an environment of its own:  make test PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= dev
WORKERS ?= auto
PYTEST_ARGS ?=
BOTO3_TESTS := $(addprefix tests/deployer_aws/,aws events executors scenarios simulator)

UV ?= $(shell command -v uv)
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST := $(BIN)/python -m pytest
SUITE = $(PYTEST) -n $(WORKERS) --maxprocesses 8

.DEFAULT_GOAL := help
.PHONY: help run quick test thorough explore campaign newest check format lint types imports docs templates rendered drawings cover bench golden lock clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY)  ## rehearse examples/orders, with a version that is put back: a simulated AWS, real databases, real migrations
	PATH="$(abspath $(BIN)):$$PATH" deployer rehearse $(sort $(wildcard examples/orders/v*.yaml))

quick: $(READY)  ## run the core's tests and one thin way through everything else, in less than a minute
	HYPOTHESIS_PROFILE=sample $(SUITE) -m quick $(PYTEST_ARGS)

test: $(READY)  ## run the suite, with a sample of what is exhaustive (more to pytest: PYTEST_ARGS='-k barrier -x')
	HYPOTHESIS_PROFILE=quick $(SUITE) -m 'not thorough' $(PYTEST_ARGS)

thorough: $(READY) drawings  ## run what `make test` leaves out: every moment to be killed at, the largest worlds, other tools
	HYPOTHESIS_PROFILE=quick $(SUITE) -m thorough $(PYTEST_ARGS)

explore: $(READY)  ## walk every state of two deployments on two databases, with a process for each core
	$(BIN)/deployer explore --deployments 2 --databases 2

campaign: $(READY)  ## run everything with forty times as many generated examples, for as long as it takes
	HYPOTHESIS_PROFILE=thorough $(SUITE) $(PYTEST_ARGS)

newest:  ## run what touches boto3 on the newest boto3, without ministack, which needs an old one
	$(MAKE) --no-print-directory test VENV=$(VENV)-newest EXTRAS=test-newest UV= PYTEST_ARGS='$(BOTO3_TESTS) $(PYTEST_ARGS)'

check: lint types imports docs templates rendered  ## run every check that is not a test
	@echo 'All checks passed.'

lint: $(READY)  ## check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY)  ## check types with mypy and pyright; what the packages offer has to be typed whole
	$(BIN)/mypy
	$(BIN)/pyright --project pyproject.toml --pythonpath $(BIN)/python --warnings
	@for package in deployer_core deployer_aws; do \
	  told=$$(PATH="$(abspath $(BIN)):$$PATH" $(BIN)/pyright --ignoreexternal --verifytypes $$package) \
	    || { echo "$$told"; exit 1; }; \
	  echo "$$package: $$(echo "$$told" | grep score)"; \
	done

imports: $(READY)  ## check that the core is pure and knows nothing of the adapter
	$(BIN)/lint-imports --no-logo

docs: $(READY)  ## run the examples in README.md, in docs/ and in docstrings
	$(PYTEST) -q README.md docs src

templates: $(READY)  ## check the examples' CloudFormation templates
	$(BIN)/cfn-lint --non-zero-exit-code informational examples/*/template.yaml

rendered: $(READY)  ## check that each rendered drawing is of its source
	$(BIN)/python diagrams/render.py --check

drawings: $(READY)  ## render the drawings whose source has changed (needs npx and Chromium)
	$(BIN)/python diagrams/render.py

format: $(READY)  ## put style and formatting right where a tool can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

cover: $(READY)  ## run the suite and hold the core to 100 % of branches, the rest to 97 %
	$(BIN)/coverage erase
	@failed=0; \
	HYPOTHESIS_PROFILE=quick $(SUITE) -m 'not thorough' --cov --cov-report= $(PYTEST_ARGS) || failed=1; \
	$(BIN)/coverage report --include='*/deployer_core/*' --fail-under=100 || failed=1; \
	$(BIN)/coverage report --include='*/deployer_aws/*' --fail-under=97 || failed=1; \
	exit $$failed

bench: $(READY)  ## time the core and the journal beside hand-written floors
	$(BIN)/python -m benchmarks

golden: $(READY)  ## write what is derived from the code anew: diagrams, golden texts, tables
	$(BIN)/python -m tests.regenerate
	$(BIN)/python -m tests.deployer_core.samples

lock:  ## write requirements.lock anew, with the newest versions that fit (needs uv)
	uv pip compile --universal --upgrade --quiet --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --extra dev --custom-compile-command 'make lock' --output-file requirements.lock pyproject.toml

clean:  ## remove all that make has made
	rm -rf $(VENV) .venv-* .deployer .coverage .coverage.* build dist .hypothesis
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed and '$(PYTHON)' is not: try make PYTHON=python3.12" >&2; exit 1; }
ifneq ($(UV),)
	@echo 'Setting up $(VENV) with uv.'
	@$(UV) venv --quiet --clear --python '$(shell command -v $(PYTHON))' $(VENV)
	@$(UV) pip install --quiet --python $(BIN)/python --constraints requirements.lock --editable '.[$(EXTRAS)]'
else
	@$(PYTHON) -m venv --clear $(VENV) \
	  || { echo "'$(PYTHON) -m venv' failed: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }
	@echo 'Setting up $(VENV): a minute or so, only now and when pyproject.toml has changed.'
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[$(EXTRAS)]'
endif
	@touch $@
