from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from debias.data import decode
from debias.data.decode import (
    Crop,
    DecodeSettings,
    ImageError,
    decode_picture,
    decode_windows,
    image_suffixes,
    quiet_pillow,
    read_bytes,
    to_pixels,
)
from debias.errors import ConfigError

LIMITS = DecodeSettings()


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def ramp(width: int = 64, height: int = 48) -> Image.Image:
    """Red grows to the right, green downwards."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 // (width - 1), y * 255 // (height - 1), 0 * x + 40], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def decoded(data: bytes, limits: DecodeSettings = LIMITS) -> Image.Image:
    with quiet_pillow():
        return decode_picture(data, limits)


def pixels_of(data: bytes) -> NDArray[np.uint8]:
    image = decoded(data)
    assert image.mode == "RGB"
    return np.asarray(image)


def assert_near(found: NDArray[np.uint8], wanted: NDArray[Any], tolerance: float) -> None:
    assert found.shape == wanted.shape
    assert np.abs(found.astype(float) - wanted.astype(float)).max() <= tolerance


def grey(level: NDArray[Any] | int) -> NDArray[np.uint8]:
    return np.repeat(np.asarray(level, dtype=np.uint8)[..., None], 3, axis=-1)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_rgb_comes_back_exactly(kind: str) -> None:
    assert_near(pixels_of(encoded(ramp(), kind)), np.asarray(ramp()), 0)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "JPEG2000"])
def test_lossy_kinds_come_back_nearly(kind: str) -> None:
    assert_near(pixels_of(encoded(ramp(), kind, quality=95)), np.asarray(ramp()), 16)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_greyscale(kind: str) -> None:
    image = ramp().convert("L")
    assert_near(pixels_of(encoded(image, kind)), grey(np.asarray(image)), 4)


def test_one_bit() -> None:
    image = ramp().convert("L").point(lambda level: 255 * (level > 90)).convert("1")
    assert_near(pixels_of(encoded(image)), grey(255 * np.asarray(image)), 0)


def test_palette() -> None:
    image = ramp().quantize(16)
    assert_near(pixels_of(encoded(image)), np.asarray(image.convert("RGB")), 0)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind: str) -> None:
    data = encoded(ramp().convert("CMYK"), kind, **({"quality": 95} if kind == "JPEG" else {}))
    assert_near(pixels_of(data), np.asarray(ramp()), 24)


@pytest.mark.parametrize(("mode", "kind"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP")])
def test_transparent_parts_show_mid_grey(mode: str, kind: str) -> None:
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 255))
    image.paste((255, 255, 255, 0), (0, 0, 16, 32))
    found = pixels_of(encoded(image.convert(mode), kind))
    assert_near(found[:, :12], grey(np.full((32, 12), 128)), 2)
    assert_near(found[:, 20:], grey(np.zeros((32, 12))), 2)


@pytest.mark.parametrize("transparency", [1, bytes([255, 0])])
def test_a_transparent_palette_entry_shows_mid_grey(transparency: int | bytes) -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([200, 10, 10, 10, 200, 10])
    image.paste(1, (0, 0, 4, 8))
    found = pixels_of(encoded(image, transparency=transparency))
    assert found[0, 0].tolist() == [128, 128, 128]
    assert found[0, 7].tolist() == [200, 10, 10]


@pytest.mark.parametrize(
    ("mode", "hidden", "seen"), [("L", 7, 90), ("1", 1, 0), ("RGB", (9, 8, 7), (90, 90, 90))]
)
def test_a_transparent_colour_shows_mid_grey(mode: str, hidden: Any, seen: Any) -> None:
    image = Image.new(mode, (8, 8), seen)
    image.paste(hidden, (0, 0, 4, 8))
    key = 255 if mode == "1" else hidden
    found = pixels_of(encoded(image, transparency=key))
    assert found[0, 0].tolist() == [128, 128, 128]
    assert found[0, 7].tolist() == ([0] * 3 if mode == "1" else [90] * 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(kind: str) -> None:
    levels = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    found = pixels_of(encoded(Image.fromarray(levels), kind))
    assert_near(found, grey(np.arange(256).reshape(16, 16)), 0)


def test_thirty_two_bit_integers_count_as_sixteen_or_are_refused() -> None:
    levels = np.array([[0, 385], [65535, 386]], dtype=np.int32)
    found = pixels_of(encoded(Image.fromarray(levels), "TIFF"))
    assert found[..., 0].tolist() == [[0, 1], [255, 2]]
    with pytest.raises(ImageError, match="outside 16 bits"):
        pixels_of(encoded(Image.fromarray(levels + 1), "TIFF"))


def test_floats_span_nought_to_one_or_are_refused() -> None:
    levels = np.array([[0, 0.5], [1, 0.2]], dtype=np.float32)
    found = pixels_of(encoded(Image.fromarray(levels), "TIFF"))
    assert found[..., 0].tolist() == [[0, 128], [255, 51]]
    for bad in (np.float32(2), np.float32("nan")):
        with pytest.raises(ImageError, match="outside 0 to 1"):
            pixels_of(encoded(Image.fromarray(levels * bad), "TIFF"))


def test_sixteen_bit_colour() -> None:
    row = b"\0" + struct.pack(">6H", 65535, 0, 32896, 0, 257, 65535)

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    assert pixels_of(data).tolist() == [[[255, 0, 128], [0, 1, 255]]]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_an_animation_is_its_first_frame(kind: str) -> None:
    first, second = Image.new("RGB", (16, 16), "black"), Image.new("RGB", (16, 16), "white")
    data = encoded(first, kind, save_all=True, append_images=[second])
    assert_near(pixels_of(data), np.asarray(first), 2)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_undone(orientation: int, kind: str) -> None:
    upright = np.asarray(ramp(48, 32))
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif)
    assert_near(pixels_of(data), upright, 20)


@pytest.mark.parametrize("value", [0, 9, 6000])
def test_senseless_orientations_are_ignored(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert_near(pixels_of(encoded(ramp(), exif=exif)), np.asarray(ramp()), 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("damaged", [b"XXXXjunkjunk", b"MM\0*\0\0\0\x08\xff\xff" + bytes(20)])
def test_damaged_exif_is_ignored(damaged: bytes, kind: str) -> None:
    assert pixels_of(encoded(ramp(), kind, exif=b"Exif\0\0" + damaged)).shape == (48, 64, 3)


def mode_or_reason(data: bytes) -> str:
    """Decode; anything but a picture or an ImageError goes up and fails the test."""
    try:
        image = decoded(data, DecodeSettings(max_pixels=10**6))
    except ImageError as problem:
        return problem.what
    assert image.mode == "RGB"
    return image.mode


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes whose header announces ``width`` x ``height``."""
    data = bytearray(encoded(Image.new("L", (8, 8))))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


@pytest.mark.parametrize("side", [10_001, 12_000, 100_000])
def test_bombs_are_refused_by_their_header(side: int) -> None:
    with pytest.raises(ImageError, match="more than 100000000"):
        decoded(bomb(side, side))


def test_a_raised_pixel_limit_lets_larger_pictures_in() -> None:
    data = encoded(Image.new("L", (300, 200)))
    small = DecodeSettings(max_pixels=59_999)
    with pytest.raises(ImageError, match="300 x 200"):
        decoded(data, small)
    assert decoded(data, DecodeSettings(max_pixels=60_000)).size == (300, 200)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
@pytest.mark.parametrize("kept", [0.3, 0.7])
def test_truncated_files_are_refused(kind: str, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(ImageError, match=r"broken|known kind"):
        decoded(data[: int(len(data) * kept)])


@given(
    data=st.binary(max_size=200),
    prefix=st.sampled_from(
        [
            b"",
            b"\xff\xd8\xff",
            b"GIF89a",
            b"\x89PNG\r\n\x1a\n",
            b"II*\0",
            b"MM\0*",
            b"P6 ",
            b"BM",
            b"RIFF\0\0\0\0WEBPVP8 ",
        ]
    ),
)
@settings(max_examples=200, deadline=None)
def test_junk_gives_a_picture_or_a_reason(data: bytes, prefix: bytes) -> None:
    outcome = mode_or_reason(prefix + data)
    assert outcome
    assert "\n" not in outcome


@given(
    place=st.integers(0, 10**6),
    byte=st.integers(0, 255),
    kind=st.sampled_from(["JPEG", "PNG", "TIFF", "GIF", "WEBP"]),
)
@settings(max_examples=150, deadline=None)
def test_a_flipped_byte_gives_a_picture_or_a_reason(place: int, byte: int, kind: str) -> None:
    data = bytearray(encoded(ramp(24, 24), kind))
    data[place % len(data)] = byte
    assert mode_or_reason(bytes(data))


@pytest.mark.parametrize(
    "content", [b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"]
)
def test_what_is_no_picture_has_a_reason(content: bytes) -> None:
    with pytest.raises(ImageError, match="not an image"):
        decoded(content)


@pytest.mark.parametrize(("content", "reason"), [(b"", "is empty"), (None, "no such file")])
def test_a_file_that_gives_no_bytes_has_a_reason(
    content: bytes | None, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError, match=reason) as caught:
        read_bytes(path, LIMITS)
    assert str(path) in str(caught.value)


def test_folders_pipes_and_large_files_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for place in (tmp_path, tmp_path / "pipe.jpg"):
        with pytest.raises(ImageError, match="not a plain file"):
            read_bytes(place, LIMITS)
    (tmp_path / "a.png").write_bytes(encoded(ramp()))
    with pytest.raises(ImageError, match="more than 20"):
        read_bytes(tmp_path / "a.png", DecodeSettings(max_bytes=20))


@pytest.mark.parametrize(
    "bad",
    [
        {"image_size": 15},
        {"image_size": 513},
        {"fit": "squeeze"},
        {"max_pixels": 0},
        {"max_pixels": 10**9},
        {"max_bytes": 0},
    ],
)
def test_settings_out_of_range_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        DecodeSettings(**bad)


@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    size=st.integers(16, 40),
    fit=st.sampled_from(["crop", "pad", "stretch"]),
)
@settings(max_examples=60, deadline=None)
def test_a_plain_picture_stays_plain_in_every_fit(
    width: int, height: int, size: int, fit: Any
) -> None:
    image = Image.new("RGB", (width, height), (10, 20, 30))
    found = to_pixels(image, DecodeSettings(image_size=size, fit=fit))
    assert found.shape == (size, size, 3)
    assert found.dtype == np.uint8
    colours = {tuple(c) for c in found.reshape(-1, 3).tolist()}
    assert (10, 20, 30) in colours
    assert colours <= {(10, 20, 30)} | ({(128, 128, 128)} if fit == "pad" else set())


def test_fits_keep_what_they_say() -> None:
    image = ramp(96, 48)

    def fitted(fit: Any) -> NDArray[np.uint8]:
        return to_pixels(image, DecodeSettings(image_size=48, fit=fit))

    assert_near(fitted("crop"), np.asarray(image)[:, 24:72], 0)
    assert_near(fitted("pad")[:12], grey(np.full((12, 48), 128)), 0)
    assert_near(fitted("pad")[12:36, :, 0], np.linspace(0, 255, 48)[None].repeat(24, 0), 5)
    assert_near(fitted("stretch")[..., 0], np.linspace(0, 255, 48)[None].repeat(48, 0), 5)


@given(
    side=st.floats(0.01, 1),
    x=st.floats(0, 1),
    y=st.floats(0, 1),
    width=st.integers(2, 120),
    height=st.integers(2, 120),
)
@settings(max_examples=100, deadline=None)
def test_any_window_lies_inside(side: float, x: float, y: float, width: int, height: int) -> None:
    found = to_pixels(ramp(width, height), DecodeSettings(image_size=16), Crop(side, x, y))
    assert found.shape == (16, 16, 3)


def test_windows_are_where_they_say() -> None:
    image = ramp(128, 64)
    found = to_pixels(image, DecodeSettings(image_size=32), Crop(0.5, 1.0, 0.0))
    assert_near(found, np.asarray(image)[:32, 96:], 0)
    found = to_pixels(image, DecodeSettings(image_size=32), Crop(0.5, 0.25, 1.0))
    assert_near(found, np.asarray(image)[32:, 24:56], 0)


def test_reducing_is_antialiased() -> None:
    board = (np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8)
    found = to_pixels(Image.fromarray(board).convert("RGB"), LIMITS)
    assert_near(found, np.full((64, 64, 3), 127.5), 2)


def landscape(width: int, height: int) -> Image.Image:
    """Noise with the spectrum of photographs: amplitude falls as one over frequency."""
    x, y = np.meshgrid(np.fft.fftfreq(width) * width, np.fft.fftfreq(height) * height)
    fall = np.maximum(np.hypot(x, y), 1.0)
    noise = np.random.default_rng(1).normal(size=(3, height, width))
    levels = np.fft.ifft2(np.fft.fft2(noise) / fall).real
    levels = 128 + 50 * (levels - levels.mean()) / levels.std()
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8).transpose(1, 2, 0).copy())


@pytest.mark.parametrize("size", [(1200, 900), (257, 400), (64, 64)])
def test_shrunk_decoding_changes_next_to_nothing(size: tuple[int, int]) -> None:
    data = encoded(landscape(*size), "JPEG", quality=92)
    crops = [None, Crop(0.4, 0.2, 0.9), Crop(1.0, 0.0, 0.0)]
    full = decoded(data)
    with quiet_pillow():
        found = decode_windows(data, crops, LIMITS)
    for window, crop in zip(found, crops, strict=True):
        assert_near(window, to_pixels(full, LIMITS, crop), 5)


def test_large_jpegs_are_decoded_small(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    plain = decode.to_pixels

    def seen(image: Image.Image, *rest: Any) -> NDArray[np.uint8]:
        sizes.append(image.size)
        return plain(image, *rest)

    monkeypatch.setattr(decode, "to_pixels", seen)
    with quiet_pillow():
        decode_windows(encoded(ramp(1600, 1600), "JPEG"), [None, Crop(0.3, 0, 0)], LIMITS)
    assert sizes == [(200, 200), (800, 800)]


def test_a_window_does_not_depend_on_its_siblings() -> None:
    rng = np.random.default_rng(2)
    noise = Image.fromarray(rng.integers(0, 256, (900, 900, 3), dtype=np.uint8))
    data = encoded(noise, "JPEG")
    crops = [None, Crop(0.35, 0.1, 0.2), Crop(0.6, 0.5, 0.5), Crop(0.06, 0.5, 0.5)]
    with quiet_pillow():
        together = decode_windows(data, crops, LIMITS)
        for crop, window in zip(crops, together, strict=True):
            assert np.array_equal(decode_windows(data, [crop], LIMITS)[0], window)


def test_common_suffixes_are_known() -> None:
    assert {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif"} <= image_suffixes()
    assert not {".eps", ".pdf", ".txt", ".npy"} & image_suffixes()
