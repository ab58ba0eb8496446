"""edgebuild: from a trained network to verified on-device models, as a build."""
