# make demo      set up, then map the synthetic corridor and write its report
# make test      set up, then every check of the project
# make test-cluster   the tests on a SLURM cluster of their own, on the loopback interface (Debian, root; minutes)
# make test-faults    killed runs, full disks, clocks set back, files lost in a power cut (Linux; some need root; an hour)
# make test-fuzz      10,000 damaged and hostile files through every reader (a quarter of an hour; a share is in `test`)
# make test-reproduce   two clean runs of a campaign, compared to the byte (minutes)
# make docs      build the documentation site into build/docs
# make install   the set-up alone: virtual environment, pinned packages, slumpmap itself
#
# make page      bundle the review page and the report's page anew (needs Node.js; the bundles are committed)
#
# PYTHON=python3.12 chooses the interpreter (3.11 or newer), CORES=4 the number of cores.
PYTHON ?= python3
CORES ?= all
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
export PATH := $(BIN):$(PATH)

.PHONY: install demo docs test test-cluster test-faults test-fuzz test-reproduce lint page

install: $(VENV)/installed

$(VENV)/installed: requirements.txt pyproject.toml envs/install.sh
	bash envs/install.sh $(PYTHON) $(VENV)

demo: install
	snakemake --cores $(CORES) --configfile config/demo.yaml
	snakemake --cores 1 --configfile config/demo.yaml --report results/demo/report.html

lint: install
	ruff check .
	ruff format --check .
	mypy
	codespell
	snakefmt --check Snakefile workflow
	snakemake --lint --configfile config/demo.yaml

# Files of tests go to as many processes as there are cores, four at most.
test: lint
	pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "not cluster and not faults and not reproduce"

test-cluster: install
	bash tests/cluster/set_up.sh
	pytest -m cluster tests/cluster

test-reproduce: install
	pytest -m reproduce tests/workflow

# SLUMPMAP_FAULT_RUNS=5 kills fewer runs, SLUMPMAP_FAULT_SEED=7 repeats the moments of an earlier call, which printed its seed.
test-faults: install
	pytest -s tests/faults

# OMP_NUM_THREADS: a process that forks must have no threads.
test-fuzz: install
	PYTHONPATH=src OMP_NUM_THREADS=1 nice -n 19 python -m tests.fuzz --cases 10000 --jobs 2

page:
	cd src/slumpmap/review/page && npm ci --ignore-scripts && npm run build && npm run build-site

docs: install
	mkdocs build --strict
