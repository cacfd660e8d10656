"""Everything that can be said on the line of a fingerprint module, for property tests."""

from dataclasses import fields

from hypothesis import strategies as st

from firmware_protocols.zfm.commands import COMMANDS
from firmware_protocols.zfm.family import Family
from firmware_protocols.zfm.messages import Command
from firmware_protocols.zfm.packet import Packet, Pid

packets = st.builds(
    Packet,
    pid=st.sampled_from(Pid),
    payload=st.binary(min_size=1, max_size=60) | st.binary(min_size=256, max_size=256),
    address=st.integers(0, 2**32 - 1),
)


def command(kind: type[Command]) -> st.SearchStrategy[Command]:
    """Any values that fit the fields of `kind`."""
    sizes = dict(kind.sizes())
    values: dict[str, st.SearchStrategy[object]] = {}
    for one in fields(kind):
        size = sizes[one.name]
        is_bytes = one.name == "content"
        values[one.name] = (
            st.binary(min_size=size, max_size=size) if is_bytes else st.integers(0, 256**size - 1)
        )
    return st.builds(kind, **values)


commands: st.SearchStrategy[tuple[Family, Command]] = st.sampled_from(
    [(family, kind) for family in Family for kind in COMMANDS[family].values()]
).flatmap(lambda pair: st.tuples(st.just(pair[0]), command(pair[1])))
