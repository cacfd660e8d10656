"""docs/configuration.md and deploy/zhijiao.example.toml, written from the model so that they cannot drift.

python -m gateway.config markdown > docs/configuration.md
python -m gateway.config example  > deploy/zhijiao.example.toml
"""

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.config.key import FileRole
from gateway.config.model import DEFAULT_PATH, LISTS, TABLES, defaults_of, head_of, keys_of

_WIDTH = 100
_FILE_NOTES: Final = {
    FileRole.SECRET: "Nobody but its owner may read the file (chmod 600).",
    FileRole.TRUSTED: "Nobody but its owner may write the file (chmod go-w).",
    FileRole.PUBLIC: "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDoc:
    """Everything there is to know about one key."""

    table: str
    name: str
    values: str
    what: str
    when: str
    unit: str
    default: str  # TOML or words; empty where the key must be given
    example: str  # TOML, a valid value

    @property
    def required(self) -> bool:
        """The file must give it."""
        return not self.default


def describe() -> tuple[KeyDoc, ...]:
    """Every key, in the order of the documentation."""
    return tuple(_describe())


def _describe() -> Iterator[KeyDoc]:
    for table, model in TABLES.items():
        defaults = defaults_of(model)
        for name, key in keys_of(model).items():
            plain = defaults.get(name)
            default = key.default or ("" if name not in defaults else _toml(plain))
            note = _FILE_NOTES[key.file] if key.file else ""
            yield KeyDoc(
                table=table,
                name=name,
                values=key.kind.text,
                what=f"{key.what} {note}".strip(),
                when=key.when,
                unit=key.unit,
                default=default,
                example=key.example or _toml(plain),
            )


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else json.dumps(str(value), ensure_ascii=False)


def markdown() -> str:
    """The reference page."""
    lines = [
        "# Configuration",
        "",
        f"One TOML file, `{DEFAULT_PATH}`, read once at start.",
        "A restart applies a change.",
        "Everything wrong with it is told at once, with line numbers; unknown keys are errors.",
        "Secrets never stand in the file itself, only the paths of their files.",
        "A relative path starts at the folder of the configuration file.",
        "What a technician changed on the page stands in `devices.toml` in `state_dir`, written by the gateway.",
        "An entry there takes the place of the device of that id here.",
        "",
        "This page is written from the code: `python -m gateway.config markdown > docs/configuration.md`.",
    ]
    table = ""
    for key in describe():
        if key.table != table:
            table = key.table
            lines += ["", f"## `{head_of(table)}`", "", f"{TABLES[table].__doc__}", ""]
            if table in LISTS:
                lines += [f"The table may stand any number of times, once for each {table}.", ""]
            lines += ["| Key | Value | Default | What it is | When to change it |", "|---|---|---|---|---|"]
        default = "**required**" if key.required else _cell(key.default)
        value = f"{key.values}, in {key.unit}" if key.unit else key.values
        lines.append(f"| `{key.name}` | {value} | {default} | {key.what} | {key.when} |")
    return "\n".join(lines) + "\n"


def _cell(default: str) -> str:
    is_toml = default.startswith('"') or default in ("true", "false") or default.isdigit()
    return f"`{default}`" if is_toml else default


def example() -> str:
    """The example file: required keys set, all others commented out with their defaults."""
    lines = [
        f"# Example for {DEFAULT_PATH}.",
        "# Keys behind a # show their default, or an example where there is none.",
        "# A relative path starts at the folder of this file.",
        "# Written from the code: python -m gateway.config example > deploy/zhijiao.example.toml",
    ]
    for table in TABLES:
        # A gateway without kiosks records what its devices say: the example leaves them out.
        off = "#" if table == "kiosk" else ""
        lines += ["", "", f"# {TABLES[table].__doc__}", off + head_of(table)]
        for key in describe():
            if key.table == table:
                given = off if key.required else "#"
                lines += ["", *_comment(key), f"{given}{key.name} = {key.example}"]
        if table == "device":
            lines += [
                "",
                *_wrapped("Further keys belong to the kind of device; for idcard.sam:"),
                'port = "/dev/zhijiao/idcard0"',
            ]
    return "\n".join(lines) + "\n"


def _comment(key: KeyDoc) -> list[str]:
    default = "required" if key.required else f"default {key.default}"
    unit = f", in {key.unit}" if key.unit else ""
    text = (key.what, f"Value: {key.values}{unit}; {default}.", f"When to change it: {key.when}")
    return [line for part in text for line in _wrapped(part)]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
