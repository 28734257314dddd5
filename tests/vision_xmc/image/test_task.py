"""The loss of the image task, mixup included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from mhe_nmt import HeadConfig
from tests.vision_xmc.commands import run
from vision_xmc.image.data.digits import DigitImages
from vision_xmc.image.data.splits import ImageSplits
from vision_xmc.image.options import ImageOptions
from vision_xmc.image.task import ImageTask, build_classifier


def task(**options: float) -> ImageTask:
    chosen = ImageOptions(dataset="digits", arch="resnet8", digits=1, **options)
    splits = ImageSplits(*(DigitImages(split, 1, 30) for split in ("train", "valid", "test")))
    model = build_classifier(chosen, HeadConfig(head="onehot", label_smoothing=0.1), 10)
    # Batch statistics would make the images of a batch depend on each other.
    return ImageTask(model.eval(), splits, chosen, seed=1)


def batch(made: ImageTask) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*(made.train_data[(0, index)] for index in range(12)), strict=True)
    return torch.stack(images), torch.tensor(labels)


def smoothed(made: ImageTask, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Summed cross entropy by torch's own function."""
    logits = made.model.head.log_prob(made.model(images))
    return F.cross_entropy(logits, labels, label_smoothing=0.1, reduction="sum")


def test_the_loss_is_a_sum_over_images() -> None:
    made = task()
    images, labels = batch(made)
    torch.testing.assert_close(made.loss((images, labels))["loss"], smoothed(made, images, labels))
    halves = [made.loss((images[part], labels[part]))["loss"] for part in (slice(6), slice(6, 12))]
    torch.testing.assert_close(sum(halves), made.loss((images, labels))["loss"])


def test_mixup() -> None:
    made = task(mixup=0.4)
    images, labels = batch(made)
    torch.manual_seed(5)
    found = made.loss((images, labels))["loss"]
    torch.manual_seed(5)
    share = torch.distributions.Beta(0.4, 0.4).sample()
    other = torch.randperm(12)
    mixed = share * images.float() + (1 - share) * images[other].float()
    expected = share * smoothed(made, mixed, labels) + (1 - share) * smoothed(made, mixed, labels[other])
    torch.testing.assert_close(found, expected)


def test_pixels_are_normalised_by_the_statistics_of_the_data() -> None:
    """The constants of the digits are the mean and the deviation of their training images."""
    made = task()
    images = torch.stack([torch.from_numpy(made.train_data.images.image(index)) for index in range(30)])
    values = made.model.normalise(images.permute(0, 3, 1, 2))
    assert abs(float(values.mean())) < 0.1
    assert abs(float(values.std()) - 1) < 0.1


def test_example_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from vision_xmc.common.errors import UsageError
    from vision_xmc.image.data.digits import write_example

    write_example("407", tmp_path / "407.png")
    assert np.asarray(Image.open(tmp_path / "407.png")).shape == (8, 24)
    with pytest.raises(UsageError, match="is not a number of 1 to 5 digits"):
        write_example("4a", tmp_path / "4a.png")
    assert run("--predict", tmp_path / "407.png", "--checkpoint", tmp_path / "none.pt") == 1
    assert "no checkpoint at" in capsys.readouterr().err
