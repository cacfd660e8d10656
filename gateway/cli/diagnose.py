"""`zhijiao diagnose`: one file for whoever helps from afar: versions, machine, settings, store, devices, log.

It names nobody and holds no key: what goes in is chosen field by field, and numbers of identity cards are masked
once more. What cannot be collected is said in the file instead of stopping it. Changes nothing.
"""

import argparse
import json
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.diagnose_parts import parts
from gateway.cli.place import add_json
from gateway.config import Config, load_without_files
from gateway.config.model import DEFAULT_PATH
from gateway.errors import GatewayError
from gateway.store.new_file import new_file

EXIT_INCOMPLETE = 1
EXIT_CODES: Mapping[int, str] = {
    0: "written, every part is there",
    EXIT_INCOMPLETE: "written; some parts could not be collected, see the lines",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "diagnose", summary="a file for whoever helps (诊断包)", text=__doc__, codes=EXIT_CODES
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="new file (zip), mode 0600")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Collect and tell; raises `GatewayError` where the configuration or the file cannot be used."""
    config = load_without_files(args.config)
    found, failed = collect(config)
    with (
        new_file(args.out) as out,
        open(out.handle, "wb", closefd=False) as raw,
        zipfile.ZipFile(raw, "w") as bundle,
    ):
        for name, text in found.items():
            bundle.writestr(name, text, zipfile.ZIP_DEFLATED)
        made = {"made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "missing": failed}
        bundle.writestr("manifest.json", json.dumps(made, indent=1), zipfile.ZIP_DEFLATED)
    if args.json:
        print_json({"ok": not failed, "path": str(args.out), "parts": sorted(found), "missing": failed})
    else:
        lines = [Line(Mark.OK, name, f"{len(text):,} characters") for name, text in found.items()]
        lines += [Line(Mark.ATTENTION, name, why, "run this as root") for name, why in failed.items()]
        print_lines(
            [*lines, Line(Mark.OK, "file", str(args.out), "it names nobody; look into it before you send it")]
        )
    return EXIT_INCOMPLETE if failed else 0


def collect(config: Config) -> tuple[dict[str, str], dict[str, str]]:
    """What was collected, and why the rest was not: one part's trouble must not take the others along."""
    found: dict[str, str] = {}
    failed: dict[str, str] = {}
    for name, make in parts().items():
        try:
            found[name] = make(config)
        except (GatewayError, OSError, ValueError, KeyError) as exc:
            code = getattr(exc, "code", None) or type(exc).__name__
            failed[name] = f"{code}"
    return found, failed
