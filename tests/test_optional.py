"""What judges predictions and reads data needs none of the extras."""

from __future__ import annotations

from running import Python

import debias

SWEEP = """
import importlib.abc, pkgutil, sys
TRAIN = ("torch", "torchvision", "lightning_fabric", "tensorboard", "safetensors", "jaxtyping")
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname.partition(".")[0] in (*TRAIN, "numba", "h5py"):
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
sys.meta_path.insert(0, Absent())
try:
    import debias.models.db_vae
except ModuleNotFoundError:
    print("blocked")
for name in ("debias.metrics", "debias.reporting", "debias.data"):
    package = importlib.import_module(name)
    for found in pkgutil.walk_packages(package.__path__, name + "."):
        importlib.import_module(found.name)
        print(found.name)
import debias.cli, debias.config, debias.errors, debias.rundir, debias.seeding
import debias.jobs.data, debias.jobs.report, debias.testbed.sets
for name in sys.argv[1:]:
    getattr(debias, name)
"""
TORCH_FREE = (
    "Definition",
    "DebiasError",
    "DecodeSettings",
    "ImageSource",
    "build_store",
    "list_definitions",
    "load_definition",
    "ReportSettings",
    "operating_point",
    "parse_where",
    "read_manifest",
    "recall_at_fpr",
    "run_report",
    "fairness_report",
    "write_report",
    "to_metricframe",
    "GroupAccumulator",
    "worst_group_recall_score",
    "recall_gap_score",
    "PrepareJob",
    "PreparedData",
    "find_data",
    "run_prepare",
)


def test_optional_dependencies_are_optional(python: Python) -> None:
    assert set(TORCH_FREE) <= set(debias.__all__)
    done = python(SWEEP, *TORCH_FREE)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    assert printed[0] == "blocked"
    packages = {name.split(".")[1] for name in printed[1:]}
    assert packages == {"metrics", "reporting", "data"}
    assert {"debias.metrics.counts", "debias.reporting.text", "debias.data.store"} <= set(printed)
