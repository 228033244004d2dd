"""Are planted slices found? Errors planted among drawn faces, sought in two plain embeddings.

    python experiments/slices/run.py [--plantings 16]
    python experiments/slices/run.py --tiny --results /tmp/slices

Draws faces of the testbed, whose factors are all known, and embeds them without training. Then,
over and over, errors are drawn: more of them where a factor is in a certain range. The search
sees embedding and errors, never a factor. Prints how often it reports a slice, and how much of
what it reports is what was planted; and how often it reports one where nothing is. Leaves
``results.json`` under ``results/``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.audit.slices import find_slices
from debias.metrics.intervals import wilson
from debias.rundir import write_json
from debias.seeding import numpy_generator
from debias.testbed.population import Population, draw_faces
from debias.testbed.renderer import render
from debias.testbed.sets import VERSION

HERE = Path(__file__).parent
NUM_FACES = 4000
NUM_COMPONENTS = 64
ELSEWHERE = 0.05
"""The error rate outside of what is planted."""
STRENGTHS = (0.15, 0.3, 0.5)
"""The error rate inside."""
SIZES = (0.025, 0.05, 0.1, 0.2)
"""How many of all faces; hats and dark glasses have the share that wears them."""
FIXED = ("hat", "dark glasses")
TOLD_APART = 0.9
"""The attainable precision at 10 from which the embedding is said to tell them apart."""
NULL_RATES = (0.01, 0.05, 0.2)
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def main() -> None:
    """Draw, embed, plant, search; print the tables and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=NUM_FACES)
    parser.add_argument("--plantings", type=int, default=16, help="of each slice and strength")
    parser.add_argument("--nulls", type=int, default=200, help="searches where nothing is planted")
    parser.add_argument("--tiny", action="store_true", help="a few of each, to see that it runs")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    chosen = parser.parse_args()
    if chosen.tiny:
        chosen.faces, chosen.plantings, chosen.nulls = 400, 1, 2
    factors = draw_faces(Population(), range(chosen.faces), seed=7)
    pixels = render(factors, size=32)
    embeddings = {"thumbnails": thumbnails(pixels), "gradients": gradients(pixels)}
    found = {
        "testbed_version": VERSION,
        "num_faces": chosen.faces,
        "num_plantings": chosen.plantings,
        "plantings": plantings(embeddings, traits(factors), chosen.plantings),
        "nulls": nulls(embeddings["thumbnails"], chosen.nulls),
    }
    write_json(chosen.results / "results.json", found)
    print("\n".join(tables(found)))


def thumbnails(pixels: NDArray[np.uint8]) -> Floats:
    """Return the principal components of pictures of 16 x 16, shape (image, component)."""
    num_images, side = pixels.shape[:2]
    small = pixels.reshape(num_images, 16, side // 16, 16, side // 16, 3).mean(axis=(2, 4))
    return _components(small.reshape(num_images, -1) / 255.0)


def gradients(pixels: NDArray[np.uint8]) -> Floats:
    """Return the principal components of how edges run in 8 x 8 cells: 6 directions in each."""
    grey = pixels.astype(np.float64).mean(axis=3)
    down, right = np.gradient(grey, axis=(1, 2))
    strength, angle = np.hypot(down, right), np.arctan2(down, right) % np.pi
    direction = np.minimum((angle / np.pi * 6).astype(np.intp), 5)
    num_images, side = grey.shape[:2]
    cells = []
    for k in range(6):
        part = np.where(direction == k, strength, 0.0)
        cells.append(part.reshape(num_images, 8, side // 8, 8, side // 8).sum(axis=(2, 4)))
    flat = np.sqrt(np.stack(cells, axis=-1).reshape(num_images, -1))
    return _components(flat / np.linalg.norm(flat, axis=1, keepdims=True))


def _components(rows: Floats) -> Floats:
    centred = rows - rows.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return np.asarray(centred @ axes[:, ::-1][:, :NUM_COMPONENTS])


def traits(factors: pd.DataFrame) -> dict[str, Floats]:
    """Return for each kind of slice how much of it each face has, shape (image,)."""
    dark, dim = factors["tone"].rank(pct=True), (-factors["light_strength"]).rank(pct=True)
    columns = {
        "dark skin": dark,
        "dim light": dim,
        "dark skin in dim light": np.minimum(dark, dim),
        "light background": factors["scene_light"],
        "turned to one side": factors["yaw"],
        "turned to either side": factors["yaw"].abs(),
        "hat": factors["hat"],
        "dark glasses": factors["glasses"] * factors["lens_dark"],
    }
    return {name: np.asarray(column, dtype=np.float64) for name, column in columns.items()}


def plantings(
    embeddings: Mapping[str, Floats], kinds: Mapping[str, Floats], number: int
) -> list[dict[str, Any]]:
    """Return what became of every planting."""
    done = []
    for embedding, vectors in embeddings.items():
        for kind, trait in kinds.items():
            for strength in STRENGTHS:
                for k in range(number):
                    generator = numpy_generator(0, embedding, kind, repr(strength), k)
                    size = SIZES[k % len(SIZES)]
                    inside = (
                        trait > 0.5 if kind in FIXED else trait >= np.quantile(trait, 1.0 - size)
                    )
                    errors = generator.random(trait.size) < np.where(inside, strength, ELSEWHERE)
                    done.append(
                        {
                            "embedding": embedding,
                            "kind": kind,
                            "strength": strength,
                            "size": float(inside.mean()) if kind in FIXED else size,
                            "attainable": _attainable(vectors, inside, generator),
                            **_search(vectors, errors, inside, generator),
                        }
                    )
    return done


def _search(
    vectors: Floats, errors: Mask, inside: Mask, generator: np.random.Generator
) -> dict[str, Any]:
    """Return what is reported of one planting."""
    found = find_slices(embedding=vectors, errors=errors, generator=generator).slices
    if not found:
        return {"num_slices": 0}
    reported = np.unique(np.concatenate([each.inside for each in found]))
    return {
        "num_slices": len(found),
        "precision_at_10": float(inside[found[0].midst].mean()),
        "precision": float(inside[reported].mean()),
        "recall": float(np.count_nonzero(inside[reported]) / np.count_nonzero(inside)),
    }


def _attainable(vectors: Floats, inside: Mask, generator: np.random.Generator) -> float:
    """Return the precision at 10 of the best direction that the planted labels themselves give.

    The linear discriminant of one half of the faces, tried on the other: what the embedding can
    tell, were it known what to look for.
    """
    half = generator.random(inside.size) < 0.5
    scaled = vectors / vectors.std(axis=0)
    direction = scaled[half & inside].mean(axis=0) - scaled[half & ~inside].mean(axis=0)
    depth = np.where(half, -np.inf, scaled @ direction)
    return float(inside[np.argsort(-depth)[:10]].mean())


def nulls(vectors: Floats, number: int) -> list[dict[str, Any]]:
    """Return how often a slice is reported where errors fall anywhere alike."""
    done = []
    for rate in NULL_RATES:
        alarms = 0
        for k in range(number):
            generator = numpy_generator(0, "null", repr(rate), k)
            errors = generator.random(len(vectors)) < rate
            found = find_slices(embedding=vectors, errors=errors, generator=generator)
            alarms += bool(found.slices)
        done.append({"error_rate": rate, "num_searches": number, "num_alarms": alarms})
    return done


def tables(found: Mapping[str, Any]) -> list[str]:
    """Return the results in Markdown."""
    figures = ["num_slices", "precision_at_10", "precision", "recall"]
    columns = ["embedding", "kind", "strength", "size", "attainable", *figures]
    table = pd.DataFrame(found["plantings"]).reindex(columns=columns)
    told = np.where(table["attainable"] >= TOLD_APART, "yes", "no")
    lines = [
        *("**By whether the embedding tells the planted faces apart**", ""),
        *_markdown([_row(str(name), rows) for name, rows in table.groupby(told, sort=False)]),
        "",
    ]
    for embedding, part in table.groupby("embedding", sort=False):
        of_kind = [_row(str(name), rows) for name, rows in part.groupby("kind", sort=False)]
        varied = part[~part["kind"].isin(FIXED)]
        of_size = [
            _row(f"{100 * float(str(size)):g} %", rows) for size, rows in varied.groupby("size")
        ]
        lines += [f"**In {embedding}, by what was planted**", "", *_markdown(of_kind), ""]
        lines += [f"**In {embedding}, by its share of all faces**", "", *_markdown(of_size), ""]
    of_null = [_null(result) for result in found["nulls"]]
    return [*lines, "**Where nothing is planted**", "", *_markdown(of_null), ""]


def _row(name: str, rows: pd.DataFrame) -> dict[str, str]:
    """Return one line: what is attainable; then of each strength how often, how pure, how much."""
    attainable = f"{rows['attainable'].mean():.2f}"
    line = {"planted": name, "plantings": str(len(rows)), "attainable": attainable}
    for strength in STRENGTHS:
        part = rows[rows["strength"] == strength]
        reported = part[part["num_slices"] > 0]
        means = reported[["precision_at_10", "precision", "recall"]].mean()
        figures = " / ".join("-" if np.isnan(x) else f"{x:.2f}" for x in means)
        share = f"{100 * len(reported) / len(part):.0f} %" if len(part) else "-"
        line[f"errors {100 * strength:g} %"] = f"{share}: {figures}"
    return line


def _null(result: Mapping[str, Any]) -> dict[str, str]:
    alarms, searches = result["num_alarms"], result["num_searches"]
    low, high = wilson(num_successes=alarms, num_trials=searches)
    return {
        "errors": f"{100 * result['error_rate']:g} %",
        "searches": str(searches),
        "with a slice": f"{100 * alarms / searches:.1f} %",
        "95 % interval": f"{100 * float(low):.1f} to {100 * float(high):.1f} %",
    }


def _markdown(rows: Sequence[dict[str, str]]) -> list[str]:
    header = list(rows[0]) if rows else []
    lines = [header, ["---"] * len(header), *([row[name] for name in header] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]


if __name__ == "__main__":
    main()
