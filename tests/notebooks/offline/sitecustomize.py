"""Cut off the network in every Python process that finds this folder on PYTHONPATH: kernels and their workers.

Kernels talk to pytest over the loopback device, by a library below Python's sockets, so that stays open.
"""

import socket
from typing import Any

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex
_getaddrinfo = socket.getaddrinfo


def _refuse(host: Any) -> None:
    if str(host) not in ("localhost", "::1", "") and not str(host).startswith("127."):
        raise OSError(f"the network is cut off while notebooks are tested; something asked for {host!r}")


def _guarded_connect(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6):
        _refuse(address[0])
    _connect(self, address)


def _guarded_connect_ex(self: socket.socket, address: Any) -> int:
    if self.family in (socket.AF_INET, socket.AF_INET6):
        _refuse(address[0])
    return _connect_ex(self, address)


def _guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
    _refuse(host.decode() if isinstance(host, bytes) else host or "")
    return _getaddrinfo(host, *args, **kwargs)


socket.socket.connect = _guarded_connect  # type: ignore[method-assign]
socket.socket.connect_ex = _guarded_connect_ex  # type: ignore[method-assign]
socket.getaddrinfo = _guarded_getaddrinfo
