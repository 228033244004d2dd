"""The training loop, its settings, augmentation and progress."""
