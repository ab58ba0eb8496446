"""Training: the one adapter to TensorFlow and the one training loop."""
