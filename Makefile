# Everything a newcomer needs: `make demo` and `make test` on a fresh Debian machine, nothing prepared by hand.
# Environment and Debian packages are made on the way (hil/setup.py, hil/packages.py); a second run finds them at once.

SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
ARGS ?=
KEEP ?=
LANG_ ?=
CUTS ?= 30
MINUTES ?= 10
RUNS ?= 1000000
STEPS ?= 100000
DISK_CUTS ?= 100000
# Tests side by side: those that compute as many as there are cores; those with a machine of their own wait most of the time.
TOGETHER := -n auto --dist worksteal
BENCHES := -n 3 --dist loadfile --no-loadscope-reorder

# Tests start dozens of processes: where nothing may be written beside the sources, what is compiled is kept here.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX ?= $(CURDIR)/.cache/compiled

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv packages check lint test demo bench coverage fuzz test-cars test-cuts test-machine torture test-load test-radio mutants constraints clean

help: ## this text
	@echo 'boitier: the box in a shared car, and the bench that proves it.'
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r a b; do printf '%-20s %s\n' "$$a" "$$b"; done
	@echo
	@echo 'Start with `make demo`: a shared Zoe from locked to billed, in three minutes.'
	@echo '  make demo LANG_=fr       tells it in French'
	@echo '  make demo KEEP=1         leaves everything running, and says how to listen, tap a badge, cut the power'
	@echo '  make demo ARGS="..."     hands further words to the demo (ARGS=--help lists them)'
	@echo 'At work on the code: `make check` after each change, `make test` before it leaves your machine.'
	@echo 'Neither needs root. Root installs what Debian has to give; anybody else unpacks it into .cache/.'

venv: $(INSTALLED) ## the virtual environment in .venv, as constraints.txt pins it

$(INSTALLED): pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory .python-is-here
	@$(PYTHON) -m hil.setup $(VENV)
	@touch $@

.PHONY: .python-is-here
.python-is-here:
	@if ! command -v $(PYTHON) >/dev/null; then \
	  echo 'missing: python3 - the language of the whole project'; \
	  if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	    echo 'As root this helps: apt-get install python3 python3-venv'; exit 1; fi; \
	  apt-get update -q; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3 python3-venv; \
	fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed, $(PYTHON) is $$($(PYTHON) -V)."; \
	    echo 'Say which to take: make PYTHON=/path/to/python3.11'; exit 1; }

packages: venv ## the Debian packages of the bench: guest kernel, broker, ...
	@$(RUN) -m hil.packages

check: venv ## the short loop: unit tests, lint, types
	$(RUN) -m pytest -m "not guest and not slow and not long" --ignore=tests/inside $(TOGETHER)
	@$(MAKE) --no-print-directory lint

lint: venv ## ruff, mypy --strict, import-linter
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

test: packages ## everything but the long forms: lint, unit tests, the bench in the guest
	@$(RUN) -m hil.packages systemd gpsd dbus browser
	@$(RUN) -m hil.node
	@$(MAKE) --no-print-directory lint
	$(RUN) -m pytest -m "not guest and not slow" --ignore=tests/inside $(TOGETHER)
	$(RUN) -m pytest -m "guest or slow" $(BENCHES) hil/scenarios tests --ignore=tests/inside
	@echo 'And the tests that need a CAN of their own, inside the guest:'
	$(RUN) -m hil.guest -- $(RUN) -m pytest -v tests/inside

demo: packages ## one day of a shared Zoe, told as it happens
	@$(RUN) -m hil demo $(if $(KEEP),--keep) $(if $(LANG_),--lang $(LANG_)) $(ARGS)

bench: packages ## the numbers of docs/benchmarks.md, measured on this machine
	@$(RUN) -m hil.benchmarks $(ARGS)

coverage: venv ## branches of keyless/ that no test takes: there may be none
	$(RUN) -m coverage run --branch --source=keyless --data-file=.cache/coverage -m pytest tests/test_keyless_*.py tests/test_hil_cross.py
	$(RUN) -m coverage report --data-file=.cache/coverage --show-missing --fail-under=100
	@$(RUN) -m coverage report --data-file=.cache/coverage | \
	  awk '/^TOTAL/ {print $$2 " statements and " $$4 " branches, " $$6 " taken"}' | \
	  xargs -I{} $(RUN) -m hil.results 'branches of keyless' '{}'

fuzz: venv ## RUNS=1000000 made-up inputs for every parser of bytes from outside, or for ARGS="nmea gpsd" (make test: 20,000)
	$(RUN) -m tests.fuzz $(ARGS) --runs $(RUNS)

test-cars: packages ## a day of every shared car against the simulator's ledger (make test: of every other)
	BOITIER_ALL_CARS=1 $(RUN) -m pytest hil/scenarios/test_car_days.py -s

test-cuts: packages ## CUTS=30 power cuts at random moments, a third as many at each exact point of a command
	BOITIER_CUTS=$(CUTS) $(RUN) -m pytest hil/scenarios -k cuts -s

test-machine: venv ## STEPS=100000 of the key's life in any order, and every broken guard found
	BOITIER_MACHINE_STEPS=$(STEPS) $(RUN) -m pytest tests/test_door_machine.py tests/test_door_machine_teeth.py -s

torture: venv ## DISK_CUTS=100000 power cuts at every write of the store; disk full and failing at every place
	BOITIER_DISK_CUTS=$(DISK_CUTS) $(RUN) -m pytest tests/test_store_cuts.py tests/test_store_every_statement.py -s

test-load: packages ## a full bus read for MINUTES=10: nothing may be lost
	@$(RUN) -m hil.benchmarks.loss $(MINUTES)

.PHONY: .phones-are-here
.phones-are-here: venv
	@$(RUN) -c 'import bumble' 2>/dev/null || $(RUN) -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[radio]'

test-radio: packages .phones-are-here ## phones open the car over a real Bluetooth stack, in an emulated machine
	@$(RUN) -m hil.packages radio
	BOITIER_RADIO=1 $(RUN) -m pytest hil/scenarios/test_radio.py tests/test_phones_daemon.py -m slow -s

.PHONY: .mutants-are-here
.mutants-are-here: venv
	@$(RUN) -c 'import mutmut' 2>/dev/null || $(RUN) -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[mutants]'

mutants: .mutants-are-here ## every small change of the key's core must fail a test, or stand in docs/mutants.md
	nice -n 15 $(RUN) -m tests.mutants

constraints: venv .phones-are-here .mutants-are-here ## write constraints.txt from what is installed now
	@{ sed -n '/^#/p' constraints.txt; $(RUN) -m pip freeze --exclude-editable; } > constraints.new
	@mv constraints.new constraints.txt

clean: ## remove the environment and every cache
	rm -rf $(VENV) mutants .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache out *.egg-info
