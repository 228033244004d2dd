"""Schedule, optimiser groups and the moving average."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from debias.errors import ConfigError
from debias.training.optimization import (
    TrainingSettings,
    averaged,
    build_optimizer,
    epoch_steps,
    learning_rate,
)


def test_the_rate_rises_then_falls_to_zero() -> None:
    settings = TrainingSettings(learning_rate=1.0, warmup=0.1)
    rates = [learning_rate(settings, step, num_steps=100) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_an_epoch_passes_over_the_faces_once_or_lasts_a_minimum() -> None:
    settings = TrainingSettings(batch_size=128, min_epoch_steps=100)
    assert epoch_steps(settings, num_faces=12_000) == 187
    assert epoch_steps(settings, num_faces=10) == 100


def test_a_constant_rate_without_warmup() -> None:
    settings = TrainingSettings(learning_rate=0.3, schedule="constant", warmup=0)
    assert {learning_rate(settings, step, num_steps=9) for step in range(9)} == {0.3}


@pytest.mark.parametrize(("name", "cls"), [("adamw", "AdamW"), ("adam", "Adam")])
def test_only_matrices_decay(name: str, cls: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    optimizer = build_optimizer(model, TrainingSettings(optimizer=name, weight_decay=0.1))  # type: ignore[arg-type]
    assert type(optimizer).__name__ == cls
    decay = {p: g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert len(decay) == 6
    for parameter, value in decay.items():
        assert value == (0.1 if parameter.ndim >= 2 else 0)


def test_the_average_follows_weights_and_statistics() -> None:
    model = nn.BatchNorm1d(1)
    average = averaged(model, 0.9)
    averages = [model.weight.item()]
    expected = 1.0
    for step in range(200):
        with torch.no_grad():
            model.weight.fill_(float(step))
            model.running_mean.fill_(float(-step))  # type: ignore[union-attr]
            model.num_batches_tracked.fill_(step)  # type: ignore[union-attr]
        average.update_parameters(model)
        decay = 0.0 if step == 0 else min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        averages.append(average.module.state_dict()["weight"].item())
        assert averages[-1] == pytest.approx(expected, rel=1e-5)
    assert average.module.state_dict()["running_mean"].item() == pytest.approx(-expected, rel=1e-5)
    assert average.module.state_dict()["num_batches_tracked"].item() == 199
    # Far from the start it lags by decay / (1 - decay) steps.
    assert averages[-1] == pytest.approx(199 - 9, abs=0.1)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ({"epochs": 0}, "epochs"),
        ({"min_epoch_steps": 0}, "min_epoch_steps"),
        ({"batch_size": 7}, "even number"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"average": 1.0}, "average"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"divergence": 1.0}, "divergence"),
    ],
)
def test_settings_out_of_range(bad: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        TrainingSettings(**bad)  # type: ignore[arg-type]
