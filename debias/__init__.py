"""Debias: train, audit and judge face detectors that must work for everyone.

The names below are the public API. Each is imported when it is first used, so that judging
predictions needs no deep-learning install, and ``import debias`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from debias.data.catalog import Definition, list_definitions, load_definition
    from debias.data.decode import DecodeSettings
    from debias.data.manifest import parse_where, read_manifest
    from debias.data.prepared_folder import PreparedData
    from debias.data.source import ImageSource
    from debias.data.store import build_store
    from debias.errors import DebiasError
    from debias.jobs.data import PrepareJob, find_data, run_prepare
    from debias.jobs.predict import PredictJob, run_predict
    from debias.jobs.report import fairness_report, run_report, write_report
    from debias.jobs.train import TrainJob, run_train
    from debias.metrics.accumulator import GroupAccumulator
    from debias.metrics.operating_point import operating_point, recall_at_fpr
    from debias.metrics.scorers import recall_gap_score, worst_group_recall_score
    from debias.models.checkpoint import load_model
    from debias.models.db_vae import FaceModel
    from debias.models.networks import NetworkSettings
    from debias.reporting.metricframe import to_metricframe
    from debias.reporting.settings import ReportSettings
    from debias.resampling.sampler import AdaptiveSampler
    from debias.resampling.settings import ResamplingSettings
    from debias.resampling.weights import sampling_weights
    from debias.training.settings import RunSettings, load_settings

__version__ = "0.1.0.dev0"

__all__ = [
    "AdaptiveSampler",
    "DebiasError",
    "DecodeSettings",
    "Definition",
    "FaceModel",
    "GroupAccumulator",
    "ImageSource",
    "NetworkSettings",
    "PredictJob",
    "PrepareJob",
    "PreparedData",
    "ReportSettings",
    "ResamplingSettings",
    "RunSettings",
    "TrainJob",
    "build_store",
    "fairness_report",
    "find_data",
    "list_definitions",
    "load_definition",
    "load_model",
    "load_settings",
    "operating_point",
    "parse_where",
    "read_manifest",
    "recall_at_fpr",
    "recall_gap_score",
    "run_predict",
    "run_prepare",
    "run_report",
    "run_train",
    "sampling_weights",
    "to_metricframe",
    "worst_group_recall_score",
    "write_report",
]

_HOME = {
    "AdaptiveSampler": "debias.resampling.sampler",
    "DebiasError": "debias.errors",
    "DecodeSettings": "debias.data.decode",
    "Definition": "debias.data.catalog",
    "FaceModel": "debias.models.db_vae",
    "GroupAccumulator": "debias.metrics.accumulator",
    "ImageSource": "debias.data.source",
    "NetworkSettings": "debias.models.networks",
    "PredictJob": "debias.jobs.predict",
    "PrepareJob": "debias.jobs.data",
    "PreparedData": "debias.data.prepared_folder",
    "ReportSettings": "debias.reporting.settings",
    "ResamplingSettings": "debias.resampling.settings",
    "RunSettings": "debias.training.settings",
    "TrainJob": "debias.jobs.train",
    "build_store": "debias.data.store",
    "fairness_report": "debias.jobs.report",
    "find_data": "debias.jobs.data",
    "list_definitions": "debias.data.catalog",
    "load_definition": "debias.data.catalog",
    "load_model": "debias.models.checkpoint",
    "load_settings": "debias.training.settings",
    "operating_point": "debias.metrics.operating_point",
    "parse_where": "debias.data.manifest",
    "read_manifest": "debias.data.manifest",
    "recall_at_fpr": "debias.metrics.operating_point",
    "recall_gap_score": "debias.metrics.scorers",
    "run_predict": "debias.jobs.predict",
    "run_prepare": "debias.jobs.data",
    "run_report": "debias.jobs.report",
    "run_train": "debias.jobs.train",
    "sampling_weights": "debias.resampling.weights",
    "to_metricframe": "debias.reporting.metricframe",
    "worst_group_recall_score": "debias.metrics.scorers",
    "write_report": "debias.jobs.report",
}

if not TYPE_CHECKING:  # to a type checker the names above are all there are

    def __getattr__(name: str) -> object:
        """Import a public name on its first use."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """Return every name, imported yet or not."""
    return sorted({*globals(), *__all__})
