"""The center's commands about the box's own identity. Both are harmless to repeat.

cert-renew   (operations) renew the certificate now, due or not; the uplink then connects anew
key-rotate   (root) make another event key; it is taken up at the next start, which the center may wait for
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from gateway.config.enrolled import read_enrolled
from gateway.errors import GatewayError
from gateway.evidence.canonical import Json
from gateway.rotating import ask
from gateway.uplink.command_message import Command, Refusal
from gateway.uplink.commands import Run, Tell

Renew = Callable[[], Awaitable[str]]  # the certificate's end, for people


def identity_orders(state_dir: Path, kid: str, renew: Renew) -> Mapping[str, Run]:
    """`kid`: of the key that signs now."""

    async def cert_renew(_command: Command, _tell: Tell) -> dict[str, Json]:
        try:
            return {"until": await renew()}
        except GatewayError as exc:
            raise Refusal(exc.code, str(exc), status="failed") from exc

    async def key_rotate(_command: Command, _tell: Tell) -> dict[str, Json]:
        try:
            new = await asyncio.get_running_loop().run_in_executor(None, _rotate, state_dir, kid)
        except GatewayError as exc:
            raise Refusal(exc.code, str(exc), status="failed") from exc
        if new is None:
            raise Refusal("not_enrolled", "the event key of this gateway does not come from an enrolment")
        return {"old": kid, "kid": new, "from": "next_start"}

    return {"cert-renew": cert_renew, "key-rotate": key_rotate}


def _rotate(state_dir: Path, kid: str) -> str | None:
    facts = read_enrolled(state_dir)
    return None if facts is None or facts.kid != kid else ask(state_dir, facts)
