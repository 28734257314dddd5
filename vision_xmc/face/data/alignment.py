"""Faces brought to where networks expect them, by five points: eyes, nose and corners of the mouth."""

from __future__ import annotations

import numpy as np
from PIL import Image

#: Where ArcFace has the points in a picture of 112 × 112 pixels: x and y, the centre of the first pixel is 0.
ARCFACE_POINTS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Rotation, scale and shift that bring points closest to others, in least squares.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns" (1991).

    Args:
        source: ``(K, 2)``, not all the same.
        target: ``(K, 2)``.

    Returns:
        ``(2, 3)``: ``target ≈ matrix[:, :2] @ source + matrix[:, 2]``, never mirrored.

    Raises:
        ValueError: if the source points are all the same.
    """
    source, target = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    centre, other_centre = source.mean(axis=0), target.mean(axis=0)
    spread = ((source - centre) ** 2).sum() / len(source)
    if spread < 1e-12:
        raise ValueError("the points are all at one place")
    covariance = (target - other_centre).T @ (source - centre) / len(source)
    left, sizes, right = np.linalg.svd(covariance)
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right)) or 1.0])
    turn = (sizes * signs).sum() / spread * (left * signs) @ right
    return np.column_stack([turn, other_centre - turn @ centre])


def align_face(picture: np.ndarray, points: np.ndarray, size: int = 112) -> np.ndarray:
    """The face scaled, turned and shifted so that its points are those of ArcFace; black outside the picture.

    Args:
        picture: ``(height, width, 3)`` uint8.
        points: ``(5, 2)``, x and y of left eye, right eye, nose and corners of the mouth, as seen.
        size: height and width of the result.

    Returns:
        ``(size, size, 3)`` uint8, bilinear as OpenCV's ``warpAffine``.

    Raises:
        ValueError: if the points are all the same.
    """
    target = (ARCFACE_POINTS + 0.5) * (size / 112) - 0.5
    matrix = similarity_transform(points, target)
    back = np.linalg.inv(matrix[:, :2])
    # Pillow measures from the corner of the first pixel, the points from its centre.
    shift = 0.5 - back @ (matrix[:, 2] + 0.5)
    rows = np.column_stack([back, shift])
    image = Image.fromarray(picture)
    transform, filter_ = Image.Transform.AFFINE, Image.Resampling.BILINEAR
    return np.asarray(image.transform((size, size), transform, tuple(rows.ravel()), filter_))
