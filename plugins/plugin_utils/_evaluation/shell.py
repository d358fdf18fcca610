# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shell scripts as their commands, by tree-sitter. Private to this collection: it may change without notice.

A comment, a string or the text of a here-document is no command. A file is parsed and never run; the parser
recovers from what it does not understand.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import SCRIPT_BYTES

try:
    import tree_sitter
    import tree_sitter_bash
except ImportError as error:
    # Whoever reads a project looks at it first, and says what to install.
    MISSING: str | None = str(error)
else:
    MISSING = None

_MAX_DEPTH = 150
_MAX_NESTED = 4


@functools.cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


@dataclass(frozen=True)
class Place:
    """A line of a script, and what stands there."""

    line: int
    text: str


@dataclass(frozen=True)
class Command:
    """A simple command as its words without quotes; a variable stays as it is written."""

    words: tuple[str, ...]
    place: Place
    # It gets its input from a file, a here-document or another command.
    fed: bool = False

    @property
    def name(self) -> str:
        return self.words[0].rpartition("/")[2]


@dataclass
class Script:
    """What a script does, as far as reading tells."""

    commands: list[Command] = field(default_factory=list)
    # Programs that are left running while the script goes on.
    background: list[Place] = field(default_factory=list)
    # Commands that never end.
    endless: list[Place] = field(default_factory=list)
    # `while true` that a break or an exit ends.
    doubtful: list[Place] = field(default_factory=list)
    # Shells that wait for input.
    bare_shells: list[Place] = field(default_factory=list)


SHELLS = frozenset({"sh", "bash", "ash", "dash", "zsh", "ksh", "busybox"})


def is_shell_with_text(words: tuple[str, ...] | str) -> bool:
    """Whether a container's command is a shell that is handed its text: ["sh", "-c", "..."]."""
    return (
        not isinstance(words, str)
        and len(words) > 1
        and words[0].rpartition("/")[2] in SHELLS
        and bool(re.fullmatch(r"-[a-z]*c", words[1]))
    )


def started(words: tuple[str, ...] | str) -> str:
    """A container's command as shell text."""
    if isinstance(words, str):
        return words
    if is_shell_with_text(words):
        return words[2] if len(words) > 2 else ""
    # Words of a JSON array are no shell text: each is quoted.
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)


# Commands that run another one, with those of their options that take a value.
_WRAPPERS: dict[str, str] = {
    "exec": "a",
    "env": "uSC",
    "nice": "n",
    "nohup": "",
    "setsid": "",
    "sudo": "ugpCr",
    "doas": "u",
    "gosu": "",
    "su-exec": "",
    "setpriv": "",
    "chroot": "",
    "tini": "pe",
    "dumb-init": "r",
    "command": "",
    "builtin": "",
    "time": "fo",
    "ionice": "cn",
    "stdbuf": "ioe",
    "xargs": "nPIL",
    "eatmydata": "",
    "catchsegv": "",
}
# How many words of theirs come before the command.
_OPERANDS = {"gosu": 1, "su-exec": 1, "chroot": 1}


@functools.lru_cache(maxsize=1024)
def parse(text: str, first_line: int = 1) -> Script:
    """A script's commands; `first_line` is where its text begins in the file."""
    script = Script()
    _collect(text, first_line, script, 0)
    return script


def _collect(text: str, first_line: int, script: Script, nested: int) -> None:
    raw = text.encode()[:SCRIPT_BYTES]
    root = _parser().parse(raw).root_node
    lines = text.splitlines()

    def place(node: tree_sitter.Node) -> Place:
        row: int = node.start_point[0]
        return Place(first_line + row, lines[row].strip()[:200] if row < len(lines) else "")

    feeds: dict[int, bool] = {}
    for node, ancestors, before in _nodes(root):
        kind = node.type
        if kind == "&" and not node.is_named:
            if before is not None and not _ARITHMETIC & {*ancestors[-1:], before.type}:
                script.background.append(place(before))
        elif kind == "while_statement":
            _loop(node, place(node), script)
        elif kind == "c_style_for_statement":
            if node.child_by_field_name("condition") is None:
                _endless(node, place(node), script)
        elif kind == "command":
            words = tuple(_words(node))
            if words:
                fed = _fed(node, feeds)
                # The output of a command that is substituted is no service.
                fed = fed or "command_substitution" in ancestors
                _command(Command(words, place(node), fed), script, nested)


# Where an ampersand is a number's.
_ARITHMETIC = frozenset({"arithmetic_expansion", "binary_expression", "compound_assignment_expression"})


if TYPE_CHECKING:
    # The parser may be missing.
    _Node: TypeAlias = tuple[tree_sitter.Node, tuple[str, ...], tree_sitter.Node | None]


def _nodes(root: tree_sitter.Node) -> Iterator[_Node]:
    """Every node with the kinds of those around it and the one before it.

    Without recursion, as a stranger's nesting has no limit of its own, and with the children of each node taken once:
    a node that is asked for one of its siblings looks through all of them.
    """
    waiting: list[_Node] = [(root, (), None)]
    while waiting:
        node, ancestors, before = waiting.pop()
        yield node, ancestors, before
        if len(ancestors) < _MAX_DEPTH:
            children = node.children
            around = (*ancestors, node.type)
            waiting.extend(
                reversed([(child, around, last) for child, last in zip(children, [None, *children], strict=False)])
            )


def _words(node: tree_sitter.Node) -> Iterator[str]:
    for child in node.children:
        if child.type in ("variable_assignment", "file_redirect", "heredoc_redirect", "herestring_redirect"):
            continue
        if child.is_named:
            yield _plain(child)


def _plain(node: tree_sitter.Node) -> str:
    """A word without its quotes."""
    text = (node.text or b"").decode("utf-8", "replace")
    if node.type == "raw_string":
        return text[1:-1]
    if node.type == "string":
        return re.sub(r'\\(["\\$`])', r"\1", text[1:-1])
    if node.type == "command_name" and node.children:
        return _plain(node.children[0])
    if node.type == "concatenation":
        return "".join(_plain(child) for child in node.children)
    return text.replace("\\\n", "").replace("\\", "")


def _feeds(redirected: tree_sitter.Node) -> bool:
    for one in redirected.children:
        if one.type in ("heredoc_redirect", "herestring_redirect"):
            return True
        if one.type == "file_redirect" and any(part.type == "<" for part in one.children):
            return True
    return False


def _fed(node: tree_sitter.Node, feeds: dict[int, bool]) -> bool:
    """Whether a command's input comes from elsewhere than the container's own; `feeds`: what is known."""
    above: tree_sitter.Node | None = node.parent
    child = node
    if any(one.type in ("heredoc_redirect", "herestring_redirect") for one in node.children):
        return True
    while above is not None:
        if above.type == "pipeline" and above.start_byte != child.start_byte:
            return True
        if above.type == "redirected_statement":
            if above.id not in feeds:
                feeds[above.id] = _feeds(above)
            if feeds[above.id]:
                return True
        if above.type not in ("pipeline", "redirected_statement", "negated_command"):
            return False
        child = above
        above = above.parent
    return False


# --- Loops ---

_ALWAYS = re.compile(
    r"(?:true|/bin/true|:|\[\[?\s+(?:1|true|\"?true\"?|1\s*(?:-eq|=|==)\s*1|\"1\")\s+\]\]?|\(\(\s*(?:1|true)\s*\)\)|sleep\s+\S+"
    r"|test\s+1|!\s*false|!\s*/bin/false)\s*$"
)
_NEVER = re.compile(
    r"(?:false|/bin/false|!\s*(?:true|:)|\[\[?\s+(?:\"\"|0\s*(?:-eq|=|==)\s*1|1\s*(?:-eq|=|==)\s*0)\s+\]\]?|\(\(\s*0\s*\)\))\s*$"
)
_LEAVES = frozenset({"break", "exit", "return", "exec"})


def _loop(node: tree_sitter.Node, place: Place, script: Script) -> None:
    until = bool(node.children) and node.children[0].type == "until"
    condition = " ".join(
        (child.text or b"").decode("utf-8", "replace")
        for child in node.children[1:]
        if child.type not in ("do_group", ";", "\n", "comment")
    ).strip()
    if (_NEVER if until else _ALWAYS).match(condition):
        _endless(node, place, script)


def _endless(loop: tree_sitter.Node, place: Place, script: Script) -> None:
    for node, _ancestors, _before in _nodes(loop):
        if node.type == "command" and next(_words(node), "") in _LEAVES:
            script.doubtful.append(place)
            return
    script.endless.append(place)


# --- Commands ---

_FOREVER = re.compile(r"(?:inf(?:inity)?|\d{7,}s?|\d{5,}[mh]|\d{4,}d)$", re.IGNORECASE)
_STARTS = frozenset({"start", "restart"})


def unwrapped(command: Command) -> tuple[Command, set[str]]:
    """The command that wrappers such as exec, env and su-exec run in the end, and the wrappers."""
    words, wrappers = list(command.words), set()
    while words:
        name = words[0].rpartition("/")[2]
        if name not in _WRAPPERS:
            break
        wrappers.add(name)
        if name == "setsid" and any(word in ("-f", "--fork") for word in words[1:3]):
            wrappers.add("setsid --fork")
        at = 1
        while at < len(words) and (words[at].startswith("-") or (name == "env" and "=" in words[at])):
            if words[at] == "--":
                at += 1
                break
            takes = len(words[at]) == 2 and words[at][1:] in _WRAPPERS[name]
            at += 2 if takes else 1
        words = words[at + _OPERANDS.get(name, 0) :]
    return Command(tuple(words), command.place, command.fed), wrappers


def _command(outer: Command, script: Script, nested: int) -> None:
    command, wrappers = unwrapped(outer)
    if not command.words:
        return
    script.commands.append(command)
    name, arguments, place = command.name, list(command.words[1:]), command.place
    inner = _inner_script(name, arguments)
    if inner is not None and nested < _MAX_NESTED:
        _collect(inner, place.line, script, nested + 1)
        return
    by_init = command.words[0].startswith("/etc/init.d/") and bool(_STARTS & set(arguments))
    if by_init or "setsid --fork" in wrappers or _goes_background(name, arguments):
        script.background.append(place)
    if _never_ends(name, arguments, command.fed):
        script.endless.append(place)
    if _is_bare_shell(command):
        script.bare_shells.append(place)


def _inner_script(name: str, arguments: list[str]) -> str | None:
    """The text that a command hands to another shell: sh -c '...', su wil -c '...', eval '...', trap '...'."""
    if name == "eval":
        return " ".join(arguments)
    if name in SHELLS or name in ("su", "runuser"):
        for at, argument in enumerate(arguments[:-1]):
            if re.fullmatch(r"-[a-z]*c|--command", argument):
                return arguments[at + 1]
    return None


def _goes_background(name: str, arguments: list[str]) -> bool:
    """Whether a program puts itself, or a service, in the background."""
    words = set(arguments)
    if name in ("service", "rc-service", "invoke-rc.d"):
        return bool(words & _STARTS)
    if name == "systemctl":
        return bool(words & _STARTS)
    if name == "start-stop-daemon":
        return bool(words & {"-b", "--background"})
    if name in ("cron",):
        return not words & {"-f", "-n"}
    if name == "crond":
        return not words & {"-f", "-n", "-d"}
    if re.fullmatch(r"php-fpm[\d.]*", name):
        return bool(words & {"-D", "--daemonize"})
    if name == "redis-server":
        return "--daemonize yes" in " ".join(arguments)
    if name in ("mysqld", "mariadbd", "vsftpd", "daemon"):
        return name == "daemon" or bool(words & {"--daemonize"})
    if name in ("screen", "tmux"):
        return bool(words & {"-dm", "-dmS", "-d"})
    return name in ("apachectl", "apache2ctl", "mysqld_multi", "pg_ctl") and "start" in words


def _never_ends(name: str, arguments: list[str], fed: bool) -> bool:
    if name == "busybox" and arguments:
        name, arguments = arguments[0], arguments[1:]
    if name == "timeout":
        return False
    if name == "tail":
        return any(
            re.fullmatch(r"-[0-9a-zA-Z]*[fF][0-9a-zA-Z]*|--follow(?:=.*)?|--f\w*|\+\d*[bcl]?f", argument)
            for argument in arguments
        ) and not any(argument.startswith("--pid") for argument in arguments)
    if name in ("sleep", "gsleep"):
        return any(_FOREVER.match(argument) for argument in arguments)
    if name == "cat":
        return not fed and (
            not arguments or any(one in ("-", "/dev/random", "/dev/urandom", "/dev/zero") for one in arguments)
        )
    return name in ("yes", "watch", "pause")


def _is_bare_shell(command: Command) -> bool:
    arguments = command.words[1:]
    if command.name == "busybox":
        return bool(arguments) and arguments[0] in SHELLS and len(arguments) == 1 and not command.fed
    return (
        command.name in SHELLS
        and all(one.startswith("-") for one in arguments)
        and not command.fed
        and not (set(arguments) & {"--version", "--help", "-c"})
    )
