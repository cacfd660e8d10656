"""What became of a request about the network, for a person."""

from gateway.cli.access_handover import Result, result_line
from gateway.cli.answer import Line, Mark


def told(result: Result, done: str) -> Line:
    """`done`: in a word, where the gateway has done it."""
    return Line(Mark.OK, "network", done) if result is Result.TAKEN else result_line(result)
