"""What a typed message says, by key: for tests, machines, and the lines of an explanation.

A template of somebody's finger or face is measured and left out; so is the key of a secure channel.
"""

from firmware_protocols.describing import Json
from firmware_protocols.osdp import biometrics as bio
from firmware_protocols.osdp import commands as c
from firmware_protocols.osdp import files
from firmware_protocols.osdp import replies as r
from firmware_protocols.osdp.catalogue import parse_command, parse_reply
from firmware_protocols.osdp.codes import nak_meaning
from firmware_protocols.osdp.frames import Frame
from firmware_protocols.osdp.layout import Message

WITHHELD = (bio.MatchBiometrics, bio.BiometricsRead, c.SetKey)  # their data are shown nowhere
PERSONAL = (r.CardBits, r.CardText, r.Keys, c.ShowText)


def told_safely(clear: Frame) -> Json:
    """What a frame says that was opened: its data as `plaintext`, unless they are to be shown nowhere."""
    message = (parse_reply if clear.reply else parse_command)(clear.code, clear.data)
    plaintext: Json = {} if isinstance(message, WITHHELD) else {"plaintext": clear.data.hex()}
    return plaintext | told(message)


def told(message: Message) -> Json:
    """The keys of one message."""
    return _command(message) | _reply(message)


def _command(message: Message) -> Json:
    match message:
        case c.SetOutputs(outputs):
            each = [{"output": o.number, "control": o.control, "timer_100ms": o.timer_100ms} for o in outputs]
            return {"outputs": each}
        case c.Light():
            return {name: getattr(message, name) for name in c.Light.__dataclass_fields__}
        case c.Buzz(reader, tone, on, off, count):
            return {"reader": reader, "tone": tone, "on_100ms": on, "off_100ms": off, "count": count}
        case c.ShowText(reader, command, time_s, row, column, text):
            shown = {"text": text.decode("ascii", "replace"), "row": row, "column": column}
            return {"reader": reader, "command": command, "time_s": time_s, **shown}
        case c.SetCommunication(address, baud) | r.Communication(address, baud):
            return {"new_address": address, "baud": baud}
        case c.SetKey(key):
            return {"key_type": c.SCBK, "key_length": len(key)}
        case c.Challenge(rnd_a):
            return {"rnd_a": rnd_a.hex()}
        case c.ServerCryptogram(cryptogram):
            return {"cp_cryptogram": cryptogram.hex()}
        case c.KeepActive(time_ms):
            return {"time_ms": time_ms}
        case c.ToMaker(vendor, content) | r.FromMaker(vendor, content):
            return {"vendor": vendor.hex(), "content": content.hex()}
        case files.ReceiveSize(size):
            return {"size": size}
        case files.FilePiece(kind, total, offset, piece):
            return {"file_type": kind, "total": total, "offset": offset, "fragment": len(piece)}
        case bio.ReadBiometrics(reader, bio_type, bio_format, quality):
            return {"reader": reader, "bio_type": bio_type, "bio_format": bio_format, "quality": quality}
        case bio.MatchBiometrics(reader, bio_type, bio_format, quality, template):
            asked = {"reader": reader, "bio_type": bio_type, "bio_format": bio_format, "quality": quality}
            return {**asked, "template_bytes": len(template)}
        case _:
            return {}


def _reply(message: Message) -> Json:
    match message:
        case r.Nak(number, about):
            # The vectors give the number of the reason under the name that other frames have for their own code.
            keys: Json = {"code": number, "meaning": nak_meaning(number)}
            return {**keys, "about": about.hex()} if about else keys
        case r.Identity(vendor, model, version, serial, firmware):
            keys = {"vendor": vendor.hex(), "model": model, "version": version, "serial": serial}
            return {**keys, "firmware": ".".join(str(part) for part in firmware)}
        case r.Capabilities(items):
            return {"capabilities": [[one.function, one.compliance, one.number] for one in items]}
        case r.LocalStatus(tamper, power):
            return {"tamper": tamper, "power": power}
        case r.States(_, values):
            return {"states": list(values)}
        case r.CardBits(reader, form, count, _):
            return {"reader": reader, "format": form, "bit_count": count, "bits": message.bits}
        case r.CardText(reader, direction, content):
            text = content.decode("ascii", "replace")
            return {"reader": reader, "read_direction": direction, "count": len(content), "text": text}
        case r.Keys(reader, content):
            return {"reader": reader, "count": len(content), "keys": content.decode("ascii", "replace")}
        case r.ClientCryptogram(uid, rnd_b, cryptogram):
            return {"cuid": uid.hex(), "rnd_b": rnd_b.hex(), "pd_cryptogram": cryptogram.hex()}
        case r.FirstMac(mac):
            return {"r_mac_i": mac.hex()}
        case files.FileStatus(action, delay_ms, status, largest):
            return {"action": action, "delay_ms": delay_ms, "status": status, "largest": largest}
        case bio.BiometricsRead(reader, status, bio_type, quality, template):
            keys = {"reader": reader, "status": status, "bio_type": bio_type, "quality": quality}
            return {**keys, "template_bytes": len(template)}
        case bio.BiometricsMatched(reader, status, score):
            return {"reader": reader, "status": status, "score": score}
        case _:
            return {}
