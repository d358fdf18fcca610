# SPDX-License-Identifier: GPL-3.0-or-later
# Each command is one playbook. LIMIT=host narrows it to one host; INVENTORY=path uses another inventory.

INVENTORY ?= inventory/hosts.yml
override VENV := .venv
PYTHON ?= python3
# A module, not a script of bin: those begin with a path that may have spaces, be too long, or have been moved away from.
# Hints name these targets; the configuration holds also where others can write to the folder; no collection of this name that is
# installed elsewhere comes first.
ANSIBLE = $(if $(findstring $$,$(CURDIR)),$(error The path of this folder, $(CURDIR), has a dollar sign in it, which Ansible takes for a variable. \
	Move the folder to a path without one))INCEPTION_COMMAND=make ANSIBLE_CONFIG="$${ANSIBLE_CONFIG:-ansible.cfg}" \
	ANSIBLE_COLLECTIONS_PATH="$$(echo $(VENV)/lib/python*/site-packages):$${ANSIBLE_COLLECTIONS_PATH:-$$HOME/.ansible/collections}" \
	$(WITH_ARGS) $(VENV)/bin/python -P -m ansible playbook
PLAYBOOK = $(ANSIBLE) --inventory "$$INCEPTION_INVENTORY" $${INCEPTION_LIMIT:+--limit "$$INCEPTION_LIMIT"}
# The playbook writes a script that runs a command as the login.
SSH = rm -f .ansible/ssh.sh; $(PLAYBOOK) playbooks/ssh.yml -e ssh_script=.ansible/ssh.sh >/dev/null && LC_ALL="$$USER_LC_ALL" sh .ansible/ssh.sh
# Likewise, for a command of the machine's own program; the words of ARGS are that one's.
PROGRAM = rm -f .ansible/ssh.sh; INCEPTION_ARGS= $(PLAYBOOK) playbooks/ssh.yml -e ssh_script=.ansible/ssh.sh </dev/null >/dev/null && \
	LC_ALL="$$USER_LC_ALL" $(WITH_ARGS) sh .ansible/ssh.sh --inception
WITH_ARGS = $(VENV)/bin/python -P .config/make/with_args.py
# What is installed is what .config/locked says, by its checksums; the requirements say what that was made from.
PIP = $(VENV)/bin/python -m pip install --require-hashes
# What the tests call is the virtual environment's.
TOOL = PATH="$$PWD/$(VENV)/bin:$$PATH"

# What is given to make is data, as it was written: neither make nor a shell finds anything in it. Without a word it is the default again.
# Of the command line make would hand on whatever it is, a mistyped name's too, and carry it out before.
$(foreach name,$(.VARIABLES),$(if $(findstring command,$(origin $(name))),$(eval unexport $(name))))
MAKEOVERRIDES :=
unexport INVENTORY LIMIT ARGS PYTHON LOGIN ADDRESS REPO SERVICE SITE FILES URL PREFIX UNDO FORGET TO ONLY TABLE KEY WITHOUT_BACKUP ALPINE_MIRROR ALPINE_RELEASE ALPINE_SERVICES
export INCEPTION_ARGS := $(value ARGS)
export INCEPTION_PYTHON := $(value PYTHON)
export INCEPTION_INVENTORY := $(or $(value INVENTORY),inventory/hosts.yml)
export INCEPTION_LIMIT := $(value LIMIT)
export INCEPTION_ALPINE_MIRROR := $(value ALPINE_MIRROR)
export INCEPTION_ALPINE_RELEASE := $(value ALPINE_RELEASE)
export INCEPTION_ALPINE_SERVICES := $(value ALPINE_SERVICES)
# Ansible wants UTF-8; a shell on the host keeps the user's locale.
export USER_LC_ALL := $(value LC_ALL)
override LC_ALL := C.UTF-8
export LC_ALL

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

up: $(VENV)/ready ## everything: a virtual machine, and a finished stack in it
	@$(PLAYBOOK) playbooks/site.yml

deploy: $(VENV)/ready ## a finished stack on each host of the inventory; makes no virtual machine
	@$(PLAYBOOK) playbooks/deploy.yml

cluster: $(VENV)/ready ## one site on the hosts of the inventory's group cluster: made, changed, a node more or less; one of a machine is taken over
	@$(PLAYBOOK) playbooks/cluster.yml

ssh: $(VENV)/ready ## a shell on the managed host, as the login
	@$(SSH)

status: $(VENV)/ready ## how the services of each host are, and what each says of itself
	@$(PLAYBOOK) playbooks/status.yml

credentials: $(VENV)/ready ## show the passwords that people need
	@$(SSH) make --no-print-directory -C inception credentials

logs: $(VENV)/ready ## follow what the services say, until Ctrl-C; of one: SERVICE=wordpress
	@$(PROGRAM) logs $${INCEPTION_SERVICE:+-- "$$INCEPTION_SERVICE"}

logs: export INCEPTION_SERVICE := $(value SERVICE)

wp: $(VENV)/ready ## wp-cli on the site: ARGS='plugin list'
	@$(PROGRAM) wp

db: $(VENV)/ready ## the client of the site's database; its options: ARGS='-e "SELECT 1"'; a file: make db <more.sql
	@$(PROGRAM) db

open: $(VENV)/ready ## the site in this computer's browser
	@$(PLAYBOOK) playbooks/open.yml

health: $(VENV)/ready ## what is wrong with the managed host, and WordPress's own Site Health
	@$(PROGRAM) health --site

rotate: $(VENV)/ready ## new values for all secrets, while the site goes on; some: ARGS='-e rotate_secrets=db_password,wp_salt'
	@$(PLAYBOOK) playbooks/rotate.yml

history: $(VENV)/ready ## what was deployed on each host: when, by whom, what changed, what became of it
	@$(PLAYBOOK) playbooks/history.yml

rollback: $(VENV)/ready ## back to the former deployment of each host, or to another one of its history: TO=3; never its data or secrets
	@$(PLAYBOOK) playbooks/rollback.yml

rollback: export INCEPTION_ROLLBACK_TO := $(value TO)

update: $(VENV)/ready ## what the distribution has newer comes into the images of each host; a bad one gives way by itself; only ask: ARGS='-e update_check=yes'
	@$(PLAYBOOK) playbooks/update.yml

backup: $(VENV)/ready ## a backup of each host now, to inception_backup_place; the site goes on
	@$(PLAYBOOK) playbooks/backup.yml

backups: $(VENV)/ready ## the backups of each host
	@$(PLAYBOOK) playbooks/backups.yml

restore: $(VENV)/ready ## the data of a backup: the newest, or TO=4f1c2d3e, TO='2026-11-28 05:00'; some: ONLY=files, TABLE=wp_posts; another machine's: KEY=~/wil.key
	@$(PLAYBOOK) playbooks/restore.yml

restore: export INCEPTION_RESTORE_TO := $(value TO)
restore: export INCEPTION_RESTORE_ONLY := $(value ONLY)
restore: export INCEPTION_RESTORE_TABLE := $(value TABLE)
restore: export INCEPTION_RESTORE_KEY := $(value KEY)
cluster restore remove destroy: export INCEPTION_WITHOUT_BACKUP := $(value WITHOUT_BACKUP)

import: $(VENV)/ready ## a site of another host, in place of the one here: SITE=dump.sql.gz FILES=uploads.tar.gz URL=https://old.example; back again: UNDO=yes
	@$(PLAYBOOK) playbooks/import.yml

import: export INCEPTION_IMPORT_SITE := $(value SITE)
import: export INCEPTION_IMPORT_FILES := $(value FILES)
import: export INCEPTION_IMPORT_URL := $(value URL)
import: export INCEPTION_IMPORT_PREFIX := $(value PREFIX)
import: export INCEPTION_IMPORT_UNDO := $(value UNDO)
import: export INCEPTION_IMPORT_FORGET := $(value FORGET)

export-site: $(VENV)/ready ## the site as two files, its database and its wp-content, to export-site/<host>; import takes them
	@$(PLAYBOOK) playbooks/export_site.yml

export: $(VENV)/ready ## bring the project here as a repository without secrets
	@$(PLAYBOOK) playbooks/export.yml

evaluate: $(VENV)/ready-evaluate ## the evaluation sheet for every project of the inventory, and a report; all of it: ARGS='-e evaluate_depth=runtime'
	@$(PLAYBOOK) playbooks/evaluate.yml

host: $(VENV)/ready ## add a login to evaluate: LOGIN=wil ADDRESS=203.0.113.10 REPO=...; without ADDRESS in a virtual machine of its own
	@$(ANSIBLE) --inventory localhost, playbooks/host.yml

host: export INCEPTION_HOST_LOGIN := $(value LOGIN)
host: export INCEPTION_HOST_ADDRESS := $(value ADDRESS)
host: export INCEPTION_HOST_REPO := $(value REPO)

cloud-init: $(VENV)/ready ## what a new server is told for its first minute, for its provider: LOGIN=wil KEY=~/.ssh/id_ed25519.pub, to cloud-init.yml
	@$(ANSIBLE) --inventory localhost, playbooks/cloud_init.yml

cloud-init: export INCEPTION_CLOUD_INIT_USER := $(value LOGIN)
cloud-init: export INCEPTION_CLOUD_INIT_KEY := $(value KEY)

check: $(VENV)/ready ## what stands in the way of a deployment, on each host of the inventory; changes nothing
	@$(PLAYBOOK) playbooks/check.yml

remove: $(VENV)/ready ## remove the stack and its data from the managed host, and give back what was there before; asks first
	@$(PLAYBOOK) playbooks/remove.yml

down: $(VENV)/ready ## switch the virtual machine off
	@$(PLAYBOOK) playbooks/down.yml

clean-builder: $(VENV)/ready ## remove what this computer keeps of images that it built for others
	@$(ANSIBLE) --inventory localhost, playbooks/clean_builder.yml

destroy: $(VENV)/ready ## remove the virtual machine with all that is in it; asks first
	@$(PLAYBOOK) playbooks/destroy.yml

lint: $(VENV)/ready-dev ## check the sources
	@$(TOOL) tests/lint

readmes: $(VENV)/ready-dev ## write what is made of other files: the settings in each role's README, docs/settings.md, docs/service-reference.md, the evaluation's sheet, and what ansible-test leaves out
	@$(TOOL) ansible-docsmith generate --config .config/docsmith/config.toml .
	@$(TOOL) python -m tests.sanity.ignores
	@$(TOOL) python -m tests.unit.settings_reference --write
	@$(TOOL) python -m tests.unit.service_reference --write
	@$(TOOL) python -m tests.unit.evaluation_reference --write

lock: $(VENV)/ready-dev ## the newest releases that requirements*.txt allow, for each Python, with their checksums, into .config/locked
	@# What is used alone is what the tests use.
	@set -e; constraints=/dev/null; for name in requirements-dev requirements-evaluate requirements; do \
		$(TOOL) uv pip compile --quiet --universal --python-version 3.11 --fork-strategy requires-python --generate-hashes --no-header \
			--no-emit-index-url --no-emit-find-links --upgrade --constraints "$$constraints" "$$name.txt" --output-file ".config/locked/$$name.txt"; \
		constraints=.config/locked/requirements-dev.txt; \
	done

pins: $(VENV)/ready-dev ## newer releases of all that is pinned by a checksum: WordPress, wp-cli, Adminer, actions, Python's (make lock); only look: ARGS=--check
	@# A false answer about one of them keeps no other away.
	@status=0; $(TOOL) $(WITH_ARGS) python -m tests.pins || status=$$?; \
		$(if $(findstring --check,$(value ARGS)),,$(MAKE) --no-print-directory lock || status=$$?;) exit $$status

sanity: $(VENV)/ready-dev ## what Galaxy and Ansible's own tools check, on the installed collection; every version of Ansible: ARGS=--all
	@$(TOOL) $(WITH_ARGS) python -m tests.sanity

unit: $(VENV)/ready-dev ## the unit tests
	@$(TOOL) pytest --numprocesses auto --dist loadfile

corpus: $(VENV)/ready-dev ## what the evaluation reads, on broken projects, look-alikes and hostile ones
	@$(TOOL) pytest --numprocesses auto --dist loadfile tests/corpus

test: lint unit corpus test-default ## lint, unit tests, the corpus, and the whole way on a system container

test-default: $(VENV)/ready-dev ## the whole way on a system container, with all bonus services
	@$(TOOL) molecule test --scenario-name default

test-strange: ## lint and unit tests in a folder with a strange name, with another language, time, umask and home
	@tests/strange

test-vm: $(VENV)/ready-dev ## the whole way in a virtual machine, and again after its reboot
	@$(TOOL) molecule test --scenario-name vm

test-vm-core: $(VENV)/ready-dev ## what only a virtual machine shows
	@$(TOOL) INCEPTION_VM_MARKER=vm_core molecule test --scenario-name vm

test-secrets: $(VENV)/ready-dev ## a deployment and rotations; then every value is searched for everywhere
	@$(TOOL) molecule test --scenario-name secrets

test-failures: $(VENV)/ready-dev ## failures provoked on a system container: each has to fit on a screen
	@$(TOOL) molecule test --scenario-name failures

test-hostile: $(VENV)/ready-dev ## twenty projects that want to harm whoever evaluates them, six at a time, beside good ones
	@$(TOOL) molecule test --scenario-name hostile

test-past: $(VENV)/ready-dev ## servers with a past: kept, or refused before the first change; after one that was cut off: INCEPTION_PAST_RESUME=1
	@$(TOOL) molecule test --scenario-name past

test-faults: $(VENV)/ready-dev ## deployments that go wrong and machines that do, while visitors look
	@$(TOOL) molecule test --scenario-name faults

test-backup: $(VENV)/ready-dev ## ways to lose a site, each survived: its backups are made, cut off, spoiled and restored
	@$(TOOL) molecule test --scenario-name backup

test-backup-long: $(VENV)/ready-dev ## places of sftp, S3 and restic's own server; a site of 2 GB (takes 9 GB of the disk); Debian 13 and back by a restore
	@$(TOOL) INCEPTION_BACKUP_MARKER=long molecule test --scenario-name backup

test-owner: $(VENV)/ready-dev ## a machine behind an HTTP proxy, and a site with themes and plugins from git
	@$(TOOL) molecule test --scenario-name owner

test-acme: $(VENV)/ready-dev ## a certificate by ACME from an authority on the machine that does wrong what one can, while visitors look
	@$(TOOL) molecule test --scenario-name acme

test-fleet: $(VENV)/ready-dev ## several machines in batches, of which one fails; and one behind a jump host, over IPv6, with a password for sudo
	@$(TOOL) molecule test --scenario-name fleet

test-cluster: $(VENV)/ready-dev ## a site on three machines that are one swarm: they die, leave and come, and nobody misses them
	@$(TOOL) molecule test --scenario-name cluster

test-cluster-from-one: $(VENV)/ready-dev ## a machine with a site becomes a cluster with that site, while visitors look
	@$(TOOL) molecule test --scenario-name cluster-from-one

test-galera: $(VENV)/ready-dev ## a database on three machines: one dies, is cut off, all go off and on, and nothing is lost
	@$(TOOL) molecule test --scenario-name galera

test-updates: $(VENV)/ready-dev ## a published fix on its way to what runs, a bad one that is given up, and a release that changes by a setting alone
	@$(TOOL) molecule test --scenario-name updates

test-upgrade: $(VENV)/ready-dev ## the former release in use, deployed over, and the way back; from another one: INCEPTION_UPGRADE_FROM=1.0.0
	@$(TOOL) molecule test --scenario-name upgrade

test-archive: $(VENV)/ready-dev ## a site of Debian's WordPress becomes one of today's, from its makers' archive, and nothing is lost
	@$(TOOL) molecule test --scenario-name archive

test-evaluate: $(VENV)/ready-dev ## our own stack evaluated, and broken ones
	@$(TOOL) molecule test --scenario-name evaluate

test-installed: $(VENV)/ready-dev ## the tarball, installed, deploys from an empty folder, and writes nothing into its own
	@$(TOOL) molecule test --scenario-name installed

test-all: $(VENV)/ready-dev ## every scenario, and their table in docs/tests.md; some: ARGS='secrets upgrade'
	@$(TOOL) $(WITH_ARGS) python -m tests.runs.scenarios all

stale: $(VENV)/ready-dev ## which scenarios have inputs that changed since they were last green
	@$(TOOL) python -m tests.runs.scenarios stale

test-alpine-images: $(VENV)/ready-dev ## images of Alpine, on Debian, out of a stand-in for its mirror, or of ALPINE_MIRROR=https://dl-cdn.alpinelinux.org/alpine (docs/alpine.md)
	@$(TOOL) molecule test --scenario-name alpine-images

test-alpine: $(VENV)/ready-dev ## a fresh Alpine as the managed host, likewise
	@$(TOOL) molecule test --scenario-name alpine

test-alpine-vm: $(VENV)/ready-dev ## a virtual machine of Alpine, likewise
	@$(TOOL) molecule test --scenario-name alpine-vm

bench: $(VENV)/ready-dev ## figures, beside a reference stack; some parts, or another machine: ARGS='site --inventory hosts.yml --host wil'
	@$(TOOL) $(WITH_ARGS) python -m tests.bench

# The collection is found where Ansible's own are, so that no path has to be set.
$(VENV)/ready: .config/locked/requirements.txt
	@echo 'Installing Ansible into $(VENV), some minutes the first time ...'
	@"$$INCEPTION_PYTHON" -m venv $(VENV)
	@$(PIP) --progress-bar off --requirement $<
	@cd $(VENV)/lib/python*/site-packages && mkdir -p ansible_collections/fortytwo && \
		ln -sfn ../../../../../.. ansible_collections/fortytwo/inception
	@touch $@

$(VENV)/ready-evaluate: .config/locked/requirements-evaluate.txt $(VENV)/ready
	@$(PIP) --quiet --requirement $<
	@touch $@

$(VENV)/ready-dev: .config/locked/requirements-dev.txt $(VENV)/ready-evaluate
	@$(PIP) --quiet --requirement $<
	@touch $@

.PHONY: help up check deploy cluster ssh status credentials logs wp db open health rotate history rollback update backup backups restore import export-site export evaluate host cloud-init remove down clean-builder destroy lint readmes lock pins sanity unit corpus test test-default test-strange test-vm test-vm-core test-secrets test-failures test-faults test-past test-hostile test-backup test-backup-long test-owner test-acme test-fleet test-cluster test-cluster-from-one test-galera test-updates test-upgrade test-archive test-evaluate test-installed test-all stale test-alpine-images test-alpine test-alpine-vm bench
