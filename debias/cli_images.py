"""The options that name a job's images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from debias.cli_options import DATA_HELP, positive
from debias.errors import UsageError

if TYPE_CHECKING:
    from debias.data.prepared_folder import PreparedData
    from debias.data.ray_pool import RayCluster
    from debias.data.source import ImageSource


def add_images(
    parser: argparse.ArgumentParser, *, folder: str = "a folder of unlabelled ones to predict"
) -> argparse._ArgumentGroup:
    """Add the options that name images, and return where they stand.

    Args:
        parser: of the command.
        folder: what a folder in place of a manifest stands for.
    """
    images = parser.add_argument_group("images")
    images.add_argument(
        "images",
        nargs="?",
        type=Path,
        metavar="MANIFEST",
        help=f"a CSV or Parquet file of images, or {folder}",
    )
    images.add_argument(
        "--data",
        action="append",
        metavar="NAME",
        help=f"{DATA_HELP}; repeatable, for faces of one set and non-faces of another",
    )
    images.add_argument("--faces", type=Path, metavar="DIR", help="a folder of faces")
    images.add_argument("--non-faces", type=Path, metavar="DIR", help="a folder of non-faces")
    images.add_argument(
        "--shards",
        action="extend",
        nargs="+",
        default=[],
        metavar="PATTERN",
        help="tar shards as of WebDataset, or Parquet with a column of pictures: 'a/{000..010}.tar'"
        " or s3://...",
    )
    images.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE,...",
        help="use the manifest's rows with one of these values; also COLUMN!=VALUE; repeatable",
    )
    images.add_argument("--cache", type=Path, metavar="DIR", help="where decoded images are kept")
    images.add_argument("--workers", type=positive, metavar="N", help="threads that decode")
    return images


def add_strict(images: argparse._ArgumentGroup) -> None:
    """Add the option that makes a broken image an error."""
    images.add_argument("--strict", action="store_true", help="stop if an image cannot be decoded")


def add_engine(images: argparse._ArgumentGroup) -> None:
    """Add the options that say which machines decode."""
    images.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="what decodes and scores or measures: this process, or a Ray cluster, of which "
        "--workers counts the processes",
    )
    images.add_argument(
        "--engine-address",
        metavar="HOST:PORT",
        help="a Ray cluster that runs (by default that of RAY_ADDRESS, or else this machine)",
    )


def ray_cluster(chosen: argparse.Namespace) -> RayCluster | None:
    """Return the Ray cluster that the options name; None for this process."""
    if chosen.engine == "local":
        if chosen.engine_address is not None:
            raise UsageError(
                "is of a Ray cluster, and none is asked for",
                where="--engine-address",
                hint="Add --engine ray, or leave it out",
            )
        return None
    from debias.data.ray_pool import RayCluster

    return RayCluster(address=chosen.engine_address, num_workers=chosen.workers)


def image_source(chosen: argparse.Namespace, prepared: list[PreparedData]) -> ImageSource:
    """Return the images that the options name.

    Args:
        chosen: the options.
        prepared: what ``--data`` names; see :func:`debias.cli_options.prepared_data`.
    """
    from debias.data.combine import ListedSet
    from debias.data.source import ImageSource

    return ImageSource(
        images=chosen.images,
        sets=tuple(
            ListedSet(manifest=one.manifest, root=one.root, name=one.name) for one in prepared
        ),
        faces=chosen.faces,
        non_faces=chosen.non_faces,
        shards=tuple(chosen.shards),
        cache=chosen.cache,
        where=tuple(chosen.where),
    )
