# Two commands matter: `make run` and `make test`. `make help` lists the rest.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
APT := mosquitto chromium dbus-daemon fonts-noto-cjk network-manager polkitd postgresql udev shellcheck
APT_VM := qemu-system-x86 busybox-static cpio kmod bluez dbus-daemon
UV ?= uv

.PHONY: help run test test-vm check unit coverage e2e drills ui fuzz bench lock format clean apt

help:  ## list the commands
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 20

run: $(VENV)/.demo  ## a whole center on this machine, no hardware, no configuration
	@exec $(BIN)/zhijiao demo

test:  ## everything: lint, types, unit, end to end, browser
	@$(MAKE) -s -j2 apt $(VENV)/.dev
	@./.ci/test

test-vm: $(VENV)/.dev  ## Bluetooth with the real bluetoothd on a Linux of its own in QEMU: minutes, 70 MB fetched once
	@$(MAKE) -s apt APT="$(APT_VM)"
	@./tests/vm/run ./tests/vm/tests

check: $(VENV)/.dev  ## lint, types and import contracts
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

unit: $(VENV)/.dev  ## tests without processes and browser
	@$(BIN)/python -m pytest -q -n 4 --dist loadfile -m "not e2e and not ui and not drill"

coverage: $(VENV)/.dev  ## what the unit tests do not reach (they take half as long again)
	@$(BIN)/python -m pytest -q -n 4 --dist loadfile -m "not e2e and not ui and not drill" --cov --cov-report=term

e2e: $(VENV)/.dev  ## real processes, ptys, mosquitto
	@$(BIN)/python -m pytest -q -m e2e

drills: $(VENV)/.dev  ## the long drills of the durable path: hours, needs root (docs/drills.md)
	@./.ci/drills long

ui: $(VENV)/.dev  ## the page in headless Chromium
	@$(BIN)/python -m pytest -q tests/ui

fuzz: $(VENV)/.dev  ## a million mutated inputs for each family of protocols, about an hour (FUZZ="--family osdp --inputs 20000")
	@$(BIN)/python -m tests.fuzz $(FUZZ)

bench: $(VENV)/.dev  ## print how fast and how small, beside real peers of the same minutes (BENCH="latency --rounds 1")
	@$(BIN)/python -m tests.bench $(BENCH)

format: $(VENV)/.dev  ## format and fix
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock:  ## compile the lock files anew (needs uv)
	@for one in "dev --all-extras" "demo --extra demo -c requirements/dev.lock" "runtime -c requirements/dev.lock"; do \
	  set -- $$one; name=$$1; shift; \
	  $(UV) pip compile -q --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
	    --no-emit-index-url --no-emit-find-links --no-strip-extras pyproject.toml requirements/build.in "$$@" \
	    -o requirements/$$name.lock || exit 1; \
	done

apt:  # what the tests need from the system, where it may be installed
	@missing=""; for one in $(APT); do \
	  dpkg -s $$one >/dev/null 2>&1 || missing="$$missing $$one"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then sudo=""; elif sudo -n true 2>/dev/null; then sudo="sudo -n"; else \
	    echo "Some tests cannot run. To run them: sudo apt-get install --no-install-recommends$$missing"; exit 0; fi; \
	  $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	    $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi

# A stamp says that the environment holds what the lock file says. A broken one is made anew.
$(VENV)/.demo: requirements/demo.lock pyproject.toml
	@if [ ! -e $(VENV)/.dev ] || [ $(VENV)/.dev -ot requirements/dev.lock ]; then $(call install,demo); fi
	@touch $@

$(VENV)/.dev: requirements/dev.lock pyproject.toml
	@$(call install,dev)
	@touch $@

define install
echo "installing the locked environment ($(1)) into $(VENV) ..."; \
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=...)"; exit 1; }; \
[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) || { echo "To make the environment: apt-get install python3-venv"; exit 1; }; \
$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/$(1).lock && \
$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps --no-index -e .
endef

clean:  ## remove what was made here, the demo's state included
	rm -rf $(VENV) .state .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
