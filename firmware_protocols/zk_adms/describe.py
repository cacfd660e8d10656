"""Requests and answers explained. Input: a body, or a whole captured request. Templates are never shown."""

from collections.abc import Callable

from firmware_protocols.describing import Field, Json
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.zk_adms import answers, bodies, records
from firmware_protocols.zk_adms.http_text import captured
from firmware_protocols.zk_adms.records import STATUS, VERIFY, BadLine, Punch
from firmware_protocols.zk_adms.requests import parse

TO_SERVER, TO_DEVICE = "device>server", "server>device"
_FIELDS = ("pin", "time", "status", "verify", "work code")
_TEMPLATES = (b"FP ", b"FACE ", b"BIODATA ", b"BIOPHOTO ", b"USERPIC ", b"TMP=", b"Content=")
_SAID = (b"C:", b"OK", b"GET OPTION FROM", b"DateTime=", b"RegistryCode=")


def decode(data: bytes, direction: str | None) -> Json:
    """The keys of one body; of a captured request also `http`."""
    if _goes_to_device(data, direction):
        return _answer(data)
    seen = captured(data)
    if seen is None:
        return _body(data)
    path, _, query = seen.target.partition("?")
    request = parse(seen.method, path, query.encode("ascii", "replace"))
    body = data[seen.body_at :]
    found: Json = {"wish": str(request.wish), "serial": request.serial, "table": request.table or None}
    if not request.reads_body:
        return {**found, "unread": len(body)}
    http: Json = {"method": seen.method, "path": seen.target, "body": body.decode("utf-8", "replace")}
    return {**found, "http": http, **(_body(body) if body else {})}


def _goes_to_device(data: bytes, direction: str | None) -> bool:
    if direction not in (TO_SERVER, TO_DEVICE, None):
        raise LocalProtocolError("direction", f"directions are {TO_SERVER} and {TO_DEVICE}")
    return direction == TO_DEVICE or (direction is None and data.startswith(_SAID))


def _answer(data: bytes) -> Json:
    if data.startswith(b"GET OPTION FROM"):
        return {"options": dict(answers.parse_options(data))}
    if data.startswith(b"DateTime="):
        count = data[len(b"DateTime=") :].partition(b",")[0]
        if not count.isdigit() or len(count) > 12:
            raise RemoteProtocolError("time", "DateTime= without a count of seconds")
        return {"time": answers.decode_time(int(count)).isoformat(" ")}
    if data.startswith((b"OK", b"RegistryCode=")):
        return {"reply": data.decode("ascii", "replace").strip()}
    return {"commands": [[one.id, one.text] for one in answers.parse_commands(data)]}


def _body(data: bytes) -> Json:
    if data.startswith((b"ID=", b"Return=")):
        return {"results": [_result(one) for one in bodies.parse_results(data)]}
    found = records.parse(data)
    good = [one for one in found if isinstance(one, Punch)]
    bad = [one for one in found if isinstance(one, BadLine)]
    if not good:
        facts = bodies.parse_facts(data[: bodies.LONGEST_BODY])
        if facts:
            return {"facts": dict(facts)}
        code = bad[0].code if bad else "empty"
        raise RemoteProtocolError(code, "no attendance record, result of a command or fact about a terminal")
    keys: Json = {"records": [_record(one) for one in good], "reply": answers.ok(len(good)).decode()}
    return {**keys, "bad_lines": [[one.number, one.code] for one in bad]} if bad else keys


def _result(result: bodies.Result) -> Json:
    keys: Json = {"id": result.id, "return": result.code, "cmd": result.cmd}
    return {**keys, "content": result.content} if result.content else keys


def _record(punch: Punch) -> Json:
    return {
        "pin": punch.pin,
        "time": punch.time.isoformat(" "),
        "status": punch.status,
        "verify": punch.verify,
        "work_code": punch.work_code,
    }


def explain(data: bytes, direction: str | None) -> list[Field]:
    """Every line; what is of a person is marked, templates are opaque."""
    if _goes_to_device(data, direction):
        return _by_line(data, 0, _explain_answer)
    seen = captured(data)
    if seen is None:
        return _by_line(data, 0, _explain_line)
    head = Field(
        0, seen.body_at, "request", f"{seen.method} {seen.target.partition('?')[0]}", "query not shown"
    )
    body_size = len(data) - seen.body_at
    path, _, query = seen.target.partition("?")
    try:
        request = parse(seen.method, path, query.encode("ascii", "replace"))
    except RemoteProtocolError as exc:
        head = Field(0, seen.body_at, "request", note=str(exc), wrong=True)
        return [head, *_hidden(seen.body_at, body_size, "body")]
    if not request.reads_body:
        return [head, *_hidden(seen.body_at, body_size, f"body of {request.table or request.wish}")]
    return [head, *_by_line(data, seen.body_at, _explain_line)]


def _hidden(offset: int, size: int, name: str) -> list[Field]:
    note = "never read by the gateway"
    return [Field(offset, size, name, note=note, personal=True, opaque=True)] if size else []


def _by_line(data: bytes, start: int, explained: Callable[[int, bytes, bool], list[Field]]) -> list[Field]:
    found: list[Field] = []
    for _, at, line, ended in records.lines(data[start:]):
        found += explained(start + at, line, ended)
        end = found[-1].offset + found[-1].length if found else start
        following = data.find(b"\n", start + at) + 1 if ended else len(data)
        if following > end:
            found.append(Field(end, following - end, "line end"))
    return found


def _explain_answer(offset: int, line: bytes, _ended: bool) -> list[Field]:  # noqa: FBT001 - a callback
    if not line:
        return []
    name = "command" if line.startswith(b"C:") else "answer"
    return [Field(offset, len(line), name, line.decode("utf-8", "replace"), personal=name == "command")]


def _explain_line(offset: int, line: bytes, ended: bool) -> list[Field]:  # noqa: FBT001 - a callback
    if not line:
        return []
    if any(mark in line for mark in _TEMPLATES):
        return [Field(offset, len(line), "template or picture", personal=True, opaque=True)]
    if line.startswith((b"ID=", b"Return=", b"CMD=")):
        return [Field(offset, len(line), "result", line.decode("utf-8", "replace"), "0 is success")]
    (found,) = records.parse(line + b"\n" * ended) if line.strip() else (BadLine(1, "fields", line),)
    if isinstance(found, BadLine):
        note = f"no attendance record: {found.code}"
        return [Field(offset, len(line), "line", note=note, personal=True, opaque=True, wrong=True)]
    return _explain_record(offset, line, found)


def _explain_record(offset: int, line: bytes, punch: Punch) -> list[Field]:
    notes = {
        "status": STATUS.get(punch.status, "own meaning of the terminal"),
        "verify": VERIFY.get(punch.verify, "own meaning of the firmware"),
        "time": "by the terminal's clock, in its zone",
    }
    found: list[Field] = []
    parts = line.split(b"\t")
    for index, part in enumerate(parts):
        name = _FIELDS[index] if index < len(_FIELDS) else "reserved"
        size = len(part) + (index < len(parts) - 1)
        if size:
            value = part.decode("utf-8", "replace")
            found.append(
                Field(offset, size, name, value, notes.get(name, ""), personal=name in {"pin", "time"})
            )
        offset += size
    return found
