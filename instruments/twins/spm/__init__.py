"""The scanning probe twin: a polarisation field under a biased tip, seen through a lever, a height loop and a scanner.

`scanning_probe` is the core and the module to read first. `sample` draws hidden samples, `kernels` evolves them
(compiled), `events` turns requests into what the tip does, `scanner` says where it really is, `imaging` is the height
loop, `lever` and `signals` make the readings, `probing` joins them. Nothing heavy is imported here.
"""
