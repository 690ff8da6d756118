# The two commands are `make run` and `make test`; `make` alone lists all. The work is done by scripts/*.sh, which say
# what they do and are quick when nothing is missing.
#   ARGS="--listen 0.0.0.0:8080"  what `make run` gives to `sightglass serve`
#   CUDA=1                        setup also takes ONNX Runtime for CUDA (1.9 GB to download)
#   APT=no                        setup installs no packages: they are there under other names
SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run setup build doctor test test-setup fmt lint test-rust test-browser soak-mutate clean
# Where rustup puts cargo, for a shell that was opened before.
export PATH := $(PATH):$(HOME)/.cargo/bin

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) | while IFS='	' read -r t d; do printf '  make %-13s %s\n' "$$t" "$$d"; done

run: build ## set up, build and start the service
	@exec target/release/sightglass serve $(ARGS)

setup: ## install what building and running need
	@scripts/rust.sh
	@scripts/apt.sh run build
	@scripts/wheels.sh onnxruntime
ifeq ($(CUDA),1)
	@scripts/wheels.sh onnxruntime-gpu
endif

build: setup ## leave target/release/sightglass
	cargo build --release --locked

doctor: build ## say what works on this machine and what is missing
	@target/release/sightglass doctor

test: test-setup fmt lint build test-rust test-browser ## set up for the tests and run them all

test-setup: setup ## install what the tests need
	@scripts/apt.sh test
	@scripts/wheels.sh pycocotools
	@scripts/wheels.sh onnxruntime-python
	@scripts/wheels.sh schemathesis
	@scripts/browser.sh setup

fmt: ## is the code formatted?
	cargo fmt --check

lint: ## clippy, with warnings as errors
	cargo clippy --all-targets --locked -- -D warnings

test-rust: ## the Rust tests; ARGS="-E 'test(tidy)'" for some of them
	cargo test --doc --locked --quiet
	@scripts/nextest.sh --locked $(if $(CI),--profile ci) $(ARGS)

test-browser: ## the browser tests against target/release/sightglass
	@scripts/browser.sh run

soak-mutate: ## upload FILES=200 freshly mutated files of many containers and codecs to the service
	@SIGHTGLASS_MUTATED_FILES=$${FILES:-200} SIGHTGLASS_MUTATED_SEED=$${SEED:-$$RANDOM} \
		scripts/nextest.sh --profile soak --locked --no-capture -E 'test(=service::mutated::the_service_survives_mutated_files)'

clean: ## remove what was built; deps/ and the data folder stay
	cargo clean
	rm -rf tests/browser/node_modules
