# SPDX-License-Identifier: GPL-3.0-or-later
"""Built images in the control node's store: added, found, split into parts, pruned."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _images as images
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _image_store as image_store
from ansible_collections.fortytwo.inception.plugins.plugin_utils._image_store import Store


def layer(seed: bytes, size: int = 1000) -> bytes:
    """A layer as it is unpacked: a tar archive with one file that cannot be compressed."""
    text = b"".join(hashlib.sha256(seed + str(number).encode()).digest() for number in range(size // 32 + 1))
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        images.add_bytes(archive, seed.decode(), text)
    return data.getvalue()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def archive(path: Path, layers: list[bytes], lie: bool = False, **config: Any) -> Path:
    """As buildah and `docker save` write it."""
    told = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-11-28T01:00:00Z",
        "container": "abc",
        "config": {
            "Hostname": "abc",
            "Image": "",
            "Cmd": ["nginx"],
            "Labels": {"inception.base": "sha256:01"},
            **config,
        },
        "rootfs": {"type": "layers", "diff_ids": [digest(b"x" if lie else one) for one in layers]},
        "history": [{"created": "2026", "created_by": "RUN", "comment": "FROM x"}],
    }
    with tarfile.open(path, "w") as file:
        for number, data in enumerate(layers):
            images.add_bytes(file, f"{number}/layer.tar", data)
        images.add_bytes(file, "config.json", json.dumps(told).encode())
        manifest = [
            {
                "Config": "config.json",
                "RepoTags": None,
                "Layers": [f"{number}/layer.tar" for number in range(len(layers))],
            }
        ]
        images.add_bytes(file, "manifest.json", json.dumps(manifest).encode())
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "images")


def test_an_image_is_found_as_it_was_added(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_store, "PART", 20_000)
    layers = [layer(b"base"), layer(b"nginx", 90_000)]
    added = store.add("nginx:1", archive(tmp_path / "a.tar", layers), {"inception.content": "c0"})
    found = store.find("nginx:1")
    assert found == added
    assert [one.diff_id for one in added.layers] == [digest(one) for one in layers]
    assert [len(one.parts) for one in added.layers] == [1, 5]
    for one, data in zip(added.layers, layers, strict=True):
        packed = b"".join(store.part(name).read_bytes() for name, dummy in one.parts)
        assert len(packed) == one.size
        assert subprocess.run(["zstd", "-dcq"], input=packed, capture_output=True, check=True).stdout == data
        for name, dummy in one.parts:
            assert hashlib.sha256(store.part(name).read_bytes()).hexdigest() == name


def test_what_a_tool_notes_down_besides_is_not_kept(store: Store, tmp_path: Path) -> None:
    added = store.add("nginx:1", archive(tmp_path / "a.tar", [layer(b"base")]), {"inception.content": "c0"})
    told = json.loads(added.config)
    assert told["config"] == {"Cmd": ["nginx"], "Labels": {"inception.base": "sha256:01", "inception.content": "c0"}}
    assert sorted(told) == ["architecture", "config", "created", "history", "os", "rootfs"]
    assert told["history"] == [{"created": "2026", "created_by": "RUN"}]


def test_a_layer_that_two_have_is_there_once(store: Store, tmp_path: Path) -> None:
    base = layer(b"base")
    store.add("nginx:1", archive(tmp_path / "a.tar", [base, layer(b"nginx")]), {})
    store.add("redis:1", archive(tmp_path / "b.tar", [base, layer(b"redis")]), {})
    assert len(list((store.folder / "parts").iterdir())) == len(list((store.folder / "layers").iterdir())) == 3


LOSSES = {
    "a part": lambda store, image: store.part(image.layers[1].parts[0][0]).unlink(),
    "the end of a part": lambda store, image: store.part(image.layers[1].parts[0][0]).write_bytes(b"x"),
    "a layer": lambda store, image: next((store.folder / "layers").iterdir()).unlink(),
    "the image": lambda store, image: next((store.folder / "images").iterdir()).unlink(),
    "the end of the image": lambda store, image: next((store.folder / "images").iterdir()).write_text('{"config": "'),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_not_whole_is_not_found_and_added_again(loss: str, store: Store, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", [layer(b"base"), layer(b"nginx")])
    image = store.add("nginx:1", path, {})
    LOSSES[loss](store, image)
    assert store.find("nginx:1") is None
    assert store.add("nginx:1", path, {}) == image == store.find("nginx:1")


def test_an_archive_whose_layers_are_others_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(images.ImageProblem, match="was to be"):
        store.add("nginx:1", archive(tmp_path / "a.tar", [layer(b"base")], lie=True), {})
    assert store.find("nginx:1") is None


def test_what_nobody_asked_for_in_a_while_goes(store: Store, tmp_path: Path) -> None:
    base = layer(b"base")
    store.add("nginx:1", archive(tmp_path / "a.tar", [base, layer(b"nginx")]), {})
    store.add("redis:1", archive(tmp_path / "b.tar", [base, layer(b"redis")]), {})
    month = time.time() + 31 * 86400
    store.prune()
    assert store.find("nginx:1")
    assert store.find("redis:1")
    os.utime(store.folder / "images" / "redis-1.json", (month, month))
    store.prune(now=month)
    assert store.find("nginx:1") is None
    assert store.find("redis:1")
    assert len(list((store.folder / "parts").iterdir())) == 2


def test_of_two_who_want_one_the_second_waits(store: Store) -> None:
    order = []
    with store.locked("nginx:1"):

        def second() -> None:
            with store.locked("nginx:1"):
                order.append("second")

        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.2)
        order.append("first")
    other.join(5)
    assert order == ["first", "second"]


def test_layers_that_containerd_has_compressed_are_the_same(store: Store, tmp_path: Path) -> None:
    data = layer(b"nginx")
    path = archive(tmp_path / "image.tar", [data])
    packed = tmp_path / "packed.tar"
    with tarfile.open(path) as old, tarfile.open(packed, "w") as new:
        for member in old:
            content = old.extractfile(member).read()  # type: ignore[union-attr]
            images.add_bytes(new, member.name, gzip.compress(content) if member.name.endswith("layer.tar") else content)
    assert [one.diff_id for one in store.add("nginx:1", packed, {}).layers] == [digest(data)]
    assert store.layers() == [digest(data)]


def test_an_image_is_carried_to_projects_of_several_names(store: Store, tmp_path: Path) -> None:
    image = store.add("nginx:1", archive(tmp_path / "image.tar", [layer(b"nginx")]), {"a": "b"})
    told = json.loads(image_store.labelled(image.config, {"project": "shop"}))
    assert told["config"]["Labels"] == {"inception.base": "sha256:01", "a": "b", "project": "shop"}
