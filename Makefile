# kensho: everything a contributor runs. `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: help setup test test-boot matrix boot-matrix fuzz lint format demo demo-proof prove-xen prove-libvirt clean

BIN := .venv/bin
WORKERS ?= 2

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## install what is missing: Debian packages, .venv with the locked Python packages
	@tools/setup

test: setup ## all tests but those that boot a guest
	$(BIN)/pytest -n $(WORKERS) -m "not boot" $(PYTEST_ARGS)

matrix: setup ## any form to any form and back: the same machine and the same disks
	$(BIN)/python -m tests.any_to_any

test-boot: setup ## the tests that boot a guest under QEMU, one at a time
	$(BIN)/pytest -m boot $(PYTEST_ARGS)

boot-matrix: setup ## guests by recipe on every hypervisor's hardware, before and after adapt: an hour (MATRIX="--on vmware-pvscsi")
	$(BIN)/python -m tests.boot_matrix $(MATRIX)

fuzz: setup ## fuzz one reader for a minute (FORMAT=vhdx SECONDS=3600), see docs/fuzzing.md
	$(BIN)/python tests/fuzz/run.py $(or $(FORMAT),vmdk) --seconds $(or $(SECONDS),60)

lint: setup ## style, format, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## rewrite the code in the house style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

demo: setup ## convert an appliance to every target and boot one (APPLIANCE=file.ova for your own)
	$(BIN)/python demo/run.py $(if $(APPLIANCE),--appliance "$(APPLIANCE)")

demo-proof: setup ## start the appliance on every hypervisor's devices, as it was made and adapted, and sign what was seen
	$(BIN)/python demo/proof.py $(if $(ON),--on "$(ON)")

prove-xen: setup ## Xen itself, emulated, starts what kensho wrote for xl and XenServer: minutes each (XEN="--only xl-pv")
	$(BIN)/python -m tests.hypervisors.xen $(XEN)

prove-libvirt: setup ## libvirt itself defines, starts and hands back what kensho wrote for KVM: needs root (LIBVIRT="--only native")
	$(BIN)/python -m tests.hypervisors.libvirt $(LIBVIRT)

clean: ## remove results and caches, keep .venv and the guests built
	rm -rf --one-file-system .cache/*/.build-* out dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
