"""Plant a bias and try to mend it: draw a testbed, train two models, judge both, make a page.

Training sees images and whether they show a face, as in any other run; who is shown is read only
afterwards, to judge.
"""

from __future__ import annotations

import importlib
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from debias.data.prepared_folder import PreparedData, open_prepared
from debias.data.source import ImageSource
from debias.errors import DataError, UsageError
from debias.jobs.data import TESTBED, PrepareJob, run_prepare
from debias.jobs.demo_size import FAST, FULL, DemoSize
from debias.jobs.demo_weights import ORDER, weights_and_truth
from debias.jobs.report import run_report, write_report
from debias.jobs.train import TrainJob, run_train
from debias.reporting.demo_document import (
    demo_changes_json,
    demo_groups_json,
    demo_model_json,
)
from debias.reporting.demo_page import render_demo
from debias.reporting.demo_schema import (
    DEMO_SCHEMA_VERSION,
    DemoDataJson,
    DemoJson,
    DemoTrainingJson,
    NextJson,
    StageJson,
)
from debias.reporting.demo_words import summary
from debias.reporting.schema import ReportJson
from debias.reporting.settings import ReportSettings
from debias.rundir import (
    RunDir,
    check_output,
    create_run,
    provenance,
    read_json,
    write_json,
    write_text,
)
from debias.testbed.drawing import Drawing
from debias.testbed.rarity import SHARED
from debias.testbed.sets import VERSION, Testbed, load_testbed
from debias.training.device import make_fabric
from debias.training.optimization import epoch_steps
from debias.training.record import differences
from debias.training.settings import RunSettings

TARGET_FPR = 0.01
PAGE, NUMBERS = "demo.html", "demo.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoJob:
    """Which testbed, how much of it, and where to write.

    Attributes:
        output: for the images, the models, the numbers and the page.
        testbed: one of :func:`debias.testbed.sets.list_testbeds`.
        seed: of the drawing and of the training.
        fast: the smaller of the two sizes.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        overwrite: replace an existing demo.
        resume: continue an interrupted one.
        show_progress: draw progress bars.
        say: takes a line for the person watching.
    """

    output: Path
    testbed: str = "planted"
    seed: int = 0
    fast: bool = False
    device: str = "auto"
    overwrite: bool = False
    resume: bool = False
    show_progress: bool = True
    say: Callable[[str], None] = print


def run_demo(job: DemoJob) -> Path:
    """Draw, train, judge, write ``demo.json`` and ``demo.html``, and return the page's path.

    Raises:
        DebiasError: there is no such testbed or device, something stands in the way, or an
            interrupted demo had other settings.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("runs in one process", where="debias demo", hint="Leave out torchrun")
    job = replace(job, testbed=load_testbed(job.testbed).name)
    size = FAST if job.fast else FULL
    testbed = load_testbed(job.testbed).scaled(size.fraction)
    settings = size.settings(seed=job.seed)
    _require_all(job, settings)
    facts = _begin(job, size)
    stages: list[StageJson] = []
    job.say(f"This takes {size.takes} on two cores.")
    with _stage("drawing", stages):
        job.say(f"1/3 drawing {testbed.num_images:,} pictures: {testbed.summary}")
        data = _drawn(job, size)
    with _stage("training", stages):
        job.say("2/3 training two models, which are told nobody's skin tone or gender")
        run = _trained(job, settings, data)
    with _stage("judging", stages):
        job.say("3/3 judging both on test faces, as many of each skin tone and gender")
        report, plain = _judged(run, data)
        weights = weights_and_truth(run, data, population=testbed.population, seed=job.seed)
    if job.resume:
        stages = [{"name": stage["name"], "seconds": None} for stage in stages]
    demo: DemoJson = {
        "schema_version": DEMO_SCHEMA_VERSION,
        "job": "demo",
        "created": facts["created"],
        "versions": facts["versions"],
        "platform": facts["platform"],
        "settings": facts["settings"],
        "folder": _shown(job.output),
        "command": _command(job),
        "next": _next(job),
        "stages": stages,
        "seconds": None if job.resume else sum(stage["seconds"] or 0.0 for stage in stages),
        "data": _data_json(job, size, testbed),
        "training": _training_json(settings, testbed),
        "target_fpr": TARGET_FPR,
        "confidence": report["settings"]["confidence"],
        "plain": demo_model_json(plain, target_fpr=TARGET_FPR, columns=SHARED),
        "db_vae": demo_model_json(report, target_fpr=TARGET_FPR, columns=SHARED),
        "groups": demo_groups_json(report, target_fpr=TARGET_FPR, columns=SHARED, order=ORDER),
        "changes": demo_changes_json(report, target_fpr=TARGET_FPR, columns=SHARED),
        "weights": weights,
    }
    for line in summary(demo):
        job.say(line)
    return _written(demo, job.output)


def _require_all(job: DemoJob, settings: RunSettings) -> None:
    """Find out what would fail later, before anything is drawn."""
    make_fabric(job.device, settings.training.precision)
    for name in ("debias.testbed.files", "tensorboard"):  # the first one needs numba
        importlib.import_module(name)


def _begin(job: DemoJob, size: DemoSize) -> dict[str, Any]:
    """Make the output, or see that an interrupted demo is continued as it was begun."""
    check_output(job.output, overwrite=job.overwrite, resume=job.resume, can_resume=True)
    chosen = {"testbed": job.testbed, "version": VERSION, "seed": job.seed, **asdict(size)}
    del chosen["takes"]
    facts = provenance(job="demo", settings=chosen)
    run = RunDir(path=job.output)
    if job.resume:
        before = read_json(run.run_file)
        if before.get("job") != "demo":
            raise UsageError(
                "there is no demo to resume, but a run of another job",
                where=job.output,
                hint="Give another --output",
            )
        changed = differences(before.get("settings", {}), chosen)
        if changed:
            raise UsageError(
                f"the demo to resume cannot change: {', '.join(changed)}",
                where=job.output,
                hint="Give the same options, or --overwrite in place of --resume",
            )
        return facts
    create_run(job.output, overwrite=job.overwrite)
    write_json(run.run_file, facts)
    return facts


@contextmanager
def _stage(name: str, stages: list[StageJson]) -> Iterator[None]:
    started = time.monotonic()
    yield
    stages.append({"name": name, "seconds": round(time.monotonic() - started, 1)})


def _drawing(job: DemoJob, size: DemoSize) -> Drawing:
    return Drawing(population=job.testbed, fraction=size.fraction, seed=job.seed)


def _drawn(job: DemoJob, size: DemoSize) -> PreparedData:
    """Return the drawn images, which may be there from before an interruption."""
    folder = job.output / "data"
    if job.resume:
        try:
            return open_prepared(folder)
        except DataError:
            pass  # not begun or not finished: drawn anew
    return run_prepare(
        PrepareJob(
            name=TESTBED,
            root=folder,
            drawing=_drawing(job, size),
            overwrite=job.resume,
            show_progress=job.show_progress,
            say=lambda _: None,
        )
    )


def _trained(job: DemoJob, settings: RunSettings, data: PreparedData) -> RunDir:
    """Return the run of the DB-VAE, which holds that of the plain classifier."""
    run = RunDir(path=job.output / "model")
    return run_train(
        TrainJob(
            source=ImageSource(images=data.manifest),
            settings=settings,
            output=run.path,
            device=job.device,
            resume=job.resume and run.run_file.is_file(),
            cache=job.output / "cache",
            show_progress=job.show_progress,
            say=lambda line: job.say(f"    {line}"),
        )
    )


def _judged(run: RunDir, data: PreparedData) -> tuple[ReportJson, ReportJson]:
    """Return, and write beside each model, the report of the DB-VAE and of the plain classifier."""
    first, second = run.predictions, run.baseline.predictions
    settings = ReportSettings(target_fpr=(TARGET_FPR,))
    report, plain = (
        run_report(
            predictions=predictions,
            attributes=data.attributes,
            groups=SHARED,
            compare=compare,
            settings=settings,
        )
        for predictions, compare in ((first, second), (second, None))
    )
    write_report(report, run.path)
    write_report(plain, run.baseline.path)
    return report, plain


def _written(demo: DemoJson, output: Path) -> Path:
    """Write the numbers, and the page that shows them; return the page's path."""
    write_json(output / NUMBERS, demo)
    faces = (*demo["weights"]["rarest"], *demo["weights"]["commonest"])
    pictures = {face["path"]: (output / face["path"]).read_bytes() for face in faces}
    write_text(output / PAGE, render_demo(demo, pictures=pictures))
    return output / PAGE


def _data_json(job: DemoJob, size: DemoSize, testbed: Testbed) -> DemoDataJson:
    return {
        "testbed": job.testbed,
        "summary": testbed.summary,
        "fraction": size.fraction,
        "image_size": _drawing(job, size).size,
        "num_images": testbed.num_images,
        "num_train_faces": testbed.faces[0],
        "num_train_non_faces": testbed.non_faces[0],
        "num_test_faces": len(ORDER) * testbed.faces[2],
        "num_test_non_faces": testbed.non_faces[2],
    }


def _training_json(settings: RunSettings, testbed: Testbed) -> DemoTrainingJson:
    training = settings.training
    steps = training.epochs * epoch_steps(training, num_faces=testbed.faces[0])
    return {
        "image_size": settings.model.image_size,
        "epochs": training.epochs,
        "steps": steps,
        "batch_size": training.batch_size,
        "resampling": settings.weighting.rule,
    }


def _shown(output: Path) -> str:
    """Return the output's name as a person may see it: folders above may tell whose machine."""
    return output.name if output.is_absolute() else output.as_posix()


def _next(job: DemoJob) -> NextJson:
    """Return what a reader may want to run next."""
    folder = _shown(job.output)
    other = "planted" if job.testbed == "balanced" else "balanced"
    model = f"{folder}/model"
    report = ["debias", "report", model, "--compare", f"{model}/baseline", "--data"]
    demo = ["debias", "demo", "--testbed", other, "--output", f"{folder}-{other}"]
    return {
        "report": shlex.join([*report, f"{folder}/data"]),
        "testbed": other,
        "demo": shlex.join(demo),
    }


def _command(job: DemoJob) -> str:
    words = ["debias", "demo", "--testbed", job.testbed, "--seed", str(job.seed)]
    return shlex.join([*words, *(["--fast"] if job.fast else []), "--output", _shown(job.output)])
