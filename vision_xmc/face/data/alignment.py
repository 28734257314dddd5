"""Moves faces to where networks expect them, by five points: eyes, nose and corners of the mouth."""

from __future__ import annotations

import numpy as np
from PIL import Image

#: ArcFace's places of the points in a picture of 112 × 112 pixels: x and y, 0 at the first pixel's centre.
ARCFACE_POINTS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The rotation, scale and shift that bring ``source`` closest to ``target``, in least squares.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns" (1991).

    Args:
        source: ``(K, 2)`` points, not all the same.
        target: ``(K, 2)`` points.

    Returns:
        ``matrix``, ``(2, 3)`` float64: ``target ≈ matrix[:, :2] @ source + matrix[:, 2]``, never mirrored.

    Raises:
        ValueError: if the source points are all the same.
    """
    source, target = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    centre, other_centre = source.mean(axis=0), target.mean(axis=0)
    spread = ((source - centre) ** 2).sum() / len(source)
    if spread < 1e-12:
        raise ValueError("all points are at one place")
    covariance = (target - other_centre).T @ (source - centre) / len(source)
    left, sizes, right = np.linalg.svd(covariance)
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right)) or 1.0])
    turn = (sizes * signs).sum() / spread * (left * signs) @ right
    return np.column_stack([turn, other_centre - turn @ centre])


def align_face(picture: np.ndarray, points: np.ndarray, size: int = 112) -> np.ndarray:
    """Scales, turns and shifts a face so that its points come to :data:`ARCFACE_POINTS`.

    Args:
        picture: ``(height, width, 3)`` uint8.
        points: ``(5, 2)``, x and y of left eye, right eye, nose, left and right corner of the mouth, where
            left and right are the picture's.
        size: height and width of the result.

    Returns:
        ``(size, size, 3)`` uint8, black outside of ``picture``, interpolated bilinearly as by OpenCV's
        ``warpAffine``.

    Raises:
        ValueError: if the points are all the same.
    """
    target = (ARCFACE_POINTS + 0.5) * (size / 112) - 0.5
    matrix = similarity_transform(points, target)
    back = np.linalg.inv(matrix[:, :2])
    # Pillow measures from the first pixel's corner, but the points are measured from its centre.
    shift = 0.5 - back @ (matrix[:, 2] + 0.5)
    rows = np.column_stack([back, shift])
    image = Image.fromarray(picture)
    transform, filter_ = Image.Transform.AFFINE, Image.Resampling.BILINEAR
    return np.asarray(image.transform((size, size), transform, tuple(rows.ravel()), filter_))
