# `make lab` to try it, `make test` to test it. Each sets up what it needs, once.
#
# People and tests have environments of their own: what somebody installs to try it in JupyterLab
# must not change what the tests find.

LAB := .venv
TEST := .venv-test
OLDEST := .venv-oldest
FRONTEND := jupyter_ai_personas/frontend
LABEXTENSION := jupyter_ai_personas/labextension
REQUIREMENTS := pyproject.toml examples/acme_personas/pyproject.toml $(wildcard jupyter-config/*/*) \
	$(LABEXTENSION)/package.json

# The first Python that is new enough; `make lab PYTHON=/path/to/python` takes another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)

# JupyterLab refuses to run as root, which is who one is in most containers, unless it is told to.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

# Two processes, each with whole test files; more of them do not help on two processors.
PYTEST := $(TEST)/bin/pytest -n 2 --dist loadfile

.PHONY: help lab cluster test test-slow test-oldest lint frontend docs bench chaos chaos-hosts clean
.DELETE_ON_ERROR:

help:  ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

lab: $(LAB)/ready .workspace  ## open JupyterLab on a copy of examples/workspace; ARGS="--no-browser"
	cd .workspace && "$(CURDIR)/$(LAB)/bin/jupyter" lab $(AS_ROOT) \
		--LabApp.default_url=/lab/tree/welcome.chat $(ARGS)

cluster: $(LAB)/cluster .workspace  ## ask a persona on a Dask cluster of this machine; ARGS="--lab"
	cd .workspace && "$(CURDIR)/$(LAB)/bin/python" "$(CURDIR)/examples/cluster/cluster.py" $(ARGS)

test: $(TEST)/ready $(TEST)/chromium  ## run every test but the slow ones; ARGS="-k name"
	$(PYTEST) -m "not slow" $(ARGS)

test-slow: $(TEST)/ready $(TEST)/chromium  ## run the slow tests: what is only larger
	$(PYTEST) -m slow $(ARGS)

test-oldest: $(OLDEST)/ready  ## test the lowest versions of the declared ranges
	$(OLDEST)/bin/pytest tests/ranges tests/providers $(ARGS)
	@# Each extra by itself: together, one would raise the versions of another.
	@set -e; for extra in $$($(OLDEST)/bin/python tests/ranges/construct.py); do \
		$(OLDEST)/bin/uv run --quiet --isolated --no-project --python $(OLDEST)/bin/python \
			--resolution lowest-direct --with-editable ".[$$extra]" \
			python tests/ranges/construct.py $$extra; \
	done

lint: $(TEST)/ready  ## check format, style and types
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/ruff check .
	$(TEST)/bin/mypy

frontend: $(FRONTEND)/node_modules/ready  ## check, test and bundle the front end; needs Node.js
	cd $(FRONTEND) && npm run --silent lint && npm run --silent test && npm run --silent build
	@# The example is built with our tools.
	ln -sfn ../../$(FRONTEND)/node_modules examples/words_labextension/node_modules
	cd examples/words_labextension && node ../../$(FRONTEND)/build.mjs
	@# An installed package has a copy of the bundle.
	@for there in $(wildcard $(LAB) $(TEST)); do \
		there=$$there/share/jupyter/labextensions/jupyter-ai-personas; \
		rm -rf $$there && mkdir -p $$there && \
		cp -R $(LABEXTENSION)/. $(FRONTEND)/install.json $$there || exit 1; \
	done

docs: $(TEST)/ready  ## build the documentation; a warning is an error
	$(TEST)/bin/sphinx-build -W --keep-going -E -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

bench: $(TEST)/bench  ## measure, side by side with the alternative; ARGS="--quick"
	cd tests && ../$(TEST)/bin/python -m benchmarks $(ARGS)

chaos: ROUNDS ?= 30
chaos: $(TEST)/ready  ## kill the server while people chat; ROUNDS=30 ARGS="--hosts dask"
	cd tests && ../$(TEST)/bin/python -m chaos --rounds $(ROUNDS) $(ARGS)

chaos-hosts: ROUNDS ?= 30
chaos-hosts: $(TEST)/ready  ## kill workers, schedulers and the server while people chat
	cd tests && ../$(TEST)/bin/python -m chaos --hosts processes --rounds $(ROUNDS) $(ARGS)
	cd tests && ../$(TEST)/bin/python -m chaos --hosts dask --rounds $(ROUNDS) $(ARGS)

clean:  ## remove the environments and whatever was built; .workspace/ stays
	rm -rf $(LAB) $(TEST) $(OLDEST) docs/_build build dist $(FRONTEND)/lib $(FRONTEND)/node_modules

# What people write in the chat changes its file: they work in a copy, which git ignores.
.workspace:
	cp -R examples/workspace .workspace

$(LAB)/ready: $(REQUIREMENTS)
	$(call make_environment,$(LAB))
	$(LAB)/bin/python -m pip install -e '.[lab]' -e ./examples/acme_personas
	@# The question about news would lie over the button that sends.
	$(LAB)/bin/jupyter labextension disable --level=sys_prefix \
		@jupyterlab/apputils-extension:announcements
	@touch $@

$(LAB)/cluster: $(LAB)/ready
	$(LAB)/bin/python -m pip install -e '.[lab,dask]'
	@touch $@

$(TEST)/ready: $(REQUIREMENTS)
	$(call make_environment,$(TEST))
	$(TEST)/bin/python -m pip install -e '.[lab,test,lint,docs]'
	@touch $@

$(TEST)/bench: $(TEST)/ready
	$(TEST)/bin/python -m pip install -e '.[bench]'
	@touch $@

$(OLDEST)/ready: $(REQUIREMENTS) tests/providers/oldest/requirements.txt
	$(call make_environment,$(OLDEST))
	$(OLDEST)/bin/python -m pip install uv
	$(OLDEST)/bin/uv pip install --python $(OLDEST)/bin/python --resolution lowest-direct \
		-e '.[lab]' -r tests/providers/oldest/requirements.txt
	@touch $@

$(FRONTEND)/node_modules/ready: $(FRONTEND)/package.json $(FRONTEND)/package-lock.json
	@command -v npm >/dev/null || { echo "On Debian and Ubuntu: apt-get install nodejs npm"; exit 1; }
	cd $(FRONTEND) && npm ci
	@touch $@

# The browser tests take Debian's Chromium, or else Playwright's own.
$(TEST)/chromium: $(TEST)/ready
	@test -n "$$CHROMIUM" || command -v chromium-headless-shell || command -v chromium || \
		$(TEST)/bin/playwright install chromium
	@touch $@

define make_environment
@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found."; exit 1; }
@test -x $(1)/bin/pip || $(PYTHON) -m venv --clear $(1) || { \
	echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
endef
