# Everything a new machine needs is installed into .venv by the first target that wants it.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OUT := demo/out
DATA ?= ../shared/data/sample ../shared/data/web
EVAL ?= ../shared/data/eval

.PHONY: help install demo ablate-demo test test-py312 test-wheel soak lint fuzz bench oracle harness-parity clean

# The first target is what `make` alone does.
demo: demo/job.yaml
	@$(BIN)/gristmill run demo/job.yaml; code=$$?; [ $$code -eq 0 ] || [ $$code -eq 3 ] || exit $$code
	@$(BIN)/gristmill train demo/train.yaml
	@echo "report: $(OUT)/report/report.html"

help:
	@echo "make install     gristmill with its tested versions into .venv, in place: a few minutes, some 2 GB; then . .venv/bin/activate"
	@echo "make demo        the same, then 528 pages from a WARC file to a small model: three minutes more"
	@echo "make test        the tests; make lint, make soak, make fuzz and make bench are other checks"
	@echo "make clean       delete .venv and what the targets wrote"

install: $(STAMP)
	@sh scripts/compile_kernels.sh $(BIN)
	@echo "gristmill is installed in $(VENV); put it on the path of this shell: . $(BIN)/activate"

# Does junk in the data make a model worse? Three arms, three seeds.
ablate-demo: demo/job.yaml
	@$(BIN)/gristmill run demo/job.yaml; code=$$?; [ $$code -eq 0 ] || [ $$code -eq 3 ] || exit $$code
	@$(BIN)/python examples/ablate/plant_junk.py $(OUT) out/ablate-demo/corpora
	@$(BIN)/gristmill ablate examples/ablate/ablate.yaml

# Two processes, a file each at a time; one thread each for PyTorch, or they would wait for each other.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

# The same on Python 3.12, without PyTorch (its wheel there brings CUDA, several GB): the tests that need it skip. TESTS=tests/test_x.py is less.
test-py312: .venv-py312/.installed
	OMP_NUM_THREADS=1 .venv-py312/bin/python -m pytest -n 2 --dist loadfile $(TESTS)

# The wheel with all it needs in a new environment, used from an empty folder: downloads some 2 GB, so `make test` borrows them instead.
test-wheel: $(STAMP)
	@sh scripts/wheel.sh $(BIN)/python

# At least 200 faults at random moments; goes on where it stopped. SEED=2 is another series.
soak: $(STAMP)
	$(BIN)/python tests/faults/soak.py --faults 200 --seed $(or $(SEED),1)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

# Ten minutes of hostile bytes for every reader and loader; tests/test_fuzzing.py is the short of it.
fuzz: $(STAMP)
	$(BIN)/python scripts/fuzz.py --minutes 10

# Every benchmark beside its peers, medians of five runs, into benchmarks/RESULTS.md and the tables of README.md and docs/: half an
# hour. RUNS=1 BENCHMARKS="pipeline rules" is less, into out/benchmarks/RESULTS.md; UPDATE=1 puts it into the whole page. DOCUMENTS=folder
# takes its Parquet files instead of ../shared/data/bench.
bench: $(STAMP) .venv-oracle/.installed
	-@$(MAKE) --no-print-directory .venv-juicer/.installed
	BENCHMARK_DOCUMENTS=$(DOCUMENTS) $(BIN)/python -m benchmarks.results --runs $(or $(RUNS),5) $(if $(BENCHMARKS),--only $(BENCHMARKS)) $(if $(UPDATE),--update)

# The packs beside datatrove's filters, which live in an environment of their own: see docs/parity.md.
oracle: $(STAMP) .venv-oracle/.installed
	$(BIN)/python tests/oracle/compare.py $(DATA)

# Log-likelihoods beside those of lm-evaluation-harness, which lives in an environment of its own: see docs/evaluate.md.
harness-parity: $(STAMP) .venv-harness/.installed
	PYTHONPATH=. .venv-harness/bin/python scripts/harness_parity.py $(EVAL)

demo/job.yaml: | $(STAMP)
	@$(BIN)/gristmill init --demo demo >/dev/null

clean:
	rm -rf demo $(VENV) .venv-oracle .venv-juicer .venv-harness .venv-py312 out *.egg-info

$(STAMP): pyproject.toml constraints.txt scripts/install.sh
	@sh scripts/install.sh $(VENV)
	@touch $(STAMP)

.venv-py312/.installed: pyproject.toml constraints.txt scripts/without_torch.sh
	@sh scripts/without_torch.sh .venv-py312
	@touch $@

.venv-harness/.installed: scripts/harness.sh
	@sh scripts/harness.sh $(BIN)/python .venv-harness
	@touch $@

.venv-juicer/.installed: scripts/juicer.sh
	@sh scripts/juicer.sh $(BIN)/python .venv-juicer
	@touch $@

.venv-oracle/.installed: scripts/oracle.sh
	@sh scripts/oracle.sh $(BIN)/python .venv-oracle
	@touch $@
