"""The headers that every answer carries, whatever it is.

No Strict-Transport-Security: it says nothing for an address in numbers, plain HTTP is not offered on the network
anyway, and with a certificate of the gateway's own it would lock a technician out who has not yet trusted it.
"""

from collections.abc import Mapping

PROTECTION: Mapping[str, str] = {
    # Own files only; no inline script or style, nothing from elsewhere, not framed by anybody.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # To nobody else. With "no-referrer" a browser would also hide from us where a form comes from (`Origin: null`).
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), usb=(), serial=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NO_STORE = {"Cache-Control": "no-store"}
