"""The kernel's FUSE protocol, as much of it as a database needs: requests from /dev/fuse to calls, and answers back.

Standard library only; needs root and /dev/fuse, no libfuse. Written against the kernel's
include/uapi/linux/fuse.h, protocol 7.31. Locks and shared memory maps are the kernel's own business
(no lock flags are offered, no direct I/O), which is what SQLite's WAL needs.
Leaves out: what a disk keeps and loses (disk.py).
"""

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

MAX_WRITE = 128 * 1024  # bytes in one WRITE request: 32 pages, the kernel's default limit
FOREVER_S = 3600  # names and attributes change through this mount alone
_BIG_WRITES = 1 << 5
_KEEP_CACHE = 1 << 1
_SET_SIZE = 1 << 3
_MNT_DETACH = 2

_IN = struct.Struct("<IIQQIIII")
_OUT = struct.Struct("<IiQ")
_INIT_OUT = struct.Struct("<IIIIHHIIHHI28x")
_ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
_OPEN_OUT = struct.Struct("<QII")
_RW_IN = struct.Struct("<QQIIQII")  # fh, offset, size, flags, lock owner, flags, padding
_SETATTR_IN = struct.Struct("<IIQQ")  # valid, padding, fh, size; the rest is not kept
_STATFS_OUT = struct.Struct("<QQQQQIIII24x")


class Node(Protocol):
    """A file or a folder."""

    ino: int
    mode: int

    @property
    def size(self) -> int: ...


class Tree(Protocol):
    """What is mounted. Methods raise OSError with an errno; `ino` 1 is the root."""

    def node(self, ino: int) -> Node: ...
    def lookup(self, parent: int, name: str) -> Node: ...
    def names(self, ino: int) -> Sequence[tuple[str, Node]]: ...
    def create(self, parent: int, name: str, mode: int) -> Node: ...
    def unlink(self, parent: int, name: str) -> None: ...
    def rename(self, parent: int, name: str, to_parent: int, to_name: str) -> None: ...
    def read(self, ino: int, offset: int, size: int) -> bytes: ...
    def write(self, ino: int, offset: int, data: bytes) -> None: ...
    def truncate(self, ino: int, size: int) -> None: ...
    def sync(self, ino: int) -> None: ...
    def free(self) -> tuple[int, int]: ...  # bytes: all, free


class Mount:
    """A tree under a folder. `serve` returns when it is unmounted."""

    def __init__(self, folder: Path, tree: Tree) -> None:
        self._tree = tree
        self._fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self._fd},rootmode=40000,user_id=0,group_id=0,allow_other"
        if ctypes.CDLL(None, use_errno=True).mount(b"drill", bytes(folder), b"fuse", 0, options.encode()):
            raise OSError(ctypes.get_errno(), f"mount on {folder}")

    def serve(self) -> None:
        buffer = bytearray(MAX_WRITE + 64 * 1024)
        while True:
            try:
                length = os.readv(self._fd, [buffer])
            except OSError as exc:
                if exc.errno == errno.ENODEV:  # unmounted
                    return
                if exc.errno in (errno.ENOENT, errno.EINTR):
                    continue  # the request was taken back
                raise
            _, opcode, unique, ino, *_ = _IN.unpack_from(buffer)
            body = bytes(buffer[_IN.size : length])
            if opcode in _SILENT:
                continue
            call = CALLS.get(opcode)
            try:
                answer, error = (b"", errno.ENOSYS) if call is None else (call(self._tree, ino, body), 0)
            except OSError as exc:
                answer, error = b"", exc.errno or errno.EIO
            self._answer(unique, answer, error)

    def _answer(self, unique: int, answer: bytes, error: int) -> None:
        try:
            os.writev(self._fd, [_OUT.pack(_OUT.size + len(answer), -error, unique), answer])
        except OSError as exc:
            if exc.errno not in (errno.ENOENT, errno.ENODEV):  # nobody waits for it any more
                raise


def unmount(folder: Path) -> None:
    """Take it away, open files or not."""
    ctypes.CDLL(None).umount2(bytes(folder), _MNT_DETACH)


def _init(_tree: Tree, _ino: int, body: bytes) -> bytes:
    major, minor, readahead, _flags = struct.unpack_from("<IIII", body)
    return _INIT_OUT.pack(major, min(minor, 31), readahead, _BIG_WRITES, 16, 12, MAX_WRITE, 1, 0, 0, 0)


def _attr(node: Node) -> bytes:
    blocks = (node.size + 511) // 512
    return _ATTR.pack(node.ino, node.size, blocks, 0, 0, 0, 0, 0, 0, node.mode, 1, 0, 0, 0, 4096, 0)


def _entry(node: Node) -> bytes:
    return struct.pack("<QQQQII", node.ino, 0, FOREVER_S, FOREVER_S, 0, 0) + _attr(node)


def _attr_out(node: Node) -> bytes:
    return struct.pack("<QII", FOREVER_S, 0, 0) + _attr(node)


def _name(body: bytes) -> str:
    return os.fsdecode(body.split(b"\0", 1)[0])


def _setattr(tree: Tree, ino: int, body: bytes) -> bytes:
    valid, _, _, size = _SETATTR_IN.unpack_from(body)
    if valid & _SET_SIZE:
        tree.truncate(ino, size)
    return _attr_out(tree.node(ino))


def _mkdir(tree: Tree, ino: int, body: bytes) -> bytes:
    (mode,) = struct.unpack_from("<I", body)
    return _entry(tree.create(ino, _name(body[8:]), stat.S_IFDIR | stat.S_IMODE(mode)))


def _create(tree: Tree, ino: int, body: bytes) -> bytes:
    _, mode = struct.unpack_from("<II", body)
    return _entry(tree.create(ino, _name(body[16:]), stat.S_IFREG | stat.S_IMODE(mode))) + _open(
        tree, ino, b""
    )


def _mknod(tree: Tree, ino: int, body: bytes) -> bytes:
    (mode,) = struct.unpack_from("<I", body)
    return _entry(tree.create(ino, _name(body[16:]), mode))


def _open(_tree: Tree, _ino: int, _body: bytes) -> bytes:
    return _OPEN_OUT.pack(0, _KEEP_CACHE, 0)


def _unlink(tree: Tree, ino: int, body: bytes) -> bytes:
    tree.unlink(ino, _name(body))
    return b""


def _rename(tree: Tree, ino: int, body: bytes, *, head: int = 8) -> bytes:
    (to_parent,) = struct.unpack_from("<Q", body)
    name, to_name, *_ = body[head:].split(b"\0")
    tree.rename(ino, os.fsdecode(name), to_parent, os.fsdecode(to_name))
    return b""


def _read(tree: Tree, ino: int, body: bytes) -> bytes:
    _, offset, size, *_ = _RW_IN.unpack_from(body)
    return tree.read(ino, offset, size)


def _write(tree: Tree, ino: int, body: bytes) -> bytes:
    _, offset, size, *_ = _RW_IN.unpack_from(body)
    tree.write(ino, offset, body[_RW_IN.size : _RW_IN.size + size])
    return struct.pack("<II", size, 0)


def _sync(tree: Tree, ino: int, _body: bytes) -> bytes:
    tree.sync(ino)
    return b""


def _allocate(tree: Tree, ino: int, body: bytes) -> bytes:
    _, offset, length, mode = struct.unpack_from("<QQQI", body)
    if mode:
        raise OSError(errno.EOPNOTSUPP, "fallocate with a mode")
    if offset + length > tree.node(ino).size:
        tree.truncate(ino, offset + length)
    return b""


def _readdir(tree: Tree, ino: int, body: bytes) -> bytes:
    _, offset, size, *_ = _RW_IN.unpack_from(body)
    here = tree.node(ino)
    found = b""
    for place, (name, node) in enumerate([(".", here), ("..", here), *tree.names(ino)], 1):
        raw = os.fsencode(name)
        entry = struct.pack("<QQII", node.ino, place, len(raw), node.mode >> 12) + raw
        entry += bytes(-len(entry) % 8)
        if place <= offset:
            continue
        if len(found) + len(entry) > size:
            break
        found += entry
    return found


def _statfs(tree: Tree, _ino: int, _body: bytes) -> bytes:
    everything, free = (size // 4096 for size in tree.free())
    return _STATFS_OUT.pack(everything, free, free, 10_000, 10_000, 4096, 255, 4096, 0)


def _nothing(_tree: Tree, _ino: int, _body: bytes) -> bytes:
    return b""


_SILENT = frozenset({2, 36, 42})  # FORGET, INTERRUPT, BATCH_FORGET want no answer
CALLS: Mapping[int, Callable[[Tree, int, bytes], bytes]] = {
    1: lambda tree, ino, body: _entry(tree.lookup(ino, _name(body))),
    3: lambda tree, ino, _body: _attr_out(tree.node(ino)),
    4: _setattr,
    8: _mknod,
    9: _mkdir,
    10: _unlink,
    11: _unlink,  # RMDIR
    12: _rename,
    14: _open,
    15: _read,
    16: _write,
    17: _statfs,
    18: _nothing,  # RELEASE
    20: _sync,  # FSYNC
    25: _nothing,  # FLUSH: a close is no sync
    26: _init,
    27: _open,  # OPENDIR
    28: _readdir,
    29: _nothing,  # RELEASEDIR
    30: _sync,  # FSYNCDIR
    35: _create,
    38: _nothing,  # DESTROY
    43: _allocate,
    45: lambda tree, ino, body: _rename(tree, ino, body, head=16),  # RENAME2
}
