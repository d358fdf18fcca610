# SPDX-License-Identifier: GPL-3.0-or-later
"""The search finds a value that is in a place, and finds it in that place: each plant is found where it was put."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.leaks.conftest import Searched

# Docker writes into its own files what it is told of containers, images, volumes and networks.
ENGINE = "Docker's files"

FOUND_IN = {
    "an argument": {"command lines"},
    "a variable": {"environments"},
    "a container's variable": {"docker inspect", ENGINE},
    "a container's label": {"docker inspect", "Docker's events", ENGINE},
    "a command in a container": {"command lines", "Docker's events"},
    "a volume's label": {"docker inspect", ENGINE},
    "a network's label": {"docker inspect", ENGINE},
    "an image's label": {"docker inspect", "Docker's events", "image layers", ENGINE},
    "a command of an image's history": {"image history", "image layers", ENGINE},
    "a deleted file of a layer": {"image layers", ENGINE},
    "a compressed file of a layer": {"image layers", ENGINE},
    "the name of a file of a layer": {"image layers", ENGINE},
    "a container's output": {"container logs", ENGINE},
    "a file in a container's memory": {"containers' memory"},
    "a message to the journal": {"journal"},
    "root's shell history": {"shell histories"},
    "the login's shell history": {"shell histories"},
    "a module that Ansible left": {"Ansible's remote folders"},
    "a line of a log": {"log files"},
    "a compressed log": {"log files"},
    "a temporary file": {"temporary files"},
    "the project's settings": {"project"},
    "a file beside the secrets": {"project"},
    "a copy of a secret": {"project"},
    "the site's files": {"data"},
    "the database's files": {"data"},
    "a setting of the system": {"other files"},
    "a compressed copy": {"other files"},
    "the name of a file": {"other files"},
    "a line of Ansible's output": {"Ansible's output"},
    "a line of Ansible's log": {"Ansible's log"},
    "a callback's file": {"callbacks"},
    "a cached fact": {"fact cache"},
    "Ansible's local folder": {"Ansible's local folders"},
    "the home's Ansible folder": {"Ansible's local folders"},
    "molecule's folder": {"ephemeral folder"},
    "the control node's /tmp": {"control node's temporary files"},
    "the collection's folder": {"collection's own folders"},
    "a file of the export": {"exported project"},
    "a removed file of the git history": {"exported git history"},
}


@pytest.mark.parametrize("plant", FOUND_IN)
def test_plant_is_found(searched: Searched, figure: Callable[[str], None], plant: str) -> None:
    """In its place, and nowhere else."""
    found = searched.found_in(plant)
    figure(f"{plant}: " + ", ".join(f"{place} ({where})" for place, where in found.items()))
    assert set(found) == FOUND_IN[plant]


def test_every_place_has_a_plant(searched: Searched) -> None:
    """No place is searched of which it is not known that something would be found there."""
    assert set().union(*FOUND_IN.values()) == set(searched.report.searched)
    assert set(FOUND_IN) == set(searched.plants)
