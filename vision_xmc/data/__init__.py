"""What several subjects read: pictures, augmentation, folders, arrays."""
