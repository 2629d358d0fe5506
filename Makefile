# The commands of this checkout. Everything is installed into .venv; nothing outside the checkout is changed.
#   make run      install, run the default campaign, say where the report is
#   make test     install, run the whole test suite
#   make help     the other targets
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
EXTRAS ?= dev
# Test processes. JOBS=0 runs in one process, which a debugger needs.
JOBS ?= 2
# Handed on: make run ARGS="seed=3", make test ARGS="-k journal", make bench ARGS="cli.help_s".
ARGS ?=

BIN := .venv/bin
comma := ,
STAMP := .venv/.installed-$(subst $(comma),+,$(EXTRAS))
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install run test smoke check format bench peers fresh clean

help: ## say what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or later is needed, $(PYTHON) is {v[0]}.{v[1]}: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (a few minutes the first time)"
	@$(BIN)/python -m pip install -qq -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

install: $(STAMP) ## create .venv and install what constraints.txt pins (EXTRAS=dev,io-em adds file readers)
	@echo "Installed: $(BIN)/probewright --help"

run: $(STAMP) ## run the default campaign, which ends by saying where its report is
	@$(BIN)/probewright run $(ARGS)

test: $(STAMP) ## run the whole test suite; skips are counted and printed
	@$(BIN)/python -m pytest -rs -n $(JOBS) --dist loadfile $(ARGS)

smoke: $(STAMP) ## the smallest benchmark, under a minute: policies on the twin, beside an oracle
	@$(BIN)/probewright benchmark suite=smoke $(ARGS)

check: $(STAMP) ## ruff, mypy strict, and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## measure every figure, or those named by ARGS
	@$(BIN)/python -m benchmarks $(or $(ARGS),--all)

peers: ## create the environments of the optimisers that suite=peers runs beside ours (docs/peers.md)
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install -q -c constraints.txt -r benchmarks/peers/requirements.txt
	@test -x .venv-peers-gpax/bin/python || $(PYTHON) -m venv .venv-peers-gpax
	@.venv-peers-gpax/bin/python -m pip install -q -r benchmarks/peers/requirements-gpax.txt
	@echo "Now: $(BIN)/probewright benchmark suite=peers"

fresh: ## prove that a clean clone works: clone HEAD aside, make run and make test in an emptied environment
	@.ci/fresh

clean: ## remove .venv and caches; runs/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
