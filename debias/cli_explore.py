"""The command ``debias explore``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from debias.cli_images import add_images, image_source
from debias.cli_options import add_include_images, add_output, prepared_data


def add_explore(jobs: Any, add_job: Callable[..., Any]) -> None:
    """Add the command ``explore`` to a parser; see :func:`debias.cli_data.add_data`."""
    summary = "show what a model's latents stand for, to pick those that training should balance"
    parser = add_job(jobs, "explore", _explore, summary)
    add_images(parser, folder="a folder of faces")
    parser.add_argument("--model", type=Path, required=True, metavar="RUN", help="a run directory")
    parser.add_argument(
        "--latents",
        type=latents,
        default=12,
        metavar="N|[I,J,...]",
        help="how many latents to show, the most telling first (12); or which, as in [3,7]",
    )
    add_include_images(parser)
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of what is drawn at random (0)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add_output(parser)


def latents(text: str) -> int | tuple[int, ...]:
    """Return how many latents to show, or which, for an option.

    ``12`` is a number of latents; ``3,7``, ``[3,7]`` and ``[3]`` name them, counted from 0.
    """
    bare = text.strip().removeprefix("[").removesuffix("]")
    words = [word.strip() for word in bare.split(",")]
    if not all(word.isdecimal() and word.isascii() for word in words):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a number of latents nor a list of them such as [3,7]"
        )
    numbers = tuple(int(word) for word in words)
    if len(numbers) > 1 or "[" in text:
        return numbers
    if numbers[0] < 1:
        raise argparse.ArgumentTypeError("show at least one latent; for latent 0 write [0]")
    return numbers[0]


def _explore(chosen: argparse.Namespace) -> int:
    from debias.jobs.explore import ExploreJob, run_explore
    from debias.training.device import check_device
    from debias.training.trained import open_latent_model

    def check() -> None:
        check_device(chosen.device)
        open_latent_model(chosen.model)

    page = run_explore(
        ExploreJob(
            source=image_source(chosen, prepared_data(chosen, check=check)),
            model=chosen.model,
            output=chosen.output,
            latents=chosen.latents,
            include_images=chosen.include_images,
            seed=chosen.seed,
            device=chosen.device,
            overwrite=chosen.overwrite,
            cache=chosen.cache,
            num_workers=chosen.workers,
            show_progress=not chosen.quiet,
        )
    )
    print(page)
    return 0
