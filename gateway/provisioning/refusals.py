"""Why a box was not enrolled or its certificate not renewed: a stable code, and what to do. One table.

The registrar sends a code only; the words are ours, so nothing that a stranger sends is shown to a person.
"""

from collections.abc import Mapping

from gateway.errors import GatewayError


class EnrolmentRefused(GatewayError):  # noqa: N818 - named for the condition
    """The box has no new identity; the one it had, if any, still counts."""


# Codes of the registrar -> what a technician is told.
REGISTRAR_CODES: Mapping[str, str] = {
    "token_unknown": "the center does not know this code; compare it with the paper, or ask for a new one",
    "token_used": "this code was used by another box or for other keys; ask the center for a new one, "
    "and tell it that somebody may have used this one",
    "token_expired": "this code is over (24 h); ask the center for a new one",
    "token_other_gateway": "this code was issued for another gateway; ask the center for one for this box",
    "token_withdrawn": "the center has withdrawn this code; ask it for a new one",
    "proof": "the center could not verify that this box holds its keys; try again, then tell the maker",
    "keys_known": "the keys of this box were enrolled before; remove nothing, try again with a new code",
    "csr": "the center refuses the request for a certificate; this box and the center do not speak the same version",
    "malformed": "the center could not read the request; this box and the center do not speak the same version",
    "no_certificate": "the center saw no certificate of this box; enrol it with a new code",
    "certificate_unknown": "the center does not know the certificate of this box; enrol it with a new code",
    "certificate_expired": "the certificate of this box has expired; enrol it with a new code",
    "certificate_revoked": "the center has revoked this box; ask it why, and enrol with a new code",
    "busy": "the center cannot do it now; try again in a minute",
}


def refused_by_registrar(code: str) -> EnrolmentRefused:
    """What an answer with this code means here."""
    told = REGISTRAR_CODES.get(code)
    if told is None:
        return EnrolmentRefused(
            "refused", "the center refused for a reason this box does not know; update it"
        )
    return EnrolmentRefused(code, told)
