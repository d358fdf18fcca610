# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup rendered_files, beside Ansible's own lookup for templates."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.fortytwo.inception.plugins.lookup.rendered_files import LookupModule

FILES = {
    "plain.txt": "no template\n",
    "sub/.hidden": "{{ word }}\\n\n",
    "sub/block.conf": "{% if word %}\nyes\n{% endif %}\n  {# nothing #}\nend\n",
    "imports.conf": "{% import 'base/macros.j2' as base %}\n{% include 'beside.txt' %}{{ base.say(word) }}\n",
    "beside.txt": "beside\n",
    "empty.conf": "{% if not word %}never{% endif %}",
    "quote.json": '{"word": {{ word | to_json }}}\n',
    "umlaut.txt": "ä {{ word }}",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path, text in FILES.items():
        (tmp_path / "templates/room" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "templates/room" / path).write_text(text)
    (tmp_path / "templates/base").mkdir()
    (tmp_path / "templates/base/macros.j2").write_text("{% macro say(text) %}<{{ text }}>{% endmacro %}")
    return tmp_path / "templates/room"


def rendered(folder: Path, **options: Any) -> dict[str, str]:
    variables = {
        "word": trust_as_template("{{ other }}"),
        "other": "heard",
        "ansible_search_path": [str(folder.parents[1])],
    }
    lookup = LookupModule(loader=DataLoader(), templar=Templar(loader=DataLoader(), variables=variables))
    [found] = lookup.run([str(folder)], variables, **options)
    return found


def test_each_file_is_what_ansible_makes_of_it(folder: Path, collections_path: Path) -> None:
    """Blocks, imports, backslashes, quotes and all; but one that is empty is left out."""
    paths = sorted(set(FILES) - {"empty.conf"})
    task = {
        "ansible.builtin.copy": {
            "content": "{{ [ours, dict(paths | zip(query('ansible.builtin.template', *sources)))] | to_json }}",
            "dest": str(folder.parents[1] / "found.json"),
        },
        "vars": {
            "ours": "{{ lookup('fortytwo.inception.rendered_files', playbook_dir ~ '/templates/room') }}",
            "paths": paths,
            "sources": [f"room/{path}" for path in paths],
            "word": "{{ other }}",
            "other": "heard",
        },
    }
    (folder.parents[1] / "play.yml").write_text(
        json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}])
    )
    subprocess.run(
        ["ansible-playbook", "play.yml"],
        cwd=folder.parents[1],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections_path)},
        check=True,
        capture_output=True,
    )
    ours, ansibles = json.loads((folder.parents[1] / "found.json").read_text())
    assert ours == ansibles == rendered(folder)
    assert ours["imports.conf"] == "beside<heard>\n"


def test_some_of_them(folder: Path) -> None:
    assert rendered(folder, only=["beside.txt", "not_there.txt"]) == {"beside.txt": "beside\n"}
    assert set(rendered(folder, exclude=["beside.txt", "not_there.txt"])) == set(FILES) - {"empty.conf", "beside.txt"}


def test_an_unknown_variable_names_the_variable(folder: Path) -> None:
    (folder / "wrong.conf").write_text("{{ unheard_of }}")
    with pytest.raises(Exception, match="unheard_of"):
        rendered(folder)


def test_a_missing_folder(folder: Path) -> None:
    with pytest.raises(AnsibleLookupError, match="nowhere is not a folder on this computer"):
        rendered(folder / "nowhere")
