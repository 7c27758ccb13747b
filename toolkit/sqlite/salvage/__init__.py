"""The repair of damaged databases: `repair` writes what can be got back as a new file, and accounts for it.

Modules in the order in which a repair comes to them, and in which they are best read:

- `engine`: what is tried, and what is kept. `measure` compares the tries. `texts`: files that read well and yet lost
  some.
- `settle`: a file and its sidecars become single files to work on. Where bytes are missing in one or too many,
  `shift` moves the rest back: `phases`, `borders` and, in large files, `jumps` find where, `places` and `roots` which
  page lies where; `beheaded` puts a file right whose beginning is missing.
- `mend`: the page structure of one such file, worked on as an `image`; `contain` keeps one broken table from costing
  others.
  - The schema: `schema`, from `entries`, the `wording` of broken ones and a `statement` told again; without what is
    `unread`. `shape` is what it says of the rows of a table, `profile` how they usually look, `counters` its
    AUTOINCREMENT table.
  - The trees: `survey` reads them and knows the holes, `owners` which is whose (`holding`, `agreement`), `emptied`
    which may have none. `examine` takes out pages that only seem sound, by `torn` blocks and `noise`; `blanks` finds
    these in large files. `halfdone` says where page 1 is older than the trees.
  - The rows: `adopt` gives lone pages to tables, `carve` takes cells out of broken pages, `orphans` out of lone
    broken ones, `copied` puts rows together from indexes. What is left of an index is a `witness` where it is sound,
    else it `remains`, in `stretches` without a hole. `spans` are what is told of the gaps.
  - Tables WITHOUT ROWID: `unkeyed`, with `covered`, `listed` and `plainrows`.
  - What is written: `build`, and `unused`, which makes a freelist (`freeing`) of the rest.
- `finish`: what SQLite does itself on the mended file; `disagree`: which of an index and its table is right, for
  tables WITHOUT ROWID `unnamed`; `indexing`: the full-text and R-tree indexes; `leftover`: rows of no table.

What comes from a backup is not here, but in `toolkit.sqlite.refill`.
"""

from toolkit.sqlite.salvage.engine import repair

__all__ = ["repair"]
