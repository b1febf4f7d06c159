.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
TASK ?= Create a library management system with dashboard

.PHONY: help run test studio bench pictures lint types catalogue

help: ## Show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

$(BIN)/matrioska: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -e .
	@touch $@

.venv/.dev: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -e ".[dev]"
	@touch $@

run: $(BIN)/matrioska ## Do a task: make run TASK="Create a …"
	$(BIN)/matrioska run "$(TASK)"

test: .venv/.dev ## Run every test
	$(BIN)/python -m pytest

studio: .venv/.dev ## Open the graph in LangGraph Studio, with the monitor beside it
	LANGGRAPH_CLI_NO_ANALYTICS=1 $(BIN)/langgraph dev --n-jobs-per-worker 4

bench: .venv/.dev ## Measure the engine against its bounds
	$(BIN)/python -m bench

pictures: .venv/.dev ## Make the README's pictures anew
	MATRIOSKA_PICTURES=$(CURDIR)/docs/pictures $(BIN)/python -m pytest -k "download or at_work" tests/web/test_walk.py tests/web/monitor/test_at_work.py

lint: .venv/.dev ## Check style and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/.dev ## Check types
	$(BIN)/mypy

catalogue: .venv/.dev ## Bring the translations up to date with the source
	$(BIN)/python tools/catalogue.py
