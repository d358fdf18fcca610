# SPDX-License-Identifier: GPL-3.0-or-later
"""The module secrets: no value is in anything that it returns, prints or logs."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic
from ansible_collections.fortytwo.inception.plugins.modules import secrets

from tests.unit.plugins.modules.secrets.support import content, options, put
from tests.unit.plugins.modules.secrets.test_values import salts

# Plain, with what each way of printing escapes in another way, and of several lines.
VALUES = {
    "plain": ("password", "a-plain-value-0123456789"),
    "signs": ("password", 'it\'s "quoted" \\ back\\\\slashed & <b>é'[:-1] + "%20/+="),
    "lines": ("wordpress_salts", salts()),
    "staged": ("password", "a-value-for-later-0123"),
}
REFUSED = {
    "short": "short-value-123",
    "newline": "a value with a newline at its end\n",
    "tab": "a value with\ta tab in it",
    "accents": "a value with an é in it",
    "poor": "abcabcabcabcabcabcabc",
}


def forms(value: str) -> set[str]:
    """What a value may look like in a text."""
    data = value.strip()
    parts = [data, *(part for line in data.split("\n") for part in line.split("'") if len(part) > 40)]
    return {
        form
        for part in parts
        for form in (
            part,
            repr(part)[1:-1],
            json.dumps(part)[1:-1],
            json.dumps(json.dumps(part))[3:-3],
            yaml.safe_dump(part, width=10000).strip("\n'\""),
            base64.b64encode(part.encode()).decode().rstrip("="),
            urllib.parse.quote(part),
            urllib.parse.quote_plus(part),
        )
    }


def leaks(text: str, values: list[str]) -> list[str]:
    return [form for value in values for form in forms(value) if form in text]


def declared(name: str) -> dict[str, Any]:
    return {"name": name, "kind": VALUES[name][0], "value": VALUES[name][1]}


def every(folder: Path) -> list[str]:
    """All values that are given or in the folder."""
    files = [value for name, value in content(folder).items() if not name.endswith(".env")] if folder.exists() else []
    return [value for _, value in VALUES.values()] + list(REFUSED.values()) + files


@pytest.mark.parametrize("journal", [True, False])
def test_the_log_of_the_target(run_module: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, journal: bool) -> None:
    """Ansible itself would log the values that Python shows in an escaped form."""
    logged: list[str] = []

    class Journal:
        @staticmethod
        def send(*args: Any, **kwargs: Any) -> None:
            logged.append(repr((args, kwargs)) + str(kwargs))

    monkeypatch.setattr(basic, "has_journal", journal)
    monkeypatch.setattr(basic, "journal", Journal, raising=False)
    monkeypatch.setattr(basic.syslog, "syslog", lambda *args: logged.append(repr(args) + str(args[-1])))
    run_module(secrets, options(folder, *map(declared, VALUES)))
    (line,) = logged
    assert "Invoked" in line
    assert leaks(line, every(folder)) == []


@pytest.mark.parametrize("check", [True, False])
def test_results(run_module: Any, folder: Path, check: bool) -> None:
    put(folder / "plain.txt", "weak", 0o666)
    put(folder / "staged.txt", "a-value-of-before-0123", 0o666)
    for given in (
        options(folder, *map(declared, VALUES), "random", revisions={"all": [*VALUES, "random"]}, replace="staged"),
        options(folder, declared("staged"), "plain", state="staged"),
    ):
        printed = json.dumps(run_module(secrets, given, check=check, diff=True))
        assert leaks(printed, [value for value in every(folder) if value != "weak"]) == []


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(run_module: Any, module_failed: Any, folder: Path, name: str) -> None:
    for kind in ("password", "wordpress_salts"):
        secret = {"name": "one", "kind": kind, "value": REFUSED[name]}
        with pytest.raises(module_failed, match="secrets: 'one': the value") as failure:
            run_module(secrets, options(folder, secret), diff=True)
        assert leaks(json.dumps(failure.value.result), [REFUSED[name]]) == []


@pytest.mark.parametrize("value", [12345678901234567890123456, 1.2345678901234567e300, {"my-key": "a-value-of-mine"}])
@pytest.mark.parametrize("check", [True, False])
def test_a_value_of_another_type(run_module: Any, module_failed: Any, folder: Path, value: Any, check: bool) -> None:
    """YAML takes digits without quotes for a number, and may make another one of them."""
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(folder, {"name": "one", "value": value}), check=check, diff=True)
    assert failure.value.msg == "secrets: 'one': the value is not a text; write it in quotes"
    texts = list(value.values()) if isinstance(value, dict) else [str(value)]
    assert leaks(json.dumps(failure.value.result), texts) == []
    assert content(folder) == {}


def test_what_ansible_prints(folder: Path, tmp_path: Path, collections_path: Path) -> None:
    """The module as Ansible packs it and runs it, as talkative as it gets, with a log, differences and errors."""
    put(folder / "staged.txt", "a-value-of-before-0123")
    put(folder / "adopted.txt", "a-value-to-adopt-0123", 0o644)
    common = {"path": str(folder), "owner": str(os.geteuid())}
    look_up = [
        {"name": name, "kind": kind, "value": f"{{{{ values['{name}'] }}}}"} for name, (kind, _) in VALUES.items()
    ]
    look_up.append({"name": "adopted"})
    tasks: list[dict[str, Any]] = [
        {"fortytwo.inception.secrets": {**common, "secrets": look_up, "replace": "staged"}, "check_mode": True},
        {"fortytwo.inception.secrets": {**common, "secrets": look_up, "replace": "staged"}, "register": "result"},
        {"ansible.builtin.debug": {"var": "result"}},
        {"fortytwo.inception.secrets": {**common, "secrets": look_up, "state": "staged"}},
        {"fortytwo.inception.secrets": {**common, "secrets": look_up, "state": "promoted"}},
        *(
            {
                "fortytwo.inception.secrets": {
                    **common,
                    "secrets": [{"name": "refused", "value": f"{{{{ refused['{name}'] }}}}"}],
                },
                "ignore_errors": True,
            }
            for name in REFUSED
        ),
    ]
    for number, task in enumerate(tasks):
        task["name"] = f"Task {number}"
    play: dict[str, Any] = {"hosts": "localhost", "gather_facts": False, "vars_files": ["values.json"], "tasks": tasks}
    play["vars"] = {"ansible_python_interpreter": sys.executable}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    given = {"values": {name: value for name, (_, value) in VALUES.items()}, "refused": REFUSED}
    (tmp_path / "values.json").write_text(json.dumps(given))
    (tmp_path / "ansible.cfg").touch()
    finished = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", "-c", "local", "-vvvv", "--diff", "play.yml"],
        cwd=tmp_path,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
            "ANSIBLE_LOG_PATH": str(tmp_path / "log"),
            "ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "1",
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    printed = finished.stdout + finished.stderr + (tmp_path / "log").read_text()
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "changed=4" in printed
    assert f"ignored={len(REFUSED)}" in printed
    assert "was open to every user of the machine" in printed
    assert (folder / "signs.txt").read_text() == VALUES["signs"][1]
    assert (folder / "staged.txt").read_text() == VALUES["staged"][1]
    assert leaks(printed, every(folder)) == []
    left = [path for name in ("tmp", "remote") for path in (tmp_path / name).rglob("*") if path.is_file()]
    assert left == []


def test_the_search_finds_each_form() -> None:
    """What the tests above search for would be found."""
    for _, value in VALUES.values():
        for text in (
            f"x{value}x",
            repr({"value": value}),
            json.dumps({"value": value}),
            json.dumps(json.dumps([value])),
            yaml.safe_dump([value], width=10000),
            urllib.parse.urlencode({"value": value}),
            base64.b64encode(value.encode()).decode(),
        ):
            assert leaks(text, [value])
