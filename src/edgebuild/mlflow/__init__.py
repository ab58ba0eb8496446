"""MLflow as its users know it: flavors for LiteRT, ONNX and Core ML files, and a plugin that tags runs.

    litert, onnx, coreml   save_model, log_model, load_model: one module per flavor   registry.py lists them
    saving                 what the flavors share: MLmodel, signature, requirements
    portable               copies the code that a saved model needs, so that it loads without edgebuild
    serving/               that code: a file's runtime behind ``predict``
    context                the run-context provider, an entry point of MLflow

Nothing is imported here: MLflow imports `context` whenever it is imported itself, in any
process of an environment in which edgebuild is installed.
"""
