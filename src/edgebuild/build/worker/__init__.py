"""The warm worker: a process that has imported the libraries and forks once per stage.

    client ──request, fds 0 to 2──> server: imports what the stage needs, checks, forks
       ▲                               └── monitor: one per request
       └──────────"exit 0"──────────────────┘ └── the stage's supervisor: `python -m edgebuild run STAGE`

It saves the seconds that TensorFlow and coremltools take to import, and nothing
else: the forked process takes over everything that the client is, imports
edgebuild afresh from where the client has it, and executes the stage as a plain
process does. Whatever stands in the way of that, the client runs the stage itself.
"""
