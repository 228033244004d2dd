"""Explorations to render: full, of photographs, of an autoencoder, and with hostile names."""

from __future__ import annotations

import io

from PIL import Image

from debias.explore.frames import picture_name
from debias.reporting.explore_schema import ExploreJson, LatentJson, ScoreJson

STEPS = [step / 2 for step in range(-6, 7)]
SIDE = 32
HOSTILE = '<script>alert("1")</script>&'


def latent(number: int, kl: float | None, told: dict[str, float]) -> LatentJson:
    weights = [1.0, *range(1, 13), *range(12, 1, -1)]
    return {
        "latent": number,
        "is_active": kl is None or kl >= 0.1,
        "kl": kl,
        "mean": -0.25,
        "spread": 1.02,
        "change": 0.123,
        "histogram": [weight / sum(weights) for weight in weights],
        "told": [{"factor": name, "share": share} for name, share in told.items()],
    }


def score(name: str, value: float | None) -> ScoreJson:
    low, high = (None, None) if value is None else (value - 0.01, value + 0.01)
    return {
        "name": name,
        "value": value,
        "low": low,
        "high": high,
        "chance_mean": 0.011,
        "chance_high": 0.022,
    }


def full() -> ExploreJson:
    """A VAE of drawn faces."""
    return {
        "schema_version": 1,
        "job": "explore",
        "created": "2030-01-02T03:04:05+00:00",
        "versions": {"python": "3.11.7", "debias-faces": "0.1"},
        "platform": "linux-x86_64",
        "settings": {"latents": None, "num_latents": 12, "include_images": False, "seed": 0},
        "model": {
            "run": "my-run",
            "architecture": "db-vae",
            "image_size": SIDE,
            "num_latents": 8,
            "seed": 4,
            "kl_weight": 5e-4,
            "resampling": "product",
            "balanced": [],
        },
        "images": {
            "num_faces": 5000,
            "num_persons": None,
            "num_described": 1234,
            "are_trained_on": True,
            "num_judged": 567,
            "are_others": True,
            "num_failed": 0,
            "are_drawn": True,
        },
        "includes_images": True,
        "activity_threshold": 0.1,
        "num_active": 3,
        "shown": [7, 3, 0],
        "steps": STEPS,
        "latents": [
            latent(0, 0.5, {}),
            *(latent(k, 0.01, {}) for k in (1, 2)),
            latent(3, 1.5, {"hair_dark": 0.12}),
            *(latent(k, 0.01, {}) for k in (4, 5, 6)),
            latent(7, 2.345, {"tone": 0.36, "scene_light": 0.04}),
        ],
        "r_squared": 0.664,
        "continuity": {"value": 0.974, "chance": 0.498, "num_images": 500, "num_neighbours": 10},
        "longest_step": 0.098,
        "num_interpolated": 13,
        "num_samples": 24,
        "num_reconstructed": 8,
        "grid": {"across": 7, "up": 3, "steps": [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0]},
        "total_correlation": 6.36,
        "scores": {
            "num_images": 567,
            "latents": [0, 3, 7],
            "factors": ["tone", "hair_dark", "age"],
            "information": [[0.02, 0.03, 0.01], [0.05, 0.12, 0.02], [0.36, 0.1, 0.015]],
            "chance_information": 0.025,
            "scores": [
                score("mig", 0.31),
                score("sap", 0.21),
                score("disentanglement", 0.41),
                score("completeness", 0.42),
                score("informativeness", -0.05),
                score("total_correlation", None),
            ],
        },
        "scores_missing": None,
    }


def photographs() -> ExploreJson:
    """Of people, who are not shown."""
    explore = full()
    images = explore["images"]
    images["are_drawn"] = images["are_others"] = False
    images["num_persons"] = 321
    explore["includes_images"] = False
    explore["num_reconstructed"] = 0
    explore["scores"] = None
    explore["scores_missing"] = "Scores need more."
    explore["r_squared"] = -0.2
    for one in explore["latents"]:
        one["told"] = []
    return explore


def autoencoder() -> ExploreJson:
    """Without a prior, one latent asked for, and nothing to be estimated."""
    explore = photographs()
    model = explore["model"]
    model["architecture"], model["resampling"] = "autoencoder", "uniform"
    model["kl_weight"] = None
    model["balanced"] = [3, 7]
    explore["settings"]["latents"] = explore["shown"] = [3]
    explore["grid"] = explore["r_squared"] = explore["continuity"] = None
    explore["longest_step"] = explore["total_correlation"] = None
    for one in explore["latents"]:
        one["kl"] = None
    return explore


def hostile() -> ExploreJson:
    """With names that would be markup."""
    explore = full()
    explore["model"]["run"] = HOSTILE
    explore["latents"][7]["told"][0]["factor"] = HOSTILE
    assert explore["scores"] is not None
    explore["scores"]["factors"][0] = HOSTILE
    explore["versions"] = {HOSTILE: HOSTILE}
    return explore


EXPLORATIONS = {
    "full": full,
    "photographs": photographs,
    "autoencoder": autoencoder,
    "hostile": hostile,
}


def pictures(explore: ExploreJson) -> dict[str, bytes]:
    """Return its pictures: frame k of a strip is grey of 20 k."""
    sizes = {
        **{picture_name(number): (len(STEPS), 1) for number in explore["shown"]},
        "samples": (8, 3),
        "interpolation": (13, 1),
        "grid": (7, 7),
    }
    if explore["grid"] is None:
        del sizes["grid"]
    if explore["includes_images"]:
        sizes |= {"originals": (8, 1), "reconstructions": (8, 1)}
    return {name: _sheet(*size) for name, size in sizes.items()}


def _sheet(columns: int, rows: int) -> bytes:
    sheet = Image.new("RGB", (columns * SIDE, rows * SIDE))
    for column in range(columns):
        shade = 20 * column
        sheet.paste((shade, shade, shade), (column * SIDE, 0, (column + 1) * SIDE, rows * SIDE))
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=95)
    return file.getvalue()
