"""How a report is computed."""

from __future__ import annotations

from dataclasses import dataclass

from debias.data.joining import REQUESTED_MODES, RequestedMode
from debias.errors import ConfigError, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """How a report is computed.

    Attributes:
        target_fpr: false-positive rates, in (0, 1), at which recall is compared; none twice.
        margin: the difference in recall, in (0, 1), below which groups count as served alike.
        negatives: whether negatives are one pool that all groups share, or are grouped as faces
            are; see :func:`debias.data.joining.negatives_mode`.
        min_group_size: groups with fewer faces (persons, where faces share them) are shown, but not
            ranked; see :func:`debias.metrics.group_rates.effective_sizes`.
        confidence: of every interval, in (0, 1).
        min_false_positives: a target that expects fewer in the data is refused.
        num_replicates: bootstrap replicates of a comparison.
        num_sweep: thresholds of the sweep, at least 2.
        seed: of the simulations; the same seed gives the same report.
    """

    target_fpr: tuple[float, ...] = (0.01, 0.001)
    margin: float = 0.02
    negatives: RequestedMode = "auto"
    min_group_size: int = 30
    confidence: float = 0.95
    min_false_positives: int = 10
    num_replicates: int = 1000
    num_sweep: int = 60
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values out of their range.

        Raises:
            ConfigError: naming the setting.
        """
        for name, share in [
            ("confidence", self.confidence),
            ("margin", self.margin),
            *(("target_fpr", target) for target in self.target_fpr),
        ]:
            if not 0.0 < share < 1.0:
                raise ConfigError(f"{share!r} is not between 0 and 1", where=name)
        if len(set(self.target_fpr)) < len(self.target_fpr):
            raise ConfigError("a rate is named twice", where="target_fpr")
        if self.negatives not in REQUESTED_MODES:
            raise ConfigError(
                f"{self.negatives!r} is not a known value",
                where="negatives",
                hint=nearest(self.negatives, REQUESTED_MODES),
            )
        for name, least in [
            ("min_group_size", 1),
            ("min_false_positives", 1),
            ("num_replicates", 1),
            ("num_sweep", 2),
        ]:
            if getattr(self, name) < least:
                raise ConfigError(f"{getattr(self, name)!r} is not at least {least}", where=name)
