"""Vector files and documentation tables as test data."""

import json
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors"
FREE_TEXT = {"name", "meaning", "note"}  # the wording of a source, not a claim to check


@dataclass(frozen=True, slots=True)
class Vector:
    id: str
    family: str
    direction: str
    data: bytes
    decoded: dict[str, object]
    valid: bool
    standard: bool  # False: a frame of another dialect

    def expected(self) -> dict[str, object]:
        return {key: value for key, value in self.decoded.items() if key not in FREE_TEXT}

    def __repr__(self) -> str:  # pytest shows this; the id is enough to find the frame
        return self.id


def load(*names: str) -> list[Vector]:
    vectors = []
    for name in names:
        document = json.loads((VECTORS / name).read_text("utf-8"))
        vectors += [
            Vector(
                id=entry["id"],
                family=entry["protocol"],
                direction=entry["direction"],
                data=bytes.fromhex(entry["hex"]),
                decoded=entry["decoded"],
                valid=entry.get("valid", True),
                standard=entry.get("valid_in_standard_dialect", True),
            )
            for entry in document["vectors"]
        ]
    return vectors


IDCARD = load("identity/idcard-sam.json", "identity/idcard-sam-own.json")
GB11643 = load("identity/gb11643.json")
_EFAA = load("identity/efaa-xor16.json", "identity/efaa-xor16-own.json")
EFAA = [vector for vector in _EFAA if vector.family == "efaa-xor16"]
EFAA_FRAMES = [vector for vector in EFAA if vector.valid]
EFAA_ENCRYPTED = [vector for vector in _EFAA if vector not in EFAA]
EFAA_SUM = load("identity/efaa-sum32.json")
_OSDP = load("identity/osdp.json")
OSDP = [vector for vector in _OSDP if vector.family == "osdp"]
OSDP_FRAMES = [vector for vector in OSDP if vector.direction != "data"]
OSDP_CHANNEL = [vector for vector in _OSDP if vector.family == "osdp-sc"]
OSDP_SESSIONS = [vector for vector in _OSDP if vector.family == "osdp-session"]
ZFM = load("identity/zfm.json")
ZK_ADMS = load("identity/zk-adms.json")
FRAMES = [vector for vector in IDCARD if vector.valid and vector.standard]


def readme_table(heading: str, number: int = 0) -> list[dict[str, str]]:
    """A table of the README's section `heading`, row by row."""
    text = (ROOT / "firmware_protocols" / "README.md").read_text("utf-8")
    section = text.split(f"\n### {heading}", 1)[1].split("\n#", 1)[0]
    blocks = [block for block in section.split("\n\n") if block.lstrip("\n").startswith("|")]
    rows = [
        [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        for line in blocks[number].strip().splitlines()
    ]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]
