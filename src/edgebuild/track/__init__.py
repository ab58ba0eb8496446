"""From a stage that runs to MLflow, without any stage importing mlflow.

    stage's runner ──Record──▶ .edgebuild/outbox/<record>/events.jsonl      outbox.py
          │                              │
          └─ensure_running─▶ one delivery process per repository            daemon.py
                                         │  (or `edgebuild track`)          sync.py
                          ┌──────────────┴───────────────┐
                          ▼ deliver                      ▼ publish_build
              <project>/stages                  <project>/builds            delivery.py, publish.py
              one run per executed stage        one run per dvc.lock state, one LoggedModel per
              seen live, keyed by record        distinct file; tags name the run of each stage

`edgebuild promote` registers a variant of a published build (promote.py) unless something
speaks against it: the state of the repository (standing.py) or its results (checks.py).

Why this shape: importing mlflow costs 3 to 5 s, a dead server blocks a call for
minutes, and on a run-cache hit DVC runs no code at all. So stages append lines to
a file, one process delivers them, and builds are derived from ``dvc.lock`` by key.

`outbox` and `process` import nothing but a few standard modules (they run inside
every stage); `delivery`, `publish` and `store` import mlflow inside functions.
"""
