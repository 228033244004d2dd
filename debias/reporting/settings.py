"""How a report is computed."""

from __future__ import annotations

from dataclasses import dataclass

from debias.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """How a report is computed.

    Attributes:
        target_fpr: false-positive rates, in (0, 1), at which recall is compared.
        min_group_size: groups with fewer faces are shown, but not ranked.
        confidence: of every interval, in (0, 1).
        min_false_positives: a target that expects fewer in the data is refused.
        num_replicates: bootstrap replicates of a comparison.
        seed: of the simulations; the same seed gives the same report.
    """

    target_fpr: tuple[float, ...] = (0.01, 0.001)
    min_group_size: int = 30
    confidence: float = 0.95
    min_false_positives: int = 10
    num_replicates: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values out of their range.

        Raises:
            ConfigError: naming the setting.
        """
        for name, share in [
            ("confidence", self.confidence),
            *(("target_fpr", target) for target in self.target_fpr),
        ]:
            if not 0.0 < share < 1.0:
                raise ConfigError(f"{share!r} is not between 0 and 1", where=name)
        for name in ("min_group_size", "min_false_positives", "num_replicates"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{getattr(self, name)!r} is not at least 1", where=name)
