# `make run` and `make test` need python3 with pip, and nothing else; everything they install goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Tests are spread over this many processes: see tests/support/spreading.py.
WORKERS ?= 3
ARGS ?=

.PHONY: run test coverage check bench lock screenshots clean

# The portal with a demonstration in it: web, worker, database, and Stripe's stand-in. Ctrl-C stops all of it.
run: $(INSTALLED)
	$(BIN)/portal demo $(ARGS)

test: $(INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

# The tests that need neither database nor browser, and whether they reach every line and branch of the modules that
# touch nothing outside themselves. `make test ARGS=--cov` says the same beside all other tests.
coverage: $(INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m measured $(ARGS) --cov

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy portal bench
	$(BIN)/lint-imports --no-cache
	$(BIN)/djlint --lint --quiet templates

bench: $(INSTALLED)
	$(BIN)/python -m bench $(ARGS)

# Pictures of every page the browser story visits, in screenshots/.
screenshots: $(INSTALLED)
	PORTAL_SCREENSHOTS=$(CURDIR)/screenshots $(BIN)/python -m pytest -n 0 -m browser $(ARGS)

# The exact versions and hashes; run it after changing dependencies in pyproject.toml.
lock: $(INSTALLED)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --generate-hashes --universal --python-version 3.11 --no-emit-index-url \
		--extra test --extra quality pyproject.toml -o requirements.txt

clean:
	rm -rf $(VENV) factoryline.egg-info

# Where python3 comes without ensurepip (Debian without python3-venv), the machine's own pip fills the environment.
$(INSTALLED): requirements.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV)
	@pip="$(BIN)/python -m pip"; $$pip --version >/dev/null 2>&1 || pip="$(PYTHON) -m pip --python $(BIN)/python"; \
		set -e; echo "Installing what requirements.txt names into $(VENV) ..."; \
		$$pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt; \
		$$pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q portal
	@touch $@
