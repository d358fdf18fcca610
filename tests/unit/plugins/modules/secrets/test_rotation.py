# SPDX-License-Identifier: GPL-3.0-or-later
"""The module secrets: values that are replaced in phases, given up, and removed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.modules import secrets

from tests.unit.plugins.modules.secrets.support import ONE, THREE, TWO, by_name, content, options, put, steps, warned

# What a secret may be found as, each by its files.
PHASES = {
    "absent": {},
    "finalized": {"one.txt": ONE},
    "staged": {"one.txt": ONE, "one.txt.next": TWO},
    "promoted": {"one.txt": TWO, "one.txt.previous": ONE},
}


def arrange(folder: Path, files: dict[str, str]) -> None:
    for name, value in files.items():
        put(folder / name, value)


def begin_promotion(folder: Path) -> None:
    """What a run leaves that is killed between the two steps of a promotion."""
    arrange(folder, PHASES["staged"])
    (folder / "one.txt.previous").hardlink_to(folder / "one.txt")


def test_a_rotation_in_six_steps(run_module: Any, folder: Path) -> None:
    """Each state: check, real, check again, real again. The next one is the changed check and the changed run."""
    revisions = {"service": ["one", "two"]}
    run_module(secrets, options(folder, "one", "two", "other", revisions=revisions))
    old = content(folder)

    result = steps(run_module, secrets, folder, options(folder, "one", "two", state="staged"))
    assert by_name(result, "phase") == {"one": "staged", "two": "staged"}
    assert by_name(result, "staged_path") == {name: str(folder / f"{name}.txt.next") for name in ("one", "two")}
    staged = content(folder)
    assert {name: staged[name] for name in old} == old
    assert set(staged) - set(old) == {"one.txt.next", "two.txt.next"}
    assert len({staged[f"{name}.txt{end}"] for name in ("one", "two") for end in ("", ".next")}) == 4
    assert len(staged["one.txt.next"]) == 32

    # Every secret that is in the folder can be in a revision, and only the named ones are promoted.
    given = options(folder, "two", state="promoted", revisions=revisions)
    before = by_name(run_module(secrets, options(folder, "one", "two", "other"), check=True), "serial")
    would = by_name(run_module(secrets, given, check=True), "serial")
    result = steps(run_module, secrets, folder, given)
    assert by_name(result, "phase") == {"two": "promoted"}
    serial = by_name(result, "serial")["two"]
    # The staged value was written before: check mode knows its serial.
    assert would["two"] == serial != before["two"]
    assert content(folder) == {
        **{name: value for name, value in staged.items() if name != "two.txt.next"},
        "two.txt": staged["two.txt.next"],
        "two.txt.previous": old["two.txt"],
        "service.env": f"SECRETS=one:{before['one']},two:{serial}\n",
    }

    result = steps(run_module, secrets, folder, options(folder, "one", "two", state="finalized"))
    assert by_name(result, "phase") == {"one": "staged", "two": "finalized"}
    assert by_name(result, "serial") == {"one": before["one"], "two": serial}
    assert "two.txt.previous" not in content(folder)

    result = steps(run_module, secrets, folder, options(folder, "one", "two", state="aborted"))
    assert by_name(result, "phase") == {"one": "finalized", "two": "finalized"}
    assert {name: value for name, value in content(folder).items() if name.endswith("txt")} == {
        "one.txt": old["one.txt"],
        "other.txt": old["other.txt"],
        "two.txt": staged["two.txt.next"],
    }

    run_module(secrets, options(folder, "one", state="staged"))
    result = steps(run_module, secrets, folder, options(folder, "one", "two", state="absent"))
    assert by_name(result, "phase") == {"one": "absent", "two": "absent"}
    assert by_name(result, "serial") == {"one": None, "two": None}
    assert set(content(folder)) == {"other.txt", "service.env"}


@pytest.mark.parametrize(
    ("state", "found", "expected"),
    [
        ("staged", "finalized", None),
        ("staged", "staged", PHASES["staged"]),
        ("staged", "promoted", PHASES["promoted"]),
        ("promoted", "absent", {}),
        ("promoted", "finalized", PHASES["finalized"]),
        ("promoted", "staged", PHASES["promoted"]),
        ("promoted", "promoted", PHASES["promoted"]),
        ("finalized", "absent", {}),
        ("finalized", "finalized", PHASES["finalized"]),
        ("finalized", "staged", PHASES["staged"]),
        ("finalized", "promoted", {"one.txt": TWO}),
        ("aborted", "absent", {}),
        ("aborted", "finalized", PHASES["finalized"]),
        ("aborted", "staged", PHASES["finalized"]),
        ("aborted", "promoted", PHASES["promoted"]),
        ("absent", "absent", {}),
        ("absent", "finalized", {}),
        ("absent", "staged", {}),
        ("absent", "promoted", {}),
        ("present", "staged", PHASES["staged"]),
        ("present", "promoted", PHASES["promoted"]),
    ],
)
def test_every_state_in_every_phase(
    run_module: Any, folder: Path, state: str, found: str, expected: dict[str, str] | None
) -> None:
    arrange(folder, PHASES[found])
    put(folder / "other.txt.next", "somebody else's")
    changes = expected != PHASES[found]
    result = steps(run_module, secrets, folder, options(folder, "one", state=state), changes)
    # With the other states, secrets are only some of those that there are.
    assert ("undeclared" in result) == (state == "present")
    after = content(folder)
    assert after.pop("other.txt.next") == "somebody else's"
    if expected is not None:
        assert after == expected
    else:
        assert set(after) == {"one.txt", "one.txt.next"}
        assert after["one.txt"] == ONE != after["one.txt.next"]


@pytest.mark.parametrize(
    ("found", "value", "expected"),
    [
        ("finalized", TWO, PHASES["staged"]),
        ("finalized", ONE, PHASES["finalized"]),
        ("staged", TWO, PHASES["staged"]),
        ("staged", THREE, {"one.txt": ONE, "one.txt.next": THREE}),
        ("staged", ONE, PHASES["staged"]),
        ("promoted", TWO, PHASES["promoted"]),
        ("promoted", THREE, PHASES["promoted"]),
        ("promoted", ONE, PHASES["promoted"]),
    ],
)
def test_a_given_value_is_staged(
    run_module: Any, folder: Path, found: str, value: str, expected: dict[str, str]
) -> None:
    for given in (
        options(folder, {"name": "one", "value": value}, state="staged"),
        options(folder, {"name": "one", "value": value}, replace="staged"),
    ):
        for path in folder.iterdir():
            path.unlink()
        arrange(folder, PHASES[found])
        result = steps(run_module, secrets, folder, given, changes=expected != PHASES[found])
        assert content(folder) == expected
        assert bool(warned(result)) == (found == "promoted" and value != TWO)


@pytest.mark.parametrize("check", [True, False])
def test_what_is_missing_cannot_be_staged(run_module: Any, module_failed: Any, folder: Path, check: bool) -> None:
    arrange(folder, PHASES["finalized"])
    with pytest.raises(module_failed, match=r"'two' has no value that could be replaced: .*/two\.txt is missing"):
        run_module(secrets, options(folder, "one", "two", state="staged"), check=check)
    assert content(folder) == PHASES["finalized"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("present", None),
        ("staged", None),
        ("promoted", PHASES["promoted"]),
        ("finalized", PHASES["staged"]),
        ("aborted", PHASES["finalized"]),
        ("absent", {}),
    ],
)
def test_a_promotion_that_was_cut_off(
    run_module: Any, folder: Path, state: str, expected: dict[str, str] | None
) -> None:
    begin_promotion(folder)
    before = content(folder)
    steps(run_module, secrets, folder, options(folder, "one", state=state), changes=expected is not None)
    assert content(folder) == (before if expected is None else expected)


def test_a_cut_off_promotion_is_repaired(run_module: Any, folder: Path) -> None:
    """That the file has two names is no surprise then."""
    begin_promotion(folder)
    (folder / "one.txt").chmod(0o640)
    steps(run_module, secrets, folder, options(folder, "one"))


def test_a_cut_off_promotion_can_get_another_value(run_module: Any, folder: Path) -> None:
    begin_promotion(folder)
    steps(run_module, secrets, folder, options(folder, {"name": "one", "value": THREE}, state="staged"))
    steps(run_module, secrets, folder, options(folder, "one", state="promoted"))
    assert content(folder) == {"one.txt": THREE, "one.txt.previous": ONE}


def test_a_promotion_keeps_the_current_file_at_every_moment(
    run_module: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrange(folder, PHASES["staged"])
    seen: list[tuple[str, dict[str, str]]] = []

    def spy(name: str, real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            seen.append((name, content(folder)))
            return real(*args, **kwargs)

        return call

    for name in ("link", "replace", "fsync"):
        monkeypatch.setattr(os, name, spy(name, getattr(os, name)))
    run_module(secrets, options(folder, "one", state="promoted"))
    begun = {**PHASES["staged"], "one.txt.previous": ONE}
    # The second name is safe on the disk before the first one changes.
    assert seen == [
        ("link", PHASES["staged"]),
        ("fsync", begun),
        ("replace", begun),
        ("fsync", PHASES["promoted"]),
    ]


@pytest.mark.parametrize("state", ["present", "staged", "promoted", "finalized", "aborted"])
@pytest.mark.parametrize("left", ["next", "previous"])
def test_a_lost_value_is_not_lost_for_good(
    run_module: Any, module_failed: Any, folder: Path, state: str, left: str
) -> None:
    """The current file was removed by hand: the other one may be the only copy of a value that services know."""
    put(folder / f"one.txt.{left}", ONE)
    path = folder / "one.txt"
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(folder, "two", "one", state=state))
    assert failure.value.msg == (
        f"{path} is missing, but {path}.{left} is there, and services may know its value; "
        f"put it back: mv {path}.{left} {path}"
    )
    assert content(folder) == {f"one.txt.{left}": ONE}
    run_module(secrets, options(folder, "one", state="absent"))
    assert content(folder) == {}


@pytest.mark.parametrize("name", ["one.txt", "one.txt.next"])
@pytest.mark.parametrize(("value", "message"), [("", "is empty"), (f"{ONE}\n", "ends with a newline")])
def test_a_value_that_no_service_could_use(
    run_module: Any, module_failed: Any, folder: Path, name: str, value: str, message: str
) -> None:
    arrange(folder, {**PHASES["staged"], name: value})
    before = content(folder)
    state = "staged" if name == "one.txt" else "promoted"
    with pytest.raises(module_failed, match=f"{name} {message}"):
        run_module(secrets, options(folder, "one", state=state))
    assert content(folder) == before
    # It can be given up and removed, though.
    run_module(secrets, options(folder, "one", state="aborted"))
    run_module(secrets, options(folder, "one", state="absent"))
    assert content(folder) == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"state": "absent", "secrets": []}, "secrets: the state absent removes only secrets that are named"),
        ({"state": "absent", "revisions": {"service": ["one"]}}, "revisions: they go with every state but absent"),
        *(
            ({"state": state, "remove_undeclared": True}, "remove_undeclared: it goes with the state present")
            for state in ("staged", "promoted", "finalized", "aborted", "absent")
        ),
        ({"path": "secrets"}, "path: secrets is not absolute; for example: /home/wil/inception/secrets"),
        ({"revisions": {"Service": ["one"]}}, "revisions: 'Service': a name is lowercase letters"),
        ({"revisions": {"../up": ["one"]}}, "revisions: '../up': a name is lowercase letters"),
        ({"revisions": {"service": "one"}}, "revisions: 'service' is not a list of names of secrets"),
        ({"revisions": {"service": [1]}}, "revisions: 'service' is not a list of names of secrets"),
        ({"revisions": {"service": ["two"]}}, "revisions: 'service' names the secret 'two', which is not declared"),
        (
            {"revisions": {"service": ["none"]}, "state": "finalized"},
            "revisions: 'service' names the secret 'none', but {}/none.txt is missing",
        ),
        (
            {"revisions": {"service": ["../up"]}, "state": "finalized"},
            "revisions: 'service': '../up': a name is lowercase",
        ),
        ({"state": "gone"}, "value of state must be one of"),
        ({"replace": "later"}, "value of replace must be one of"),
        ({"secrets": [{"name": "one", "kind": "pin"}]}, "value of kind must be one of"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_options_that_do_not_go_together(
    run_module: Any, module_failed: Any, folder: Path, given: dict[str, Any], message: str, check: bool
) -> None:
    arrange(folder, {**PHASES["finalized"], "two.txt": TWO})
    before = content(folder)
    with pytest.raises(module_failed) as failure:
        run_module(secrets, {**options(folder, "one", "new"), **given}, check=check)
    assert failure.value.msg.startswith(message.format(folder))
    assert content(folder) == before


def test_a_missing_folder_has_nothing_to_remove(run_module: Any, tmp_path: Path) -> None:
    for check in (True, False):
        result = run_module(secrets, options(tmp_path / "missing", "one", state="absent"), check=check)
        assert (result["changed"], by_name(result, "phase")) == (False, {"one": "absent"})


@pytest.mark.parametrize("state", ["present", "staged", "promoted", "finalized", "aborted", "absent"])
def test_what_a_killed_run_left_is_removed(run_module: Any, folder: Path, state: str) -> None:
    arrange(folder, PHASES["finalized"])
    for name in (".one.txt.inception-tmp", ".gone.txt.next.inception-tmp", ".gone.env.inception-tmp"):
        put(folder / name, "half a va", 0o600)
    put(folder / ".inception-tmp", "not ours")
    before = sorted(path.name for path in folder.iterdir())
    result = run_module(secrets, options(folder, "one", state=state), check=True, diff=True)
    assert result["changed"]
    assert ".gone.env.inception-tmp: present" in result["diff"]["before"]
    assert ".gone.env.inception-tmp: absent" in result["diff"]["after"]
    assert sorted(path.name for path in folder.iterdir()) == before
    assert run_module(secrets, options(folder, "one", state=state))["changed"]
    assert {path.name for path in folder.iterdir() if path.name.startswith(".")} == {".inception-tmp"}
