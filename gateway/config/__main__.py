"""Write the configuration's reference page or example: `python -m gateway.config markdown|example`."""

import sys

from gateway.config.reference import example, markdown

WRITERS = {"markdown": markdown, "example": example}

if __name__ == "__main__":
    writer = WRITERS.get(sys.argv[1]) if len(sys.argv) == 2 else None
    if writer is None:
        sys.exit(f"usage: python -m gateway.config {'|'.join(WRITERS)}")
    sys.stdout.write(writer())
