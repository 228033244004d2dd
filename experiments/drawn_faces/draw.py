"""Draw a small set of faces and non-faces to try the commands on.

    python experiments/drawn_faces/draw.py drawn
    debias train drawn/images.csv --attributes drawn/attributes.csv \
        --groups skin_tone,gender --windows 30 --output runs/drawn

Ovals with eyes and a mouth, in ten skin tones of which the three darkest are rare; non-faces are
shapes and textures in the same colours. They show that everything runs and in which form results
come; they are far too simple to tell anything about methods.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFilter

from debias.data.attributes import Attributes, write_attributes

SIZE = 72
# The ten swatches of the Monk skin tone scale (skintone.google), light to dark.
TONES = [
    "#f6ede4",
    "#f3e7db",
    "#f7ead0",
    "#eadaba",
    "#d7bd96",
    "#a07e56",
    "#825c43",
    "#604134",
    "#3a312a",
    "#292420",
]
DARK = TONES[7:]

Colour = tuple[int, int, int]


def main() -> None:
    """Write images, their manifest and their attributes to a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--faces", type=int, default=3000)
    parser.add_argument("--non-faces", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    draw_set(chosen.output, chosen.faces, chosen.non_faces, seed=chosen.seed)
    print(chosen.output / "images.csv")


def draw_set(output: Path, num_faces: int, num_non_faces: int, *, seed: int) -> None:
    """Draw the images and write ``images.csv`` and ``attributes.csv`` beside them."""
    generator = np.random.default_rng(seed)
    (output / "images").mkdir(parents=True, exist_ok=True)
    images, attributes = [], []
    for number in range(num_faces):
        tone = str(generator.choice(DARK if generator.random() < 0.1 else TONES[:7]))
        gender = "female" if generator.random() < 0.4 else "male"
        name = f"face-{number:05d}"
        draw_face(generator, _rgb(tone), gender).save(output / "images" / f"{name}.png")
        images.append((name, f"images/{name}.png", 1))
        shade = "darker" if tone in DARK else "lighter"
        attributes.append((name, shade, gender))
    for number in range(num_non_faces):
        name = f"other-{number:05d}"
        draw_other(generator).save(output / "images" / f"{name}.png")
        images.append((name, f"images/{name}.png", 0))
    table = pd.DataFrame(images, columns=["image_id", "path", "label"])
    table.to_csv(output / "images.csv", index=False)
    people = pd.DataFrame(attributes, columns=["image_id", "skin_tone", "gender"])
    truth = dict.fromkeys(("skin_tone", "gender"), "annotated")
    write_attributes(
        Attributes(table=people.set_index("image_id"), provenance=truth), output / "attributes.csv"
    )


def draw_face(generator: np.random.Generator, skin: Colour, gender: str) -> Image.Image:
    """Return one face; hair is longer for half of the women and a tenth of the men."""
    image = _background(generator)
    draw = ImageDraw.Draw(image)
    light = generator.uniform(0.6, 1.1)
    skin = _scaled(skin, light)
    hair = _scaled(_rgb(str(generator.choice(["#2a1c12", "#5a3a1e", "#b08a4a", "#777777"]))), light)
    x, y = generator.normal(36, 2, size=2)
    width, height = generator.normal(20, 1.2), generator.normal(26, 1.2)
    long_hair = generator.random() < (0.5 if gender == "female" else 0.1)
    bottom = y + (height if long_hair else -2)
    draw.rounded_rectangle((x - width - 3, y - height - 4, x + width + 3, bottom), 16, fill=hair)
    draw.ellipse((x - width, y - height, x + width, y + height), fill=skin)
    dark = _scaled(skin, 0.35)
    gap, eye = generator.normal(8, 0.6), generator.normal(-5, 0.8)
    for side in (-1, 1):
        ex, ey = x + side * gap, y + eye
        draw.ellipse((ex - 4, ey - 2.2, ex + 4, ey + 2.2), fill=(235, 235, 230))
        draw.ellipse((ex - 1.8, ey - 2, ex + 1.8, ey + 2), fill=(30, 20, 15))
        draw.line((ex - 5, ey - 5, ex + 5, ey - 5), fill=hair, width=2)
    draw.line((x, y - 3, x - 1.5, y + 5, x + 2, y + 5), fill=dark, width=1)
    smile = generator.uniform(1, 4)
    draw.arc((x - 8, y + 8, x + 8, y + 10 + smile), 0, 180, fill=dark, width=2)
    return _finish(generator, image)


def draw_other(generator: np.random.Generator) -> Image.Image:
    """Return a picture without a face: shapes in the colours of skin and hair, on a texture."""
    image = _background(generator)
    draw = ImageDraw.Draw(image)
    for _ in range(int(generator.integers(1, 7))):
        x, y = generator.uniform(0, SIZE, size=2)
        w, h = generator.uniform(4, 30, size=2)
        colour = _scaled(_rgb(str(generator.choice(TONES))), generator.uniform(0.4, 1.2))
        box = (x - w, y - h, x + w, y + h)
        shape = generator.integers(3)
        if shape == 0:
            draw.ellipse(box, fill=colour)
        elif shape == 1:
            draw.rectangle(box, fill=colour)
        else:
            draw.line(box, fill=colour, width=int(generator.integers(1, 6)))
    return _finish(generator, image)


def _background(generator: np.random.Generator) -> Image.Image:
    """Return smooth noise of a random colour and scale."""
    cells = int(generator.integers(2, 24))
    base = generator.uniform(30, 220, size=3)
    noise = base + generator.normal(0, generator.uniform(5, 50), size=(cells, cells, 3))
    coarse = Image.fromarray(noise.clip(0, 255).astype(np.uint8))
    return coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def _finish(generator: np.random.Generator, image: Image.Image) -> Image.Image:
    blurred = image.filter(ImageFilter.GaussianBlur(float(generator.uniform(0, 1.2))))
    pixels = np.asarray(blurred) + generator.normal(0, generator.uniform(0, 8), (SIZE, SIZE, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _rgb(text: str) -> Colour:
    red, green, blue = (int(text[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


def _scaled(colour: Colour, factor: float) -> Colour:
    red, green, blue = (int(min(255, channel * factor)) for channel in colour)
    return red, green, blue


if __name__ == "__main__":
    main()
