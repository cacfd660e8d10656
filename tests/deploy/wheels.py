"""Small real wheels for the installer: a gateway that starts, and one dependency with a lock file."""

import base64
import hashlib
import zipfile
from pathlib import Path

DEPENDENCY = "zhijiao_test_dependency"
MODULE = "import {dependency}\n\n\ndef main() -> None:\n    print('release {version}')\n{body}"


def build_wheel(
    folder: Path, name: str, version: str, files: dict[str, str], *extra: tuple[str, str]
) -> Path:
    """Write a wheel; `extra` are files of its dist-info."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **{f"{info}/{file}": text for file, text in extra},
    }
    record = "".join(
        f"{file},sha256={_digest(text)},{len(text.encode())}\n" for file, text in contents.items()
    )
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in {**contents, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            wheel.writestr(zipfile.ZipInfo(file), text)  # a fixed date: the same wheel each time
    return path


def gateway_wheel(folder: Path, version: str, *, works: bool = True) -> Path:
    """A gateway that prints its release, or one that cannot even show its help."""
    body = "" if works else "    raise SystemExit('broken release')\n"
    return build_wheel(
        folder,
        "zhijiao_gateway",
        version,
        {"gateway/__init__.py": MODULE.format(dependency=DEPENDENCY, version=version, body=body)},
        ("entry_points.txt", "[console_scripts]\nzhijiao = gateway:main\n"),
    )


def dependency(folder: Path) -> Path:
    """A folder with the one dependency, and its lock file inside."""
    wheel = build_wheel(folder, DEPENDENCY, "1.0", {f"{DEPENDENCY}.py": "VALUE = 1\n"})
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = folder / "runtime.lock"
    lock.write_text(f"{DEPENDENCY}==1.0 --hash=sha256:{digest}\n", encoding="ascii")
    return lock


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
