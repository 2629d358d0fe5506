"""The scanning probe twin: a polarisation field under a biased tip, seen through a lever, a loop and a scanner.

`scanning_probe` is the core, `sample` draws hidden samples, `kernels` evolves them (compiled), `events` turns requests
into what the tip does, `scanner` says where the tip really is, `imaging` and `spectroscopy` make the signals. Nothing
heavy is imported here.
"""
