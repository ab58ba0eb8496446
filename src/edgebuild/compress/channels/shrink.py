"""Make the smaller network: the same layers with fewer channels, and the weights of those that stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.compress.channels.layout import Keep, Layout

__all__ = ["shrink"]


def shrink(model: Any, layout: Layout, keep: Keep) -> Any:
    """A new Keras model of the topology and the layer names of ``model``, without the channels not in ``keep``.

    It computes what ``model`` would if what is gone gave zeros. ``model`` stays
    as it is; the new one is not compiled.

    Args:
        layout: that of ``model``, by :func:`edgebuild.compress.channels.analyse.analyse`.
    """
    stays = layout.kept(keep)
    smaller = type(model).from_config(_config(model, layout, stays))
    axes = {id(part.weight): part.axes for part in layout.parts}
    for old, new in zip(model.layers, smaller.layers, strict=True):
        assert old.name == new.name
        for source, target in zip(old.weights, new.weights, strict=True):
            values = np.asarray(source)
            for axis, channels in axes.get(id(source), ()):
                values = np.compress(stays[channels], values, axis)
            target.assign(values)
    return smaller


def _config(model: Any, layout: Layout, stays: npt.NDArray[np.bool_]) -> Any:
    """The model's configuration with the widths that are left."""
    config = model.get_config()
    layers = {entry["config"]["name"]: entry for entry in config["layers"]}
    for entry in layers.values():
        entry.pop("build_config", None)  # shapes of the old widths; layers are built when they are called
    for width in layout.widths:
        settings, left = layers[width.layer]["config"], int(np.count_nonzero(stays[width.channels]))
        if width.setting == "target_shape":
            settings["target_shape"] = (*settings["target_shape"][:-1], left)
        else:
            settings[width.setting] = left
    return config
