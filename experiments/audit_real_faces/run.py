"""What `debias audit` says of real faces: LFW, UTKFace and pictures without faces.

    python experiments/audit_real_faces/run.py --data DIR [--model RUN] [--work DIR]

``DIR`` holds ``images.csv`` (image_id, path, label, split, dataset, identity_id, gender, race,
age, ita, pool) and the images it names. The real command is run with ``--train-model``, or asks a
model that is given, and the aggregates of its ``audit.json`` and ``findings.csv`` go to
``results/``: counts, shares, intervals and tests. Neither ids, names, paths nor pictures do.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from debias.audit.skin_scales import ITA_CATEGORIES, ita_places
from debias.errors import DataError
from debias.rundir import RunDir, read_json, write_json

HERE = Path(__file__).parent
POOL = "pool!=controlled"
GROUPS = "race,gender"
AGES = (18, 30, 45, 60)
PROVENANCE = {
    "skin_tone": "proxy",
    "race": "proxy",
    "gender": "estimated",
    "age_group": "estimated",
    "ita_band": "estimated",
    "source": "constructed",
}
"""Where the labels come from; which of the two sets a face is of is known from its making."""
NAMED = (
    "exact-duplicate",
    "near-duplicate",
    "duplicate-across-splits",
    "conflicting-labels",
    "mislabelled",
    "junk",
    "latent-gap",
    "skin-tone-disagreement",
)
"""Kinds of finding whose images are counted by the set that they are of."""
COMPARED = ("gender", "race", "source")
"""The attributes whose pictures' quality is kept."""


def main() -> None:
    """Audit the set, and keep the aggregates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="a trained model (by default one is trained)")
    parser.add_argument("--name", default="natural", help="of the result")
    parser.add_argument("--work", type=Path, help="a folder to keep the audit in, with its page")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = (chosen.work or Path(folder)).resolve()
        figures = audit(chosen.data.resolve(), work, model=chosen.model)
    check_aggregates(figures, pd.read_csv(chosen.data / "images.csv", dtype=str))
    chosen.results.mkdir(parents=True, exist_ok=True)
    write_json(chosen.results / f"{chosen.name}.json", figures)


def attributes(images: pd.DataFrame) -> pd.DataFrame:
    """Return what is known of the people shown, by ``image_id``; missing = unknown.

    Args:
        images: the rows of ``images.csv`` as text.
    """
    faces = images[images["label"] == "1"]
    age = pd.to_numeric(faces["age"])
    bands = [f"{low}-{high - 1}" for low, high in pairwise(AGES)]
    ita = pd.to_numeric(faces["ita"]).to_numpy(dtype=np.float64)
    places = ita_places(ita, ITA_CATEGORIES)
    ita_bands = np.full(len(faces), None, dtype=object)
    known = np.isfinite(places)
    ita_bands[known] = np.array(list(ITA_CATEGORIES), dtype=object)[places[known].astype(int)]
    columns = {
        "image_id": faces["image_id"],
        "skin_tone": faces["race"].map({"white": "lighter", "black": "darker"}),
        "race": faces["race"],
        "gender": faces["gender"],
        "age_group": pd.cut(
            age, [*AGES, np.inf], right=False, labels=[*bands, f"{AGES[-1]} and older"]
        ),
        "ita_band": ita_bands,
        "source": faces["dataset"],
    }
    return pd.DataFrame(columns)


def audit(data: Path, work: Path, *, model: Path | None) -> dict[str, Any]:
    """Run the command and return its aggregates."""
    work.mkdir(parents=True, exist_ok=True)
    people = work / "people.csv"
    attributes(pd.read_csv(data / "images.csv", dtype=str)).to_csv(people, index=False)
    write_json(work / "people.provenance.json", PROVENANCE)
    run = RunDir(path=work / "audit")
    asked = ["--train-model"] if model is None else ["--model", str(model)]
    arguments = ["--where", POOL, "--groups", GROUPS]
    command = [
        *(sys.executable, "-m", "debias", "audit", str(data / "images.csv"), *arguments),
        *("--attributes", str(people), "--output", str(run.path), "--overwrite", "--quiet"),
        *("--device", "cpu", "--write-manifest", *asked),
    ]
    environment = {"DEBIAS_CACHE": str(work / "cache"), "OMP_NUM_THREADS": "1", **os.environ}
    started = time.perf_counter()
    subprocess.run(command, check=True, env=environment)
    seconds = time.perf_counter() - started
    return {
        "seconds": round(seconds, 1),
        "arguments": [*arguments, asked[0]],
        **aggregates(run),
        "by_source": by_source(run, pd.read_csv(data / "images.csv", dtype=str)),
        "rare_by_group": rare_by_group(run, pd.read_csv(people, dtype=str)),
    }


def aggregates(run: RunDir) -> dict[str, Any]:
    """Return what an audit says as a whole: no pictures, and nothing of what it was made from."""
    whole = read_json(run.audit)
    kept = ("versions", "images", "kinds", "findings", "representation", "copies", "weights")
    model = whole["model"]
    return {
        **{name: whole[name] for name in kept},
        "skin_tones": whole["skin_tones"],
        "associations": [_association(each) for each in whole["associations"] if each["p_value"]],
        "quality": [_quality(each) for each in whole["quality"] if _is_kept(each["columns"])],
        "model": None if model is None else _model(model),
    }


def _model(model: dict[str, Any]) -> dict[str, Any]:
    drawn = ("edges", "masses", "strip")
    return {
        **{name: model[name] for name in model if name not in ("latents", "regions")},
        "regions": [region["num_images"] for region in model["regions"]],
        "latents": [
            {name: latent[name] for name in latent if name not in drawn}
            for latent in model["latents"]
            if latent["is_active"]
        ],
    }


def by_source(run: RunDir, images: pd.DataFrame) -> list[dict[str, Any]]:
    """Return how many images of each set the findings name that name the fewest.

    Args:
        run: of the audit.
        images: the rows of ``images.csv`` as text.
    """
    rows = pd.read_csv(run.findings, dtype=str, usecols=["kind", "subject", "image_id"])
    rows = rows[rows["kind"].isin(NAMED) & rows["image_id"].notna()]
    source = images.set_index("image_id")["dataset"]
    counted = rows.assign(source=source.reindex(rows["image_id"]).to_numpy())
    return [
        {"kind": kind, "subject": subject, "images": part["source"].value_counts().to_dict()}
        for (kind, subject), part in counted.groupby(["kind", "subject"])
    ]


def rare_by_group(run: RunDir, people: pd.DataFrame) -> list[dict[str, Any]]:
    """Return how many faces of each group lie in sparse regions of the latent space.

    Args:
        run: of the audit.
        people: what :func:`attributes` returned, as text.
    """
    rows = pd.read_csv(run.findings, dtype=str, usecols=["kind", "image_id"])
    rare = set(rows.loc[rows["kind"] == "latent-gap", "image_id"].dropna())
    audited = set(pd.read_parquet(run.measures, columns=["image_id"])["image_id"])
    known = people[people["image_id"].isin(audited)].set_index("image_id")
    is_rare = known.index.isin(rare)
    return [
        {
            "group": f"{name} {value}",
            "num_faces": int(inside.sum()),
            "num_rare": int((inside & is_rare).sum()),
        }
        for name in known.columns
        for value in sorted(known[name].dropna().unique())
        for inside in [(known[name] == value).to_numpy()]
    ]


def _association(pair: dict[str, Any]) -> dict[str, Any]:
    kept = ("attribute", "partner", "cramers_v", "low", "high", "p_value", "num_images")
    return {name: pair[name] for name in kept}


def _is_kept(columns: list[str]) -> bool:
    return len(columns) == 1 and columns[0] in COMPARED


def _quality(group: dict[str, Any]) -> dict[str, Any]:
    kept = ("name", "measure", "num_images", "num_persons", "quartiles", "worst", "p_value")
    above = group["superiority"]
    flawed = group["flawed"]
    return {
        **{name: group[name] for name in kept},
        "above_others": [above["value"], above["low"], above["high"]],
        "flawed": None if flawed is None else flawed["value"],
    }


def check_aggregates(figures: dict[str, Any], images: pd.DataFrame) -> None:
    """Refuse figures that tell of a single image or person.

    Args:
        figures: what is about to be written.
        images: the rows of ``images.csv`` as text.

    Raises:
        DataError: an id, a person, a path or a picture is among them.
    """
    private = {*images["image_id"], *images["path"], *images["identity_id"].dropna()}
    for text in texts(figures):
        if text in private or re.search(r"data:image|(^|\s)/\w", text):
            raise DataError("the figures name an image", where="results", hint="Leave it out")


def texts(part: Any) -> list[str]:
    """Return every text in nested tables and lists, names of columns too."""
    if isinstance(part, dict):
        return [text for key, each in part.items() for text in (str(key), *texts(each))]
    if isinstance(part, list):
        return [text for each in part for text in texts(each)]
    return [part] if isinstance(part, str) else []


if __name__ == "__main__":
    main()
