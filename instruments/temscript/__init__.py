"""temscript's HTTP server of a TEM as an instrument (docs/temscript.md): a vendor that is not like the others.

`connection` speaks its JSON without needing the package; `server` needs it, and puts our optical bench behind it.
"""
