"""The build: what DVC runs, and what makes it true.

dvc.yaml ──> declaration ──> runner ──> stages/<name>.py ──> outputs, moved into place
                               └──────> track.outbox
"""
