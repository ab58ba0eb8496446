"""Trained networks of other frameworks: a file becomes the inference graph, and that a Keras model.

:mod:`.layout` knows in which order a file has the axes of a tensor,
:mod:`.network` collects nodes, :mod:`.onnx` and :mod:`.tflite` read their files,
:mod:`.keras_model` makes layers of the graph, and :mod:`.registry` is the door.
"""
