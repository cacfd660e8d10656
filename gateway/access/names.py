"""Names of accounts, and where somebody comes from: both go into events, so both have one form."""

import re
import unicodedata
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from gateway.access.errors import AccessError

MOST_TYPED = 64  # characters of a typed name that are looked at
_NAME = re.compile(r"[a-z][a-z0-9._-]{1,31}", re.ASCII)
ELSEWHERE = "other"  # no address: a socket of the machine, a test


def account_name(typed: str) -> str | None:
    """The account that is meant, full-width letters and capitals understood; None: no account is called so."""
    name = unicodedata.normalize("NFKC", typed[:MOST_TYPED]).strip().lower()
    return name if _NAME.fullmatch(name) else None


def new_name(text: str) -> str:
    """A name that an account may have; raises `AccessError` (account_name)."""
    if not _NAME.fullmatch(text):
        raise AccessError(
            "account_name",
            "an account's name is 2 to 32 small letters, digits, dots, dashes or underscores, beginning with "
            "a letter; it stands in events and logs, so take a post (chuangkou-1), not a person's name",
        )
    return text


def source_of(address: str) -> str:
    """An address as it is counted: an IPv6 host has a whole /64 to choose from, so that is one source."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return ELSEWHERE
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(found) if found.is_loopback else str(IPv6Network((int(found), 64), strict=False))


def network(text: str) -> str:
    """A network in its one form; raises `AccessError` (network)."""
    try:
        return str(ip_network(text, strict=True))
    except ValueError as exc:
        raise AccessError(
            "network", "not a network: write 192.168.1.0/24, or 192.168.1.7/32 for one machine"
        ) from exc


def lies_in(address: str, wanted: str) -> bool:
    """Whether an address lies in a network; an address that is none lies nowhere."""
    try:
        found = ip_address(address.partition("%")[0])
        net: IPv4Network | IPv6Network = ip_network(wanted)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found in net
