# SPDX-License-Identifier: GPL-3.0-or-later
"""Places of other kinds than a folder: a server of sftp, of S3, of restic's own; what opens them, and what lets nothing
be removed.

Those of sftp and of restic's own are Debian's, on the machine itself. The one of S3 is moto, on the control node; it
looks at signatures and at what a user may do, as Amazon's does. A part of `make test-backup-long`.
"""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.backup.test_backup import (
    DATA,
    KEY,
    RESTIC,
    STATE,
    different,
    newest,
    nothing_is_left,
    refused,
    timers,
    whole,
    write_post,
)
from tests.faults.bench import Bench
from tests.verify.support import wait_until

pytestmark = pytest.mark.long

MOTO = "moto[s3,server]==5.2.5"
S3_PORT, REST_PORT = 9321, 9322
CERTIFICATE = f"{STATE}/authority.crt"
# With all that has a meaning in an address.
PASSWORD = f"{secrets.token_hex(12)}@:/#%?&"
# The bucket's owner makes a user who may write, and remove nothing but locks; then signatures are looked at.
BUCKET = """
import json, ssl, sys, urllib.request
import boto3
url, authority = sys.argv[1:]
known = {"endpoint_url": url, "verify": authority, "region_name": "us-east-1"}
owner = {"aws_access_key_id": "owner", "aws_secret_access_key": "owner"}
s3, iam = boto3.client("s3", **known, **owner), boto3.client("iam", **known, **owner)
s3.create_bucket(Bucket="backups")
s3.put_bucket_versioning(Bucket="backups", VersioningConfiguration={"Status": "Enabled"})
may = {
    "machine": {
        "s3:ListBucket": "*", "s3:GetBucketLocation": "*", "s3:GetObject": "*", "s3:PutObject": "*",
        "s3:DeleteObject": "arn:aws:s3:::backups/wil/locks/*",
    },
    "owner": {"*": "*"},
}
keys = {}
for name, actions in may.items():
    said = [{"Effect": "Allow", "Action": one, "Resource": what} for one, what in actions.items()]
    iam.create_user(UserName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": said})
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=document)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    keys[name] = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
closes = urllib.request.Request(f"{url}/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"})
urllib.request.urlopen(closes, context=ssl.create_default_context(cafile=authority)).read()
print(json.dumps(keys))
"""
# Whoever has the machine's credentials writes over all that there is; then the owner takes back what came last.
OVERWRITE = """
import json, sys
import boto3
url, authority, keys = sys.argv[1:]
keys = json.loads(open(keys).read())
clients = {
    name: boto3.client("s3", endpoint_url=url, verify=authority, region_name="us-east-1", **one)
    for name, one in keys.items()
}
if sys.stdin.read() == "overwrite":
    for one in clients["machine"].list_objects_v2(Bucket="backups")["Contents"]:
        if "/locks/" not in one["Key"]:
            clients["machine"].put_object(Bucket="backups", Key=one["Key"], Body=b"spoiled")
else:
    for one in clients["owner"].list_object_versions(Bucket="backups")["Versions"]:
        if one["IsLatest"] and one["Size"] == 7:
            clients["owner"].delete_object(Bucket="backups", Key=one["Key"], VersionId=one["VersionId"])
"""
# Notes each process whose arguments or environment have one of the values, and how often it saw restic.
WATCH = """
import os, pathlib, time
needles = pathlib.Path("/root/watch/needles").read_bytes().split(b"\\n")
seen = 0
while True:
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes(), (place / "environ").read_bytes()
        except OSError:
            continue
        seen += words[0].split(b"\\0")[0].endswith(b"/restic")
        for needle in needles:
            if needle and any(needle in one for one in words):
                with open("/root/watch/found", "ab") as notes:
                    notes.write(words[0].replace(b"\\0", b" ") + b"\\n")
    pathlib.Path("/root/watch/seen").write_text(str(seen))
    time.sleep(0.02)
"""


A_WEEK_LATER = f"""
import json, pathlib, time
file = pathlib.Path("{STATE}/state.json")
state = json.loads(file.read_text())
state["since"] = state["succeeded"] = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() - 7 * 86400))
state["failed"] = state["said"] = ""
file.write_text(json.dumps(state))
"""


@dataclass
class Storage:
    """A place, and what opens it."""

    place: str
    credentials: str
    # What is to be in no argument and no environment.
    values: list[str]
    known: dict[str, str] = field(default_factory=dict)
    append_only: bool = False
    # What opens nothing, in a file of the machine's.
    wrong: str = ""
    file: str = "credentials"

    def settings(self, folder: Path) -> dict[str, Any]:
        """With its files on the control node."""
        found: dict[str, Any] = {"inception_backup_place": self.place, "inception_backup_append_only": self.append_only}
        for name, text in {"inception_backup_credentials": self.credentials, **self.known}.items():
            path = folder / name
            path.write_text(text)
            path.chmod(0o600)
            found[name] = str(path)
        return found


def put(bench: Bench, path: str, text: str) -> None:
    bench.host.ansible("ansible.builtin.copy", f"dest={path} mode=0600 content={json.dumps(text)}", check=False)


@pytest.fixture(scope="module")
def certificate(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an authority that nobody knows, for both servers; the folder of it and of its key."""
    folder = tmp_path_factory.mktemp("storage")
    gateway = bench.root("ip -4 route show default").split()[2]
    (folder / "gateway").write_text(gateway)
    made = f"-keyout {folder}/key -out {folder}/certificate -subj /CN=storage"
    names = f"-addext subjectAltName=IP:127.0.0.1,IP:{gateway}"
    curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subprocess.run(f"openssl req -x509 {curve} {made} {names}".split(), check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module", autouse=True)
def a_folder_again(bench: Bench) -> Iterator[None]:
    yield
    done = bench.deploy()
    assert done.status == 0, done.output[-3000:]


def install(bench: Bench, package: str) -> None:
    bench.root(f"DEBIAN_FRONTEND=noninteractive apt-get -qq --yes --no-install-recommends install {package} >/dev/null")


@contextmanager
def served(bench: Bench, unit: str, command: str, port: int) -> Iterator[None]:
    bench.root(f"systemctl stop {unit} 2>/dev/null; systemd-run --quiet --collect --unit={unit} {command}")
    try:
        wait_until(unit, lambda: bench.host.run(f"bash -c '</dev/tcp/127.0.0.1/{port}'").rc == 0, 60)
        yield
    finally:
        bench.root(f"systemctl stop {unit}")


def is_kept_and_comes_back(bench: Bench, storage: Storage, folder: Path) -> tuple[str, dict[str, str]]:
    """A backup while somebody looks for what opens the place, and a site that was ruined. That backup, and its data."""
    done = bench.deploy(storage.settings(folder))
    assert done.status == 0, done.output[-3000:]
    assert "the first one" in bench.root("inception backups")
    assert bench.root(f"stat -c '%a %U' {STATE}/credentials {STATE}/repository").split() == ["400", "root"] * 2
    assert not [one for one in storage.values if one in done.output]

    write_post(bench, "stored")
    kept = whole(bench)
    bench.root("rm -rf /root/watch; mkdir -m 0700 /root/watch")
    put(bench, "/root/watch/needles", "\n".join([*storage.values, bench.root(f"cat {KEY}").strip()]))
    put(bench, "/root/watch/watch", WATCH)
    bench.root("systemd-run --quiet --collect --unit=watch python3 /root/watch/watch")
    said = bench.root("inception backup")
    bench.root("systemctl stop watch")
    assert int(bench.root("cat /root/watch/seen")) > 0
    assert bench.root("cat /root/watch/found 2>/dev/null || true") == ""
    assert "WARNING" not in said
    wanted = newest(bench)
    bench.stack.sql("DROP TABLE wp_comments")
    bench.root(f"rm -r {DATA}/wordpress/wp-content/uploads")
    bench.root(f"inception restore {wanted}")
    assert different(kept, whole(bench)) == []

    # What does not open it is told as that, and nobody waits a quarter of an hour for it.
    file = f"{STATE}/{storage.file}"
    bench.root(f"cp -p {file} /root/watch/right")
    put(bench, file, storage.wrong)
    assert "does not let this machine in" in refused(bench, "inception backup")
    assert "does not let this machine in" in refused(bench, "inception backups")
    bench.root(f"cp -p /root/watch/right {file}; rm -r /root/watch")
    bench.root("inception backup")
    return wanted, kept


def activity(bench: Bench) -> str:
    """Of the scheduled backup."""
    return str(bench.host.run("systemctl is-active inception-backup.service").stdout.strip())


def nothing_can_be_removed(bench: Bench, command: str) -> None:
    """Whoever is root on the machine has the key and the credentials."""
    before = bench.root("inception backups")
    for words in (f"forget {newest(bench)}", "forget --keep-last 1 --group-by host --prune"):
        assert "orbidden" in (said := bench.host.run(f"{command} {words}")).stderr or "Denied" in said.stderr, said
    assert bench.root("inception backups") == before
    bench.root(f"{command} check --read-data")


def test_a_server_of_sftp(bench: Bench, tmp_path: Path) -> None:
    """Anybody's who has ssh; what is older is removed there."""
    key = tmp_path / "key"
    for path in (key, tmp_path / "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    bench.root("userdel --remove storage 2>/dev/null; useradd --create-home --shell /usr/sbin/nologin storage")
    bench.root("install -d -o storage -m 0700 /home/storage/.ssh")
    forced = 'restrict,command="internal-sftp" '
    put(bench, "/home/storage/.ssh/authorized_keys", forced + key.with_name("key.pub").read_text())
    bench.root("chown storage /home/storage/.ssh/authorized_keys")
    # As the documentation says: a user whose shell is none needs the server's own program.
    put(bench, "/etc/ssh/sshd_config.d/storage.conf", "Match User storage\n  ForceCommand internal-sftp\n")
    bench.root("systemctl reload ssh")
    storage = Storage(
        "sftp:storage@127.0.0.1:/home/storage/wil",
        key.read_text(),
        [key.read_text().splitlines()[2]],
        {"inception_backup_known_hosts": bench.root("ssh-keyscan 127.0.0.1 2>/dev/null")},
        wrong=(tmp_path / "other").read_text(),
    )
    is_kept_and_comes_back(bench, storage, tmp_path)
    # Another host in its place gets nothing.
    bench.root(f"sed -i 's/AAAA[^ ]*/AAAA/' {STATE}/known_hosts")
    # Where the words of ssh are lost, it is one of the possible causes.
    assert "inception_backup_known_hosts" in refused(bench, "inception backup")


def test_a_server_of_restic_s_own_lets_nothing_be_removed(bench: Bench, tmp_path: Path, certificate: Path) -> None:
    install(bench, "rclone")
    bench.root("rm -rf /srv/rest; mkdir -p -m 0700 /srv/rest")
    for name in ("key", "certificate"):
        put(bench, f"/srv/rest/{name}", (certificate / name).read_text())
    hashed = subprocess.run(
        ["openssl", "passwd", "-apr1", "-stdin"], input=PASSWORD, capture_output=True, text=True, check=True
    )
    put(bench, "/srv/rest/htpasswd", f"wil:{hashed.stdout}")
    command = (
        f"rclone serve restic --append-only --addr 127.0.0.1:{REST_PORT} --htpasswd /srv/rest/htpasswd "
        "--cert /srv/rest/certificate --key /srv/rest/key /srv/rest/kept"
    )
    storage = Storage(
        f"rest:https://127.0.0.1:{REST_PORT}/wil",
        f"wil:{PASSWORD}\n",
        [PASSWORD, urllib.parse.quote(PASSWORD, safe="")],
        {"inception_backup_authority": (certificate / "certificate").read_text()},
        append_only=True,
        wrong=f"rest:https://wil:wrong@127.0.0.1:{REST_PORT}/wil",
        file="repository",
    )
    with served(bench, "rest-server", command, REST_PORT):
        wanted, kept = is_kept_and_comes_back(bench, storage, tmp_path)
        again = bench.deploy(storage.settings(tmp_path))
        assert (again.status, again.changed) == (0, 0), again.output[-6000:]
        # An intruder has all that the machine has: what is encrypted is backed up as well, and what there was stays.
        encrypt = 'openssl enc -aes-256-ctr -pbkdf2 -pass file:/root/intruder -in "$1" -out "$1.locked" && rm "$1"'
        bench.root("head -c 24 /dev/urandom | base64 >/root/intruder")
        bench.root(f"find {DATA}/wordpress -type f -exec sh -c '{encrypt}' - {{}} ';'; rm /root/intruder")
        bench.stack.sql("DELETE FROM wp_posts")
        bench.root("inception backup")
        nothing_can_be_removed(bench, f"{RESTIC} --cacert {CERTIFICATE}")
        bench.root(f"inception restore {wanted} --without-backup")
        assert different(kept, whole(bench)) == []
        # Nor written over.
        first = bench.root("ls /srv/rest/kept/wil/snapshots").split()[0]
        put(bench, "/srv/rest/user", f'user = "wil:{PASSWORD}"\n')
        over = f"curl --silent --config /srv/rest/user --cacert {CERTIFICATE} --data-binary spoiled"
        install(bench, "curl")
        code = bench.root(
            f"{over} --output /dev/null --write-out '%{{http_code}}' "
            f"https://127.0.0.1:{REST_PORT}/wil/snapshots/{first}"
        )
        assert code == "403"
        bench.root(f"{RESTIC} --cacert {CERTIFICATE} check")
        bench.root("inception tend; inception tend")
        before = bench.root("inception backups")
    # It is away: said within a minute, and the site goes on.
    assert "cannot be reached" in refused(bench, "inception backup")
    assert not bench.unwell()
    # For a week: a person is told. When it is there again, the machine makes one by itself, as if nothing was.
    timers(bench, "stop")
    stack = bench.stack
    stack.root("python3 -c %s", A_WEEK_LATER)
    told = bench.root("inception tend; inception tend; inception status")
    assert "the last backup is of" in told, told
    assert "cannot be reached" in refused(bench, "inception backup")
    told = bench.root("inception tend; inception tend; inception status")
    assert re.search(r"the backup of .* failed: .* cannot be reached", told), told
    with bench.visitors():
        bench.root("systemctl start --no-block inception-backup.service")
        time.sleep(20)
        assert activity(bench) == "activating"
        with served(bench, "rest-server", command, REST_PORT):
            wait_until("it has ended", lambda: activity(bench) != "activating", 600)
            assert activity(bench) == "inactive"
            after = bench.root("inception backups")
            bench.root(f"{RESTIC} --cacert {CERTIFICATE} check --read-data")
    assert after.endswith(before)
    assert "scheduled" in after.splitlines()[0]
    told = bench.root("for look in 1 2 3 4 5 6; do inception tend; done; inception status")
    assert "the last backup is of" not in told, told
    assert "cannot be reached" not in told, told
    timers(bench, "start")
    nothing_is_left(bench)


@contextmanager
def s3(certificate: Path, folder: Path) -> Iterator[tuple[str, Path, str]]:
    """A server with a bucket: its address, what has the keys of its users, and the Python that speaks to it."""
    subprocess.run([sys.executable, "-m", "venv", folder / "moto"], check=True, capture_output=True)
    python = str(folder / "moto/bin/python")
    subprocess.run([python, "-m", "pip", "--quiet", "install", MOTO], check=True, capture_output=True)
    gateway = (certificate / "gateway").read_text()
    url, authority = f"https://{gateway}:{S3_PORT}", certificate / "certificate"
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            f"{folder}/moto/bin/moto_server --host {gateway} --port {S3_PORT} --ssl-cert {authority} "
            f"--ssl-key {certificate}/key".split(),
            stdout=log,
            stderr=log,
        ) as server,
    ):
        try:
            ask = [python, "-c", BUCKET, url, str(authority)]
            made: list[str] = []

            def answers() -> bool:
                done = subprocess.run(ask, capture_output=True, text=True, check=False)
                made.append(done.stdout)
                return done.returncode == 0

            wait_until("the server of S3 answers", answers, 60)
            (folder / "keys").write_text(made[-1])
            yield url, folder / "keys", python
        finally:
            server.terminate()


def test_a_server_of_s3_whose_bucket_keeps_what_is_written_over(
    bench: Bench, tmp_path: Path, certificate: Path
) -> None:
    with s3(certificate, tmp_path) as (url, keys, python):
        made = json.loads(keys.read_text())["machine"]
        text = "[default]\n" + "".join(f"{name} = {value}\n" for name, value in made.items())
        storage = Storage(
            f"s3:{url}/backups/wil",
            text,
            [made["aws_secret_access_key"]],
            {"inception_backup_authority": (certificate / "certificate").read_text()},
            append_only=True,
            wrong=text[:-1] + "x\n",
        )
        # The first one of a place is made at once: a mistyped key ends the deployment.
        mistyped = storage.settings(tmp_path)
        (tmp_path / "mistyped").write_text(storage.wrong)
        done = bench.deploy(mistyped | {"inception_backup_credentials": str(tmp_path / "mistyped")})
        assert done.status != 0
        assert "does not let this machine in" in done.screen(), done.output[-3000:]
        is_kept_and_comes_back(bench, storage, tmp_path)
        opened = f"AWS_SHARED_CREDENTIALS_FILE={STATE}/credentials {RESTIC} --cacert {CERTIFICATE}"
        nothing_can_be_removed(bench, opened)
        # What is written over is there as well: its owner takes it back.
        before = bench.root("inception backups")
        ask = [python, "-c", OVERWRITE, url, str(certificate / "certificate"), str(keys)]
        subprocess.run(ask, input="overwrite", text=True, check=True)
        refused(bench, "inception backups")
        subprocess.run(ask, input="back", text=True, check=True)
        assert bench.root("inception backups") == before
        bench.root(f"{opened} check --read-data")
