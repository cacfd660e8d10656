"""A clock for tests and simulations."""

from gateway.clock.anchor import Anchor
from gateway.clock.stamp import ClockQuality, ClockSource, Stamp


class ManualClock:
    """A clock that moves only when told: the one to inject in tests and simulations."""

    def __init__(
        self,
        wall_ms: int = 1_795_309_322_000,  # 2026-11-22T01:02:02Z
        mono_ms: int = 123_455_331,
        *,
        boot_id: str = "87389cf03c0f4376b8caa195260ea502",
        quality: ClockQuality = ClockQuality.SYNCED,
        error_ms: int | None = 12,
        source: ClockSource = ClockSource.NTP,
    ) -> None:
        self.wall_ms = wall_ms
        self.mono_ms = mono_ms
        self.boot_id = boot_id
        self._held: Anchor | None = None
        self.set_quality(quality, error_ms=error_ms, source=source)

    @property
    def anchor(self) -> Anchor | None:
        """While synced this moment; in holdover the moment at which that began."""
        if self.quality is ClockQuality.SYNCED:
            self._held = Anchor(self.source, self.wall_ms, self.mono_ms, self.error_ms)
        return self._held

    def now(self) -> Stamp:
        """The moment it was set to."""
        held = self.anchor
        if self.quality is not ClockQuality.HOLDOVER or held is None:
            return Stamp(self.wall_ms, self.mono_ms, self.boot_id, self.quality, self.error_ms)
        wall_ms, error_ms = held.wall_at(self.mono_ms), held.error_at(self.mono_ms)
        return Stamp(wall_ms, self.mono_ms, self.boot_id, self.quality, error_ms)

    def machine(self) -> tuple[int, int]:
        """Both clocks as they stand."""
        return self.wall_ms, self.mono_ms

    def accept(self, anchor: Anchor) -> None:
        """As with the real one."""
        self.quality, self.source, self._held = ClockQuality.HOLDOVER, anchor.source, anchor

    def advance(self, ms: int) -> None:
        """Time passes on both clocks."""
        self.wall_ms += ms
        self.mono_ms += ms

    def step(self, ms: int) -> None:
        """Somebody sets the wall clock."""
        self.wall_ms += ms

    def set_quality(
        self, quality: ClockQuality, *, error_ms: int | None = None, source: ClockSource = ClockSource.NONE
    ) -> None:
        """What the kernel says changes."""
        self.quality = quality
        self.error_ms = error_ms
        self.source = source
        held = quality is not ClockQuality.UNSYNCED
        self._held = Anchor(source, self.wall_ms, self.mono_ms, error_ms) if held else None
