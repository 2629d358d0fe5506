"""Drivers for software that we have never run: AutoScript, PyJEM, DigitalMicrograph, Asylum (docs/templates.md).

Each is a driver as far as public documents and code carry, and says "not run by us" in its name. What they do not tell
is a site setting without a value, and what needs it is refused until somebody has measured it. Importing one needs no
vendor's library: that is looked for when the driver connects.
"""
