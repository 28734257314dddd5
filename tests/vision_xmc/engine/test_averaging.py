"""Averages of weights against torch's AveragedModel and against the explicit sum."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from mhe_nmt import build_head
from vision_xmc.engine.averaging import WeightAverage


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.head = build_head("product", 4, 10, order=list(range(9, -1, -1)))


def walk(model: Model, step: int) -> None:
    torch.manual_seed(step)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    model.train()
    model.norm(torch.randn(8, 4))


def test_swa_is_torchs_mean_and_does_not_touch_codes() -> None:
    model = Model()
    average, peer = WeightAverage(model, "swa"), AveragedModel(model)
    statistics = []
    for step in range(4):
        walk(model, step)
        average.update()
        peer.update_parameters(model)
        statistics.append(model.norm.running_mean.clone())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with average.applied():
        for name, expected in peer.module.named_parameters():
            torch.testing.assert_close(dict(model.named_parameters())[name].detach(), expected.detach())
        torch.testing.assert_close(model.norm.running_mean, torch.stack(statistics).mean(0))
        assert model.head.codec.radices.tolist() == [3, 4]
        assert model.head.codec.order.tolist() == list(range(9, -1, -1))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_ema_is_the_recursion_with_a_warm_start() -> None:
    model = Model()
    average = WeightAverage(model, "ema", decay=0.9)
    expected = model.head.weight.detach().clone()
    for step in range(30):
        walk(model, step)
        average.update()
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model.head.weight.detach()
    with average.applied():
        torch.testing.assert_close(model.head.weight.detach(), expected)


def test_a_restored_average_continues() -> None:
    model = Model()
    first, second = WeightAverage(model, "ema"), WeightAverage(model, "ema")
    for step in range(3):
        walk(model, step)
        first.update()
    second.load_state_dict(first.state_dict())
    walk(model, 3)
    first.update()
    second.update()
    assert all(torch.equal(first.values[name], second.values[name]) for name in first.values)


def test_the_weights_come_back_after_an_error() -> None:
    model = Model()
    average = WeightAverage(model, "swa")
    walk(model, 0)
    average.update()
    walk(model, 1)
    before = model.head.weight.detach().clone()
    with pytest.raises(RuntimeError, match="stop"), average.applied():
        raise RuntimeError("stop")
    assert torch.equal(model.head.weight.detach(), before)


def test_an_average_without_updates_changes_nothing() -> None:
    model = Model()
    average = WeightAverage(model, "swa")
    walk(model, 0)
    before = model.head.weight.detach().clone()
    with average.applied():
        assert torch.equal(model.head.weight.detach(), before)


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="'ema' or 'swa'"):
        WeightAverage(Model(), "median")
