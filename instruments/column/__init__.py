"""A STEM whose vendor's calls block until they are done: what the drivers of such columns share.

`driver.Column` holds what must hold whatever the vendor; a driver says how its software is asked for one thing at a
time. Imports what every driver does, and no vendor's library.
"""
