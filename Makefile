# `make demo` and `make test` are all a newcomer needs; both set the project up first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test test-cluster bench check format docs docs-site clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

demo: install
	$(BIN)/dawn demo

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Every test, the slow ones too; the workers share the processors.
test: check
	$(BIN)/python -m pytest -m '' --numprocesses auto

# Three nodes that share nothing but a bucket, from footage to a leaderboard.
test-cluster: install
	DAWN_CLUSTER=1 $(BIN)/python -m pytest -m '' -n 0 tests/test_cluster.py

# Every benchmark with its defaults, which takes hours; `make bench ARGS=--smoke` shows that they run.
bench: install
	$(BIN)/python -m benchmarks $(ARGS)

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: install
	$(BIN)/python -m manifests.document docs/dataset.md
	$(BIN)/python -m eval.document docs/metrics.md

# The documents and the reference as a site that needs no network, in site/. The variable turns off
# a notice that mkdocs-material prints about the end of its support (in May 2027).
docs-site: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

clean:
	rm -rf $(VENV) build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache
