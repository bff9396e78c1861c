"""Connections that wait long enough, can be cut by another thread, and take no login from the environment."""

from __future__ import annotations

import socket
from contextlib import suppress
from functools import partial
from typing import Any

import requests
import requests.adapters
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

import xnat_sync
from xnat_sync.gateway.bodies.body import CHUNK

# Not like a browser: XNAT answers browsers with login pages and asks them for CSRF tokens (`XnatSecureGuard`).
USER_AGENT = f"xnat-sync/{xnat_sync.__version__}"

CONNECT_SECONDS = 10.0
READ_SECONDS = 300.0


class Opened:
    """The open connections of all threads."""

    def __init__(self) -> None:
        self._slots: list[Slot] = []
        self.is_cut = False
        """Whether `cut` was called."""

    def slot(self) -> Slot:
        """A place for the connection of one adapter, which opens one at a time."""
        slot = Slot(self)
        self._slots.append(slot)
        return slot

    def forget(self, slot: Slot) -> None:
        """An adapter was closed. Safe to repeat."""
        with suppress(ValueError):
            self._slots.remove(slot)

    def cut(self) -> None:
        """Wake every thread that sends or reads, with an error. Takes no lock: a signal handler may call it."""
        self.is_cut = True
        for slot in list(self._slots):
            if slot.connection is not None:
                slot.connection.cut()


class Slot:
    """The newest connection of one adapter."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self.connection: _Patient | None = None

    def note(self, connection: _Patient) -> None:
        """A connection was opened; after a cut it is cut at once."""
        self.connection = connection
        # Looked at after the connection can be found, and set before they are looked for: one of the two sees it.
        if self._opened.is_cut:
            connection.cut()


class Http(requests.Session):
    """Trusts whom it is told to, and sends no login of the environment's.

    `requests` puts ``REQUESTS_CA_BUNDLE`` in the place of what it was told, and looks into netrc for every request.
    """

    def __init__(self, verify: bool | str, opened: Opened | None = None) -> None:  # noqa: FBT001 - requests' own form
        super().__init__()
        self.headers["User-Agent"] = USER_AGENT
        self.auth = _no_auth
        self.verify = verify
        if opened is not None:
            for scheme in ("http://", "https://"):
                self.mount(scheme, _Adapter(opened))

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """What a request is sent with; a file of certificates that was named wins over the environment's."""
        told = self.verify if verify is None and isinstance(self.verify, str) else verify
        return super().merge_environment_settings(url, proxies, stream, told, cert)


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def text_of(reply: requests.Response) -> str:
    """The body as text. XNAT writes in the JVM's charset without saying so: UTF-8 where that fits."""
    content = reply.content
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


class _Patient:
    """Sending may stall for as long as reading: urllib3 gives a new connection's first body its connect timeout."""

    sock: Any
    slot: Slot | None = None

    def connect(self) -> None:
        super().connect()  # type: ignore[misc] # the next class in line is a urllib3 connection
        self.sock.settimeout(READ_SECONDS)
        if self.slot is not None:
            self.slot.note(self)

    def cut(self) -> None:
        """Wake the thread that sends or reads here, with an error."""
        if self.sock is not None:
            with suppress(OSError):
                # Not the method of a TLS socket, which would take its state away from under that thread.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class _PatientHTTP(_Patient, HTTPConnection): ...


class _PatientHTTPS(_Patient, HTTPSConnection): ...


class _Noting:
    """A pool whose connections can be cut."""

    def __init__(self, *args: Any, slot: Slot, **kwargs: Any) -> None:
        self._slot = slot
        super().__init__(*args, **kwargs)

    def _new_conn(self) -> Any:
        made = super()._new_conn()  # type: ignore[misc] # the next class in line is a urllib3 pool
        made.slot = self._slot
        return made


class _HTTPPool(_Noting, HTTPConnectionPool):
    ConnectionCls = _PatientHTTP


class _HTTPSPool(_Noting, HTTPSConnectionPool):
    ConnectionCls = _PatientHTTPS


class _Adapter(requests.adapters.HTTPAdapter):
    """Sends bodies in large pieces and with patience."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._slot = opened.slot()
        super().__init__(pool_maxsize=1)

    def close(self) -> None:
        """Close the connection; there is nothing left to cut."""
        super().close()
        self._opened.forget(self._slot)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, blocksize=CHUNK)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_HTTPPool, slot=self._slot),
            "https": partial(_HTTPSPool, slot=self._slot),
        }
