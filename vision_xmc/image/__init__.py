"""Image classification with multi-head output layers: ``python -m vision_xmc.image``."""
