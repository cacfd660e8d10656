"""The data of a good reply explained byte by byte, for a person."""

from collections.abc import Iterator

from firmware_protocols.describing import Field
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.gb11643.codes import ethnicity_label, sex_label
from firmware_protocols.gb11643.number import check_digit_ok
from firmware_protocols.idcard_sam.commands import request_for
from firmware_protocols.idcard_sam.fingerprint import FEATURE_SIZE, fingers
from firmware_protocols.idcard_sam.frames import Reply
from firmware_protocols.idcard_sam.messages import (
    ADDRESS_SIZE,
    PHOTO_HEADER,
    CardFound,
    CardRecord,
    CardSelected,
    ChipNumber,
    NewAddress,
    SamId,
    parse_reply,
    record_sizes,
)
from firmware_protocols.idcard_sam.recognise import answered_command
from firmware_protocols.idcard_sam.text_block import FLAG_AT, TEXT_SIZE, Slot, TextBlock

CARD_NAMES = {
    " ": "resident card 居民身份证",
    "J": "Hong Kong, Macao or Taiwan resident 港澳台居民居住证",
    "I": "foreigner, layout of 2017 外国人永久居留身份证",
    "Y": "foreigner, layout of 2023 外国人永久居留身份证",
}
_CHECK_NOTES = {None: "has no check digit", True: "check digit fits", False: "check digit does NOT fit"}


def data_fields(reply: Reply, at: int) -> Iterator[Field]:
    """The bytes behind SW3."""
    try:
        message = parse_reply(request_for(answered_command(reply)), Reply(0, 0, reply.sw3, reply.data))
    except RemoteProtocolError as exc:
        advice = "lay the card down again; if it repeats, note the reader's model"
        yield Field(at, len(reply.data), "data", "not decoded", str(exc), advice, personal=True, wrong=True)
        return
    match message:
        case CardRecord():
            yield from _record(message, reply.data, at)
        case CardFound(iin):
            yield Field(at, len(iin), "IIN", iin.hex(" "), "issuer of the card's chip")
        case CardSelected(serial):
            yield Field(at, len(serial), "card serial", serial.hex(" "), "opaque", personal=True)
        case SamId(text):
            yield Field(
                at, len(reply.data), "SAM id", text, "number of the security module, printed on the reader"
            )
        case ChipNumber(value):
            yield Field(at, len(value), "chip number", value.hex(" "), "opaque", personal=True)
        case NewAddress(addresses):
            for index, address in enumerate(addresses):
                note = f"additional address {index + 1} of {len(addresses)}, the latest last"
                yield Field(at + index * ADDRESS_SIZE, ADDRESS_SIZE, "address", address, note, personal=True)
        case _:  # a refusal, which has no data on any reader known
            if reply.data:
                yield Field(at, len(reply.data), "data", "not decoded", personal=True)


def _record(record: CardRecord, data: bytes, at: int) -> Iterator[Field]:
    names = ("text size", "photo size", "fingerprint size")
    sizes = record_sizes(data)
    for name, size in zip(names, sizes, strict=False):
        yield Field(at, 2, name, str(size), "bytes")
        at += 2
    yield from _text(record.text, at)
    at += TEXT_SIZE
    yield from _photo(record.photo, at)
    yield from _fingerprint(record.fingerprint or b"", at + len(record.photo))


def _text(text: TextBlock, at: int) -> Iterator[Field]:
    pieces = [
        (offset, length, slot, number)
        for slot in text.slots
        for number, (offset, length) in enumerate(slot.spans)
    ]
    flag = (FLAG_AT, 2, None, 0)
    for offset, length, slot, number in sorted([*pieces, flag], key=lambda piece: piece[0]):
        if slot is None:
            note = "some text was damaged; U+FFFD stands for it" if text.repaired else ""
            name = f"{text.layout.value!r} {CARD_NAMES[text.layout]}"
            yield Field(at + offset, length, "card type", name, note)
        else:
            yield _slot(text, slot, number, Field(at + offset, length, slot.name))


def _slot(text: TextBlock, slot: Slot, number: int, place: Field) -> Field:
    value = getattr(text, slot.name)
    note = ""
    if number:
        note, value = "continued", ""
    elif slot.name == "id_number":
        note = _CHECK_NOTES[check_digit_ok(value)]
    elif slot.name == "sex":
        value = f"{value} {sex_label(value)}"
    elif slot.name == "ethnicity":
        value = f"{value} {ethnicity_label(value)}"
    return Field(place.offset, place.length, place.name, value, note, personal=True)


def _photo(photo: bytes, at: int) -> Iterator[Field]:
    if photo.startswith(PHOTO_HEADER):
        yield Field(at, len(PHOTO_HEADER), "photo", "WLT", "constant header")
        at, photo = at + len(PHOTO_HEADER), photo[len(PHOTO_HEADER) :]
    if photo:
        yield Field(
            at, len(photo), "photo", "never shown", "no open decoder exists", personal=True, opaque=True
        )


def _fingerprint(fingerprint: bytes, at: int) -> Iterator[Field]:
    try:
        found = fingers(fingerprint)
    except RemoteProtocolError as exc:
        yield Field(
            at,
            len(fingerprint),
            "fingerprint",
            "never shown",
            str(exc),
            personal=True,
            opaque=True,
            wrong=True,
        )
        return
    for index, finger in enumerate(found):
        label = f"{finger.label} {finger.label_zh}"
        start = at + index * FEATURE_SIZE
        yield Field(start, FEATURE_SIZE, "fingerprint", "never shown", label, personal=True, opaque=True)
