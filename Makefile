# Two commands for a newcomer: `make demo` and `make test`. Each sets up `.venv` first, once.
# Needs make, git and Python 3.11+; another Python: make setup PYTHON=/path/to/python3.12

.DEFAULT_GOAL := help
.PHONY: help demo test llama check setup lock clean

# bytecode is kept: without it every start compiles torch's and transformers' modules anew, 15 s
unexport PYTHONDONTWRITEBYTECODE

PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
HYPOTHESIS_PROFILE ?= $(if $(filter true,$(CI)),ci,dev)
export HYPOTHESIS_PROFILE

# Runs its argument with the first Python that is new enough. Each is tried: a name on the PATH may be a
# stand-in for a version that is not installed.
with_python = for python in $(PYTHONS); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then exec "$$python" $(1); fi; \
	done; \
	echo "Hookline needs Python 3.11 or newer; none of these is: $(PYTHONS). Try make setup PYTHON=/path/to/python" >&2; exit 1

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup ## plan next month for the sample creators and write the calendar
	@.venv/bin/hookline demo

test: setup ## run the tests with branch coverage (ARGS="-k name" for some of them)
	.venv/bin/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal --cov --cov-report=term --hypothesis-profile=$(HYPOTHESIS_PROFILE) $(ARGS)

llama: setup ## install llama.cpp's server and a small model: `make test` runs against them too (130 MB)
	@.venv/bin/python -m tools.llama

check: setup ## format, lint, types, import contracts, dependencies, audit
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/deptry .
	.venv/bin/python tools/audit.py

setup: ## make .venv or bring it up to date; the targets above do it themselves
	@$(if $(PYTHON),,.venv/bin/python -IS tools/set_up.py --check 2>/dev/null ||) { $(call with_python,tools/set_up.py); }

lock: ## compile constraints.txt from pyproject.toml (UPGRADE=1: newest versions)
	@$(call with_python,tools/set_up.py --lock $(if $(UPGRADE),--upgrade))

clean: ## remove .venv and what the tools left; calendars and stores stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
