"""`zhijiao`, with the bench's streaming device in the registry: one more line, as for any new device."""

from types import MappingProxyType

from drivers import registry
from gateway.cli.main import main
from tests.bench.stream_device import ENTRY, KIND

registry.REGISTRY = MappingProxyType({**registry.REGISTRY, KIND: ENTRY})

if __name__ == "__main__":
    main()
