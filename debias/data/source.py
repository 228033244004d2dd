"""Where a job's images come from: a manifest, prepared sets, or folders; and which rows of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from debias.data.combine import FRACTIONS, Fractions, ListedSet, read_sets
from debias.data.manifest import (
    Manifest,
    manifest_from_folder,
    manifest_from_folders,
    manifest_from_shards,
    parse_where,
    read_manifest,
)
from debias.data.shard_files import TARS
from debias.data.store import default_cache
from debias.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """The images that a person named on the command line.

    Attributes:
        images: a manifest file, or a folder of unlabelled images.
        sets: prepared sets, instead of all the others.
        faces: a folder of faces.
        non_faces: a folder of non-faces.
        shards: patterns of tar or Parquet shards, instead of all the others; see
            :func:`~debias.data.shard_files.expand_shards`.
        cache: where lists of shards are remembered; None for the user's cache folder.
        where: conditions on the manifest's columns; see
            :func:`~debias.data.manifest.parse_where`.
    """

    images: Path | None = None
    sets: tuple[ListedSet, ...] = ()
    faces: Path | None = None
    non_faces: Path | None = None
    shards: tuple[str, ...] = ()
    cache: Path | None = None
    where: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files and folders that are read, and that no output may replace."""
        named = [path for path in (self.images, self.faces, self.non_faces) if path is not None]
        listed = [path for one in self.sets for path in (one.manifest, one.root)]
        local = [Path(url) for url in self.shards if "://" not in url]
        return (*named, *listed, *local)

    def load(
        self, *, fractions: Fractions = FRACTIONS, seed: int = 0, allow_torn: bool = False
    ) -> Manifest:
        """Return the manifest.

        Args:
            fractions: of train, val and test, where one of several sets lacks splits that another
                has; see :func:`~debias.data.combine.read_sets`.
            seed: of that division.
            allow_torn: see :func:`~debias.data.manifest.manifest_from_table`.

        Raises:
            UsageError: no images, or images in two ways, are named.
            DataError: what is named is not a valid manifest or folder.
        """
        folders = self.faces is not None or self.non_faces is not None
        ways = [folders, self.images is not None, bool(self.sets), bool(self.shards)]
        if ways.count(True) != 1:
            raise UsageError(
                "name the images in one way",
                hint="Give a manifest (CSV or Parquet), or --data NAME, or --shards PATTERN, or "
                "--faces DIR and --non-faces DIR",
            )
        if self.shards:
            return manifest_from_shards(
                self.shards,
                cache=self.cache or default_cache(),
                where=parse_where(self.where),
                allow_torn=allow_torn,
            )
        if self.sets:
            return read_sets(
                self.sets,
                where=parse_where(self.where),
                fractions=fractions,
                seed=seed,
                allow_torn=allow_torn,
            )
        if self.images is not None and self.images.name.lower().endswith(TARS):
            raise UsageError(
                "is a tar file", where=self.images, hint="Name it with --shards, or unpack it"
            )
        if self.images is not None and not self.images.is_dir():
            return read_manifest(self.images, where=parse_where(self.where), allow_torn=allow_torn)
        if self.where:
            raise UsageError(
                "--where chooses rows of a manifest, and folders are named", where="--where"
            )
        if self.images is not None:
            return manifest_from_folder(self.images)
        return manifest_from_folders(faces=self.faces, non_faces=self.non_faces)
