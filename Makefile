# The first suitable Python found; `make PYTHON=python3.13 …` says otherwise.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
# More for the program that is started: `make test ARGS="-k queues"`, `make demo ARGS="--seed 7"`.
ARGS ?=
IMAGE ?= amazon-connect-exporter
BASE ?= python:3.13-slim
DOCKER ?= docker

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check format bench chaos soak docs golden chart pins image clean dashboards

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.run ## a contact centre and the exporter on this machine, no AWS account needed
	@$(BIN)/amazon-connect-exporter demo $(ARGS)

# Three workers on two cores: many tests wait for daemons. `make test WORKERS=0` runs one test after the other.
WORKERS ?= 3
test: $(VENV)/.test ## all tests; those whose program is not installed are skipped, with the reason
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

check: $(VENV)/.dev ## format, lint, types, and that generated documents are up to date
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m exporter.reference --check
	$(BIN)/python -m grafana.build --check
	$(BIN)/python -m helm.build --check

format: $(VENV)/.dev ## rewrite the code as ruff would
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.test ## how long a scrape, a refresh and a page take
	@$(BIN)/python -m tests.bench $(ARGS)

# Random faults: `make chaos SEEDS=1000`, or one episode again: `make chaos ARGS="--seed 7"`.
SEEDS ?= 200
chaos: $(VENV)/.test ## episodes of random faults, a seed each, against the real daemon by an accelerated clock
	@$(BIN)/python -m tests.chaos --seeds $(SEEDS) $(ARGS)

soak: $(VENV)/.test ## a day of steady work in minutes: what memory, threads and descriptors do
	@$(BIN)/python -m tests.bench.soak $(ARGS)

docs: $(VENV)/.run ## write the generated references
	$(BIN)/python -m exporter.reference

dashboards: $(VENV)/.run ## the Grafana dashboards, from grafana/boards; then `make chart`
	$(BIN)/python -m grafana.build

chart: $(VENV)/.run ## the Helm chart's copies of rules and dashboards, its schema and its table of values
	$(BIN)/python -m helm.build

golden: $(VENV)/.test ## write the golden pages; their diff is the review of a change in metrics
	$(BIN)/python -m tests.golden.update

pins: ## constraints.txt anew: the newest versions, to be tested before they are committed
	rm -rf build/pins
	$(PYTHON) -m venv build/pins
	build/pins/bin/python -m pip --disable-pip-version-check install --quiet --editable '.[dev]'
	{ sed -n '/^#/p' constraints.txt; build/pins/bin/python -m pip freeze --exclude-editable; } > build/constraints.txt
	mv build/constraints.txt constraints.txt

image: ## the container image
	$(DOCKER) build --build-arg BASE=$(BASE) --build-arg REVISION="$$(git rev-parse HEAD)" \
		--build-arg SOURCE_DATE_EPOCH="$$(git log -1 --format=%ct)" \
		--build-arg VERSION="$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' exporter/__init__.py)" -t $(IMAGE) .

clean: ## everything these commands made
	rm -rf .venv build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find exporter tests -name __pycache__ -type d -prune -exec rm -rf {} +

# What is installed is remembered by an empty file; it is done again when what it depends on changes.
$(VENV)/.created:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed and was not found; make PYTHON=/path/to/python …" >&2; exit 1; }
	@echo "Making $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/.created
	@echo "Installing the exporter into $(VENV) …"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/.created
	@echo "Installing the exporter and what its tests need into $(VENV) …"
	@$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/.run

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/.created
	@echo "Installing the exporter and the tools to work on it into $(VENV) …"
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.test $(VENV)/.run
