"""A reader on an OSDP line is given its own key, over a channel that its present key secures.

A reader from the factory answers to the default key that everybody knows; no reader is served with it. The new key is
on disk before the reader hears of it, so that no reader is ever left with a key that nobody has.
"""

import secrets
from collections.abc import Callable

from drivers.aes import aes
from drivers.errors import DeviceFault, DeviceMismatch
from drivers.exchange_runner import ExchangeRunner, Turn
from drivers.links.link import Link
from firmware_protocols.errors import RemoteProtocolError, ReplyTimeout
from firmware_protocols.framing import Discarded
from firmware_protocols.osdp import exchanges
from firmware_protocols.osdp.decoder import ReplyDecoder
from firmware_protocols.osdp.exchanges import Introduction
from firmware_protocols.osdp.frames import Frame
from firmware_protocols.osdp.secure_keys import KEY_SIZE, RANDOM_SIZE
from firmware_protocols.osdp.session import PanelSession

Step = Callable[[str], None]


def new_key() -> bytes:
    """A key for one reader, of the system's source of secrets."""
    return secrets.token_bytes(KEY_SIZE)


async def give_key(
    link: Link, address: int, *, present: bytes, new: bytes, step: Step, turn: Turn | None = None
) -> Introduction:
    """Give the reader `new`, and prove that it has it. What the reader is.

    `step` is told what is about to happen; `turn`: where others of the line are served meanwhile. Raises
    `LinkUnavailable`, `DeviceFault` (mute), `DeviceMismatch` (no_secure_channel, wrong_key, not_taken).
    """
    await link.open()
    try:
        runner = ExchangeRunner[Frame, Frame](link, ReplyDecoder(), noise=_nothing, gap_s=0.1, turn=turn)
        session = PanelSession(address)
        step("asking who the reader is")
        found = await _met(runner, session, link.name)
        if not found.capabilities.secures:
            raise DeviceMismatch("no_secure_channel", f"{link.name}: the reader cannot secure its channel")
        step("securing the channel with the present key")
        await _secured(
            runner, session, present, link.name, "its present key is another one; say which with --present"
        )
        step("giving the new key")
        try:
            await runner.run(exchanges.set_key(session, new))
        except (RemoteProtocolError, ReplyTimeout) as exc:
            raise DeviceMismatch("not_taken", f"{link.name}: the reader takes no key ({exc})") from exc
        step("opening the channel with the new key")
        await _met(runner, session, link.name)
        await _secured(
            runner, session, new, link.name, "it said that it took the new key, and does not have it"
        )
        return found
    finally:
        await link.close()


async def _met(runner: ExchangeRunner[Frame, Frame], session: PanelSession, name: str) -> Introduction:
    try:
        return await runner.run(exchanges.introduce(session))
    except (RemoteProtocolError, ReplyTimeout) as exc:
        raise DeviceFault(
            "mute", f"{name}: no answer of an OSDP reader ({exc}); check baud rate and address"
        ) from exc


async def _secured(
    runner: ExchangeRunner[Frame, Frame], session: PanelSession, key: bytes, name: str, why: str
) -> None:
    try:
        await runner.run(exchanges.secure(session, key, secrets.token_bytes(RANDOM_SIZE), aes))
    except (RemoteProtocolError, ReplyTimeout) as exc:
        raise DeviceMismatch("wrong_key", f"{name}: no secure channel ({exc}); {why}") from exc


def _nothing(_found: Discarded) -> None:
    """Noise says nothing here: what is asked is asked again."""
