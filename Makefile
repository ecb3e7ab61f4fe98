PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Of one thread each: threads that wait for each other's cores spin. A worker takes up to 2 GB of memory.
WORKERS := -n logical --maxprocesses 8
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: install run test test-quick test-oldest test-newest check format docs clean

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	# Without an NVIDIA GPU the CPU build, which saves gigabytes: from an index that has it, else from PyTorch's own.
	if command -v nvidia-smi >/dev/null; then $(PIP) 'torch>=2.11,<2.14'; \
	else $(PIP) 'torch==2.13.0+cpu' || $(PIP) torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu; fi
	# With a RESOLUTION the versions that uv finds by it, but of torch the one that is there. uv installs them too: pip
	# would look for versions once more, which takes it many times as long.
	if test -n '$(RESOLUTION)'; then $(PIP) uv && \
	$(BIN)/python -c 'from importlib.metadata import version; print("torch==" + version("torch").split("+")[0])' > $(VENV)/torch.txt && \
	$(BIN)/uv pip install --quiet --python $(BIN)/python --resolution $(RESOLUTION) --constraint $(VENV)/torch.txt --editable '.[dev]'; \
	else $(PIP) --editable '.[dev]'; fi
	touch $@

run: install  ## the main job on the embedded corpus: pretrain a small model, fine-tune it three ways, compare
	$(BIN)/switchtune pretrain examples/quickstart-pretrain.yaml --out runs/quickstart/pretrained
	$(BIN)/switchtune run examples/quickstart.yaml --out runs/quickstart/comparison

test: install  ## the whole test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(WORKERS)

test-quick: install  ## all tests but those that take more than a second
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(WORKERS) -m 'not slow' $(TESTS)

test-oldest:  ## the same with the oldest versions of the dependencies that pyproject.toml allows
	$(MAKE) test-quick VENV=.venv-oldest RESOLUTION=lowest-direct

test-newest:  ## the same with the newest
	$(MAKE) test-quick VENV=.venv-newest RESOLUTION=highest

check: install  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: install  ## mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: install  ## the pages that are made from the program, and all of them as a site: site/index.html
	$(BIN)/python docs/make_configuration.py
	$(BIN)/python docs/make_commands.py
	$(PIP) --editable '.[docs]'
	$(BIN)/zensical build --strict

clean:  ## everything made here but the runs of your own
	rm -rf .venv .venv-oldest .venv-newest runs/quickstart .mypy_cache .ruff_cache .pytest_cache site .cache
