# make run: set up and open the page.  make test: set up, then lint, floors, unit and browser tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: run test setup lint unit browser screenshots clean

run: setup
	@$(BIN)/python app.py

setup: $(VENV)/run.ready
	@$(BIN)/python -m explorer setup

test: setup $(VENV)/test.ready lint unit browser

lint: $(VENV)/test.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

unit: $(VENV)/test.ready
	$(BIN)/python -m pytest -m "not browser and not alone and not gpu" -n auto --dist loadfile
	$(BIN)/python -m pytest -m "alone"

browser: $(VENV)/test.ready
	@command -v chromium >/dev/null || \
	  { $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q --no-install-recommends chromium; }
	$(BIN)/python -m pytest -m browser

# The pictures of the README, taken from the real page.
screenshots: setup $(VENV)/test.ready
	$(BIN)/python -m pytest -m browser tests/browser/test_story.py --keep-screenshots

# torch is named alone and first: asked for through other packages it may come as another build.
$(VENV)/run.ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  f"Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}.")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q "torch==2.13.0"
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements.txt
	@touch $@

$(VENV)/test.ready: $(VENV)/run.ready tests/requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check -q -r tests/requirements.txt
	@touch $@

clean:
	rm -rf $(VENV) build .pytest_cache .ruff_cache .import_linter_cache .hypothesis
