"""Fairness reports of trained classifiers: drawn faces, whose truth is known, and real ones.

    python experiments/fairness_reports/run.py --work WORK --output REPORTS --testbed --data DIR

On each set ``debias train`` makes a DB-VAE, the plain classifier of the same budget, and a VAE that
has seen faces alone, unless ``WORK`` holds them; ``debias report`` judges the first two. ``DIR``
holds ``images.csv`` and the images it names, as in ``experiments/real_faces``. Each report goes to
a folder of its own under ``REPORTS``; of it, the aggregates that the README quotes are kept as
``results/NAME.json``. Those name no image and no person.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from debias.config import build
from debias.data.attributes import Attributes, write_attributes
from debias.data.combine import ListedSet
from debias.data.source import ImageSource
from debias.data.store import build_store
from debias.data.tables import write_table
from debias.inference.encode import encode
from debias.jobs.data import find_data
from debias.models.checkpoint import load_model
from debias.rundir import RunDir, open_run, read_json, write_json
from debias.training.settings import RunSettings

HERE = Path(__file__).parent
NATURAL = "pool!=controlled"
"""The rows of ``images.csv`` to train and test on."""
AGES = {"16-29": 16, "30-44": 30, "45-59": 45, "60 and over": 60}
"""Bands of age in years, by where each begins."""
ITAS = {"dark": -90, "brown": -30, "tan": 10, "intermediate": 28, "light": 41, "very light": 55}
"""Classes of the individual typology angle in degrees, by where each begins."""
PROVENANCE = {"race": "proxy", "gender": "estimated", "age": "estimated", "ita": "estimated"}
TRAININGS = {
    "db-vae": ["--resampling", "product", "--set", "resampling.target_ess=0.5"],
    "vae": ["--architecture", "vae", "--no-baseline"],
}
"""By architecture, its words of ``debias train``; with the first comes the plain classifier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """A set to train on and to report about.

    Attributes:
        name: what its reports are called by.
        images: to train and test on.
        source: the words that name them in ``debias train``.
        attributes: the words that name what is known of people in ``debias report``.
        reports: by its name, the groups of a report on the DB-VAE beside the plain classifier; of
            the first one there is one of the plain classifier, too.
        described_by: the groups by which slices are described.
    """

    name: str
    images: ImageSource
    source: Sequence[str]
    attributes: Sequence[str]
    reports: Mapping[str, Sequence[str]]
    described_by: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Where things lie: trainings and latents, reports, and what is kept of them."""

    work: Path
    output: Path
    results: Path

    def run(self, one: ImageSet, model: str) -> RunDir:
        """Return the run of a model: ``db-vae``, ``plain`` or ``vae``."""
        if model == "plain":
            return self.run(one, "db-vae").baseline
        return RunDir(path=self.work / f"{one.name}-{model}")

    def latents(self, one: ImageSet, model: str) -> Path:
        """Return the file of where a model sees each face of the test."""
        return self.work / f"{one.name}-{model}-latents.parquet"


def main() -> None:
    """Train what is missing, encode, report, and keep the aggregates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--testbed", action="store_true", help="report on testbed:planted")
    parser.add_argument("--data", type=Path, help="report on the real images of this folder")
    parser.add_argument("--work", type=Path, required=True, help="trainings, found or made")
    parser.add_argument("--output", type=Path, required=True, help="where the reports go")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--fraction", type=float, default=1, help="of the testbed's images")
    parser.add_argument("--windows", type=int, default=12, help="of each real non-face picture")
    parser.add_argument("--parallel", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    chosen = parser.parse_args()
    if not chosen.testbed and chosen.data is None:
        parser.error("name what to report on: --testbed, --data DIR, or both")
    folders = Folders(work=chosen.work, output=chosen.output, results=chosen.results)
    folders.work.mkdir(parents=True, exist_ok=True)
    os.environ |= environment(folders.work)
    sets = [testbed(chosen.fraction)] if chosen.testbed else []
    sets += [] if chosen.data is None else [real(chosen.data, chosen.windows, folders.work)]
    extra = [word for text in chosen.set for word in ("--set", text)]
    with ThreadPoolExecutor(chosen.parallel) as pool:
        plan = [(one, model) for model in TRAININGS for one in sets]
        list(pool.map(lambda item: train(*item, folders=folders, extra=extra), plan))
    for one in sets:
        for model in TRAININGS:
            write_latents(one, model, folders)
        write_reports(one, folders)
        write_slices(one, folders)


def environment(work: Path) -> dict[str, str]:
    """Return what every process runs under: one thread, one cache, and memory that is kept."""
    return {
        "OMP_NUM_THREADS": "1",
        "DEBIAS_CACHE": str(work / "cache"),
        # glibc would give large tensors back to the system and fault them in again each step.
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": str(2**34),
        "MALLOC_TOP_PAD_": str(2**28),
    }


def testbed(fraction: float) -> ImageSet:
    """Return the planted testbed, drawn if need be."""
    data = "testbed:planted" if fraction == 1 else f"testbed:planted:{fraction:g}"
    found = find_data(data, show_progress=False)
    listed = ListedSet(manifest=found.manifest, root=found.root, name=found.name)
    return ImageSet(
        name="testbed",
        images=ImageSource(sets=(listed,)),
        source=["--data", data],
        attributes=["--data", data],
        reports={"testbed": ["--groups", "skin_tone,gender", "--within", "light"]},
        described_by=["--groups", "skin_tone,gender,pose,light,hat,glasses"],
    )


def real(data: Path, windows: int, work: Path) -> ImageSet:
    """Return the natural task on the images of a folder; what is known of people is set apart."""
    images, people = data / "images.csv", work / "people.csv"
    write_people(images, people)
    return ImageSet(
        name="real",
        images=ImageSource(images=images, where=(NATURAL,)),
        source=[str(images), "--where", NATURAL, "--windows", str(windows)],
        attributes=["--attributes", str(people)],
        reports={"real": ["--groups", "race,gender"], "real-age-ita": ["--groups", "age,ita"]},
        described_by=["--groups", "gender,age,ita"],
    )


def write_people(images: Path, people: Path) -> None:
    """Write what is known of the people in the test's faces, age and ITA cut into classes."""
    table = pd.read_csv(images, dtype={"image_id": str})
    table = table[(table["label"] == 1) & (table["split"] == "test")].set_index("image_id")
    known = {
        "race": table["race"],
        "gender": table["gender"],
        "age": banded(table["age"], AGES),
        "ita": banded(table["ita"], ITAS),
    }
    write_attributes(Attributes(table=pd.DataFrame(known), provenance=PROVENANCE), people)


def banded(values: pd.Series[float], begins: Mapping[str, float]) -> pd.Series[str]:
    """Return in which class each value lies; missing where it is unknown or below the first."""
    edges = [*begins.values(), np.inf]
    return pd.cut(values, edges, right=False, labels=list(begins)).astype("string")


def train(one: ImageSet, model: str, *, folders: Folders, extra: Sequence[str]) -> None:
    """Train a model, and with the DB-VAE the plain classifier, unless it is there."""
    run = folders.run(one, model)
    runs = [run, run.baseline] if model == "db-vae" else [run]
    if all(each.failures.exists() for each in runs):  # the last file that a training writes
        return
    words = ["train", *one.source, "--seed", "0", "--device", "cpu", "--quiet", *TRAININGS[model]]
    again = ["--resume"] if run.run_file.exists() else []
    debias([*words, *extra, "--output", str(run.path), *again])


def write_latents(one: ImageSet, model: str, folders: Folders) -> None:
    """Write where a model sees each face of the test: the posterior's means, by image id."""
    trained, facts = open_run(folders.run(one, model).path, job="train")
    settings = build(RunSettings, facts["settings"], where=str(trained.run_file))
    manifest = one.images.load()
    wanted = manifest.faces & (manifest.table["split"] == "test").to_numpy()
    store = build_store(
        manifest.subset(wanted), settings.decoding, cache=folders.work / "cache", progress=False
    )
    mu = encode(load_model(trained.model), store, np.arange(len(store.image_ids))).mu
    table = pd.DataFrame(mu, columns=[f"latent_{k}" for k in range(mu.shape[1])])
    table.insert(0, "image_id", store.image_ids)
    write_table(table, folders.latents(one, model))


def write_reports(one: ImageSet, folders: Folders) -> None:
    """Write the reports that compare, then that of the plain classifier alone."""
    versus = ["--compare", str(folders.run(one, "plain").path)]
    for name, groups in one.reports.items():
        told = report(one, name, "db-vae", [*groups, *versus], folders)
        write_json(folders.results / f"{name}.json", aggregates(told))
    first = next(iter(one.reports))
    told = report(one, f"{first}-plain", "plain", one.reports[first], folders)
    write_json(folders.results / f"{first}-plain.json", aggregates(told))


def write_slices(one: ImageSet, folders: Folders) -> None:
    """Look for slices in the errors of either classifier, in the latents of either encoder."""
    found = []
    for judged in ("db-vae", "plain"):
        for space in TRAININGS:
            latents = folders.latents(one, space)
            words = [*one.described_by, "--target-fpr", "0.01", "--embedding", str(latents)]
            told = report(one, f"{one.name}-slices-{judged}-{space}", judged, words, folders)
            explained = share_explained(folders.run(one, judged).predictions, latents)
            about = {"judged": judged, "latents_of": space, "share_explained": explained}
            found.append({**about, **told["slices"]})
    write_json(folders.results / f"{one.name}-slices.json", found)


def share_explained(predictions: Path, latents: Path) -> float:
    """Return how much of the faces' logits a linear function of the latents gives: R squared.

    It is fitted to every other face and judged on the rest.
    """
    vectors = pd.read_parquet(latents).set_index("image_id")
    scores = pd.read_parquet(predictions).set_index("image_id").loc[vectors.index, "y_score"]
    told: NDArray[np.float64] = logit(scores.to_numpy(np.float64).clip(1e-7, 1 - 1e-7))
    inputs = np.column_stack([vectors.to_numpy(np.float64), np.ones(len(vectors))])
    weights = np.linalg.lstsq(inputs[::2], told[::2], rcond=None)[0]
    left = told[1::2] - inputs[1::2] @ weights
    return float(1 - left.var() / told[1::2].var())


def report(
    one: ImageSet, name: str, model: str, words: Sequence[str], folders: Folders
) -> dict[str, Any]:
    """Write a report, in place of an earlier one of ours, and return what ``report.json`` holds."""
    output = RunDir(path=folders.output / name)
    judged = ["report", str(folders.run(one, model).path), *one.attributes, *words]
    debias([*judged, "--quiet", "--output", str(output.path), "--overwrite"])
    told: dict[str, Any] = read_json(output.report)
    return told


def debias(words: Sequence[str]) -> None:
    """Run the command; what it prints is left out, what it complains of is not."""
    subprocess.run([sys.executable, "-m", "debias", *words], check=True, stdout=subprocess.DEVNULL)


def aggregates(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures that the README quotes of what ``report.json`` holds."""
    rows = ("num_faces", "num_negatives", "num_pictures", "negatives", "num_persons")
    return {
        "versions": told["versions"],
        "attributes": told["attributes"],
        "rows": {name: told["rows"][name] for name in rows},
        "points": [_point(point) for point in told["operating_points"]],
        "comparison": told["comparison"],
        "notes": told["notes"],
    }


def _point(point: Mapping[str, Any]) -> dict[str, Any]:
    """Return an operating point without most of its measures."""
    plain = ("source", "target_fpr", "status", "reason", "threshold", "fpr", "recall")
    kept = {name: point[name] for name in (*plain, "expected_false_positives")}
    measures = point["measures"]
    kept["measures"] = measures and {name: measures[name] for name in ("auc", "ece", "precision")}
    return {**kept, "groupings": [_grouping(grouping) for grouping in point["groupings"]]}


def _grouping(grouping: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of a grouping, of its groups recall alone, without pairs."""
    groups = [
        {name: each[name] for name in ("name", "status", "recall")} for each in grouping["groups"]
    ]
    long = ("pairs", "disparities", "groups")
    kept = {name: value for name, value in grouping.items() if name not in long}
    return kept if grouping["within"] else {**kept, "groups": groups}


if __name__ == "__main__":
    main()
