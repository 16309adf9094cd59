# What one needs is Python 3.11 or newer with venv, make and git; every target sets up what it uses in .venv, once.
#   make demo    a made-up fleet, opened in the terminal UI (without a terminal: a transcript of two devices)
#   make test    the test suite        make check   linters, types, import contracts, diagrams, translations
#   make bench   measured figures      make soak    the long random tests
#   make bench scale FACTS=1000000    one of them at so many facts: scale, or mirror (in PostgreSQL)
#   make bare    as root, long: demo, tests and syncs on Debian 12 and 13 with nothing else on them (BARE="trixie sid")
#   make package what people install, into dist: a .deb and an archive of wheels, of what is committed (ARCH=arm64)
#   make package-check   as root, long: the .deb on a bare Debian 12 without a network
#   make translations   the German catalogue brought up to date with the code
#   make diagrams   the diagrams of states in docs/wire-format.md, made from the code
#   make recording  the film in the README: two real programs on a cable (needs tmux)
#   make lock    new hash-pinned locks after a change of pyproject.toml (UPGRADE=--upgrade takes newer versions)

# The distribution's interpreter, which is what people have, then the others: the first that is new enough and has venv.
# `make PYTHON=python3.12 test` takes another one, in an environment of its own (.venv-3.12.3).
ifdef PYTHON
VENV  ?= .venv-$(shell "$(PYTHON)" -c 'import platform; print(platform.python_version())' 2>/dev/null)
endif
VENV  ?= .venv
PYTHON ?= $(shell for modules in sys,ensurepip,venv sys; do for p in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c "import $$modules; sys.exit(sys.version_info < (3, 11))" 2>/dev/null && { echo "$$p"; exit; }; done; done)
VENV  := $(VENV)
BIN   := $(VENV)/bin
PIP   := $(BIN)/python -m pip install --quiet --disable-pip-version-check --prefer-binary
TESTS ?=
WORKERS ?= 4
BARE ?= bookworm trixie
# `make bench mirror` runs that one; the words behind `bench` are no targets of their own.
ifeq (bench,$(firstword $(MAKECMDGOALS)))
BENCHES := $(wordlist 2,99,$(MAKECMDGOALS))
$(eval $(if $(BENCHES),$(BENCHES):;@:))
endif

GERMAN := tui/locale/de/LC_MESSAGES/fieldline
# An error's first argument is its text; the other functions are those of tui/i18n/translate.py.
EXTRACT = $(BIN)/pybabel --quiet extract --no-location --sort-output --no-wrap --project Fieldline --copyright-holder "the Fieldline authors" \
	-k N_ -k FieldlineError -k Refused -k BlockRefused -k AuthorUnknown -k OverLimit -k OwnChainGap -k StoreError -k StoreDamaged -k StoreGone -k StoreUnwritable -k SealedForOthers -k ForeignBundle -k DamagedBundle -k OldBundle \
	-k LinkError -k NotAdmitted -k OtherLinkVersion -k OwnKeyError -k UnknownPeer -k Unable -k PortError -k PortAbsent -k PairingFailed -k PeerRestarted -k MirrorError -k MirrorUnreachable -k refused_error -k refuse \
	-o $(VENV)/fieldline.pot core tui
UPDATE = $(BIN)/pybabel --quiet update --init-missing --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --no-wrap \
	--locale de -i $(VENV)/fieldline.pot -o $(GERMAN).po

# With it in the environment every program that a test starts would compile all of the code once more.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test check translations diagrams recording bench soak bare package package-check lock clean setup
.DELETE_ON_ERROR:

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/run.stamp
	@$(BIN)/fieldline demo

test: $(VENV)/dev.stamp
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal $(TESTS)

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m tests.state_diagrams --check
	@$(EXTRACT)
	@$(UPDATE) --check 2>/dev/null && $(BIN)/pybabel --quiet compile -i $(GERMAN).po -o $(VENV)/fieldline.mo && cmp -s $(VENV)/fieldline.mo $(GERMAN).mo || \
		{ echo "The catalogue $(GERMAN).po is behind the code: run make translations, then translate what is new." >&2; exit 1; }

bench: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.bench $(BENCHES)

soak: $(VENV)/dev.stamp
	@HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "soak or not soak" --timeout 3600 $(TESTS)

bare:
	@TESTS="$(TESTS)" tests/bare/run $(BARE)

package: $(VENV)/run.stamp
	@PYTHONPATH=packaging $(BIN)/python -m fieldline_package $(if $(ARCH),--arch $(ARCH))

package-check: $(VENV)/run.stamp
	@PYTHON=$(BIN)/python packaging/check

# New texts of core and tui into the German catalogue, and the catalogue into the form that is read at run time.
translations: $(VENV)/dev.stamp
	@$(EXTRACT)
	@$(UPDATE)
	@$(BIN)/pybabel compile --statistics -i $(GERMAN).po -o $(GERMAN).mo

diagrams: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.state_diagrams

recording: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.recording

setup: $(VENV)/dev.stamp

clean:
	rm -rf $(VENV) .venv .venv-* dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage* htmlcov snapshot_report.html
	find core tui tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment, a stamp a lock file

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Fieldline needs Python 3.11 or newer: install it (Debian, Ubuntu: apt install python3 python3-venv), or name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is missing or too old: Fieldline needs Python 3.11 or newer. Name another one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module: install it (Debian, Ubuntu: apt install python3-venv), then run make again." >&2; exit 1; }
	@echo "Setting up $(VENV) (once) ..." >&2
	@"$(PYTHON)" -m venv --clear $(VENV)

$(VENV)/run.stamp: requirements/run.txt pyproject.toml | $(BIN)/python
	@$(PIP) --require-hashes -r requirements/run.txt
	@$(PIP) --no-build-isolation --no-deps --no-index -e .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

# --- the locks: every platform's hashes, no host names

COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE) pyproject.toml --extra build

lock: $(BIN)/python
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(BIN)/python -m venv "$$tools"; "$$tools/bin/pip" install --quiet --disable-pip-version-check uv; \
	PATH="$$tools/bin:$$PATH"; \
	$(COMPILE) -o requirements/run.txt; \
	$(COMPILE) --extra mirror --extra dev -c requirements/run.txt -o requirements/dev.txt
	@git --no-pager diff --stat requirements || true
