PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: install run test check format docs clean

install: .venv/installed

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	# Without an NVIDIA GPU the CPU build, which saves gigabytes: from an index that has it, else from PyTorch's own.
	if command -v nvidia-smi >/dev/null; then $(PIP) 'torch>=2.11,<2.14'; \
	else $(PIP) 'torch==2.13.0+cpu' || $(PIP) torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu; fi
	$(PIP) --editable '.[dev]'
	touch $@

run: install  ## the main job on the embedded corpus: pretrain a small model, fine-tune it three ways, compare
	$(BIN)/switchtune pretrain examples/quickstart-pretrain.yaml --out runs/quickstart/pretrained
	$(BIN)/switchtune run examples/quickstart.yaml --out runs/quickstart/comparison

test: install  ## the whole test suite
	# Two workers of one thread each: threads that wait for each other's cores spin.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

check: install  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: install  ## mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: install  ## the pages that are made from the program
	$(BIN)/python docs/make_configuration.py

clean:  ## everything made here but the runs of your own
	rm -rf .venv runs/quickstart .mypy_cache .ruff_cache .pytest_cache
