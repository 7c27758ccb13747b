"""The only place that reads users' databases.

Where to begin: `probe` looks from outside, `outline` judges the bytes, `check` asks SQLite; live databases are opened
in the process `worker` only, which `live` starts. `hotcopy` and `raw` copy, `swap` puts one in the place of another.
`pages` reads without SQLite, `salvage` repairs, `refill` fills what is then missing from a backup.
"""
