"""Loads the data set that ``--dataset`` names: images of people to train on, and pairs of other people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vision_xmc.common.errors import UsageError
from vision_xmc.data.pictures import ImageSet
from vision_xmc.face.data.held_out import hold_out_people, make_pairs
from vision_xmc.face.data.identities import IdentityImages
from vision_xmc.face.data.pairs import Pairs
from vision_xmc.face.data.people import Advised, PeopleFolder, Say, readable, with_enough, without
from vision_xmc.face.data.recordio import RecordImages
from vision_xmc.face.data.validation import chosen_pairs, without_verified
from vision_xmc.face.options import FaceOptions


@dataclass(frozen=True)
class FaceData:
    """The images to train on, and the pairs to validate on.

    Attributes:
        train: images; each person is a class.
        valid: pairs of other people, or ``None`` if there is no validation.
    """

    train: ImageSet
    valid: Pairs | None


def load_people(options: FaceOptions, say: Say, workers: int = 1) -> FaceData:
    """Finds the images, and the pairs to validate on.

    Args:
        options: of the command line.
        say: called with a sentence about everything that is left out.
        workers: threads that look for broken images, with ``--skip-broken-images``.

    Raises:
        UsageError: naming what is missing or wrong.
    """
    images = _images(options, say)
    # Before every image is decoded, so that a mistake in the file of pairs is reported at once.
    pairs = chosen_pairs(options)
    images = readable(images, workers, say) if options.skip_broken_images else Advised(images)
    if options.leave_out is not None:
        images = without(images, _names(options.leave_out), options.leave_out)
    if pairs is not None:
        images = without_verified(images, pairs, options, say)
    images = with_enough(images, options.min_images, say)
    if pairs is not None:
        return FaceData(images, pairs)
    if not options.validation_identities:
        return FaceData(images, None)
    rest, held_out = hold_out_people(images, options.validation_identities, options.data_seed)
    return FaceData(rest, make_pairs(held_out, options.validation_pairs, options.data_seed))


def _images(options: FaceOptions, say: Say) -> ImageSet:
    if options.dataset == "identities":
        return IdentityImages(options.identities, options.pictures, options.image_size, options.data_seed)
    assert options.data_path is not None
    if options.dataset == "folder":
        return PeopleFolder(options.data_path, say)
    return RecordImages(options.data_path)


def _names(path: Path) -> set[str]:
    if not path.is_file():
        raise UsageError(f"--leave-out {path}: no such file; it must hold one name per line")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return {line.strip() for line in lines if line.strip()}
