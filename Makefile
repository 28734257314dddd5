# make setup | demo | test | test-all | lint | docs
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

VENV    ?= .venv
TORCH   ?= torch==2.13.0
FAIRSEQ ?= fairseq-fixed==0.12.3.1
EXTRAS  ?= nmt,vision,xmc,faces,demo,plots,dev
comma   := ,
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
PIP     := $(BIN)/python -m pip --disable-pip-version-check

# The first of these that runs and is new enough. It is not enough that a name is on the PATH: pyenv puts names there
# that only print an error. An environment that exists keeps its Python.
PYTHONS    := $(strip $(wildcard $(BIN)/python) python3.11 python3.12 python3.13 python3)
NEW_ENOUGH := import sys; print(sys.version.split()[0]); sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in $(PYTHONS); do $$name -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && echo $$name && break; done)

.PHONY: setup demo test test-all lint format docs clean

setup: $(READY)

# Everything that can be refused is refused before the first download.
define CHECK
fail() { echo "error: $$1" >&2; exit 1; }; \
named="name a Python 3.11 or later: make setup PYTHON=/path/to/python"; \
python="$(PYTHON)"; \
test -n "$$python" || fail "none of $(PYTHONS) runs and is Python 3.11 or later; install one or $$named"; \
if ! version=$$("$$python" -c '$(NEW_ENOUGH)' 2>/dev/null); then \
  test -n "$$version" || fail "$$python does not run; $$named"; \
  fail "$$python is Python $$version, which is too old; $$named"; \
fi; \
"$$python" -c 'import ensurepip, venv' 2>/dev/null || \
  fail "$$python cannot make virtual environments; install its venv module (Debian: apt-get install python3-venv)"; \
"$$python" -c 'import os, sysconfig; open(os.path.join(sysconfig.get_paths()["include"], "Python.h"))' 2>/dev/null || \
  fail "$$python has no C header files, which fairseq needs; install them (Debian: apt-get install python3-dev)"; \
command -v g++ >/dev/null || \
  fail "g++ not found; fairseq has C++ parts: install a compiler (Debian: apt-get install g++)"; \
if test -e $(BIN)/python -o -L $(BIN)/python; then \
  there=$$($(BIN)/python -c '$(NEW_ENOUGH)' 2>/dev/null) && test "$$there" = "$$version" || \
    fail "$(VENV) was made by another Python than $$python ($$version); remove it or choose another folder by VENV="; \
fi
endef

# $(call stage,WHAT,COMMAND): says what comes, runs it and says how long it took.
define stage
@echo "== $(1)"; $(2) && echo "== done in $$SECONDS s"
endef

# pip takes the CUDA build of torch on Linux unless it finds a CPU wheel first (PIP_FIND_LINKS, PIP_INDEX_URL).
# setuptools, Cython, torch and numpy come first because fairseq is compiled against the ones in this environment,
# hence no build isolation. fairseq comes last and without its dependencies: they ask for torchaudio, which is not
# needed here and does not load next to a CPU torch; what fairseq does need is the extra "nmt".
$(READY): pyproject.toml Makefile
	@$(CHECK)
	$(call stage,1/4 virtual environment in $(VENV) by $(PYTHON),{ $(PIP) --version >/dev/null 2>&1 || "$(PYTHON)" -m venv $(VENV); })
	$(call stage,2/4 $(TORCH): 0.2 GB of downloads as CPU build or 1.4 GB as CUDA build,$(PIP) install "setuptools>=70.1" cython "$(TORCH)" "numpy>=1.26$(comma)<3")
	$(call stage,3/4 this project and what it needs: 0.2 GB of downloads,$(PIP) install --no-build-isolation -e ".[$(EXTRAS)]")
	$(call stage,4/4 $(FAIRSEQ): compiles for 3 to 10 minutes without further output,$(PIP) install --no-deps --no-build-isolation "$(FAIRSEQ)")
	@$(BIN)/python -W ignore -c "import logging; logging.disable(); import fairseq, mhe_nmt, torch; \
	  print('ready: torch', torch.__version__, 'fairseq', fairseq.__version__)"
	@touch $(READY)

# make demo                        compares output layers on a made corpus, with no download
# make demo SRC=a.de TGT=a.en      the same on your own two files, one sentence per line
SRC ?=
TGT ?=
SRC_LANG ?= de
TGT_LANG ?= en
OUT ?= demo-out
ARGS ?=
demo: $(READY)
	$(BIN)/python -m examples.demo --out "$(OUT)" \
	  $(if $(SRC),--src "$(SRC)" --tgt "$(TGT)" --source-lang $(SRC_LANG) --target-lang $(TGT_LANG)) $(ARGS)

# The fast set takes a few minutes, all tests about three times as long. Each worker begins with one stretch of
# the tests (worksteal), so that a module's fixtures are seldom made twice.
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal

test: $(READY)
	$(PYTEST) $(ARGS)

test-all: $(READY)
	$(PYTEST) --slow $(ARGS)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/codespell

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The site, into build/site; a broken link or anchor is an error. It needs no network: no font, icon or script comes from
# elsewhere. Pages can be opened as files; browsers run the search only from a server (python -m http.server).
docs: $(READY)
	@$(BIN)/python -c "import mkdocs, material, mkdocstrings" 2>/dev/null || $(PIP) install -q --no-build-isolation -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "written to build/site/index.html"

clean:
	rm -rf demo-out build/site .pytest_cache .mypy_cache .ruff_cache
