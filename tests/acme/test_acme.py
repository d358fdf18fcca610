# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate by ACME: got at first, renewed by the machine, and a site that is up whatever the authority does."""

from __future__ import annotations

import http.client
import re
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from tests.acme.authority import FOLDER, Authority
from tests.faults.bench import Bench
from tests.verify.support import wait_until

EAB_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
NAMES = frozenset({"www.inception.test", "inception.test"})
STUB = {"inception_acme_directory": "https://localhost:14001/dir"}
# What each process was started with, as long as the file is not there.
WATCH = """
import pathlib, time
seen, end = set(), time.time() + 120
while time.time() < end and not pathlib.Path("/root/watched").exists():
    for one in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            seen.add(one.read_bytes())
        except OSError:
            pass
pathlib.Path("/root/argv").write_bytes(b"\\n".join(seen))
"""


def test_the_first_deployment_got_it(bench: Bench, authority: Authority) -> None:
    """Trusted by whoever trusts the authority, for all names; and nothing but 443 is open."""
    found = authority.served()
    assert found.issuer.startswith("Pebble Intermediate")
    assert found.names == NAMES
    assert bench.site.request("GET", "/").status == 200
    status = bench.root("inception status")
    assert re.search(r"certificate: of Pebble Intermediate CA \w+, until .*, a new one from 20", status), status
    assert not bench.root("ss -Htln 'sport = :80'").strip()
    modes = bench.root(f"find {FOLDER} -type f -perm /077; stat -c %a {FOLDER}")
    assert modes.split() == ["700"]


def test_the_second_deployment_changes_nothing(bench: Bench, authority: Authority) -> None:
    before = authority.served()
    bench.settled()
    assert authority.served() == before


def test_at_the_door_an_authority_is_told_from_visitors(bench: Bench, authority: Authority) -> None:
    """Who asks for acme-tls/1 gets an answer only while there is a question, and no way to another file."""
    for name in ("", "inception.test", "secrets.test"):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            authority.connect("acme-tls/1", name)
    for protocol in ("http/1.1", "h2", None):
        with authority.connect(protocol) as connection:
            assert connection.selected_alpn_protocol() == protocol
    mark = f"/?door={time.time_ns()}"
    bench.site.request("GET", mark)

    def logged() -> list[str]:
        said = bench.root("docker logs --tail 200 $(docker ps -qf name=inception-nginx) 2>&1")
        return [one for one in said.splitlines() if mark in one]

    wait_until("the visit is in the log", lambda: bool(logged()), 30)
    # Docker's own address on the machine, and not that of the socket behind the door.
    assert re.match(r"\d+\.\d+\.\d+\.\d+ ", logged()[0])


def test_three_renewals_that_no_visitor_notices(bench: Bench, authority: Authority) -> None:
    with authority.visitors() as tally:
        for _time in range(3):
            before = authority.served()
            authority.near_its_end()
            authority.tend()
            authority.renewed(before)
    assert tally.answers.total() > 30
    assert not bench.unwell()
    bench.settled()


def test_an_authority_that_is_away(bench: Bench, authority: Authority) -> None:
    before = authority.served()
    authority.switch("stop")
    try:
        with authority.visitors():
            authority.near_its_end()
            authority.tend()
            state = authority.state()
            assert state["failed"] == 1
            assert state["next"] > time.time() + 300
            # It waits, and does not ask again and again.
            authority.tend()
            assert authority.state() == state
            told = bench.root("inception status")
            assert "asked once in vain: localhost cannot be reached: nobody answers there" in told
            # Somebody who deploys is told, and the deployment is none that failed.
            done = bench.deploy()
            assert done.status == 0
            assert "There is no new certificate" in " ".join(done.output.split())
            assert authority.state()["failed"] == 2
            assert authority.served() == before
        # With weeks to go the second failure is news.
        authority.tend()
        assert "asked 2 times in a row in vain" in bench.host.run("inception health").stdout
    finally:
        authority.switch("start")
    authority.set(next=0.0)
    authority.tend()
    # pebble has forgotten everything, the account too, and its certificates lead to another root.
    assert authority.state()["failed"] == 0
    assert bench.root(f"ls {FOLDER}/dehydrated").split().count("accounts.former") == 1


def test_the_new_root_is_brought(bench: Bench, authority: Authority) -> None:
    """As a user would who is told of another authority."""
    path = Path(str(bench.host.ansible.get_variables()["inception_acme_authority"]))
    server = bench.root("cat /etc/pebble/server.crt")
    path.write_text(server + bench.root("curl -sk https://localhost:15000/roots/0"))
    assert bench.deploy().status == 0
    bench.site.ca.write_text(bench.root(f"cat {bench.stack.settings.project}/secrets/ca.crt"))
    assert authority.served().names == NAMES
    bench.settled()


def test_a_name_that_leads_elsewhere(bench: Bench, authority: Authority) -> None:
    before = authority.served()
    authority.dns("set-default-ipv4", ip="127.0.0.9")
    authority.dns("add-a", host="www.inception.test", addresses=["192.0.2.1"])
    try:
        with authority.visitors():
            said = authority.ask()
            assert re.search(
                r"localhost did not reach (www\.)?inception\.test at port 443 \(.+\)\. What to do: open port", said
            ), said
            authority.dns("set-servfail", host="inception.test")
            authority.dns("set-servfail", host="www.inception.test")
            assert "localhost does not find" in authority.ask()
            assert authority.served() == before
    finally:
        for name in NAMES:
            authority.dns("clear-servfail", host=name)
            authority.dns("clear-a", host=name)
        authority.dns("set-default-ipv4", ip="127.0.0.1")
    assert authority.ask() == ""
    authority.renewed(before)


def test_one_that_is_revoked_is_replaced_before(bench: Bench, authority: Authority) -> None:
    before = authority.served()
    path = f"{bench.stack.settings.project}/secrets/tls.crt"
    with authority.visitors():
        bench.root(f"inception certificate --revoke {path}")
        assert authority.is_revoked(before.serial)
        assert not authority.is_revoked(authority.renewed(before).serial)
    bench.settled()


def test_one_whose_key_is_known_is_revoked_with_another_key_in_use(bench: Bench, authority: Authority) -> None:
    """As docs/public.md says it. While the authority is away, nothing is revoked, and a sentence says why."""
    before = authority.served()
    secrets = f"{bench.stack.settings.project}/secrets"
    key = bench.root(f"cp {secrets}/tls.crt /root/old.crt; openssl pkey -in {secrets}/tls.key -pubout")
    authority.switch("stop")
    try:
        done = bench.host.run("inception certificate --revoke /root/old.crt")
        assert done.rc == 1
        assert "localhost cannot be reached: nobody answers there" in done.stderr
        assert authority.served() == before
    finally:
        authority.switch("start")
    # pebble has forgotten all it gave, and its next ones lead to another root.
    assert authority.ask() == ""
    test_the_new_root_is_brought(bench, authority)
    before = authority.renewed(before)
    bench.root(f"cp {secrets}/tls.crt /root/old.crt; rm -f {secrets}/tls.*")
    assert bench.deploy().status == 0
    assert bench.root(f"openssl pkey -in {secrets}/tls.key -pubout") != key
    after = authority.renewed(before)
    bench.root("inception certificate --revoke /root/old.crt")
    assert authority.is_revoked(before.serial)
    assert not authority.is_revoked(after.serial)
    assert authority.served() == after
    bench.settled()


def test_an_account_that_is_gone(bench: Bench, authority: Authority) -> None:
    before = authority.served()
    bench.root(f"sed -i 's|\\(my-account/\\)[^\"]*|\\1gone|' {FOLDER}/dehydrated/accounts/*/account_id.json")
    assert authority.ask() == ""
    authority.renewed(before)


def test_no_secret_is_in_an_argument_or_a_log(bench: Bench, authority: Authority) -> None:
    """Another account is made, with the key of the one before, while somebody looks at every process."""
    bench.root(f"rm -rf {FOLDER}/dehydrated/accounts /root/watched /root/argv")
    bench.root(f"systemd-run --quiet --collect --unit=acme-watch python3 -c '{WATCH}'")
    assert authority.ask() == ""
    bench.root("touch /root/watched")
    wait_until("what was seen is written", lambda: bench.host.run("test -s /root/argv").rc == 0, 130)
    seen = bench.root("tr '\\000' ' ' </root/argv")
    assert "dehydrated" in seen
    assert "newAccount" not in EAB_KEY
    import base64

    spoken = {EAB_KEY, base64.urlsafe_b64decode(EAB_KEY + "==").hex()}
    keys = bench.root(
        f"cat {FOLDER}/dehydrated/accounts/*/account_key.pem {bench.stack.settings.project}/secrets/tls.key"
    )
    spoken |= {max((line for line in keys.splitlines() if not line.startswith("-")), key=len)}
    logs = bench.root("journalctl --no-pager --output=cat; cat /home/wil/inception/srcs/.env")
    for secret in spoken:
        assert secret not in seen
        assert secret not in logs


def test_one_who_has_asked_too_often(bench: Bench, authority: Authority) -> None:
    """Until when is said, and nobody is asked before; the site goes on with what it has."""
    before = authority.served()
    authority.start_stub("limited")
    try:
        done = bench.deploy(STUB)
        assert done.status == 0
        output = " ".join(done.output.split())
        assert (
            "localhost gives no more certificates for now (too many certificates (5)). What to do: wait until 20"
            in output
        )
        assert len(authority.stub_saw()) == 1
        assert bench.deploy(STUB).status == 0
        authority.tend()
        assert len(authority.stub_saw()) == 1
        assert authority.served() == before
    finally:
        authority.stop_stub()


def test_a_profile(bench: Bench, authority: Authority) -> None:
    authority.start_stub("profiles")
    authority.set(until=0.0, next=0.0)
    before = authority.served()
    try:
        assert bench.deploy({**STUB, "inception_acme_profile": "shortlived"}).status == 0
        assert any('"profile":"shortlived"' in one.replace(" ", "") for one in authority.stub_saw())
        authority.renewed(before)
    finally:
        authority.stop_stub()
    assert bench.deploy().status == 0


def test_one_near_its_end_while_the_machine_was_off(bench: Bench, authority: Authority) -> None:
    before = authority.shown()
    authority.near_its_end()
    bench.switch_off_and_on()

    def is_another() -> bool:
        try:
            return authority.shown() != before
        except OSError:
            return False

    wait_until("the machine has renewed it", is_another, 600)
    # pebble was off too, and has another root.
    assert authority.state()["failed"] == 0


def without_tls(bench: Bench, path: str, host: str = "inception.test") -> tuple[int, str]:
    # Of several addresses, that of Docker's bridge in there is another machine's out here.
    machine = bench.root("ip -4 -o address show dev eth0").split()[3].partition("/")[0]
    connection = http.client.HTTPConnection(machine, 80, timeout=60)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.headers.get("Location", "")


def test_by_port_80(bench: Bench, authority: Authority) -> None:
    """It is open for the question, and leads to https with everything else."""
    test_the_new_root_is_brought(bench, authority)
    before = authority.served()
    http_01 = {"inception_acme_challenge": "http-01"}
    done = bench.deploy(http_01)
    assert done.status == 0, done.output[-3000:]
    assert authority.served() == before
    assert authority.ask() == ""
    authority.renewed(before)
    assert without_tls(bench, "/a?b=c", "evil.test") == (301, "https://www.inception.test/a?b=c")
    for path in ("nothing", "..%2f..%2frun%2fsecrets%2ftls_key"):
        assert without_tls(bench, f"/.well-known/acme-challenge/{path}")[0] in (301, 400, 404)
    again = bench.deploy(http_01)
    assert (again.status, again.changed) == (0, 0)


def test_by_a_record_and_with_a_wildcard(bench: Bench, authority: Authority, tmp_path: Path) -> None:
    """A program of the user's sets it, with a token that lies beside it."""
    hook, token = tmp_path / "hook", tmp_path / "token"
    token.write_text("http://127.0.0.1:8055\n")
    hook.write_text(
        "#!/bin/sh\nset -eu\ncase $1 in\n"
        'deploy_challenge) what=set-txt more=",\\"value\\":\\"$4\\"" ;;\n'
        "clean_challenge) what=clear-txt more= ;;\nesac\n"
        'curl -fsS -d "{\\"host\\":\\"_acme-challenge.$2.\\"$more}" "$(cat token)/$what"\n'
    )
    done = bench.deploy(
        {
            "inception_acme_challenge": "dns-01",
            "inception_aliases": ["*.inception.test"],
            "inception_acme_dns_hook": str(hook),
            "inception_acme_dns_files": [str(token)],
        }
    )
    assert done.status == 0, done.output[-3000:]
    # The wildcard is for the domain too.
    assert authority.served().names == {"*.inception.test"}
    assert bench.root(f"stat -c %a {FOLDER}/dns-hook {FOLDER}/dns/token").split() == ["500", "400"]
    # Back to the door: what the program needed goes.
    assert bench.deploy().status == 0
    assert authority.served().names == NAMES
    assert bench.root(f"find {FOLDER}/dns {FOLDER} -name 'dns-hook' -o -name token").split() == []


def test_port_80_leads_to_https_with_a_certificate_of_one_s_own(
    bench: Bench, authority: Authority, tmp_path: Path
) -> None:
    """By a setting, and closed without it. What asked the authority before is over, and comes back with its setting."""
    key, certificate = tmp_path / "own.key", tmp_path / "own.crt"
    names = ",".join(f"DNS:{name}" for name in sorted(NAMES))
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"),
            *("-keyout", str(key), "-out", str(certificate), "-days", "90", "-subj", "/CN=own.test"),
            *("-addext", f"subjectAltName={names}"),
        ],
        check=True,
        capture_output=True,
    )
    own = {"inception_tls": "provided", "stack_tls_certificate": str(certificate), "stack_tls_key": str(key)}
    done = bench.deploy({**own, "inception_http_redirect": True})
    assert done.status == 0, done.output[-3000:]
    bench.site.ca.write_text(certificate.read_text())
    assert authority.served().issuer == "own.test"
    assert without_tls(bench, "/a?b=c") == (301, "https://www.inception.test/a?b=c")
    # Through a virtual machine's forwarded ports it is the other one of them.
    assert without_tls(bench, "/a", "www.inception.test:8080") == (301, "https://www.inception.test:8443/a")
    # There is no question, and so no answer.
    assert without_tls(bench, "/.well-known/acme-challenge/a")[0] == 301
    again = bench.deploy({**own, "inception_http_redirect": True})
    assert (again.status, again.changed) == (0, 0), again.output[-6000:]
    assert bench.deploy(own).status == 0
    with pytest.raises(OSError, match=r"refused|timed out"):
        without_tls(bench, "/")
    assert not bench.root("ss -Htln 'sport = :80'").strip()
    assert "asks nobody for its certificate" in bench.root("inception certificate")
    done = bench.deploy()
    assert done.status == 0, done.output[-3000:]
    bench.site.ca.write_text(bench.root(f"cat {bench.stack.settings.project}/secrets/ca.crt"))
    assert authority.served().names == NAMES
    bench.settled()
