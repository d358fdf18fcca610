# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine signs the site's certificate anew, as the role stack signed it; with OpenSSL itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _renewal
from ansible_collections.fortytwo.inception.plugins.module_utils._files import FileProblem
from ansible_collections.fortytwo.inception.plugins.module_utils._renewal import DAY, RenewalProblem, Validity

DOMAIN = "wil.42.fr"


def openssl(*argv: str) -> str:
    return subprocess.run(["openssl", *argv], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with an authority, and a certificate that ends in two days."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name in ("ca", "tls"):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(folder / f"{name}.key"))
    authority = ("-subj", "/CN=Inception of wil", "-addext", "basicConstraints=critical,CA:TRUE", "-days", "3650")
    openssl("req", "-x509", "-key", str(folder / "ca.key"), *authority, "-out", str(folder / "ca.crt"))
    signed_by = ("-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "ca.key"))
    request = ("-subj", f"/CN={DOMAIN}", "-addext", f"subjectAltName=DNS:{DOMAIN}")
    key = str(folder / "tls.key")
    openssl("req", "-x509", "-key", key, *request, *signed_by, "-days", "2", "-out", str(folder / "tls.crt"))
    (folder / "tls.crt").chmod(0o444)
    return tmp_path


def told(root: Path) -> str:
    return openssl("x509", "-in", str(root / "secrets/tls.crt"), "-noout", "-text")


def test_the_new_one_is_as_the_role_signs_it(root: Path) -> None:
    key = openssl("x509", "-in", str(root / "secrets/tls.crt"), "-noout", "-pubkey")
    before = (root / "secrets/tls.crt").stat()
    assert _renewal.validity((root / "secrets/tls.crt").read_bytes()).is_due(_renewal.now())
    _renewal.renew(str(root), [DOMAIN])
    text = told(root)
    assert "CN = Inception of wil" in text.replace("CN=", "CN = ")
    assert f"DNS:{DOMAIN}" in text
    assert "TLS Web Server Authentication" in text
    assert "ecdsa-with-SHA256" in text
    assert "Authority Key Identifier" in text
    assert openssl("x509", "-in", str(root / "secrets/tls.crt"), "-noout", "-pubkey") == key
    after = (root / "secrets/tls.crt").stat()
    # Another file: that is how NGINX's container is known to read an older one.
    assert after.st_ino != before.st_ino
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    found = _renewal.validity((root / "secrets/tls.crt").read_bytes())
    assert not found.is_due(_renewal.now())
    assert found.days_left(_renewal.now()) in (364, 365)
    # Nothing is left beside it.
    assert sorted(path.name for path in (root / "secrets").iterdir()) == ["ca.crt", "ca.key", "tls.crt", "tls.key"]


@pytest.mark.parametrize("name", ["ca.key", "tls.key", "ca.crt"])
def test_without_what_it_needs_the_old_one_stays(root: Path, name: str) -> None:
    before = (root / "secrets/tls.crt").read_bytes()
    (root / "secrets" / name).unlink()
    with pytest.raises(RenewalProblem, match=name):
        _renewal.renew(str(root), [DOMAIN])
    assert (root / "secrets/tls.crt").read_bytes() == before


def test_an_authority_of_another_key_signs_nothing(root: Path) -> None:
    before = (root / "secrets/tls.crt").read_bytes()
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(root / "secrets/ca.key"))
    with pytest.raises(RenewalProblem, match="openssl"):
        _renewal.renew(str(root), [DOMAIN])
    assert (root / "secrets/tls.crt").read_bytes() == before


@pytest.mark.parametrize("name", ["ca.key", "tls.key", "ca.crt"])
def test_a_link_is_not_followed(root: Path, name: str) -> None:
    """The folder's owner may point it at a file that only root reads."""
    (root / "secrets" / name).rename(root / "elsewhere")
    (root / "secrets" / name).symlink_to(root / "elsewhere")
    with pytest.raises(FileProblem, match="symbolic link"):
        _renewal.renew(str(root), [DOMAIN])


def test_neither_is_one_in_the_place_of_the_folder(root: Path) -> None:
    (root / "secrets").rename(root / "elsewhere")
    (root / "secrets").symlink_to(root / "elsewhere")
    with pytest.raises(FileProblem, match="symbolic link"):
        _renewal.renew(str(root), [DOMAIN])


@pytest.mark.parametrize("domain", ["", "wil.42.fr\n[ext]", "a,DNS:other.fr", "-x", "a b", "x" * 300])
def test_a_name_that_is_none_comes_into_no_certificate(root: Path, domain: str) -> None:
    with pytest.raises(RenewalProblem, match="no domain"):
        _renewal.renew(str(root), [DOMAIN, domain])


@pytest.mark.parametrize(
    ("begins", "ends", "due"),
    [
        (-300, 31, False),
        (-300, 29, True),
        (-366, -1, True),
        # Clocks differ by a day at most; by more, it was signed while one was wrong.
        (0.5, 365, False),
        (2, 367, True),
    ],
)
def test_when_it_is_due(begins: float, ends: float, due: bool) -> None:
    now = 1_800_000_000.0
    assert Validity(now + begins * DAY, now + ends * DAY).is_due(now) == due


@pytest.mark.parametrize("text", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_said(text: bytes) -> None:
    with pytest.raises(RenewalProblem, match="openssl x509"):
        _renewal.validity(text)


def test_the_site_s_other_names_are_in_it(root: Path) -> None:
    _renewal.renew(str(root), [DOMAIN, "www.wil.42.fr", "*.wil.fr"])
    assert f"DNS:{DOMAIN}, DNS:www.wil.42.fr, DNS:*.wil.fr" in told(root)
