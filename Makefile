# make setup | demo | test | lint
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON  ?= python3.11
VENV    ?= .venv
TORCH   ?= torch==2.13.0
FAIRSEQ ?= fairseq-fixed==0.12.3.1
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready

.PHONY: setup demo test lint format clean

setup: $(READY)

# pip gives the CUDA build of torch on Linux unless it finds a CPU wheel first (PIP_FIND_LINKS, PIP_INDEX_URL).
# fairseq comes last and without its dependencies: they ask for torchaudio, which is not needed here and does
# not load beside a CPU torch; what fairseq does need is the extra "nmt". It builds against the torch in this
# environment, hence no build isolation.
$(READY): pyproject.toml Makefile
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; name a Python >= 3.11 by 'make PYTHON=...'" >&2; exit 1; }
	@command -v g++ >/dev/null || { echo "error: g++ not found; fairseq has C++ parts: install a compiler (Debian: apt-get install g++)" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade setuptools wheel cython "$(TORCH)" "numpy>=1.26,<3"
	$(BIN)/pip install -q --no-build-isolation -e ".[nmt,vision,xmc,faces,demo,plots,dev]"
	@echo "installing $(FAIRSEQ) (the first time it compiles for some minutes)"
	$(BIN)/pip install -q --no-deps --no-build-isolation "$(FAIRSEQ)"
	$(BIN)/python -c "import fairseq, mhe_nmt, torch; print('ready: torch', torch.__version__, 'fairseq', fairseq.__version__)" 2>/dev/null
	touch $(READY)

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

test: $(READY)
	$(BIN)/python -m pytest -n 2 $(ARGS)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf demo-out .pytest_cache .mypy_cache .ruff_cache
