"""What an architecture may be called in params.yaml; apart from the networks, to be read before anything starts."""

from __future__ import annotations

import difflib

__all__ = ["APPLICATIONS", "ARCHITECTURES", "PREFIX", "TEACHER", "problem_of", "too_small"]

#: Those of :mod:`edgebuild.zoo.registry`.
ARCHITECTURES = ("resnet", "ds_cnn", "mobilenet_v2", "mlp", "autoencoder")

#: The student that is the teacher itself.
TEACHER = "teacher"

PREFIX = "keras.applications."

#: Those of Keras 3 whose layers can all be exported. The others are ConvNeXt, which normalizes by
#: layer, and InceptionResNetV2, which has a layer of its own.
APPLICATIONS = (
    *(f"DenseNet{depth}" for depth in (121, 169, 201)),
    *(f"EfficientNetB{size}" for size in range(8)),
    *(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")),
    *("InceptionV3", "MobileNet", "MobileNetV2", "MobileNetV3Large", "MobileNetV3Small"),
    *("NASNetLarge", "NASNetMobile"),
    *(f"ResNet{depth}{version}" for depth in (50, 101, 152) for version in ("", "V2")),
    *("VGG16", "VGG19", "Xception"),
)


#: The smallest side of an image, in pixels, that Keras allows: all others take this one.
SMALLEST = {"InceptionV3": 75, "Xception": 71}
SMALLEST_OF_OTHERS = 32


def too_small(name: str, height: int, width: int) -> str | None:
    """Why the architecture cannot take images of this size, where that is known from its name."""
    network = name.removeprefix(PREFIX)
    if network == name or network not in APPLICATIONS:
        return None
    side = SMALLEST.get(network, SMALLEST_OF_OTHERS)
    if min(height, width) >= side:
        return None
    return (
        f"{name} takes images of {side}×{side} or more, but these have {height}×{width}; choose an architecture "
        f"for small images, such as resnet, or larger images in the section data"
    )


def problem_of(name: str, others: tuple[str, ...] = ()) -> str | None:
    """What is wrong with the name of an architecture, where ``others`` may stand for one, too."""
    known = (*ARCHITECTURES, *others)
    applications = tuple(f"{PREFIX}{network}" for network in APPLICATIONS)
    if name in (*known, *applications) or ":" in name:
        return None
    near = difflib.get_close_matches(name, (*known, *applications), n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    if name.startswith(PREFIX):
        return (
            f"{name!r} is none of the {len(APPLICATIONS)} networks of keras.applications that can be exported; "
            f"docs/teachers.md lists them{hint}"
        )
    return (
        f"{name!r} is not allowed; choose {' or '.join(known)}, a network of keras.applications such as "
        f"{PREFIX}MobileNetV2, or module:function for your own{hint}"
    )
