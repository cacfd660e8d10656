"""A box as a technician meets it: a configuration, keys, and a store that the real store has written."""

import contextlib
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.cli.main import execute
from gateway.clock import ManualClock
from gateway.evidence.keys import Role, TrustedKey, trust_document
from tests.gateway.store_fixtures import GATEWAY, ORG, SIGNER, draft, running_store

PUBLIC = SIGNER.public.public_bytes_raw()


@dataclass(frozen=True)
class Told:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def zhijiao(*words: object) -> Told:
    """Run a command in this process, standard output and error kept."""
    raw, err = io.BytesIO(), io.StringIO()
    out = io.TextIOWrapper(raw, "utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = execute([str(word) for word in words])
        except SystemExit as exc:
            code = int(str(exc.code))
    out.flush()
    told = Told(code, raw.getvalue().decode(), err.getvalue())
    assert "Traceback" not in told.out + told.err
    return told


@dataclass(frozen=True)
class Box:
    """Paths of one box."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "zhijiao.toml"

    @property
    def store(self) -> Path:
        return self.folder / "state" / "events.db"

    @property
    def key_file(self) -> Path:
        return self.folder / "event-key.pem"

    @property
    def public_key(self) -> Path:
        return self.folder / "public.pem"

    @property
    def trust(self) -> Path:
        return self.folder / "trust.json"

    def run(self, *words: object) -> Told:
        return zhijiao(*words, "--config", self.config)

    def database(self) -> "closing[sqlite3.Connection]":
        return closing(sqlite3.connect(self.store, isolation_level=None))


def box(folder: Path) -> Box:
    """Write configuration and keys; the store is made by `fill`."""
    made = Box(folder)
    made.store.parent.mkdir()
    private = SIGNER._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    made.key_file.write_bytes(private)
    made.public_key.write_bytes(SIGNER.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    made.trust.write_text(trust_document([TrustedKey(SIGNER.kid, Role.GATEWAY, GATEWAY, PUBLIC)], demo=False))
    (folder / "id-hmac.key").write_text("ab" * 32)
    for secret in (made.key_file, folder / "id-hmac.key"):
        secret.chmod(0o600)
    made.config.write_text(
        f"""
[gateway]
org = "{ORG}"
id = "{GATEWAY}"
state_dir = "state"
[keys]
event_key_file = "event-key.pem"
trust_file = "trust.json"
id_hmac_key_file = "id-hmac.key"
[api]
enabled = false
[store]
reserve_mib = 1
"""
    )
    return made


async def fill(
    path: Path, clock: ManualClock, count: int, *, settled: int = 0, kind: str = "identity.card_read"
) -> None:
    """One run of a gateway: `count` events, of which the first `settled` rows are confirmed by the center."""
    async with running_store(path, clock) as store:
        await store.append([draft(clock.now(), kind, n=i) for i in range(count)], clock.now())
        if settled:
            await store.settle([(1, settled)])


def new_boot(clock: ManualClock, boot: str) -> ManualClock:
    """The clock after a power cut."""
    clock.boot_id = boot * 32
    return clock


def wires(path: Path) -> Iterator[bytes]:
    with closing(sqlite3.connect(path)) as db:
        for row in db.execute("SELECT wire FROM event ORDER BY n"):
            yield bytes(row[0])
