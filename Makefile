# Lifeboat's tasks. `make help` lists them; each sets up what it needs.
#
#   make test PYTHON=python3.13 VENV=.venv-3.13     another Python, beside the first
#   make test TESTS=tests/tree                      a part of the tests

PYTHON ?= python3
VENV    = .venv
TESTS  ?= tests
JOBS   ?= 2

BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
BUILDER := $(VENV)-build

.DEFAULT_GOAL := help
.PHONY: help setup packages check lint test test-fleet fmt demo drive-demo bench bench-repair docs pyz wheel wheelhouse clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make a virtual environment with the pinned versions

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Lifeboat needs Python 3.11 or newer: make setup PYTHON=python3.11" >&2; exit 1; }
	@echo "Setting up $(VENV) …"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -qq --constraint constraints.txt pip setuptools
	@$(BIN)/python -m pip install -qq --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $@

$(BUILDER)/.ready: constraints.txt # What builds wheels: a fraction of what the tests need
	@$(PYTHON) -m venv --clear $(BUILDER)
	@$(BUILDER)/bin/python -m pip install -qq --constraint constraints.txt pip setuptools
	@touch $@

packages: # Install, or name, the Debian packages of the tests
	@scripts/debian-packages tests/packages.txt

check: lint ## Format, lint, types, import contracts, rules of the house
	$(BIN)/python -m pytest tests/architecture

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: export PYTHONDONTWRITEBYTECODE = # hundreds of processes read the byte code that is made here
test: packages lint ## Everything: check, then all tests
	$(BIN)/python -m compileall -q toolkit tui
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup $(TESTS)

test-fleet: packages $(READY) ## The Ansible roles on real servers, which systemd-nspawn boots here (as root)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup tests/fleet

fmt: $(READY) ## Format the code and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

demo: $(READY) ## Back up, verify, restore, rescue and undo a small shop that goes on working
	$(BIN)/python examples/demo/demo.py

drive-demo: $(READY) ## Off-site without an account: a Drive on this machine, there and back
	$(BIN)/python examples/demo/drive.py

bench: $(READY) ## Measure speed and memory against other tools (docs/performance.md)
	$(BIN)/python bench/bench.py

bench-repair: $(READY) ## Score repair and diagnosis on damaged databases (docs/repair.md)
	$(BIN)/python bench/repair.py --unseen --count 4 --with-backup --baseline --jobs $(JOBS) --page
	$(BIN)/python bench/repair.py --speed --page

docs: $(READY) ## Write the generated pages of docs again
	$(BIN)/python scripts/reference.py

pyz: $(READY) ## Build dist/lifeboat.pyz, one file that runs where nothing is installed
	$(BIN)/python scripts/pyz.py dist/lifeboat.pyz

wheel: $(BUILDER)/.ready ## Build the wheel in dist/
	rm -rf build
	$(BUILDER)/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

wheelhouse: $(BUILDER)/.ready ## Build one tar in dist/ from which servers install without a network
	$(BUILDER)/bin/python scripts/wheelhouse.py dist

clean: ## Remove what was built; the virtual environments stay
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis .pytest_cache
	find toolkit tui tests scripts bench examples -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
