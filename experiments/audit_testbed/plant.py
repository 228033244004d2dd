"""Image sets with one defect planted, and what is true of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from debias.rundir import write_json
from debias.seeding import derive_seed
from debias.testbed.population import Population, draw_faces, draw_non_faces
from debias.testbed.renderer import render_files
from debias.testbed.sets import Testbed, draw_testbed, true_attributes

GROUPS = ("skin_tone", "gender")
BASE = Testbed(
    name="audited",
    summary="balanced: nothing planted",
    faces=(900, 150, 75),
    non_faces=(400, 60, 200),
)
TINY = replace(BASE, faces=(90, 30, 15), non_faces=(60, 30, 30))
SHORT_OF = {"dark": 0.1, "female": 0.05}
"""The share of dark faces and of women that stays in training, where both are then 5 %."""
UNDER = (
    "skin_tone dark",
    "gender female",
    *(f"skin_tone {tone}, gender female" for tone in ("light", "medium", "dark")),
    "skin_tone dark, gender male",
)
"""The groups whose share of the training faces is then below half of an even one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageSet:
    """Images as files, not yet written.

    Attributes:
        table: ``image_id`` (the index), ``label``, ``split``, ``identity_id``.
        files: the content of each image's file, by id; a name may lack one.
        people: attributes by ``image_id``.
        groups: of the attributes, those to judge.
    """

    table: pd.DataFrame
    files: Mapping[str, bytes]
    people: pd.DataFrame
    groups: tuple[str, ...] = GROUPS

    @property
    def faces(self) -> pd.Index:
        """The ids of what is labelled a face."""
        return self.table.index[self.table["label"] == 1]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planted:
    """A set with a defect, and what an audit should find.

    Attributes:
        images: the set.
        by_image: by kind of finding, the ids that it should name.
        by_subject: by kind of finding, beginnings of the subjects that should be found.
        follows: by kind of finding, subjects that follow from the defect, and are right too.
        variants: what was done to some images, by id, to count apart.
        also: kinds that follow from the defect, and are no false alarm.
    """

    images: ImageSet
    by_image: Mapping[str, frozenset[str]] = field(default_factory=dict)
    by_subject: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    follows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variants: Mapping[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()


def draw_base(testbed: Testbed, seed: int) -> ImageSet:
    """Return a clean, balanced set: the people's traits are independent but for what life does."""
    factors = draw_testbed(testbed, seed=seed)
    files = render_files(factors, num_workers=1)
    table = factors.set_index("image_id")[["label", "split"]].assign(identity_id=None)
    content = dict(zip(table.index, files, strict=True))
    return ImageSet(table=table, files=content, people=true_attributes(factors))


def write_set(images: ImageSet, folder: Path) -> None:
    """Write ``images.csv``, ``people.csv`` with its provenance, and the files."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for name, content in images.files.items():
        (folder / "images" / name).write_bytes(content)
    table = images.table.assign(path=[f"images/{name}" for name in images.table.index])
    table.dropna(axis=1, how="all").to_csv(folder / "images.csv", index_label="image_id")
    images.people.to_csv(folder / "people.csv", index_label="image_id")
    write_json(
        folder / "people.provenance.json", dict.fromkeys(images.people.columns, "constructed")
    )


def clean(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Plant nothing."""
    return Planted(images=base)


def bare(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Plant nothing, and tell nothing of the people."""
    return Planted(images=replace(base, people=base.people.iloc[:0], groups=()))


def imbalance(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Take dark faces and women out of the training split."""
    people = base.people.reindex(base.table.index)
    kept = np.where(people["skin_tone"] == "dark", SHORT_OF["dark"], 1.0)
    kept *= np.where(people["gender"] == "female", SHORT_OF["female"], 1.0)
    outside = base.table["split"] != "train"
    stays = outside | (generator.random(len(base.table)) < kept)
    kept_names = base.table.index[stays]
    return Planted(
        images=replace(
            base,
            table=base.table.loc[kept_names],
            files={name: base.files[name] for name in kept_names},
            people=base.people[base.people.index.isin(kept_names)],
        ),
        by_subject={"under-represented": tuple(f"{name} in train" for name in UNDER)},
        also=("association",),
    )


def unknown(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Forget 30 % of the skin tones and 15 % of the genders."""
    people = base.people.copy()
    for name, share in (("skin_tone", 0.3), ("gender", 0.15)):
        people.loc[generator.random(len(people)) < share, name] = None
    return Planted(
        images=replace(base, people=people),
        by_subject={
            "missing-attribute": tuple(
                f"{name} in {split}" for name in GROUPS for split in ("train", "val", "test")
            )
        },
    )


def spellings(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Write some values otherwise."""
    people = base.people.copy()
    written = {
        "skin_tone": ("dark", "Dark"),
        "hat": ("none", "NONE"),
        "pose": ("turned", "tur-ned"),
    }
    for name, (old, new) in written.items():
        alike = people[name] == old
        people.loc[alike & (generator.random(len(people)) < 0.1), name] = new
    return Planted(
        images=replace(base, people=people),
        by_subject={"value-spelling": tuple(written)},
        also=("under-represented",),
    )


def associated(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Let a camera go with the label, a site with the split, and a season with the gender."""
    table = base.table
    people = base.people.reindex(table.index)
    strong = {
        "camera": table["label"] == 1,
        "site": table["split"] == "train",
        "season": people["gender"] == "female",
    }
    for name, trait in strong.items():
        chance = np.where(trait, 0.7, 0.3)
        people[name] = np.where(generator.random(len(table)) < chance, "one", "other")
    for name in ("operator", "lens"):
        people[name] = np.where(generator.random(len(table)) < 0.5, "one", "other")
    face = table["label"] == 1
    people.loc[~face, ["site", "season", "operator"]] = None
    return Planted(
        images=replace(base, people=people, groups=("gender", "camera", "site", "lens")),
        by_subject={"association": ("camera, label", "site, split", "season, gender")},
        also=("under-represented", "missing-attribute"),
    )


def quality(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Halve the size of women's pictures, blur those of the old and compress those with hats."""
    files = dict(base.files)
    people = base.people
    for name in people.index:
        picture = _opened(files[name])
        if people.at[name, "gender"] == "female":
            picture = picture.resize((48, 48), Image.Resampling.BICUBIC)
        if people.at[name, "age_group"] == "56-85":
            picture = picture.filter(ImageFilter.GaussianBlur(1.0))
        low = people.at[name, "hat"] == "hat"
        files[name] = _jpeg(picture, 20 if low else 95)
    return Planted(
        images=replace(base, files=files, groups=("gender", "age_group", "hat")),
        by_subject={
            "quality-by-group": (
                "gender female, side",
                "age_group 56-85, sharpness",
                "hat hat, compression",
            )
        },
        # Less detail is less noise, and who is left out of a treatment differs as much.
        follows={
            "quality-by-group": tuple(
                f"{attribute}, {measure}"
                for attribute in ("gender", "age_group", "hat")
                for measure in ("side", "sharpness", "noise", "compression", "contrast")
            )
        },
        also=("association", "under-represented"),
    )


def copies(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Copy pictures within their split and into others: the same pixels, or slightly changed."""
    return _copied(base, generator, share=0.08, across=0.5, flipped=False)


def conflicts(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Copy pictures and give the copies the other label."""
    planted = _copied(base, generator, share=0.03, across=0.0, flipped=True)
    touched = planted.by_image["exact-duplicate"] | planted.by_image["near-duplicate"]
    return replace(
        planted,
        by_image={"conflicting-labels": touched},
        also=("exact-duplicate", "near-duplicate", "missing-attribute"),
    )


def _copied(
    base: ImageSet, generator: np.random.Generator, *, share: float, across: float, flipped: bool
) -> Planted:
    names = generator.choice(base.table.index.to_numpy(), round(share * len(base.table)), False)
    found: dict[str, set[str]] = {"exact-duplicate": set(), "near-duplicate": set()}
    if across:
        found["duplicate-across-splits"] = set()
    rows, files, variants, people = [], dict(base.files), {}, [base.people]
    for number, name in enumerate(names):
        how = list(CHANGES)[number % len(CHANGES)]
        copy, row = f"copy-{number:04d}", base.table.loc[name].copy()
        files[copy] = CHANGES[how](base.files[name], generator)
        variants[copy] = how
        kind = "exact-duplicate" if how.startswith("same pixels") else "near-duplicate"
        if generator.random() < across:
            kind = "duplicate-across-splits"
            others = [split for split in ("train", "val", "test") if split != row["split"]]
            row["split"] = generator.choice(others)
        found[kind] |= {str(name), copy}
        if flipped:
            row["label"] = 1 - row["label"]
        if name in base.people.index and row["label"] == 1:
            people.append(base.people.loc[[name]].set_axis([copy]))
        rows.append(row.rename(copy))
    return Planted(
        images=replace(
            base,
            table=pd.concat([base.table, pd.DataFrame(rows)]),
            files=files,
            people=pd.concat(people),
        ),
        by_image={kind: frozenset(touched) for kind, touched in found.items()},
        variants=variants,
    )


def _opened(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as picture:
        return picture.convert("RGB")


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _resized(content: bytes, generator: np.random.Generator) -> bytes:
    picture = _opened(content)
    side = round(picture.width * float(generator.uniform(0.5, 2.0)))
    return _jpeg(picture.resize((side, side), Image.Resampling.BICUBIC), 90)


def _cropped(content: bytes, generator: np.random.Generator) -> bytes:
    """Cut at most 4 % of the sides off, and bring what is left to the old size."""
    picture = _opened(content)
    size = picture.size
    cut = generator.uniform(0.0, 0.04, size=2) * size
    left, top = generator.random(2) * cut
    box = (left, top, size[0] - cut[0] + left, size[1] - cut[1] + top)
    return _jpeg(picture.resize(size, Image.Resampling.BICUBIC, box=box), 90)


Change = Callable[[bytes, np.random.Generator], bytes]
CHANGES: Mapping[str, Change] = {
    "same pixels, same file": lambda content, generator: content,
    "same pixels, as PNG": lambda content, generator: _png(_opened(content)),
    "JPEG of quality 30 to 50": lambda content, generator: _jpeg(
        _opened(content), int(generator.integers(30, 51))
    ),
    "JPEG of quality 51 to 90": lambda content, generator: _jpeg(
        _opened(content), int(generator.integers(51, 91))
    ),
    "half to double the size": _resized,
    "up to 4 % cut off": _cropped,
    "brightness by 0.8 to 1.25": lambda content, generator: _jpeg(
        ImageEnhance.Brightness(_opened(content)).enhance(float(generator.uniform(0.8, 1.25))), 90
    ),
    "contrast by 0.8 to 1.25": lambda content, generator: _jpeg(
        ImageEnhance.Contrast(_opened(content)).enhance(float(generator.uniform(0.8, 1.25))), 90
    ),
    "grey": lambda content, generator: _jpeg(_opened(content).convert("L"), 90),
    "mirrored": lambda content, generator: _jpeg(ImageOps.mirror(_opened(content)), 90),
    "blurred by up to 1 pixel": lambda content, generator: _jpeg(
        _opened(content).filter(ImageFilter.GaussianBlur(float(generator.uniform(0.3, 1.0)))), 90
    ),
}
"""What is done to the file of a copy."""


def identities(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Give each person three faces of a split, and 5 % of the people a face in another one."""
    table = base.table.copy()
    persons: list[list[str]] = []
    for split in ("train", "val", "test"):
        mixed = generator.permutation(base.faces[table.loc[base.faces, "split"] == split])
        persons += [mixed[start : start + 3].tolist() for start in range(0, len(mixed), 3)]
    for number, names in enumerate(persons):
        table.loc[names, "identity_id"] = f"person-{number}"
    torn = generator.permutation(len(persons))[: round(0.05 * len(persons))]
    touched: set[str] = set()
    for number in torn:
        chosen = persons[number][0]
        others = [split for split in ("train", "val", "test") if split != table.at[chosen, "split"]]
        table.loc[chosen, "split"] = generator.choice(others)
        if len(persons[number]) > 1:
            touched |= set(persons[number])
    return Planted(
        images=replace(base, table=table),
        by_image={"identity-across-splits": frozenset(touched)},
    )


def mislabelled(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Flip 3 % of the labels."""
    table = base.table.copy()
    wrong = generator.choice(table.index.to_numpy(), round(0.03 * len(table)), replace=False)
    table.loc[wrong, "label"] = 1 - table.loc[wrong, "label"]
    variants = {name: "face" if base.table.at[name, "label"] else "non-face" for name in wrong}
    return Planted(
        images=replace(base, table=table, people=base.people.drop(wrong, errors="ignore")),
        by_image={"mislabelled": frozenset(wrong)},
        variants=variants,
        also=("junk", "latent-gap", "outliers-by-group", "missing-attribute"),
    )


def junk(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Put pictures without a face and wrong crops among the faces, most at one site.

    2 % of the faces become junk; 40 % of those of the site ``south``, which gives 3 % of them.
    """
    people = base.people.copy()
    faces = generator.permutation(base.faces)
    num_junk = round(0.02 * len(faces))
    spoiled = faces[:num_junk]
    south = np.concatenate([spoiled[: num_junk * 6 // 10], faces[num_junk:][: num_junk * 9 // 10]])
    people["site"] = "north"
    people.loc[south, "site"] = "south"
    half = num_junk // 2
    drawn = draw_non_faces(range(half), seed=derive_seed(int(generator.integers(2**31)), "junk"))
    files = dict(base.files)
    variants = {}
    for name, content, kind in zip(
        spoiled[:half], render_files(drawn, num_workers=1), drawn["kind"], strict=True
    ):
        files[name], variants[name] = content, str(kind)
    for name in spoiled[half:]:
        left, top = generator.integers(0, 2, size=2) * 32
        crop = _opened(files[name]).crop((left, top, left + 32, top + 32))
        files[name], variants[name] = _jpeg(crop.resize((64, 64)), 90), "a quarter of a face"
    return Planted(
        images=replace(base, files=files, people=people, groups=(*GROUPS, "site")),
        by_image={"junk": frozenset(spoiled)},
        by_subject={"outliers-by-group": ("site south",)},
        variants=variants,
        also=("under-represented", "latent-gap", "mislabelled", "quality-by-group", "association"),
    )


DARK_GLASSES = {"glasses": (1.0, 1.0), "lens_dark": (0.9, 1.0)}
NO_GLASSES = {"glasses": (0.0, 0.0)}


def rare_factor(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Let 3 % of the faces wear dark glasses and a hat and turn away, and nobody else any."""
    return _rare(
        base,
        generator,
        rare=Population(ranges={**DARK_GLASSES, "hat": (1.0, 1.0), "yaw": (35.0, 50.0)}),
        common=Population(ranges={**NO_GLASSES, "hat": (0.0, 0.0), "yaw": (-20.0, 20.0)}),
    )


def rare_dark_glasses(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Let 3 % of the faces wear dark glasses, and nobody else any."""
    rare, common = Population(ranges=DARK_GLASSES), Population(ranges=NO_GLASSES)
    return _rare(base, generator, rare=rare, common=common)


def rare_hat(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Let 3 % of the faces wear a hat, and nobody else one."""
    rare, common = (Population(ranges={"hat": (worn, worn)}) for worn in (1.0, 0.0))
    return _rare(base, generator, rare=rare, common=common)


def rare_side_light(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Let 3 % of the faces be lit from their right alone, and all others from the front."""
    return _rare(
        base,
        generator,
        rare=Population(
            ranges={
                "light_azimuth": (75.0, 95.0),
                "light_elevation": (0.0, 15.0),
                "ambient": (0.05, 0.15),
            }
        ),
        common=Population(ranges={"light_azimuth": (-30.0, 30.0)}),
    )


def rare_dark_skin(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Let 2 % of the faces have dark skin, and all others light or medium."""
    return _rare(
        base,
        generator,
        rare=Population(skin_tones={"dark": 1.0}),
        common=Population(skin_tones={"light": 0.6, "medium": 0.4}),
        share=0.02,
    )


def rare_light_colour(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Let 3 % of the faces stand in orange light, and all others in light that is nearly white."""
    return _rare(
        base,
        generator,
        rare=Population(ranges={"light_warmth": (0.9, 1.0)}),
        common=Population(ranges={"light_warmth": (-0.5, 0.5)}),
    )


def _rare(
    base: ImageSet,
    generator: np.random.Generator,
    *,
    rare: Population,
    common: Population,
    share: float = 0.03,
) -> Planted:
    """Draw the faces anew: a few from one population, all others from another."""
    seed = int(generator.integers(2**31))
    faces = generator.permutation(base.faces)
    num_rare = round(share * len(faces))
    files = dict(base.files)
    for part, population in ((faces[:num_rare], rare), (faces[num_rare:], common)):
        # Other people: the same ones in another light would be copies.
        own_seed = derive_seed(seed, "rare" if population is rare else "common")
        drawn = draw_faces(population, range(len(part)), seed=own_seed)
        files |= dict(zip(part, render_files(drawn, num_workers=1), strict=True))
    # Nobody knows anything of these people.
    people = base.people.iloc[:0]
    return Planted(
        images=replace(base, files=files, people=people, groups=()),
        by_image={"rare-kind": frozenset(faces[:num_rare])},
        also=("junk", "latent-gap"),
    )


def broken(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Cut files short, empty them, put words into them, and leave them out."""
    files = dict(base.files)
    names = generator.choice(np.array(list(files)), round(0.02 * len(files)), replace=False)
    variants = {}
    for number, name in enumerate(names):
        how = ("cut short", "empty", "no picture", "absent")[number % 4]
        variants[name] = how
        if how == "absent":
            del files[name]
        else:
            whole = files[name]
            parts = {"cut short": whole[: len(whole) // 2], "empty": b"", "no picture": b"words"}
            files[name] = parts[how]
    return Planted(
        images=replace(base, files=files),
        by_image={"unreadable": frozenset(map(str, names))},
        variants=variants,
    )


def shuffled_tones(base: ImageSet, generator: np.random.Generator) -> Planted:
    """Give the people each other's skin tones."""
    people = base.people.drop(columns="monk")
    people["skin_tone"] = generator.permutation(people["skin_tone"].to_numpy())
    return Planted(
        images=replace(base, people=people),
        by_subject={"skin-tone-disagreement": ("skin_tone",)},
    )


Planter = Callable[[ImageSet, np.random.Generator], Planted]
DEFECTS: Mapping[str, Planter] = {
    "imbalance": imbalance,
    "unknown": unknown,
    "spellings": spellings,
    "associated": associated,
    "quality": quality,
    "copies": copies,
    "conflicts": conflicts,
    "identities": identities,
    "broken": broken,
    "shuffled-tones": shuffled_tones,
    "mislabelled": mislabelled,
    "junk": junk,
    "rare-factor": rare_factor,
    "rare-dark-glasses": rare_dark_glasses,
    "rare-hat": rare_hat,
    "rare-side-light": rare_side_light,
    "rare-dark-skin": rare_dark_skin,
    "rare-light-colour": rare_light_colour,
}
NEED_MODEL = ("mislabelled", "junk")
