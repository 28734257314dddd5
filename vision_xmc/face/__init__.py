"""Face recognition with multi-head output layers: ``python -m vision_xmc.face``."""
