"""Sites that run asyncroscopy's Tango devices, as an instrument (docs/tango.md); never run against asyncroscopy itself.

`probe` reads and sets nothing; `driver` drives; `tiled` fetches pixels from the data server beside the devices, without
its package; `server` is a device server of ours with the same commands over a twin. All but `tiled` need PyTango.
"""
