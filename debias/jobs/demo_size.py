"""How much the demo draws and trains, so that it ends in minutes."""

from __future__ import annotations

from dataclasses import dataclass

from debias.config import to_table
from debias.training.augment import AugmentSettings
from debias.training.settings import RunSettings, load_settings

# Drawn pictures differ in pose, light and camera as they are, and those of the test are of their
# kind: in trainings so short, changing them further costs the plain classifier most of its recall.
_UNCHANGED = {**to_table(AugmentSettings.none()), "flip": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSize:
    """How much is drawn, and how long the models are trained.

    Attributes:
        fraction: of the testbed's images.
        epochs: of either training.
        min_epoch_steps: steps of an epoch, where the faces alone would make fewer.
        target_fpr: of the stored thresholds; ten false positives are to be expected of the
            validation non-faces.
        takes: what to tell a person beforehand.
        image_size: height and width in pixels, as the models see them. With 32 for the drawn 64
            a step takes two fifths of the time, and the plain classifier finds no fewer faces.
    """

    fraction: float
    epochs: int
    min_epoch_steps: int
    target_fpr: float
    takes: str
    image_size: int = 32

    def settings(self, *, seed: int) -> RunSettings:
        """Return the settings of both trainings; what is not named here is the default."""
        flags = {
            "seed": seed,
            "target_fpr": self.target_fpr,
            "model": {"image_size": self.image_size},
            "training": {"epochs": self.epochs, "min_epoch_steps": self.min_epoch_steps},
            "augmentation": _UNCHANGED,
        }
        return load_settings(flags=flags)


# On two cores, with imports and compilation, the one may take four minutes and the other one.
FULL = DemoSize(
    fraction=1.0,
    epochs=12,
    min_epoch_steps=100,
    target_fpr=0.01,
    takes="about three minutes",
)
FAST = DemoSize(
    fraction=0.25, epochs=6, min_epoch_steps=50, target_fpr=0.02, takes="less than a minute"
)
