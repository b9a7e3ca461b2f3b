# Two commands do everything: `make demo` and `make test`. Both build .venv by themselves.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
NPM    ?= npm
READY  := $(VENV)/.installed

.PHONY: cluster rolling-restarts bench-sessions demo test check level1 level2 level3 level4 bench-disk docs bench-client bench-s3 faults-s3 test-localstack screenshots conformance-table format clean bench bench-full bench-peers bench-docs packages

demo: $(READY)            ## start every level and take the tour (ARGS=--once ends by itself)
	@$(BIN)/upload-levels tour $(ARGS)

test: $(READY)            ## the whole test suite (ARGS: anything for pytest)
	@$(BIN)/python -m pytest -n 4 --dist loadgroup $(ARGS)

check: $(READY)           ## ruff, mypy --strict, import-linter, and TypeScript on the client's JSDoc
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@test -x node_modules/.bin/tsc || { echo "TypeScript is missing: install node and npm, then rm $(READY)" >&2; exit 1; }
	@node_modules/.bin/tsc --project shared/client

cluster: $(READY)         ## two servers of level 3 behind nginx (ARGS="--sessions postgresql")
	@$(BIN)/python -m level3_s3_multipart.cluster $(ARGS)

rolling-restarts: $(READY)  ## restart the two twenty times under a load of uploads
	@$(BIN)/python -m level3_s3_multipart.cluster.rolling $(ARGS)

bench-sessions: $(READY)  ## the bookkeeping's cost with 100 and with 100,000 idle sessions
	@$(BIN)/python -m level3_s3_multipart.cluster.bookkeeping $(ARGS)

level1 level2 level3 level4: $(READY)   ## serve one level and print its address
	@$(BIN)/upload-levels serve $(subst level,,$@) $(ARGS)

bench-disk: $(READY)      ## level 2 beside nginx and @tus/server, same disk, same run
	@$(BIN)/python -m bench.disk $(ARGS)

bench-client: $(READY)    ## what the browser client's defaults cost, in Chromium
	@$(BIN)/python -m bench.browser $(ARGS)

bench-s3: $(READY)        ## level 3 beside a bare loop that sends the same parts to the same store
	@$(BIN)/python -m bench.s3 $(ARGS)

faults-s3: $(READY)       ## every call to S3 x every fault, every step x SIGKILL, on each S3 server that is here
	@S3_FAULTS=all $(BIN)/python -m pytest -n 4 --dist loadgroup tests/s3 tests/contract/test_s3_store.py \
		tests/contract/test_s3_pages.py tests/faults/test_s3_*.py tests/system/test_s3_conforms.py $(ARGS)

# In an environment of its own: it pins old versions of what others need new.
LOCALSTACK := .venv-localstack
test-localstack: $(READY) $(LOCALSTACK)/.installed  ## level 3 on LocalStack: contract and conformance
	@S3_UNDER_TEST=localstack $(BIN)/python -m pytest tests/contract/test_s3_store.py \
		tests/system/test_s3_conforms.py $(ARGS)

$(LOCALSTACK)/.installed:
	@echo "building $(LOCALSTACK) (once)"
	@$(PYTHON) -m venv $(LOCALSTACK)
	@$(LOCALSTACK)/bin/pip install --quiet --disable-pip-version-check "localstack-core[base-runtime]==4.9.2" \
		"cbor2<5.8" "pyopenssl<25.3" "cryptography<46" "service_identity<25"
	@touch $@

bench: $(READY)           ## what chunk size and round-trip time cost, every level; goes on if interrupted
	@$(BIN)/python -m bench.sweep $(ARGS)

bench-full: $(READY)      ## the same with every level at every point, five times
	@$(BIN)/python -m bench.sweep --plan full $(ARGS)

bench-peers: $(READY)     ## the levels beside nginx, @tus/server and tuspyserver
	@$(BIN)/pip install --quiet --disable-pip-version-check -e ".[dev,peers]" || echo "tuspyserver cannot be had just now"
	@$(BIN)/python -m bench.peers $(ARGS)

bench-docs: $(READY)      ## make the last `make bench` (and `bench-peers`) the reference run in the documents
	@$(BIN)/python -m bench.publish $(ARGS)
	@$(BIN)/python -m tests.docs.generate

docs: $(READY)            ## write the generated parts of the documentation
	@$(BIN)/python -m tests.docs.generate

screenshots: $(READY)     ## the page in each of its states, light and dark, wide and narrow
	@$(BIN)/python -m tests.browser.screenshots $(ARGS)

conformance-table: $(READY)  ## judge every level and write the table of results into the README
	@$(BIN)/python -m tests.system.conformance_runs

format: $(READY)          ## let ruff rewrite what it can
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean:                    ## remove what the targets above built
	rm -rf $(VENV) .venv-localstack upload-data build *.egg-info

# Rebuilt when pyproject.toml or package.json changes. Debian ships python3 without ensurepip: there venv fails, and the
# message says which package is missing.
$(READY): pyproject.toml package.json
	@echo "building $(VENV) (once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "This Python cannot make virtual environments; on Debian: apt install python3-venv" >&2; rm -rf $(VENV); exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check -e ".[dev]"
	@$(MAKE) --no-print-directory packages
	@touch $@

# Without npm everything but `make check` and the client's own tests works; the page then hashes with what the
# browser has. No scripts of packages are run, and no lock file is written: it would name a registry.
packages:
	@if ! command -v $(NPM) >/dev/null; then \
	  echo "npm is missing: the page works without its hashing library, for files up to 64 MiB" >&2; \
	else $(NPM) install --ignore-scripts --no-audit --no-fund --no-package-lock --loglevel=error >/dev/null || \
	  echo "npm failed: the page works without its hashing library, for files up to 64 MiB" >&2; fi
