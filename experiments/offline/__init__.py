"""What was recorded, as episodes to learn from: journals of campaigns, and data sets of Minari.

`episodes` says what a recording is, `journals` goes over a journal again on the task's own halves (no instrument is
touched), `minari_sets` writes and reads Minari's format, `sources` reads what the key `data` names. Imports the
campaign's journal and the environments; Minari only inside functions. To add a source, write one file that gives a
`Recording` and name it in `sources`.
"""
