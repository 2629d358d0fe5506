"""The bridge: an instrument served to another process or machine, safe by construction (docs/bridge.md).

`server.Server` stands beside the instrument and imports pyzmq, msgpack and NumPy only; `remote.RemoteInstrument` and
`remote.RemoteTwin` are the other end and fulfil `instruments.seam`. `python -m
instruments.bridge` serves without Hydra.
"""
