"""SQLite state of the embedded server: one file, one writer, many readers.

What was answered 200 must be there after a kill -9, so every write is one transaction in WAL mode.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('project','subject','experiment','assessor','scan','reconstruction')),
    id TEXT NOT NULL,
    label TEXT,
    project TEXT,
    parent INTEGER REFERENCES item(pk) ON DELETE CASCADE,
    xsi_type TEXT NOT NULL,
    fields TEXT NOT NULL DEFAULT '{}',
    status TEXT NOT NULL DEFAULT 'active',
    insert_date TEXT NOT NULL,
    insert_user TEXT NOT NULL,
    last_modified TEXT NOT NULL,
    arc TEXT NOT NULL DEFAULT 'arc001'
);
CREATE UNIQUE INDEX IF NOT EXISTS item_project_id ON item(id) WHERE kind = 'project';
CREATE UNIQUE INDEX IF NOT EXISTS item_subject_id ON item(id) WHERE kind = 'subject';
CREATE UNIQUE INDEX IF NOT EXISTS item_experiment_id ON item(id) WHERE kind IN ('experiment','assessor');
CREATE UNIQUE INDEX IF NOT EXISTS item_reconstruction_id ON item(id) WHERE kind = 'reconstruction';
CREATE UNIQUE INDEX IF NOT EXISTS item_subject_label ON item(project, label) WHERE kind = 'subject';
CREATE UNIQUE INDEX IF NOT EXISTS item_experiment_label ON item(project, label) WHERE kind IN ('experiment','assessor');
CREATE UNIQUE INDEX IF NOT EXISTS item_scan_id ON item(parent, id) WHERE kind = 'scan';
CREATE INDEX IF NOT EXISTS item_parent ON item(parent, kind);
CREATE INDEX IF NOT EXISTS item_project ON item(project, kind);

CREATE TABLE IF NOT EXISTS share (
    item INTEGER NOT NULL REFERENCES item(pk) ON DELETE CASCADE,
    project TEXT NOT NULL,
    label TEXT,
    PRIMARY KEY (item, project)
);
CREATE INDEX IF NOT EXISTS share_project ON share(project);

CREATE TABLE IF NOT EXISTS resource (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    parent INTEGER NOT NULL REFERENCES item(pk) ON DELETE CASCADE,
    scope TEXT NOT NULL DEFAULT '' CHECK (scope IN ('','out','in')),
    label TEXT,
    format TEXT,
    content TEXT,
    description TEXT,
    tags TEXT NOT NULL DEFAULT '[]',
    catalog TEXT,
    file_count INTEGER,
    file_size INTEGER
);
CREATE INDEX IF NOT EXISTS resource_parent ON resource(parent);

CREATE TABLE IF NOT EXISTS project_setting (
    project TEXT PRIMARY KEY,
    accessibility TEXT NOT NULL DEFAULT 'protected',
    prearchive_code TEXT NOT NULL DEFAULT '4',
    quarantine_code TEXT NOT NULL DEFAULT '0',
    current_arc TEXT NOT NULL DEFAULT 'arc001',
    scan_type_mapping TEXT NOT NULL DEFAULT 'true'
);
CREATE TABLE IF NOT EXISTS project_alias (project TEXT NOT NULL, alias TEXT NOT NULL, PRIMARY KEY (project, alias));
CREATE TABLE IF NOT EXISTS burnt_project (id TEXT PRIMARY KEY);

CREATE TABLE IF NOT EXISTS user (
    login TEXT PRIMARY KEY,
    id INTEGER NOT NULL UNIQUE,
    password TEXT,
    firstname TEXT NOT NULL DEFAULT '',
    lastname TEXT NOT NULL DEFAULT '',
    email TEXT NOT NULL DEFAULT '',
    admin INTEGER NOT NULL DEFAULT 0,
    enabled INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE IF NOT EXISTS password_change (
    login TEXT PRIMARY KEY REFERENCES user(login) ON DELETE CASCADE,
    changed INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS role (
    login TEXT NOT NULL REFERENCES user(login) ON DELETE CASCADE,
    role TEXT NOT NULL,
    PRIMARY KEY (login, role)
);
CREATE TABLE IF NOT EXISTS membership (
    project TEXT NOT NULL,
    login TEXT NOT NULL REFERENCES user(login) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('owner','member','collaborator')),
    PRIMARY KEY (project, login)
);
CREATE TABLE IF NOT EXISTS alias_token (
    alias TEXT PRIMARY KEY,
    secret TEXT NOT NULL,
    login TEXT NOT NULL REFERENCES user(login) ON DELETE CASCADE,
    expires INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS preference (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sequence (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS saved_search (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    brief_description TEXT NOT NULL,
    description TEXT NOT NULL,
    root_element_name TEXT NOT NULL,
    secure TEXT NOT NULL,
    allow_diff_columns TEXT NOT NULL,
    tag TEXT NOT NULL,
    users TEXT NOT NULL,
    document BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS workflow (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    item TEXT NOT NULL,
    data_type TEXT NOT NULL DEFAULT '',
    action TEXT NOT NULL,
    reason TEXT,
    comment TEXT,
    type TEXT,
    user TEXT NOT NULL,
    date TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'Complete'
);
"""


_ADDED = ("item", "arc", "TEXT NOT NULL DEFAULT 'arc001'")
"""A column that folders of an earlier server lack."""


class Store:
    """The tables above in ``root/xnat.db``.

    Connections belong to threads; transactions of one thread nest (an inner block joins the outer transaction).
    """

    def __init__(self, root: Path) -> None:
        self._path = root / "xnat.db"
        self._local = threading.local()
        self._writer = threading.RLock()
        self._registry = threading.Lock()
        self._open: list[sqlite3.Connection] = []
        db = self._connection()
        db.executescript(SCHEMA)
        table, name, kind = _ADDED
        if name not in {row["name"] for row in db.execute(f"PRAGMA table_info({table})")}:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One consistent view of the data for as long as the block lasts."""
        db = self._connection()
        if db.in_transaction:
            yield db
            return
        db.execute("BEGIN")
        try:
            yield db
        finally:
            db.execute("ROLLBACK")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """All changes of the block, durable when it ends, or none of them when it raises."""
        db = self._connection()
        with self._writer:
            if db.in_transaction:
                if not self._local.writing:
                    message = "a write cannot begin inside a read of the same thread"
                    raise RuntimeError(message)
                yield db
                return
            db.execute("BEGIN IMMEDIATE")
            self._local.writing = True
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            else:
                db.execute("COMMIT")
            finally:
                self._local.writing = False

    def close(self) -> None:
        """Closes the connections of all threads; the store cannot be used afterwards."""
        with self._registry:
            for db in self._open:
                db.close()
            self._open.clear()

    def _connection(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is None:
            # Opened by one thread, closed by `close` from another; used by its own thread only.
            db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
            db.row_factory = sqlite3.Row
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
                db.execute(f"PRAGMA {pragma}")
            self._local.db = db
            self._local.writing = False
            with self._registry:
                self._open.append(db)
        return db


def next_number(db: sqlite3.Connection, name: str) -> int:
    """The next value of a named sequence, never handed out twice once committed."""
    row = db.execute(
        "INSERT INTO sequence(name, value) VALUES (?, 1)"
        " ON CONFLICT(name) DO UPDATE SET value = value + 1 RETURNING value",
        (name,),
    ).fetchone()
    return int(row["value"])
