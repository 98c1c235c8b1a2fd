"""Machines of their own, as far as the network can tell: one Linux network namespace each.

Each has a router between itself and this machine, where the network can be cut: packets are dropped
without a word, as where a cable is pulled.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self
from uuid import uuid4

import pytest

__all__ = ["Machine", "Machines", "why_not"]


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"`{' '.join(words)}`: {done.stderr.strip()}")


def _ip(*words: str) -> None:
    _run("ip", *words)


class Machine:
    """One machine. Start its processes with :attr:`prefix` before their command."""

    def __init__(self, name: str, number: int) -> None:
        self._name = name
        self._router = f"{name}r"
        self._net = f"10.213.{number}"
        self.address = f"{self._net}.6"
        self.host = f"{self._net}.1"
        """The address by which it knows this machine."""
        self.prefix: Sequence[str] = ("ip", "netns", "exec", name)
        self._undo = ExitStack()
        self._is_cut = False

    def start(self) -> None:
        """Make it.

        Raises:
            OSError: this machine does not allow that.
        """
        router, name, net = self._router, self._name, self._net
        for namespace in (router, name):
            _ip("netns", "add", namespace)
            self._undo.callback(_ip, "netns", "del", namespace)
        # The names of the ends are short: the kernel takes 15 characters.
        _ip("link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b")
        self._undo.callback(_ip, "link", "del", f"{name}a")
        _ip("link", "set", f"{name}b", "netns", router)
        _ip("-n", router, "link", "add", f"{name}c", "type", "veth", "peer", "name", f"{name}d")
        _ip("-n", router, "link", "set", f"{name}d", "netns", name)
        for where, link, address in [
            ((), f"{name}a", f"{net}.1/30"),
            (("-n", router), f"{name}b", f"{net}.2/30"),
            (("-n", router), f"{name}c", f"{net}.5/30"),
            (("-n", name), f"{name}d", f"{net}.6/30"),
        ]:
            _ip(*where, "addr", "add", address, "dev", link)
            _ip(*where, "link", "set", link, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "route", "add", "default", "via", f"{net}.5")
        _ip("route", "add", f"{net}.4/30", "via", f"{net}.2")
        forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
        _run("ip", "netns", "exec", router, "sh", "-c", forward)

    def cut(self) -> None:
        """Drop all packets to it and from it."""
        if not self._is_cut:
            self._is_cut = True
            for direction in ("from", "to"):
                _ip("-n", self._router, "rule", "add", direction, self.address, "blackhole")

    def heal(self) -> None:
        """Let packets pass again."""
        if self._is_cut:
            self._is_cut = False
            for direction in ("from", "to"):
                _ip("-n", self._router, "rule", "del", direction, self.address, "blackhole")

    def close(self) -> None:
        """Take it away; end its processes first."""
        self._undo.close()


class Machines:
    """``with Machines(2) as machines`` makes so many."""

    def __init__(self, count: int) -> None:
        prefix = f"m{uuid4().hex[:6]}"
        first = int(prefix[1:5], 16) % 240
        self.all = [Machine(f"{prefix}{n}", first + n) for n in range(count)]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for machine in self.all:
                stack.callback(machine.close)
                machine.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[Machine]:
        return iter(self.all)


def why_not() -> str:
    """Return why machines cannot be made here; empty if they can."""
    if shutil.which("ip") is None:
        return "`ip` is missing: `apt-get install iproute2`"
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        with Machines(1):
            return ""
    except OSError as error:
        return f"network namespaces cannot be made: {error}"


def machines_or_skip(count: int) -> Machines:
    """Return so many machines; skip the test where they cannot be made."""
    if reason := why_not():
        pytest.skip(reason)
    return Machines(count)
