"""Architectures: functional Keras models by name, from images in [0, 1] to logits."""
