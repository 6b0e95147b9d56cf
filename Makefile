# Two commands matter: `make demo` and `make test`. Everything they need is installed by `make setup`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
VENV := $(CURDIR)/.venv/bin
export PATH := $(VENV):$(PATH)
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help setup demo test slow lint unit sanity freeipa localcloud integration airflow yarn patching nodes nfs molecule benchmark lock clean

help: ## Show what can be run
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 22

setup: ## Install what the project needs: Debian packages when root, .venv, the cluster's Python environment
	@scripts/setup.sh

demo: setup ## Bring up the local cloud, converge it, run one workload on real data; leaves the local cloud up
	@scripts/demo.sh

test: setup ## Run every test but the slow ones
	@scripts/test.sh

slow: setup ## Run the slow tests, which `make test` leaves out
	@scripts/test.sh --slow

lint: setup ## Linters: ruff, shellcheck, yamllint, ansible-lint, changelog
	@scripts/test.sh lint

unit: setup ## Tests without any server
	@scripts/test.sh unit

sanity: setup ## ansible-test sanity on the collection
	@scripts/test.sh sanity

freeipa: setup ## Modules and roles for FreeIPA against a realm with a real KDC
	@scripts/test.sh freeipa

localcloud: setup ## Tests of localcloud itself
	@scripts/test.sh localcloud

integration: setup ## The product against localcloud, with the real clients that are installed
	@scripts/test.sh integration

airflow: setup ## DAGs in Composer's Airflow, and releases of them into the local cloud's Composer
	@scripts/test.sh airflow

yarn: setup ## Queues, limits, faults and the workloads on real ResourceManagers
	@scripts/test.sh yarn

patching: setup ## Patching runs through three environments, with canaries on real ResourceManagers
	@scripts/test.sh patching

nodes: setup ## A cluster of containers that boots through all initialization actions, looked at from inside
	@scripts/test.sh nodes

nfs: setup ## Shared file systems on machines whose kernel has NFS
	@scripts/test.sh nfs

molecule: setup ## A molecule scenario per role, against one localcloud
	@scripts/test.sh molecule

benchmark: setup ## Ratios against gcloud, gsutil, rclone, pandas, Spark and plain Dask, in one run each
	@python tests/benchmarks/bench_gcs_tree.py
	python tests/benchmarks/bench_converge.py
	python tests/benchmarks/bench_etl.py
	python tests/benchmarks/bench_yarn.py
	python tests/benchmarks/bench_input_cache.py
	python tests/benchmarks/bench_environment.py
	python tests/benchmarks/bench_users_day.py
	python tests/benchmarks/bench_patch.py
	python tests/benchmarks/bench_drift.py
	"$${XDG_CACHE_HOME:-$$HOME/.cache}/dataplatform-compute/airflow/bin/python" tests/benchmarks/bench_dag_overhead.py
	"$${XDG_CACHE_HOME:-$$HOME/.cache}/dataplatform-compute/airflow/bin/python" tests/benchmarks/bench_dag_parsing.py
	python tests/benchmarks/bench_sync_dags.py

lock: ## Refresh the hashed locks from requirements/*.in
	@scripts/lock.sh

clean: ## Stop the local cloud and remove the virtual environment (caches outside the checkout stay)
	@test ! -x $(VENV)/localcloud || $(VENV)/localcloud down
	rm -rf .venv .ansible .pytest_cache .ruff_cache
