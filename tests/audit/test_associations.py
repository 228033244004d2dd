from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from audit.made_images import made_images
from audit.made_measures import made_measures

from debias.audit.association_variables import MEASURES, OTHER_VALUES, AssociationSettings
from debias.audit.associations import Association, Associations, associations
from debias.audit.by_nature import SKIN_ITSELF
from debias.audit.images import AuditedImages
from debias.audit.measured import MeasuredImages
from debias.audit.skin_scales import ESTIMATED

NUM = 600
EVEN = np.arange(NUM) % 2


def words(codes: np.ndarray, values: str = "ab") -> list[str | None]:
    return [values[code] for code in codes]


def found(images: AuditedImages, measured: MeasuredImages | None = None) -> Associations:
    measured = measured or made_measures(len(images), {})
    return associations(images, measured, generator=np.random.default_rng(0))


def pair_of(result: Associations, attribute: str, partner: str) -> Association:
    (pair,) = (p for p in result.pairs if (p.attribute, p.partner) == (attribute, partner))
    return pair


def agreeing(share: float, seed: int = 0) -> np.ndarray:
    """Return codes that agree with EVEN, half of each, in a share above chance: V is that share."""
    agrees = np.random.default_rng(seed).permutation(NUM // 2) < (1 + share) / 2 * (NUM // 2)
    return np.where(np.repeat(agrees, 2), EVEN, 1 - EVEN)


@pytest.mark.parametrize(
    ("share", "severity"), [(0.0, None), (0.15, "note"), (0.3, "warning"), (0.6, "serious")]
)
def test_severity_follows_the_strength(share: float, severity: str | None) -> None:
    images = made_images({"one": words(EVEN), "two": words(agreeing(share))})
    result = found(images)
    assert pair_of(result, "one", "two").cramers_v == pytest.approx(
        share, abs=0.01 if share else 0.05
    )
    assert [finding.severity for finding in result.findings] == ([severity] if severity else [])


def test_a_finding_says_what_goes_with_what() -> None:
    split = ["train"] * 400 + ["test"] * 200
    tones = ["light"] * 350 + ["dark"] * 150 + ["light"] * 100
    result = found(made_images({"tone": tones, "x": words(EVEN)}, split=split, groups=["tone"]))
    (finding,) = result.findings
    pair = pair_of(result, "tone", "split")
    assert pair.counts == ((100, 50), (100, 350))
    assert pair.values == ("dark", "light")
    assert pair.partner_values == ("test", "train")
    assert (finding.kind, finding.subject) == ("association", "tone, split")
    assert "split is test of 67 % of tone dark, of 22 % of the others" in finding.message
    assert finding.value == pair.cramers_v
    assert finding.p_value == pair.p_value
    assert finding.num_images == NUM


def test_with_the_label_all_images_are_compared_and_else_faces() -> None:
    label = [1] * 400 + [0] * 200
    result = found(made_images({"one": words(EVEN), "two": words(EVEN)}, label=label))
    assert pair_of(result, "one", "label").num_images == 600
    assert pair_of(result, "one", "two").num_images == 400
    assert [finding.subject for finding in result.findings] == ["one, two"]


def test_an_attribute_that_gives_the_label_away_is_found() -> None:
    label = [1] * 300 + [0] * 300
    result = found(made_images({"source": ["a"] * 280 + ["b"] * 320}, label=label))
    (finding,) = result.findings
    assert (finding.subject, finding.severity) == ("source, label", "serious")


def test_any_relation_to_a_measure_is_seen_not_only_a_shift() -> None:
    generator = np.random.default_rng(1)
    spread = generator.normal(size=NUM) * np.where(EVEN, 3.0, 0.5)
    result = found(
        made_images({"one": words(EVEN)}),
        made_measures(NUM, {"light_uneven": spread, "compression": spread}),
    )
    severities = {finding.subject: finding.severity for finding in result.findings}
    assert severities == {"one, light_uneven": "serious", "one, compression": "note"}
    pair = pair_of(result, "one", "light_uneven")
    assert len(pair.partner_values) == 10
    assert {sum(column) for column in zip(*pair.counts, strict=True)} <= set(range(57, 64))
    assert 0 < pair.by_chance < pair.information < math.log(2)
    assert pair.share == pytest.approx(pair.information / math.log(2))


def test_what_goes_by_nature_is_shown_and_not_found() -> None:
    images = made_images({"skin_tone": words(EVEN), "gender": words(EVEN)})
    result = found(images, made_measures(NUM, {"ita": EVEN * 20.0}))
    pair = pair_of(result, "skin_tone", "ita")
    assert pair.cramers_v == pytest.approx(1.0)
    assert pair.by_nature is not None
    subjects = {finding.subject for finding in result.findings}
    assert subjects == {"skin_tone, gender", "gender, ita"}


def test_skin_tone_can_be_named() -> None:
    images = made_images({"group": words(EVEN)})
    measured = made_measures(NUM, {"ita": EVEN * 20.0})
    settings = AssociationSettings(skin_tone_attributes=("group",))
    generator = np.random.default_rng(0)
    assert found(images, measured).findings
    assert not associations(images, measured, settings=settings, generator=generator).findings


def test_where_groups_are_named_other_attributes_are_notes() -> None:
    attributes = {"gender": words(agreeing(0.0)), "hat": words(EVEN), "glasses": words(EVEN)}
    result = found(made_images(attributes, groups=["gender"]))
    assert [(f.subject, f.severity) for f in result.findings] == [("hat, glasses", "note")]
    assert found(made_images(attributes)).findings[0].severity == "serious"


def test_unknown_values_are_counted_and_whether_they_are_is_compared() -> None:
    split = ["train"] * 300 + ["test"] * 300
    gender = words(EVEN)
    for row in range(300, 500):
        gender[row] = None
    age = list(gender)
    result = found(made_images({"gender": gender, "age": age}, split=split))
    assert pair_of(result, "gender", "split").num_images == 400
    assert pair_of(result, "gender", "split").num_left_out == 200
    known = pair_of(result, "gender, age known", "split")
    assert known.counts == ((200, 0), (100, 300))
    assert known.values == ("no", "yes")
    subjects = {finding.subject: finding.severity for finding in result.findings}
    assert subjects["gender, age known, split"] == "serious"
    assert "gender, split" not in subjects


def test_whether_skin_tone_is_known_goes_with_nothing_by_nature() -> None:
    tone: list[str | None] = ["light", None] * (NUM // 2)
    result = found(made_images({"skin_tone": tone}), made_measures(NUM, {"ita": EVEN * 20.0}))
    assert pair_of(result, "skin_tone known", "ita").by_nature is None
    assert [f.subject for f in result.findings] == ["skin_tone known, ita"]


def test_where_no_tone_can_be_estimated_goes_with_the_pixels_by_nature() -> None:
    tones = [None if row % 10 < 3 else "light" if row % 2 else "dark" for row in range(NUM)]
    monk = np.where([tone is None for tone in tones], 2.0, 6.0)
    split = ["train" if tone else "test" for tone in tones]
    images = made_images({ESTIMATED: tones}, split=split)
    result = found(images, made_measures(NUM, {"monk": monk}))
    assert pair_of(result, f"{ESTIMATED} known", "monk").by_nature == SKIN_ITSELF
    assert [f.subject for f in result.findings] == [f"{ESTIMATED} known, split"]


def test_rare_values_are_put_together() -> None:
    rare = ["a"] * 290 + ["b"] * 290 + ["c"] * 10 + ["d"] * 10
    result = found(made_images({"one": rare, "two": words(EVEN)}))
    pair = pair_of(result, "one", "two")
    assert pair.values == ("a", "b", OTHER_VALUES)
    assert [sum(row) for row in pair.counts] == [290, 290, 20]


def test_what_cannot_be_tested_says_why() -> None:
    images = made_images({"one": words(EVEN), "same": ["a"] * NUM, "empty": [None] * NUM})
    result = found(images, made_measures(NUM, {"noise": np.full(NUM, np.nan)}))
    assert "split" not in {p.partner for p in result.pairs if p.p_value is not None}
    assert pair_of(result, "one", "same").reason == "same is the same of all images compared"
    assert pair_of(result, "one", "noise").reason == "both are known of 0 images only"
    assert pair_of(result, "one", "empty").p_value is None
    assert (result.num_tests, result.findings) == (0, ())


def test_a_few_persons_are_no_evidence() -> None:
    persons = [f"p{row // 30}" for row in range(NUM)]
    two = [word for word in words(np.arange(20) % 2) for _ in range(30)]
    generator = np.random.default_rng(2)
    own = [word for word in words(generator.integers(2, size=20)) for _ in range(30)]
    alone = found(made_images({"one": own, "two": two}))
    shared = found(made_images({"one": own, "two": two}, identity_id=persons))
    assert not shared.findings
    assert pair_of(shared, "one", "two").num_persons == 20
    assert pair_of(alone, "one", "two").num_persons is None
    assert pair_of(shared, "one", "two").cramers_v <= pair_of(alone, "one", "two").cramers_v


def test_windows_of_a_picture_are_one() -> None:
    path = [f"{row // 100}.jpg" for row in range(NUM)]
    attributes = {"one": words(np.arange(NUM) // 300), "two": words(np.arange(NUM) // 300)}
    (pair,) = (p for p in found(made_images(attributes, path=path)).pairs if p.partner == "two")
    assert pair.reason == "the images show fewer than 20 persons or pictures"


def test_without_attributes_there_is_nothing_to_compare() -> None:
    result = found(made_images({}, num_images=5))
    assert (result.pairs, result.num_tests, result.findings) == ((), 0, ())


def test_p_values_are_corrected_for_all_tests() -> None:
    images = made_images({name: words(agreeing(0.1, seed)) for seed, name in enumerate("uvwx")})
    result = found(images)
    assert result.num_tests == 6
    raw = AssociationSettings(alpha=1.0)
    again = associations(
        images, made_measures(NUM, {}), settings=raw, generator=np.random.default_rng(0)
    )
    smallest = min(pair.p_value for pair in again.pairs if pair.p_value is not None)
    from scipy import stats

    tables = [np.array(pair.counts) for pair in again.pairs if pair.p_value is not None]
    plain = [
        stats.chi2_contingency(table, correction=False).statistic * (NUM - 1) / NUM
        for table in tables
    ]
    assert smallest == pytest.approx(6 * stats.chi2.sf(max(plain), 1))


def test_memory_does_not_grow_with_the_number_of_pairs() -> None:
    """All pairs' rows at once would be 10 times the images' own: 30 MB here."""
    generator = np.random.default_rng(0)
    count, names = 6000, [f"a{k}" for k in range(12)]
    images = made_images({name: words(generator.integers(0, 2, count)) for name in names})
    measured = made_measures(count, {name: generator.normal(size=count) for name in MEASURES})
    found(images, measured)  # what is imported at the first call is no matter
    tracemalloc.start()
    result = found(images, measured)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.num_tests > 200
    assert peak < 8e6
