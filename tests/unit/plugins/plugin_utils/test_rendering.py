# SPDX-License-Identifier: GPL-3.0-or-later
"""Services and trees rendered on the control node, beside Ansible's own lookup for templates."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _rendering as rendering

ANSIBLES, OURS = "ansible.builtin.template", "fortytwo.inception.rendered"
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
        (tmp_path / "templates/place" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "templates/place" / path).write_text(text)
    (tmp_path / "templates/base").mkdir()
    (tmp_path / "templates/base/macros.j2").write_text("{% macro say(text) %}<{{ text }}>{% endmacro %}")
    return tmp_path / "templates/place"


def renderer(root: Path, **more: Any) -> rendering.Renderer:
    variables = {
        "word": trust_as_template("{{ other }}"),
        "other": "heard",
        "ansible_search_path": [str(root)],
        **more,
    }
    return rendering.Renderer(Templar(loader=DataLoader(), variables=variables), DataLoader(), variables)


def rendered(folder: Path) -> dict[str, str]:
    return rendering.tree(renderer(folder.parents[1]), folder)


def play(folder: Path, collections: Path, *tasks: dict[str, Any], **variables: Any) -> subprocess.CompletedProcess[str]:
    (folder / "play.yml").write_text(
        json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}])
    )
    (folder / "ansible.cfg").touch()
    return subprocess.run(
        ["ansible-playbook", "play.yml"],
        cwd=folder,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_CONFIG": str(folder / "ansible.cfg")},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_each_file_is_what_ansible_makes_of_it(folder: Path, collections_path: Path) -> None:
    """Blocks, imports, backslashes, quotes and all, written by the module tree; but one that is empty is left out."""
    paths = sorted(set(FILES) - {"empty.conf"})
    root = folder.parents[1]
    done = play(
        root,
        collections_path,
        {
            "fortytwo.inception.tree": {"path": f"{root}/tree", "manifest": f"{root}/tree.json", "src": "place"},
            "vars": {"word": "{{ other }}", "other": "heard"},
        },
        *(
            {
                "ansible.builtin.copy": {
                    "content": f"{{{{ dict(paths | zip(query('{lookup}', *sources))) | to_json }}}}",
                    "dest": f"{root}/{lookup}.json",
                },
                "vars": {
                    "paths": paths,
                    "sources": [f"place/{path}" for path in paths],
                    "word": "{{ other }}",
                    "other": "heard",
                },
            }
            for lookup in (ANSIBLES, OURS)
        ),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ansibles = json.loads((root / f"{ANSIBLES}.json").read_text())
    assert json.loads((root / f"{OURS}.json").read_text()) == ansibles
    ours = {path: (root / "tree" / path).read_text() for path in rendering.files_below(root / "tree")}
    assert ours == ansibles == rendered(folder)
    assert ours["imports.conf"] == "beside<heard>\n"


@pytest.mark.parametrize(
    ("place", "said"),
    [("place/sub", "Is a directory"), ("nowhere.conf", "There is no template nowhere.conf")],
)
def test_a_template_that_is_not_there(folder: Path, collections_path: Path, place: str, said: str) -> None:
    done = play(
        folder.parents[1],
        collections_path,
        {"ansible.builtin.debug": {"msg": f"{{{{ lookup('{OURS}', '{place}') }}}}"}},
    )
    assert done.returncode != 0
    assert said in done.stdout + done.stderr


def test_who_manages_a_file(folder: Path, collections_path: Path) -> None:
    """As Ansible's own lookup says it, and as people say it."""
    root = folder.parents[1]
    (root / "templates/managed.conf").write_text("# {{ ansible_managed }} {{ word }}\n")
    tasks = [
        {"ansible.builtin.copy": {"content": f"{{{{ lookup('{name}', 'managed.conf') }}}}", "dest": f"{root}/{name}"}}
        for name in (ANSIBLES, OURS)
    ]
    for managed, wanted in (({}, "# Ansible managed w\n"), ({"ansible_managed": "{{ word }}s"}, "# ws w\n")):
        done = play(root, collections_path, *tasks, word="w", **managed)
        assert done.returncode == 0, done.stdout + done.stderr
        assert {(root / name).read_text() for name in (ANSIBLES, OURS)} == {wanted}


def test_a_tree_without_its_folder_says_so(tmp_path: Path, collections_path: Path) -> None:
    done = play(
        tmp_path,
        collections_path,
        {"fortytwo.inception.tree": {"path": f"{tmp_path}/tree", "manifest": f"{tmp_path}/m.json", "src": "nowhere"}},
    )
    assert done.returncode != 0
    assert "src: Could not find or access 'nowhere'" in done.stdout + done.stderr
    assert not (tmp_path / "tree").exists()


def test_an_unknown_variable_names_the_variable_and_the_file(folder: Path) -> None:
    (folder / "wrong.conf").write_text("{{ unheard_of }}")
    with pytest.raises(rendering.RenderingError, match=r"wrong\.conf:1: 'unheard_of' is undefined"):
        rendered(folder)


def test_a_missing_folder(folder: Path) -> None:
    with pytest.raises(rendering.RenderingError, match="nowhere is not a folder on the control node"):
        rendered(folder / "nowhere")


def test_raw_files_are_bytes_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "site/deep").mkdir(parents=True)
    (tmp_path / "site/deep/{{ a }}.png").write_bytes(b"\x89{{ b }}")
    (tmp_path / "site/link").symlink_to(tmp_path / "site/deep/{{ a }}.png")
    assert rendering.raw_files("www", tmp_path / "site") == {
        "www/deep/{{ a }}.png": "iXt7IGIgfX0=",
        "www/link": "iXt7IGIgfX0=",
    }


# Services from a folder of the user's own


@pytest.fixture
def own(tmp_path: Path) -> Path:
    for path, text in {
        "mine/service.yml": "about: mine\nenv: {PORT: {{ my_port }}}\nports: [{published: PORT}]\n",
        "mine/Dockerfile": "FROM x\n# {{ service.limits.memory }} {{ service_names | length }}\n",
        "mine/compose.yml": "    tmpfs: [/tmp]\n",
        "asleep/service.yml": "about: {{ unheard_of }}\n",
    }.items():
        (tmp_path / "own" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / path).write_text(text)
    return tmp_path / "own"


def settings(repository: Path) -> dict[str, Any]:
    """The settings that our own services' descriptions name."""
    loader = DataLoader()
    found: dict[str, Any] = {"inception_login": "wil", "inventory_hostname": "wil", "my_port": 7}
    for role in ("inception", "stack"):
        found |= loader.load_from_file(str(repository / f"roles/{role}/defaults/main.yml"), trusted_as_template=True)
    return found


def test_an_outline_needs_no_build_context_and_no_host(own: Path, repository: Path) -> None:
    """Only the chosen descriptions are rendered, each once."""
    said: list[str] = []

    class Noting(rendering.Renderer):
        def text(self, path: Path, **more: Any) -> str:
            said.append(path.as_posix())
            return super().text(path, **more)

    plain = renderer(own, **settings(repository))
    noting = Noting(plain.templar, plain.loader, plain.variables)
    outline = rendering.Services(noting, [own], ["mine", "ftp", "nobody"]).outline()
    assert outline["problems"] == []
    assert outline["names"] == ["mariadb", "wordpress", "nginx", "mine", "ftp"]
    assert {"asleep", "mine", "redis"} <= set(outline["available"])
    assert "nginx" not in outline["available"]
    assert outline["tcp_ports"] == [7, 21, 443, *range(21000, 21010)]
    assert outline["forwarded_ports"][:2] == [
        {"host_port": 8443, "guest_port": 443, "protocol": "tcp", "setting": "inception_vm_https_port"},
        {"host_port": 2121, "guest_port": 21, "protocol": "tcp", "setting": "inception_vm_ftp_port"},
    ]
    assert {"db_password", "ftp_password"} <= set(outline["secrets"])
    assert len(said) == len(set(said)) == 5
    assert all(path.endswith("/service.yml") for path in said)


def test_what_a_description_lacks_is_said_with_its_file(own: Path, repository: Path) -> None:
    outline = rendering.Services(renderer(own, **settings(repository)), [own, "/nowhere"], ["asleep"]).outline()
    assert outline["problems"] == [
        "inception_service_dirs: /nowhere is not a folder; for example: /home/wil/services",
        f"{own}/asleep/service.yml:1: 'unheard_of' is undefined",
    ]
    assert outline["ports"] == []


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("nginx/service.yml", b"about: another nginx\n", "nginx/service.yml: there is a service 'nginx' in "),
        ("mine/logo.png", b"ab\n\x89PNG\n", "mine/logo.png:2: no text in UTF-8"),
        ("mine/service.yml", b"about: a\nenv: {A: \xe9}\n", "mine/service.yml:2: no text in UTF-8"),
        ("mine/Dockerfile", b"FROM x\nRUN {% if %}\n", "mine/Dockerfile:2: Expected an expression"),
        ("mine/conf/x.conf", b"a\n\n{{ a }\n", "mine/conf/x.conf:3: unexpected '}'"),
        ("mine/service.yml", b"about: a\ncopied: {site: /nowhere}\n", "mine/service.yml:2: /nowhere is not a folder"),
        ("service.yml", b"about: a\n", "is a service's own folder; name the one that it is in"),
    ],
)
def test_what_is_wrong_with_a_folder_is_known_before_its_files_are_rendered(
    own: Path, repository: Path, path: str, content: bytes, said: str
) -> None:
    (own / path).parent.mkdir(exist_ok=True)
    (own / path).write_bytes(content)
    [problem] = rendering.Services(renderer(own, **settings(repository)), [own], ["mine"]).outline()["problems"]
    assert said in problem


@pytest.mark.parametrize(
    ("path", "content"),
    [
        # Of a service that was not chosen nobody wants to know.
        ("asleep/service.yml", b"about: \xe9\n"),
        ("asleep/logo.png", b"\x89PNG\n"),
        ("mine/a.conf", b"#jinja2: block_start_string:'[%'\n{% if %}\n"),
        ("mine/b.conf", "ünï {% do [] %}{{ a | no_such_filter }}\n".encode()),
    ],
)
def test_what_may_be_in_a_folder(own: Path, repository: Path, path: str, content: bytes) -> None:
    (own / path).write_bytes(content)
    found = rendering.Services(renderer(own, **settings(repository)), [own, f"{own}/"], ["mine"], {"PORT": 8}).outline()
    assert found["problems"] == []


@pytest.mark.parametrize("written", ["true", "yes", "True", "true  # for all", "false", "'true'"])
def test_a_service_of_every_stack_says_so_in_any_of_yamls_ways(own: Path, repository: Path, written: str) -> None:
    (own / "mine/service.yml").write_text(f"about: mine\nmandatory: {written}\n")
    found = rendering.Services(renderer(own, **settings(repository)), [own]).outline()
    assert ("mine" in found["names"]) == (written not in ("false", "'true'"))


def rendered_by_the_role(own: Path, **settings: Any) -> list[dict[str, Any]]:
    """The role renders, and its own variables tell with what."""
    told = "{{ __stack_services | map(attribute='name') | join(' ') }} {{ __stack_services[2].env.HTTPS_PORT }}"
    return [
        {
            "ansible.builtin.include_role": {
                "name": "fortytwo.inception.stack",
                "tasks_from": "render.yml",
                "public": True,
            },
            "vars": settings,
        },
        {"ansible.builtin.copy": {"content": told, "dest": f"{own}/{settings['inception_https_port']}.txt"}},
    ]


def test_the_role_used_twice_in_one_play_renders_each_time_what_it_was_told(own: Path, collections_path: Path) -> None:
    """A fact with the name of a role's variable would give the second use the first one's services."""
    done = play(
        own,
        collections_path,
        *rendered_by_the_role(own, inception_bonus_services=["mine"], inception_https_port=443),
        *rendered_by_the_role(own, inception_bonus_services=["ftp"], inception_https_port=8443),
        inception_login="wil",
        inception_service_dirs=[str(own)],
        my_port=7,
        base_image_reference="debian:bookworm",
        __inception_checked=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (own / "443.txt").read_text() == "mariadb wordpress nginx mine 443"
    assert (own / "8443.txt").read_text() == "mariadb wordpress nginx ftp 8443"
