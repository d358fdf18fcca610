#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fortytwo.inception contributors

from __future__ import annotations

DOCUMENTATION = r"""
module: qemu_vm
short_description: Manage a virtual machine of the control node, run by QEMU without any daemon
version_added: 1.0.0
description:
  - Defines, starts, stops, resets and removes one virtual machine on the computer that the task runs on, normally the
    control node.
  - Everything of the machine, its disk, serial log, process id, monitor socket, definition and host key, lies in
    O(state_dir). The image is linked (or copied) into it, so that a cache of images can be emptied at any time.
  - The machine goes on running when Ansible has ended.
  - KVM is not trusted because its device is there. A guest is started under it once, and it is used only if that guest
    writes something on its serial port. Otherwise the processor is emulated with several threads. The answer is
    remembered in O(cache_dir) until the kernel, QEMU, the processor or the right to open the device changes.
author:
  - fortytwo.inception contributors (@fortytwo-inception)
options:
  name:
    description: The machine's name, which is also its host name.
    type: str
    required: true
  state:
    description:
      - V(present) defines the machine and makes its disk, and does not start it. A machine that runs goes on running.
      - V(started) also starts it and waits until its ssh answers. A running machine whose memory, processors, disk
        size, ports, kernel arguments or accelerator have changed is shut down cleanly and started anew, so that the
        result is what was asked for.
      - V(stopped) presses the power button and waits until the machine has switched itself off. A machine that does not
        exist is stopped.
      - V(restarted) stops a running machine in the same clean way, and starts it.
      - V(reset) presses the reset button, without asking the guest, and waits until its ssh answers. The process stays,
        so changed options wait for the next start. A machine that does not run is started.
      - V(absent) ends the process hard and removes O(state_dir). It refuses when a file is in there that is not the
        machine's.
    type: str
    choices: [present, started, stopped, restarted, reset, absent]
    default: started
  state_dir:
    description: The folder of this machine, and of nothing else.
    type: path
    required: true
  cache_dir:
    description: Where it is remembered whether KVM works here.
    type: path
    default: ~/.cache/fortytwo.inception
  image:
    description:
      - What a new machine is made of. Not looked at when the machine has its disk already.
    type: dict
    suboptions:
      disk:
        description: Disk image, qcow2 or raw. It is never written to.
        type: path
        required: true
      kernel:
        description:
          - Kernel that QEMU starts directly; the disk image is then a root file system without partitions. The key and
            the host name are handed over on the kernel's command line, in the words of systemd 252 and later; a guest
            without systemd reads them there.
          - Without it the disk image starts by itself and gets the key and the name from a NoCloud seed, as cloud
            images do.
        type: path
      initrd:
        description: Initial RAM disk that goes with O(image.kernel).
        type: path
  memory:
    description: Memory in MiB. What is defined already stays when it is not given; a new machine gets 2048.
    type: int
  cpus:
    description: Number of processors. What is defined already stays when it is not given; a new machine gets 2.
    type: int
  disk_size:
    description: Size of the disk in GiB; it can grow, not shrink. What is defined already stays; a new machine gets 20.
    type: int
  forwarded_ports:
    description:
      - Ports of the control node that lead to ports of the guest. The one that leads to guest port 22 is where ssh is
        waited for.
      - What is defined already stays when it is not given; a new machine gets none.
    type: list
    elements: dict
    suboptions:
      host_address:
        description: Address of the control node to listen on.
        type: str
        default: 127.0.0.1
      host_port:
        description: Port of the control node.
        type: int
        required: true
      guest_port:
        description: Port of the guest.
        type: int
        required: true
      protocol:
        description: Of the transport.
        type: str
        choices: [tcp, udp]
        default: tcp
      setting:
        description: Name of the setting that this port comes from, to be named in an error.
        type: str
  ssh_public_key:
    description: Public key that may log in as root. It is handed over when a new machine starts for the first time.
    type: str
  kernel_arguments:
    description: More words for the command line of O(image.kernel).
    type: str
  accelerator:
    description:
      - V(auto) uses KVM where a guest really starts under it, else V(tcg).
      - V(kvm) is an error where it does not work.
      - V(tcg) emulates the processor.
      - What is defined already stays when it is not given; a new machine gets V(auto).
    type: str
    choices: [auto, kvm, tcg]
  isolation:
    description:
      - Whether the machine has a network of its own, from which it reaches the world and nothing private, neither the
        control node, nor other machines of it, nor its networks.
      - V(auto) where the control node can give one, else the control node's own; RV(vm.isolation_reason)
        says why.
      - V(required) is an error where it cannot.
      - With V(none) the machine reaches what the control node reaches, its loopback interface included.
      - What is defined already stays when it is not given; a new machine gets V(auto).
    type: str
    choices: [auto, required, none]
  reachable:
    description:
      - What the machine reaches all the same, though its address is private or the control node's. Names, addresses,
        networks (IPv4) or URLs; what a name means is asked for at each start.
      - What is defined already stays when it is not given; a new machine gets none.
    type: list
    elements: str
  timeout:
    description: Seconds that starting may take until ssh answers, and stopping until the machine is off.
    type: int
    default: 300
  force_stop:
    description: End a machine hard when it has not switched itself off within O(timeout).
    type: bool
    default: false
extends_documentation_fragment:
  - fortytwo.inception._attributes
attributes:
  check_mode:
    description: Says what would change; nothing is written, started, stopped or probed. Taken ports and too little
      memory are errors in it too.
    support: full
  diff_mode:
    description: Shows the definition and the state before and after.
    support: full
  idempotent:
    description: Except O(state=restarted) and O(state=reset), which restart on each call.
    support: partial
  platform:
    platforms: linux
    support: full
requirements:
  - Linux with Python 3.11 or later
  - qemu-system-x86_64 or qemu-system-aarch64, and qemu-img
  - ssh-keyscan
  - slirp4netns and ip (iproute2), for a machine with a network of its own
notes:
  - The role P(fortytwo.inception.vm#role) makes the image and the key, and calls this module.
  - The guest can be reached through its forwarded ports only. What it reaches is said by O(isolation).
  - The newest of what it writes on its console is kept, 4 MiB and those before.
"""

EXAMPLES = r"""
- name: Start a virtual machine with its ssh and https ports on the control node
  fortytwo.inception.qemu_vm:
    name: wil
    state: started
    state_dir: ~/.local/state/fortytwo.inception/vm/wil
    isolation: required
    image:
      disk: ~/.cache/fortytwo.inception/debian-13-amd64-0123456789abcdef/root.qcow2
      kernel: ~/.cache/fortytwo.inception/debian-13-amd64-0123456789abcdef/vmlinuz
      initrd: ~/.cache/fortytwo.inception/debian-13-amd64-0123456789abcdef/initrd
    memory: 4096
    cpus: 2
    disk_size: 20
    forwarded_ports:
      - {host_port: 2222, guest_port: 22}
      - {host_port: 8443, guest_port: 443}
    ssh_public_key: "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"

- name: Switch the virtual machine off cleanly
  fortytwo.inception.qemu_vm:
    name: wil
    state: stopped
    state_dir: ~/.local/state/fortytwo.inception/vm/wil

- name: Remove all that there is of the virtual machine
  fortytwo.inception.qemu_vm:
    name: wil
    state: absent
    state_dir: ~/.local/state/fortytwo.inception/vm/wil
"""

RETURN = r"""
actions:
  description: The steps that were taken, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: [create, define, start]
seconds:
  description: How long it all took.
  returned: always
  type: float
  sample: 21.4
vm:
  description: The machine as it is now; in check mode, as it was.
  returned: always
  type: dict
  contains:
    name:
      description: Its name.
      type: str
    state:
      description: V(running), V(stopped) or V(absent).
      type: str
    pid:
      description: The process, when it runs.
      type: int
    accelerator:
      description: V(kvm) or V(tcg); V(unknown) in check mode where it has not been asked yet, empty for a machine
        that does not run.
      type: str
    accelerator_reason:
      description: Why that one.
      type: str
    isolated:
      description: Whether it has a network of its own; false for a machine that does not run.
      type: bool
    isolation_reason:
      description: Why not; empty where it has one, or does not run.
      type: str
    state_dir:
      description: Its folder.
      type: str
    serial_log:
      description: What it writes on its console.
      type: str
    known_hosts:
      description: File with its host key.
      type: str
    ssh_address:
      description: Where its ssh answers on the control node, empty without a forwarded port.
      type: str
    ssh_port:
      description: The port that leads to its ssh, 0 without one.
      type: int
    memory:
      description: Defined memory in MiB.
      type: int
    cpus:
      description: Defined number of processors.
      type: int
    disk_size:
      description: Defined size of the disk in GiB.
      type: int
    forwarded_ports:
      description: Defined ports.
      type: list
      elements: dict
"""

import contextlib
import os
import shutil
import time
import typing as t
import uuid

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _qemu, _qemu_network

STARTING = {"started", "restarted", "reset"}
DEFINING = STARTING | {"present"}


def argument_spec() -> dict[str, t.Any]:
    return {
        "name": {"type": "str", "required": True},
        "state": {
            "type": "str",
            "choices": ["present", "started", "stopped", "restarted", "reset", "absent"],
            "default": "started",
        },
        "state_dir": {"type": "path", "required": True},
        "cache_dir": {"type": "path", "default": "~/.cache/fortytwo.inception"},
        "image": {
            "type": "dict",
            "options": {
                "disk": {"type": "path", "required": True},
                "kernel": {"type": "path"},
                "initrd": {"type": "path"},
            },
            "required_by": {"initrd": ["kernel"]},
            "required_together": [["kernel", "initrd"]],
        },
        "memory": {"type": "int"},
        "cpus": {"type": "int"},
        "disk_size": {"type": "int"},
        "forwarded_ports": {
            "type": "list",
            "elements": "dict",
            "options": {
                "host_address": {"type": "str", "default": "127.0.0.1"},
                "host_port": {"type": "int", "required": True},
                "guest_port": {"type": "int", "required": True},
                "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
                "setting": {"type": "str"},
            },
        },
        "ssh_public_key": {"type": "str", "no_log": False},
        "kernel_arguments": {"type": "str"},
        "accelerator": {"type": "str", "choices": ["auto", "kvm", "tcg"]},
        "isolation": {"type": "str", "choices": ["auto", "required", "none"]},
        "reachable": {"type": "list", "elements": "str"},
        "timeout": {"type": "int", "default": 300},
        "force_stop": {"type": "bool", "default": False},
    }


def describe(machine: _qemu.Machine, name: str, accelerator: tuple[str, str] | None = None) -> dict[str, t.Any]:
    pid = machine.pid()
    config = machine.config
    address = _qemu.ssh_port(config) if config else None
    state = "running" if pid else "stopped" if config else "absent"
    known, reason = accelerator or (machine.run.get("accelerator", ""), machine.run.get("accelerator_reason", ""))
    return {
        "name": name,
        "state": state,
        "pid": pid,
        "accelerator": known if pid or accelerator else "",
        "accelerator_reason": reason if pid or accelerator else "",
        "isolated": bool(pid and machine.run.get("isolated", False)),
        "isolation_reason": machine.run.get("isolation_reason", "") if pid else "",
        "state_dir": machine.dir,
        "serial_log": machine.path("serial.log"),
        "known_hosts": machine.path("known_hosts"),
        "ssh_address": address[0] if address else "",
        "ssh_port": address[1] if address else 0,
        **{key: config.get(key) for key in ("memory", "cpus", "disk_size", "forwarded_ports")},
    }


def shown(config: dict[str, t.Any], state: str) -> dict[str, t.Any]:
    """One side of the diff."""
    keys = ("name", "boot", *_qemu.RUNTIME_KEYS, *_qemu.LATER_KEYS)
    return {"state": state, **{key: config[key] for key in keys if key in config}}


STATE_AFTER = {"present": None, "started": "running", "restarted": "running", "reset": "running"}


class Run:
    """One call of the module."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.p: dict[str, t.Any] = module.params
        self.state: str = self.p["state"]
        self.machine = _qemu.Machine(self.p["state_dir"])
        self.binary = ""
        self.arch = _qemu.control_node_arch()
        self.wanted: dict[str, t.Any] = {}

    def execute(self) -> dict[str, t.Any]:
        begin = time.monotonic()
        machine = self.machine
        old = machine.config
        pid = machine.pid()
        before = shown(old, describe(machine, self.p["name"])["state"])
        if self.state in DEFINING:
            self.wanted = self._wanted(old)
            self._check_image()
        steps = _qemu.plan(
            self.state,
            exists=machine.exists,
            has_disk=machine.has_disk,
            running=pid is not None,
            defined_differs=self.state in DEFINING and self.wanted != old,
            running_differs=bool(_qemu.differs(self.wanted, machine.run.get("config", {}))),
        )
        self._check_before(steps, pid)
        if self.module.check_mode:
            accelerator = self._accelerator(may_probe=False) if "start" in steps and self._find_binary() else None
            result = describe(machine, self.p["name"], accelerator)
        else:
            for step in steps:
                getattr(self, f"_{step}")()
            if self.state == "started" and not {"start", "reset"} & set(steps):
                # An earlier run may have given up on a machine that was only slow.
                machine.wait_for_ssh(self.p["timeout"])
                if machine.learn_host_key(self.p["timeout"]):
                    steps.append("known_hosts")
            result = describe(machine, self.p["name"])
        after_state = {"absent": "absent", "stopped": "stopped" if old else "absent"}.get(
            self.state, STATE_AFTER.get(self.state) or ("running" if pid else "stopped")
        )
        after = shown({} if self.state == "absent" else self.wanted or old, after_state)
        return {
            "changed": bool(steps),
            "actions": steps,
            "seconds": round(time.monotonic() - begin, 1),
            "vm": result,
            "diff": {"before": before, "after": after, "before_header": machine.dir, "after_header": machine.dir},
        }

    # What is asked for

    def _wanted(self, old: dict[str, t.Any]) -> dict[str, t.Any]:
        asked = {key: self.p[key] for key in (*_qemu.RUNTIME_KEYS, *_qemu.LATER_KEYS)}
        if asked["forwarded_ports"] is not None:
            asked["forwarded_ports"] = _qemu.plain_ports(asked["forwarded_ports"])
        wanted = _qemu.merge_config(old, asked)
        labelled = {**wanted, "forwarded_ports": self.p["forwarded_ports"] or wanted["forwarded_ports"]}
        problems = _qemu.config_problems(labelled, old)
        if problems:
            raise _qemu.VmError("; ".join(problems))
        wanted["name"] = self.p["name"]
        wanted.setdefault("uuid", str(uuid.uuid4()))
        # The key reaches a machine at its first start only, so the first one is the machine's.
        if not self.machine.has_disk:
            wanted["ssh_public_key"] = self.p["ssh_public_key"] or ""
        elif self.p["ssh_public_key"] and self.p["ssh_public_key"].strip() != wanted.get("ssh_public_key", "").strip():
            self.module.warn(
                "ssh_public_key differs from the one handed over at the first start, and is handed over only then"
            )
        if not self.machine.has_disk:
            wanted["boot"] = "kernel" if (self.p["image"] or {}).get("kernel") else "disk"
        return wanted

    def _check_image(self) -> None:
        if self.machine.has_disk:
            return
        image = self.p["image"]
        if not image:
            raise _qemu.VmError("image: the machine has no disk yet, so an image is needed")
        if not self.module.check_mode:
            missing = [path for path in image.values() if path and not os.path.isfile(path)]
            if missing:
                raise _qemu.VmError(f"image: {', '.join(missing)} is not there")

    def _check_before(self, steps: list[str], pid: int | None) -> None:
        """What would fail later, said before anything is done."""
        if "remove" in steps:
            foreign = self.machine.foreign_files()
            if foreign:
                raise _qemu.VmError(
                    f"state_dir: {self.machine.dir} holds what is not the machine's: {', '.join(foreign)}."
                    " Nothing was removed; move these away or remove the folder by hand"
                )
        if self.state not in DEFINING:
            return
        held = self.machine.run.get("config", {}) if pid else {}
        if "start" in steps or "create" in steps:
            ports = self.p["forwarded_ports"] or self.wanted["forwarded_ports"]
            problems = _qemu.ports_taken(ports, held.get("forwarded_ports", [])) if "start" in steps else []
            problems += _qemu.room_problems(
                self.wanted, self.machine.dir, new_disk="create" in steps, held_memory=held.get("memory", 0)
            )
            if self.wanted["isolation"] == "required" and (
                obstacle := _qemu_network.obstacle(self.wanted["forwarded_ports"])
            ):
                problems.append(_qemu.isolation_problem(obstacle))
            if problems:
                raise _qemu.VmError("; ".join(problems))
        if not self._find_binary() and not self.module.check_mode:
            raise _qemu.VmError(
                f"{self.arch.binary} is missing: install the package qemu-system-x86 or qemu-system-arm"
            )

    def _find_binary(self) -> str:
        self.binary = self.binary or shutil.which(self.arch.binary) or ""
        return self.binary

    # The steps

    def _accelerator(self, *, may_probe: bool = True) -> tuple[str, str]:
        image = dict(self.p["image"] or {})
        if self.machine.has_disk:
            image = {"disk": self.machine.path("base.img")}
            if self.machine.config.get("boot") == "kernel":
                image["kernel"] = self.machine.path("vmlinuz")
        return _qemu.choose_accelerator(
            self.wanted["accelerator"],
            self.binary,
            self.arch,
            image,
            self.p["cache_dir"],
            may_probe=may_probe,
        )

    def _create(self) -> None:
        # The definition first: what is removed, and whose process it is, is known from here on.
        self.machine.define(self.wanted)
        self.machine.create(self.p["image"], self.wanted)

    def _define(self) -> None:
        self.machine.define(self.wanted)

    def _start(self) -> None:
        accelerator, reason = self._accelerator()
        self.machine.start(self.binary, self.arch, accelerator, reason)
        self.machine.wait_for_ssh(self.p["timeout"])
        self.machine.learn_host_key(self.p["timeout"])

    def _stop(self) -> None:
        try:
            self.machine.stop(self.p["timeout"])
        except _qemu.VmError:
            if not self.p["force_stop"]:
                raise
            self.machine.kill()

    def _kill(self) -> None:
        self.machine.kill()

    def _reset(self) -> None:
        self.machine.reset()
        self.machine.wait_for_ssh(self.p["timeout"])

    def _remove(self) -> None:
        self.machine.remove()


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = Run(module).execute()
    except _qemu.VmError as error:
        module.fail_json(msg=f"machine {module.params['name']}: {error}")
    except OSError as error:
        module.fail_json(msg=f"machine {module.params['name']}: {error}")
    with contextlib.suppress(KeyError):
        if not module._diff:
            del result["diff"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
