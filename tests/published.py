"""Tiny copies of published layouts, in plain colours, and what the real command makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from running import Debias

from debias.data.combine import ListedSet, read_sets
from debias.data.decode import DecodeSettings
from debias.data.prepared_folder import open_prepared
from debias.data.store import build_store

Colour = tuple[int, int, int]
GREY: Colour = (120, 120, 120)


def picture(path: Path, colour: Colour = GREY, size: tuple[int, int] = (40, 40)) -> Path:
    """Write a picture of one colour; size is width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, quality=95)
    return path


def pictures(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        picture(folder / name)


def text(path: Path, content: str) -> Path:
    """Write a text file with exactly these line endings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())
    return path


@dataclass(frozen=True, kw_only=True)
class Made:
    """What ``debias data prepare`` wrote."""

    folder: Path
    out: str
    images: pd.DataFrame
    attributes: pd.DataFrame
    provenance: dict[str, str]
    failures: pd.DataFrame
    facts: dict[str, Any]

    def failed(self, *, kept: bool = False) -> dict[str, str]:
        """Return the reason by image id."""
        rows = self.failures[self.failures["kept"] == str(kept)]
        return dict(zip(rows["image_id"], rows["reason"], strict=True))

    def pixels(self, cache: Path, size: int = 16) -> dict[str, NDArray[np.uint8]]:
        """Return each image as the store decodes it, by id: what a training would see."""
        found = open_prepared(self.folder)
        manifest = read_sets([ListedSet(manifest=found.manifest, root=found.root)])
        store = build_store(
            manifest, DecodeSettings(image_size=size), cache=cache, progress=False, strict=True
        )
        return dict(zip(store.image_ids, np.asarray(store.images), strict=True))


def prepared(debias: Debias, name: str, root: Path, *words: object) -> Made:
    """Run ``debias data prepare NAME --root ROOT`` and read what it wrote."""
    outcome = debias("data", "prepare", name, "--root", root, "--quiet", *words)
    assert outcome.status == 0, outcome.err
    manifest = Path(outcome.out.splitlines()[-1])
    folder = manifest.parent
    has_attributes = (folder / "attributes.csv").exists()
    attributes = folder / "attributes.csv"
    beside = folder / "attributes.provenance.json"
    return Made(
        folder=folder,
        out=outcome.out,
        images=_read(manifest).set_index("image_id"),
        attributes=_read(attributes).set_index("image_id") if has_attributes else pd.DataFrame(),
        provenance=json.loads(beside.read_text()) if has_attributes else {},
        failures=_read(folder / "failures.csv"),
        facts=json.loads((folder / "data.json").read_text()),
    )


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)
