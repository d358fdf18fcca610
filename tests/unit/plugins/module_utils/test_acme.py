# SPDX-License-Identifier: GPL-3.0-or-later
"""When a certificate is due, how one is asked for, and why there is none; dehydrated is a stand-in."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _acme, _program, _renewal
from ansible_collections.fortytwo.inception.plugins.module_utils._acme import Refused, Settings, State, Store

DAY = _renewal.DAY
SETTINGS = Settings(["wil.org", "www.wil.org"], "https://acme.lan:14000/dir", challenges="", project="")


def openssl(*argv: str) -> bytes:
    return subprocess.run(["openssl", *argv], check=True, capture_output=True).stdout


class Machine:
    """A project with a key and a certificate of its own, and an authority that answers as it is told."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.root = folder, folder / "project"
        self.secrets = self.root / "secrets"
        self.secrets.mkdir(parents=True)
        self.challenges = folder / "challenges"
        self.challenges.mkdir()
        self.store = Store(folder)
        self.store.make()
        self.store.dns_files.mkdir()
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(self.secrets / "tls.key"))
        (self.secrets / "tls.crt").write_bytes(self.signed("old.org"))
        self.settings()
        self.now = time.time()
        self.answers: list[tuple[int, str, str]] = []
        self.calls: list[list[str]] = []
        monkeypatch.setattr(_renewal, "now", lambda: self.now)
        monkeypatch.setattr(_acme, "called", self.called)
        monkeypatch.setattr(_acme, "NONCE_SECONDS", 0.0)
        client = folder / "dehydrated"
        client.write_text("#!/bin/bash\n")
        monkeypatch.setattr(_acme.shutil, "which", lambda name, path: str(client))

    def settings(self, **other: Any) -> None:
        told = {**vars(SETTINGS), "challenges": str(self.challenges), "project": str(self.root), **other}
        self.store.settings_file.write_text(json.dumps(told))

    def signed(self, *names: str, days: int = 90, key: Path | None = None) -> bytes:
        alternatives = ",".join(f"DNS:{name}" for name in names)
        key = key or self.secrets / "tls.key"
        more = ("-subj", f"/O=Authority/CN={names[0]}", "-addext", f"subjectAltName={alternatives}")
        return openssl("req", "-x509", "-key", str(key), *more, "-days", str(days))

    def called(self, argv: list[str]) -> tuple[int, str, str]:
        self.calls.append(argv)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def gives(self, *names: str, **more: Any) -> None:
        certificate = self.signed(*(names or SETTINGS.names), **more).decode()
        self.answers = [(0, f"# INFO: Using\n# CERT #\n{certificate}\n{self.signed('an authority').decode()}\n", "")]

    def later(self, days: float) -> None:
        self.now += days * DAY

    def refuses(self, said: str) -> None:
        self.answers = [(1, "", said)]

    def issue(self) -> None:
        _acme.issue(self.store, str(self.root), "/usr/local/sbin/inception --root /", lambda line: None)

    def due(self) -> _acme.Due | None:
        return _acme.due(self.store, str(self.root))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_the_first_one_is_asked_for_and_put_into_its_place(machine: Machine) -> None:
    assert (due := machine.due())
    assert due.is_urgent
    machine.gives()
    machine.issue()
    # Until it is in its place it waits, whoever is cut off.
    assert machine.due()
    assert _acme.waits(machine.store, str(machine.root))
    before = (machine.secrets / "tls.crt").stat()
    _acme.put(machine.store, str(machine.root))
    after = (machine.secrets / "tls.crt").stat()
    assert (after.st_mode & 0o777, after.st_uid) == (0o444, before.st_uid)
    assert machine.due() is None
    assert not _acme.waits(machine.store, str(machine.root))
    # With what vouches for it.
    assert (machine.secrets / "tls.crt").read_text().count("BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize(("days", "renewed"), [(90, (57, 60)), (45, (28.5, 30)), (6, (2.8, 3))])
def test_it_is_renewed_in_time_and_not_when_all_others_are(
    machine: Machine, days: int, renewed: tuple[float, float]
) -> None:
    begun, found = time.time(), set()
    for _time in range(5):
        machine.gives(days=days)
        machine.issue()
        found.add(machine.store.state().renew_at)
    assert len(found) == 5
    for one in found:
        assert renewed[0] * DAY - 60 <= one - begun <= renewed[1] * DAY + 60
    _acme.put(machine.store, str(machine.root))
    machine.now = max(found) + 1
    due = machine.due()
    # There is time to do it: that is no news.
    assert due is not None
    assert not due.is_urgent
    assert due.what.startswith("the certificate ends in ")
    machine.now = begun + days * DAY * 0.9
    assert (due := machine.due())
    assert due.is_urgent


@pytest.mark.parametrize(
    "other",
    [
        {"directory": "https://other.lan/dir"},
        {"names": ["wil.org"]},
        {"names": ["other.org", "www.wil.org"]},
        {"profile": "shortlived"},
    ],
)
def test_other_settings_want_another_one(machine: Machine, other: dict[str, Any]) -> None:
    machine.gives()
    machine.issue()
    _acme.put(machine.store, str(machine.root))
    machine.settings(**other)
    assert machine.due() == _acme.Due("the certificate was asked for with other settings", True)
    machine.settings(email="other@wil.org", challenge="http-01")
    assert machine.due() is None


def test_one_that_was_put_there_by_hand_is_none_of_the_authority_s(machine: Machine) -> None:
    machine.gives()
    machine.issue()
    _acme.put(machine.store, str(machine.root))
    (machine.secrets / "tls.crt").chmod(0o600)
    (machine.secrets / "tls.crt").write_bytes(machine.signed("wil.org", "www.wil.org"))
    assert (due := machine.due())
    assert "none of acme.lan's" in due.what


@pytest.mark.parametrize(
    ("give", "said"),
    [
        (lambda machine: machine.gives("wil.org"), "is not for www.wil.org"),
        (lambda machine: machine.gives("wil.org", "www.wil.org", key=machine.folder / "other.key"), "of another key"),
        (lambda machine: machine.answers.append((0, "# CERT #\n", "")), "gave no certificate"),
        (
            lambda machine: (machine.later(-400), machine.gives()),
            "the machine's clock says",
        ),
    ],
)
def test_what_is_no_certificate_of_ours_is_not_taken(
    machine: Machine, give: Callable[[Machine], object], said: str
) -> None:
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(machine.folder / "other.key"))
    give(machine)
    with pytest.raises(Refused, match=said):
        machine.issue()
    assert not machine.store.issued.exists()


def test_a_machine_that_failed_waits_longer_each_time_and_a_person_does_not(machine: Machine) -> None:
    machine.refuses("ERROR: Problem connecting to server (get for https://acme.lan/dir; curl returned with 7)")
    pauses = []
    for _time in range(7):
        assert _acme.may_ask(machine.store, by_itself=True)
        with pytest.raises(Refused):
            machine.issue()
        assert not _acme.may_ask(machine.store, by_itself=True)
        assert _acme.may_ask(machine.store, by_itself=False)
        pauses.append(machine.store.state().next - machine.now)
        machine.now = machine.store.state().next
    for pause, least in zip(pauses, [600, 3600, 10800, 43200, 86400, 86400, 86400], strict=True):
        assert least <= pause <= least * 1.5
    machine.gives()
    machine.issue()
    assert machine.store.state().failed == 0


def test_whoever_asked_too_often_is_not_asked_for_again_before_its_time(machine: Machine) -> None:
    machine.refuses(
        "Details:\nHTTP/2 429\nretry-after: 86400\n\n"
        '{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many certificates already issued"}'
    )
    with pytest.raises(Refused, match="gives no more certificates for now"):
        machine.issue()
    assert not _acme.may_ask(machine.store, by_itself=False)
    assert "too many certificates already issued" in str(_acme.refused_before(machine.store))
    machine.now += 86401
    assert _acme.may_ask(machine.store, by_itself=False)


def test_until_when_is_read_from_what_it_says_too(machine: Machine) -> None:
    said = "too many failed authorizations (5) in the last 1h0m0s, retry after 2030-07-17 12:34:59 UTC: see x"
    assert _acme.refusal(problem("rateLimited", said), SETTINGS).until == 1910522099.0


def test_a_nonce_that_was_used_up_is_asked_for_anew_and_not_for_ever(machine: Machine) -> None:
    bad = (1, "", '{"type": "urn:ietf:params:acme:error:badNonce", "detail": "JWS has an invalid anti-replay nonce"}')
    machine.gives()
    machine.answers = [bad, bad, *machine.answers]
    machine.issue()
    assert len(machine.calls) == 3
    machine.answers, machine.calls = [bad], []
    with pytest.raises(Refused, match="5 times in a row"):
        machine.issue()
    assert len(machine.calls) == 5


def test_one_that_is_revoked_is_a_copy_and_another_one_is_due(machine: Machine) -> None:
    machine.gives()
    machine.issue()
    _acme.put(machine.store, str(machine.root))
    certificate = (machine.secrets / "tls.crt").read_bytes()
    machine.answers, machine.calls = [(0, "Revoking\n + Done.\n", "")], []
    _acme.revoke(machine.store, certificate, "inception")
    [call] = machine.calls
    copy = Path(call[call.index("--revoke") + 1])
    # dehydrated renames what it has revoked; the project's own stays in its place, and nothing else stays.
    assert copy.parent == machine.store.base
    assert not copy.exists()
    assert (machine.secrets / "tls.crt").read_bytes() == certificate
    assert machine.due() == _acme.Due("the certificate was revoked", True)
    machine.gives()
    machine.issue()
    _acme.put(machine.store, str(machine.root))
    assert machine.due() is None


def test_one_that_was_revoked_before_is_no_failure_and_another_account_s_is(machine: Machine) -> None:
    kinds = "urn:ietf:params:acme:error:"
    machine.refuses(f'{{"type": "{kinds}alreadyRevoked", "detail": "Certificate already revoked"}}')
    _acme.revoke(machine.store, (machine.secrets / "tls.crt").read_bytes(), "inception")
    machine.refuses(f'{{"type": "{kinds}unauthorized", "detail": "not yours"}}')
    with pytest.raises(Refused, match=r"not yours.*did not ask for"):
        _acme.revoke(machine.store, machine.signed("other.org"), "inception")
    assert machine.due() == _acme.Due("the certificate was revoked", True)


def test_an_account_that_is_gone_is_made_anew_once(machine: Machine) -> None:
    gone = (1, "", '{"type":"urn:ietf:params:acme:error:accountDoesNotExist","detail":"Account not found"}')
    accounts = machine.store.base / "accounts"
    accounts.mkdir()
    machine.gives()
    machine.answers = [gone, *machine.answers]
    machine.issue()
    assert (machine.store.base / "accounts.former").is_dir()
    assert not accounts.exists()
    machine.answers, machine.calls = [gone], []
    with pytest.raises(Refused, match="knows neither the account"):
        machine.issue()
    assert len(machine.calls) == 2


def problem(kind: str, detail: str, before: str = "") -> str:
    return f'{before}{{"type": "urn:ietf:params:acme:error:{kind}", "detail": "{detail}"}}'


def invalid(kind: str, detail: str, name: str = "www.wil.org") -> str:
    """As dehydrated tells a validation that failed."""
    return (
        f" + Handling authorization for wil.org\n + Handling authorization for {name}\nERROR: Challenge is invalid! "
        f'(returned: invalid) (result: ["type"]\t"http-01"\n["error","type"]\t"urn:ietf:params:acme:error:{kind}"\n'
        f'["error","detail"]\t"{detail}"\n["error"]\t{{"type":"urn:ietf:params:acme:error:{kind}","detail":"{detail}"}})\n'
    )


@pytest.mark.parametrize(
    ("said", "what", "todo"),
    [
        (invalid("dns", "NXDOMAIN looking up A for www.wil.org"), "does not find www.wil.org in the DNS", "A and AAAA"),
        (
            invalid("connection", "1.2.3.4: Timeout during connect"),
            "did not reach www.wil.org at port 443",
            "open port 443",
        ),
        (invalid("unauthorized", "1.2.3.4: Invalid response: 404"), "found another answer at www.wil.org", "no proxy"),
        (invalid("unauthorized", "Failed to connect to 1.2.3.4:443"), "did not reach www.wil.org", "open port 443"),
        (invalid("connection", "could not resolve URL"), "does not find www.wil.org in the DNS", "its records"),
        (invalid("caa", "CAA record prevents issuance"), "CAA record of www.wil.org does not let acme.lan", "add the"),
        (problem("rateLimited", "too many"), "no more certificates for now (too many)", "staging"),
        (problem("rejectedIdentifier", "forbidden"), "gives no certificates for wil.org", "a public domain"),
        (
            problem("externalAccountRequired", "x"),
            "wants an account that was made there before",
            "inception_acme_eab_kid",
        ),
        (problem("unauthorized", "kid is not known"), "does not take the account", "inception_acme_eab_key"),
        (problem("invalidContact", "bad"), "does not take the address", "inception_acme_email"),
        (problem("invalidProfile", "no"), "has no profile", "inception_acme_profile"),
        (problem("serverInternal", "sorry"), "has a fault of its own (sorry)", "by itself"),
        (problem("somethingNew", "odd"), "refused: somethingNew (odd)", "by itself"),
        # The second follows from the first.
        (
            problem("unauthorized", "kid is not known") + problem("accountDoesNotExist", "no such"),
            "does not take the account (kid is not known)",
            "eab",
        ),
        ("ERROR: (get for x; curl returned with 6)", "cannot be reached: its name is not found", "curl -v"),
        ("ERROR: (get for x; curl returned with 60)", "nobody whom this machine trusts", "inception_acme_authority"),
        ("ERROR: (get for x; curl returned with 99)", "curl ended with 99", "curl -v"),
        ("This CA requires an external account but no EAB_KID/EAB_HMAC_KEY", "made there before", "eab_kid"),
        ("ERROR: ACME profile 'x' not found, available profiles:\n  a: b", "has no profile", "inception_acme_profile"),
        (
            "ERROR: Validating this is not possible using tls-alpn-01. Possible validation methods are: dns-01",
            "but by dns-01",
            "inception_acme_challenge",
        ),
        ("no token\nERROR: deploy_challenge hook returned with non-zero exit code", "failed: no token", "status 0"),
        (" + ERROR: An error occurred while sending get-request to x (Status 404)\n", "status 404", "a directory"),
        ("ERROR: Account key is not valid, cannot continue.", "dehydrated failed: ERROR: Account key", "by itself"),
        ("", "no word", "by itself"),
    ],
)
def test_why_there_is_none_is_one_sentence(said: str, what: str, todo: str) -> None:
    found = _acme.refusal(said, SETTINGS)
    assert what in str(found)
    assert todo in found.todo
    assert "\n" not in f"{found}{found.todo}"
    assert len(str(found)) < 400


def test_a_stranger_s_words_are_a_short_line() -> None:
    found = _acme.refusal(problem("caa", "a\\nb\\u001b \x1b[31m" + "x" * 1000), SETTINGS)
    assert len(str(found)) < 400
    assert "\x1b" not in str(found)
    assert "\n" not in str(found)


def test_settings_are_data_for_the_shell_that_reads_them(machine: Machine) -> None:
    mark = machine.folder / "mark"
    evil = f"a'$(touch {mark})`touch {mark}`\"; touch {mark} #"
    machine.settings(email=evil, profile=evil, eab_kid=evil, directory=f"https://x/{evil}")
    machine.store.eab_key.write_text("a\n")
    _acme.write_config(machine.store, machine.store.settings(), "/bin/true")
    told = subprocess.run(
        ["bash", "-euc", f'. "{machine.store.base}/config"; printf %s "$CONTACT_EMAIL$ACME_PROFILE$EAB_KID"'],
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout == 3 * evil
    assert not mark.exists()
    assert (machine.store.base / "config").stat().st_mode & 0o777 == 0o600


def test_the_account_s_key_is_in_no_argument(machine: Machine) -> None:
    """As dehydrated calls it: what it pipes into openssl is signed by the program, with the key from a pipe."""
    machine.settings(eab_kid="kid-1")
    machine.store.eab_key.write_text("c2VjcmV0\n")
    program = machine.folder / "program"
    program.write_text(f'#!/bin/sh\necho "$@" >{machine.folder}/argv\nexec {sys.executable} {machine.folder}/sign.py\n')
    program.chmod(0o755)
    paths = [str(path) for path in sys.path]
    (machine.folder / "sign.py").write_text(
        f"import sys\nsys.path[:] = {paths}\nfrom {_program.__name__} import sign\nsys.exit(sign())\n"
    )
    _acme.write_config(machine.store, machine.store.settings(), str(program))
    call = '"${OPENSSL}" dgst -binary -sha256 -mac HMAC -macopt "hexkey:736563726574"'
    made = subprocess.run(
        ["bash", "-euc", f'. "{machine.store.base}/config"; printf data | {call} | od -An -tx1 | tr -d " \\n"'],
        check=True,
        capture_output=True,
        text=True,
    )
    wanted = openssl("dgst", "-sha256", "-mac", "HMAC", "-macopt", "hexkey:736563726574", __file__)
    assert wanted
    import hashlib
    import hmac

    assert made.stdout == hmac.digest(b"secret", b"data", hashlib.sha256).hex()
    assert "736563726574" not in (machine.folder / "argv").read_text()


def test_challenges_lie_where_nginx_reads_them_and_only_while_they_are_asked_for(machine: Machine) -> None:
    alpn = machine.store.base / "alpn"
    alpn.mkdir()
    for kind in ("crt", "key"):
        (alpn / f"wil.org.{kind}.pem").write_text(kind)
    assert _acme.challenge(machine.store, ["deploy_challenge", "wil.org", "token", "proof"]) == 0
    found = sorted(machine.challenges.iterdir())
    assert [(path.name, path.read_text()) for path in found] == [("wil.org.crt", "crt"), ("wil.org.key", "key")]
    assert {path.stat().st_mode & 0o777 for path in found} == {0o400}
    _acme.challenge(machine.store, ["clean_challenge", "wil.org", "token", "proof"])
    assert list(machine.challenges.iterdir()) == []
    machine.settings(challenge="http-01")
    _acme.challenge(machine.store, ["deploy_challenge", "wil.org", "token", "token.proof"])
    assert (machine.challenges / "token").read_text() == "token.proof"
    # A run that is cut off leaves it, and the next one takes it away.
    machine.refuses("ERROR: x")
    with pytest.raises(Refused):
        machine.issue()
    assert list(machine.challenges.iterdir()) == []


@pytest.mark.parametrize("token", ["../tls.crt", "a/b", ".hidden"])
def test_no_challenge_leaves_its_folder(machine: Machine, token: str) -> None:
    machine.settings(challenge="http-01")
    with pytest.raises(_acme._files.FileProblem):
        _acme.challenge(machine.store, ["deploy_challenge", "wil.org", token, "proof"])


def test_a_link_in_the_place_of_the_folder_is_not_followed(machine: Machine) -> None:
    machine.settings(challenge="http-01", challenges=str(machine.folder / "link"))
    (machine.folder / "link").symlink_to(machine.secrets)
    with pytest.raises(_acme._files.FileProblem):
        _acme.challenge(machine.store, ["deploy_challenge", "wil.org", "token", "proof"])


def test_the_user_s_own_program_sets_the_record(machine: Machine) -> None:
    machine.settings(challenge="dns-01")
    (machine.store.dns_files / "token").write_text("a secret\n")
    machine.store.dns_hook.write_text(f'#!/bin/sh\necho "$@" "$(cat token)" >>{machine.folder}/said\n')
    machine.store.dns_hook.chmod(0o500)
    assert _acme.challenge(machine.store, ["deploy_challenge", "wil.org", "token", "value"]) == 0
    assert (machine.folder / "said").read_text() == "deploy_challenge wil.org token value a secret\n"


def test_what_people_are_told(machine: Machine) -> None:
    assert "WARNING: the certificate is none of acme.lan's" in "\n".join(_acme.status(machine.store, str(machine.root)))
    machine.gives()
    machine.issue()
    _acme.put(machine.store, str(machine.root))
    [line] = _acme.status(machine.store, str(machine.root))
    assert line.startswith("certificate: of Authority, wil.org, until 20")
    assert ", a new one from 20" in line
    machine.refuses("ERROR: (get for x; curl returned with 7)")
    with pytest.raises(Refused):
        machine.issue()
    told = _acme.status(machine.store, str(machine.root))
    assert "asked once in vain: acme.lan cannot be reached: nobody answers there" in told[1]
    assert "; the machine asks again 20" in told[2]
    machine.store.settings_file.unlink()
    assert _acme.status(machine.store, str(machine.root)) == []


def test_only_one_asks_at_a_time(machine: Machine) -> None:
    with machine.store.alone(0) as first, machine.store.alone(0) as second:
        assert (first, second) == (True, False)
    machine.store.save(State(failed=1))
    assert machine.store.state() == State(failed=1)


def test_a_token_may_begin_with_a_hyphen() -> None:
    told = ["deploy_challenge", "wil.org", "-tok_en", "--proof"]
    assert _program.parser().parse_args(["--root", "/", "challenge", *told]).of == told
