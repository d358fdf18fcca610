# SPDX-License-Identifier: GPL-3.0-or-later
"""What a certificate says, beside community.crypto's own filter."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.community.crypto.plugins.filter.x509_certificate_info import FilterModule
from ansible_collections.fortytwo.inception.plugins.filter.certificate_known import certificate_known

CURVE = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90"


def made(folder: Path, subject: str, *extensions: str) -> str:
    more = [word for one in extensions for word in ("-addext", one)]
    command = ["openssl", "req", "-x509", *CURVE.split(), "-keyout", "key", "-out", "crt", "-subj", subject, *more]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return (folder / "crt").read_text()


@pytest.mark.parametrize(
    ("subject", "extensions"),
    [
        ("/CN=Inception of wil", ("subjectAltName=DNS:wil.42.fr",)),
        (
            "/O=An authority/CN=R11",
            ("subjectAltName=DNS:*.wil.42.fr,DNS:wil.42.fr,IP:127.0.0.1,IP:::1,email:a@wil.42.fr",),
        ),
        ("/O=Without a name of its own", ()),
    ],
)
def test_it_says_what_the_other_filter_says(tmp_path: Path, subject: str, extensions: tuple[str, ...]) -> None:
    text = made(tmp_path, subject, *extensions)
    theirs = FilterModule().filters()["x509_certificate_info"](text)
    ours = certificate_known(text)
    assert ours["issuer"].get("commonName") == theirs["issuer"].get("commonName")
    assert {key: ours[key] for key in ours if key != "issuer"} == {key: theirs[key] for key in ours if key != "issuer"}


def test_of_several_it_is_the_first(tmp_path: Path) -> None:
    first, second = made(tmp_path, "/CN=first"), made(tmp_path, "/CN=second")
    assert certificate_known(first + second)["issuer"] == {"commonName": "first"}


@pytest.mark.parametrize(
    "text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(AnsibleFilterError, match="no certificate in PEM"):
        certificate_known(text)
