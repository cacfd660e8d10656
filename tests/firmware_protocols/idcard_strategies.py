"""Everything a reader can say, for property tests."""

from hypothesis import strategies as st

from firmware_protocols.idcard_sam.messages import (
    CardFound,
    CardRecord,
    CardSelected,
    ChipNumber,
    Message,
    NewAddress,
    Ok,
    Refusal,
    SamId,
)
from firmware_protocols.idcard_sam.status import STATUSES, Action
from firmware_protocols.idcard_sam.text_block import LAYOUTS, TextBlock


def slot_text(size: int) -> st.SearchStrategy[str]:
    """Text that fits `size` bytes and does not end in padding."""
    characters = st.characters(exclude_categories=["Cs"])
    return st.text(characters, max_size=size // 2).filter(
        lambda text: len(text.encode("utf-16-le")) <= size and text == text.rstrip(" \0")
    )


def layout_texts(kind: type[TextBlock]) -> st.SearchStrategy[TextBlock]:
    return st.builds(
        kind, repaired=st.just(value=False), **{slot.name: slot_text(slot.size) for slot in kind.slots}
    )


texts: st.SearchStrategy[TextBlock] = st.one_of([layout_texts(kind) for kind in LAYOUTS.values()])

records = st.builds(
    CardRecord,
    text=texts,
    photo=st.binary(max_size=40),
    fingerprint=st.none() | st.sampled_from([0, 512, 1024]).map(bytes),
)

sam_ids = st.builds(
    lambda a, b, c, d, e: SamId(f"{a:02d}.{b:02d}-{c:08d}-{d:010d}-{e:010d}"),
    *[st.integers(0, 2**16 - 1)] * 2,
    *[st.integers(0, 2**32 - 1)] * 3,
)

refusals = st.sampled_from(
    [code for code in range(256) if code not in STATUSES or STATUSES[code].action is not Action.OK]
)

messages: st.SearchStrategy[Message] = st.one_of(
    st.just(Ok()),
    refusals.map(Refusal),
    st.binary(min_size=4, max_size=4).map(CardFound),
    st.binary(min_size=8, max_size=8).map(CardSelected),
    st.binary(min_size=28, max_size=28).map(ChipNumber),
    sam_ids,
    st.lists(slot_text(70), min_size=1, max_size=4).map(lambda addresses: NewAddress(tuple(addresses))),
    records,
)
