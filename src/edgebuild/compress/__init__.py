"""Making a network small: distillation, pruning, quantization. Models and arrays in, models and arrays out."""
