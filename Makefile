# Fallow's commands. `make help` lists them.
SHELL := /bin/bash
JOBS ?= $(shell nproc)
# Tests wait more than they compute.
TEST_JOBS ?= $(shell echo $$((2 * $(JOBS))))
SCENE ?=
BASE ?=
ALL ?=

.PHONY: help
help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

.PHONY: deps
deps: ## install what is missing from Debian's packages
	@tools/install_deps.sh

.PHONY: tools
tools:
	@tools/install_deps.sh --tools

# One build folder a preset; configuring again is cheap and picks up new files.
build/%/build.ninja: CMakeLists.txt CMakePresets.json | deps
	@cmake --preset $* > /dev/null

.PHONY: build
build: deps build/release/build.ninja ## the release build
	@cmake --build --preset release -j $(JOBS)

.PHONY: demo
demo: deps build/release/build.ninja ## the whole market on this machine: rent, run, kill a node, bill, audit
	@cmake --build --preset release -j $(JOBS) --target fallow pathtrace
	@tools/demo.py $(if $(SCENE),--scene "$(SCENE)")

.PHONY: web
web: ## the console's pages, which the server then serves (needs npm's registry once)
	@tools/install_deps.sh --web
	@tools/web_test.sh build

.PHONY: browse
browse: build web ## journeys through the console in a real browser; SHOTS=1 renews docs/images
	@tools/install_deps.sh --browse
	@for journey in web/browse/*.test.mjs; do \
	  FALLOW_BUILD=build/release SHOTS=$(SHOTS) node --test $$journey || exit 1; \
	done

.PHONY: test
test: build ## every test
	@ctest --preset release -j $(TEST_JOBS)

.PHONY: sanitize
sanitize: deps ## the tests under ASan+UBSan and under TSan; ALL=1: also those left to `make test` for their time
	@cmake --preset dev -DFALLOW_SANITIZE_ALL=$(or $(ALL),0) > /dev/null
	@cmake --preset tsan -DFALLOW_SANITIZE_ALL=$(or $(ALL),0) > /dev/null
	@cmake --build --preset dev -j $(JOBS)
	@ctest --preset dev -j $(TEST_JOBS)
	@cmake --build --preset tsan -j $(JOBS)
	@ctest --preset tsan -j $(TEST_JOBS)

.PHONY: check
check: tools build ## format, layers, generated files, tidy on what changed since BASE
	@tools/check.sh changed "$(BASE)"

.PHONY: tidy
tidy: tools build ## clang-tidy over the whole tree
	@tools/check.sh all

.PHONY: format
format: tools ## rewrite C++ in the project's format
	@git ls-files 'src/*.h' 'src/*.cc' 'examples/*.h' 'examples/*.cc' 'fuzz/*.cc' 'bench/*.cc' 'bench/*.h' 'tests/*.cc' | xargs clang-format-14 -i

.PHONY: bench
bench: deps build/release/build.ninja ## measure; JSON=1 prints JSON
	@cmake --build --preset release -j $(JOBS) --target fallow benches
	@tools/bench.sh $(if $(JSON),--json)

.PHONY: bench-console
bench-console: build web ## the market page in front of OFFERS offers (100,000): frames, memory, first rows; JSON=1 prints JSON
	@tools/install_deps.sh --browse
	@FALLOW_BUILD=build/release JSON=$(JSON) OFFERS=$(or $(OFFERS),100000) node web/browse/offers_bench.mjs

.PHONY: fuzz
fuzz: deps build/fuzz/build.ninja ## every fuzz target for FUZZ_SECONDS (default 60) each
	@cmake --build --preset fuzz -j $(JOBS) --target fuzzers
	@tools/fuzz.sh $(or $(FUZZ_SECONDS),60)

.PHONY: fuzz-api
fuzz-api: build ## the API against what schemathesis makes of openapi.json (from PyPI, into build/schemathesis)
	@[ -x build/schemathesis/bin/st ] || { python3 -m venv build/schemathesis && build/schemathesis/bin/pip install -q -r tests/system/api_fuzz_requirements.txt; }
	@FALLOW_BUILD=build/release FALLOW_FUZZ_SECONDS=$(or $(FUZZ_SECONDS),60) python3 -B tests/system/api_fuzz_test.py

.PHONY: dashboard-check
dashboard-check: ## the Grafana dashboard against Grafana's own types (from npm, into build/grafana)
	@mkdir -p build/grafana
	@[ -d build/grafana/node_modules/@grafana/schema ] || npm install --prefix build/grafana --no-save --no-audit --no-fund --silent @grafana/schema@13.2.3 typescript@5.9.3
	@python3 -B packaging/grafana/check_types.py build/grafana

.PHONY: package
package: deps build/release/build.ninja web ## .deb packages of program, server and agent, and an OCI image of the server
	@tools/install_deps.sh --package
	@cmake --build --preset release -j $(JOBS) --target package_files
	@packaging/build.sh build/release

.PHONY: package-test
package-test: package ## install them in a fresh Debian 12 under its own systemd, use them, remove them
	@tools/install_deps.sh --package
	@python3 -B packaging/packages_test.py build/release

.PHONY: site
site: ## the documents as a site, in build/site/html
	@tools/install_deps.sh --site
	@python3 -B tools/site.py

.PHONY: clean
clean: ## remove build and demo output
	@rm -rf build demo
