"""Applications that nobody who builds repair or diagnosis looks at: what holds on them holds elsewhere."""

from __future__ import annotations

from tests.makers.corpus_application import Application, Rows
from tests.makers.corpus_values import (
    anything,
    blob,
    choice,
    document,
    either,
    email,
    epoch,
    extreme,
    flag,
    geometry,
    hexes,
    maybe,
    micros,
    person,
    prose,
    real,
    ref,
    row_number,
    seconds,
    stamp,
    unique,
    url,
    uuid,
    whole,
    with_nul,
    word,
    words,
)

RENTAL = Application(
    "rental",
    """
    CREATE TABLE language(language_id SMALLINT NOT NULL, name CHAR(20) NOT NULL, last_update TIMESTAMP NOT NULL, PRIMARY KEY (language_id));
    CREATE TABLE film(film_id int NOT NULL, title VARCHAR(255) NOT NULL, description BLOB SUB_TYPE TEXT DEFAULT NULL,
      release_year VARCHAR(4) DEFAULT NULL, language_id SMALLINT NOT NULL, rental_rate DECIMAL(4,2) DEFAULT 4.99 NOT NULL,
      rating VARCHAR(10) DEFAULT 'G', PRIMARY KEY (film_id), CONSTRAINT CHECK_rating CHECK(rating IN ('G','PG','R','NC-17')),
      CONSTRAINT fk_film_language FOREIGN KEY (language_id) REFERENCES language (language_id));
    CREATE INDEX idx_fk_language_id ON film(language_id);
    CREATE TRIGGER film_trigger_au AFTER UPDATE ON film BEGIN UPDATE film SET release_year = '2006' WHERE rowid = new.rowid
      AND release_year IS NULL; END;
    CREATE TABLE actor(actor_id numeric NOT NULL, first_name VARCHAR(45) NOT NULL, last_name VARCHAR(45) NOT NULL, PRIMARY KEY (actor_id));
    CREATE INDEX idx_actor_last_name ON actor(last_name);
    CREATE TABLE film_actor(actor_id INT NOT NULL, film_id INT NOT NULL, last_update TIMESTAMP NOT NULL, PRIMARY KEY (actor_id, film_id),
      CONSTRAINT fk_film_actor_actor FOREIGN KEY (actor_id) REFERENCES actor (actor_id) ON DELETE NO ACTION ON UPDATE CASCADE);
    CREATE TABLE rental(rental_id INTEGER PRIMARY KEY, rental_date TIMESTAMP NOT NULL, film_id INT NOT NULL, staff TEXT,
      return_date TIMESTAMP DEFAULT NULL);
    CREATE UNIQUE INDEX idx_rental_uq ON rental(rental_date, film_id, staff);
    CREATE VIEW film_list AS SELECT film.film_id AS FID, film.title AS title, language.name FROM film LEFT JOIN language USING (language_id);
    """,
    (
        Rows("language", 0.03, {"language_id": row_number, "name": word, "last_update": stamp}, ("language_id",)),
        Rows(
            "film",
            1.5,
            {
                "film_id": row_number,
                "title": words(2, 5),
                "description": prose(40, 900),
                "release_year": maybe(choice("2006")),
                "language_id": ref("language", "language_id"),
                "rental_rate": real(0, 5),
                "rating": choice("G", "PG", "R"),
            },
            ("film_id",),
        ),
        Rows("actor", 0.6, {"actor_id": row_number, "first_name": word, "last_name": person}, ("actor_id",)),
        Rows(
            "film_actor",
            3,
            {"actor_id": ref("actor", "actor_id"), "film_id": ref("film", "film_id"), "last_update": stamp},
            ("actor_id", "film_id"),
        ),
        Rows(
            "rental",
            4,
            {
                "rental_date": stamp,
                "film_id": ref("film", "film_id"),
                "staff": choice("Mike", "Jon"),
                "return_date": maybe(stamp),
            },
        ),
    ),
    adds="ALTER TABLE film ADD COLUMN length SMALLINT DEFAULT 90",
)

MESSENGER = Application(
    "messenger",
    """
    CREATE TABLE jid(_id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, server TEXT NOT NULL, raw_string TEXT);
    CREATE UNIQUE INDEX jid_raw_string_index ON jid(raw_string);
    CREATE TABLE message(_id INTEGER PRIMARY KEY AUTOINCREMENT, chat_row_id INTEGER NOT NULL, from_me INTEGER NOT NULL, key_id TEXT NOT NULL,
      sender_jid_row_id INTEGER, status INTEGER, timestamp INTEGER, text_data TEXT, sort_id INTEGER NOT NULL DEFAULT 0);
    CREATE UNIQUE INDEX message_key_index ON message(chat_row_id, from_me, key_id, sender_jid_row_id);
    CREATE INDEX message_sort_id_index ON message(chat_row_id, sort_id);
    CREATE TABLE message_media(message_row_id INTEGER PRIMARY KEY, file_path TEXT, media_key BLOB, thumbnail BLOB, file_hash TEXT);
    CREATE TABLE receipts(message_row_id INTEGER NOT NULL, receipt_user TEXT, read_timestamp INTEGER, PRIMARY KEY(message_row_id, receipt_user))
      WITHOUT ROWID;
    CREATE VIRTUAL TABLE message_ftsv2 USING fts4(content, fts_jid, fts_namespace);
    CREATE TABLE props(_id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE, value TEXT);
    CREATE TRIGGER message_bd_for_media BEFORE DELETE ON message BEGIN DELETE FROM message_media WHERE message_row_id = old._id; END;
    """,
    (
        Rows("jid", 0.3, {"user": word, "server": choice("s.example"), "raw_string": email}),
        Rows(
            "message",
            4,
            {
                "chat_row_id": whole(1, 12),
                "from_me": flag,
                "key_id": hexes(32),
                "sender_jid_row_id": ref("jid", "_id"),
                "status": whole(0, 13),
                "timestamp": micros,
                "text_data": maybe(either(words(1, 9), prose(5, 2500)), 0.1),
                "sort_id": row_number,
            },
        ),
        Rows(
            "message_media",
            0.5,
            {
                "message_row_id": ref("message", "_id"),
                "file_path": maybe(url),
                "media_key": blob(32, 33),
                "thumbnail": maybe(blob(300, 5000)),
                "file_hash": hexes(44),
            },
            ("message_row_id",),
        ),
        Rows(
            "receipts",
            2,
            {"message_row_id": ref("message", "_id"), "receipt_user": email, "read_timestamp": maybe(micros)},
            ("message_row_id", "receipt_user"),
        ),
        Rows("message_ftsv2", 0.6, {"content": prose(10, 300), "fts_jid": word, "fts_namespace": choice("m", "n")}),
        Rows("props", 0.05, {"key": unique("p"), "value": maybe(word)}),
    ),
    pragmas=("PRAGMA user_version = 1", "ANALYZE"),
)

CLINIC = Application(
    "clinic",
    """
    CREATE TABLE patient(nhs TEXT PRIMARY KEY NOT NULL CHECK(length(nhs) > 3), name TEXT NOT NULL COLLATE NOCASE, born DATE,
      notes TEXT, full TEXT GENERATED ALWAYS AS (nhs || ': ' || name) STORED) WITHOUT ROWID;
    CREATE INDEX patient_name ON patient(name, born DESC);
    CREATE TABLE visit(id INTEGER PRIMARY KEY AUTOINCREMENT, patient TEXT NOT NULL REFERENCES patient(nhs) ON UPDATE CASCADE, at INTEGER NOT NULL
      DEFAULT (strftime('%s', 'now')), fee NUMERIC(8, 2) CHECK(fee >= 0), minutes INT, hours REAL AS (minutes / 60.0));
    CREATE INDEX visit_patient ON visit(patient, at);
    CREATE INDEX visit_hours ON visit(hours) WHERE minutes > 30;
    CREATE TABLE lab(visit INTEGER NOT NULL REFERENCES visit(id) ON DELETE CASCADE, code TEXT NOT NULL, value ANY, unit TEXT,
      PRIMARY KEY(visit, code)) STRICT;
    CREATE TABLE scans(id INTEGER PRIMARY KEY, visit INTEGER, dicom BLOB NOT NULL, taken REAL);
    CREATE VIEW recent AS SELECT p.name, v.at, v.fee FROM visit v JOIN patient p ON p.nhs = v.patient WHERE v.at > 1600000000;
    CREATE TRIGGER visit_fee AFTER UPDATE OF fee ON visit WHEN new.fee IS NOT old.fee BEGIN
      INSERT INTO audit(what, old, new) VALUES ('fee', old.fee, new.fee); END;
    CREATE TABLE audit(id INTEGER PRIMARY KEY, what TEXT, old, new);
    """,
    (
        Rows(
            "patient",
            0.8,
            {"nhs": unique("N"), "name": person, "born": stamp, "notes": maybe(prose(10, 3000))},
            ("nhs",),
        ),
        Rows(
            "visit",
            2.5,
            {"patient": ref("patient", "nhs"), "at": epoch, "fee": maybe(real(0, 300)), "minutes": whole(5, 90)},
        ),
        Rows(
            "lab",
            3,
            {
                "visit": ref("visit"),
                "code": word,
                "value": either(real(0, 20), word, whole(0, 9)),
                "unit": maybe(choice("mg")),
            },
            ("visit", "code"),
        ),
        Rows("scans", 0.12, {"visit": ref("visit"), "dicom": blob(3000, 60000), "taken": seconds}),
        Rows("audit", 0, {"what": word}),
    ),
    adds="ALTER TABLE visit ADD COLUMN room TEXT NOT NULL DEFAULT 'A1'",
)

SENSORS = Application(
    "sensors",
    """
    CREATE TABLE device(id INTEGER PRIMARY KEY, mac BLOB UNIQUE, model TEXT, config TEXT DEFAULT '{}');
    CREATE TABLE sample(device INT, ts INT, t REAL, h REAL, p REAL, flags INT, PRIMARY KEY(device, ts)) WITHOUT ROWID;
    CREATE TABLE raw_frames(ts INT, frame BLOB);
    CREATE TABLE hourly(device INT, hour INT, n INT, lo REAL, hi REAL, mean REAL);
    CREATE UNIQUE INDEX hourly_key ON hourly(device, hour);
    """,
    (
        Rows("device", 0.05, {"mac": blob(6, 7), "model": word, "config": document}),
        Rows(
            "sample",
            15,
            {
                "device": ref("device"),
                "ts": epoch,
                "t": real(-20, 40, 1),
                "h": maybe(real(0, 100, 0)),
                "p": real(950, 1050),
                "flags": whole(0, 3),
            },
            ("device", "ts"),
        ),
        Rows("raw_frames", 6, {"ts": epoch, "frame": blob(8, 60)}),
        Rows(
            "hourly",
            3,
            {
                "device": ref("device"),
                "hour": row_number,
                "n": whole(1, 60),
                "lo": real(-20, 10),
                "hi": real(10, 40),
                "mean": real(0, 25),
            },
        ),
    ),
    later="ALTER TABLE raw_frames ADD COLUMN rssi INTEGER DEFAULT -60",
)

LIBRARY = Application(
    "library",
    """
    CREATE TABLE books(id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL DEFAULT 'Unknown' COLLATE NOCASE, sort TEXT COLLATE NOCASE,
      timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP, pubdate TIMESTAMP, series_index REAL NOT NULL DEFAULT 1.0, path TEXT NOT NULL DEFAULT '',
      has_cover BOOL DEFAULT 0, uuid TEXT);
    CREATE TABLE authors(id INTEGER PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE, link TEXT NOT NULL DEFAULT '', UNIQUE(name));
    CREATE TABLE books_authors_link(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, author INTEGER NOT NULL, UNIQUE(book, author));
    CREATE TABLE comments(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, text TEXT NOT NULL COLLATE NOCASE, UNIQUE(book));
    CREATE TABLE data(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, format TEXT NOT NULL COLLATE NOCASE, uncompressed_size INTEGER NOT NULL,
      name TEXT NOT NULL, UNIQUE(book, format));
    CREATE INDEX authors_idx ON books(sort COLLATE NOCASE);
    CREATE INDEX books_authors_link_aidx ON books_authors_link(author);
    CREATE VIRTUAL TABLE books_fts USING fts5(title, text, tokenize='unicode61 remove_diacritics 2');
    CREATE VIRTUAL TABLE annotations_fts USING fts5(searchable_text, content='annotations', content_rowid='id');
    CREATE TABLE annotations(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, searchable_text TEXT NOT NULL DEFAULT '', annot_data TEXT NOT NULL);
    CREATE TRIGGER annotations_fts_insert_trg AFTER INSERT ON annotations BEGIN
      INSERT INTO annotations_fts(rowid, searchable_text) VALUES (NEW.id, NEW.searchable_text); END;
    CREATE TRIGGER annotations_fts_delete_trg AFTER DELETE ON annotations BEGIN
      INSERT INTO annotations_fts(annotations_fts, rowid, searchable_text) VALUES('delete', OLD.id, OLD.searchable_text); END;
    CREATE TRIGGER annotations_fts_update_trg AFTER UPDATE ON annotations BEGIN
      INSERT INTO annotations_fts(annotations_fts, rowid, searchable_text) VALUES('delete', OLD.id, OLD.searchable_text);
      INSERT INTO annotations_fts(rowid, searchable_text) VALUES (NEW.id, NEW.searchable_text); END;
    CREATE VIEW meta AS SELECT id, title, (SELECT count(*) FROM books_authors_link WHERE book = books.id) AS authors FROM books;
    """,
    (
        Rows(
            "books",
            1,
            {
                "title": words(1, 7),
                "sort": words(1, 7),
                "timestamp": stamp,
                "pubdate": maybe(stamp),
                "series_index": real(0, 9, 1),
                "path": unique("a/b/"),
                "has_cover": flag,
                "uuid": uuid,
            },
        ),
        Rows("authors", 0.5, {"name": unique("Author "), "link": maybe(url, 0.0)}),
        Rows("books_authors_link", 1.5, {"book": ref("books"), "author": ref("authors")}),
        Rows("comments", 0.7, {"book": ref("books"), "text": prose(100, 7000)}),
        Rows(
            "data",
            1.2,
            {
                "book": ref("books"),
                "format": choice("EPUB", "PDF", "epub"),
                "uncompressed_size": whole(10**4, 10**8),
                "name": words(1, 4),
            },
        ),
        Rows("books_fts", 0.6, {"title": words(1, 6), "text": prose(30, 900)}),
        Rows("annotations", 0.5, {"book": ref("books"), "searchable_text": prose(10, 400), "annot_data": document}),
    ),
    units=220,
    pragmas=("PRAGMA user_version = 26",),
)

ROUTES = Application(
    "routes",
    """
    CREATE TABLE stops(stop_id TEXT PRIMARY KEY, stop_name TEXT, geom BLOB, lat REAL, lon REAL);
    CREATE TABLE trips(trip_id TEXT NOT NULL PRIMARY KEY, route_id TEXT NOT NULL, service_id TEXT, headsign TEXT);
    CREATE TABLE stop_times(trip_id TEXT NOT NULL, stop_sequence INT NOT NULL, stop_id TEXT, arrival INT, departure INT,
      FOREIGN KEY(trip_id) REFERENCES trips(trip_id));
    CREATE INDEX stop_times_trip ON stop_times(trip_id, stop_sequence);
    CREATE INDEX stop_times_stop ON stop_times(stop_id);
    CREATE VIRTUAL TABLE stop_index USING rtree(id, minlat, maxlat, minlon, maxlon, +name TEXT);
    CREATE TABLE shapes(id INTEGER PRIMARY KEY, points BLOB, length REAL);
    """,
    (
        Rows(
            "stops",
            1,
            {
                "stop_id": unique("S"),
                "stop_name": words(1, 4),
                "geom": geometry,
                "lat": real(40, 42, 6),
                "lon": real(28, 30, 6),
            },
            ("stop_id",),
        ),
        Rows(
            "trips",
            0.6,
            {"trip_id": unique("T"), "route_id": word, "service_id": maybe(word), "headsign": words(1, 3)},
            ("trip_id",),
        ),
        Rows(
            "stop_times",
            8,
            {
                "trip_id": ref("trips", "trip_id"),
                "stop_sequence": whole(1, 60),
                "stop_id": ref("stops", "stop_id"),
                "arrival": whole(0, 86400),
                "departure": whole(0, 86400),
            },
        ),
        Rows(
            "stop_index",
            1,
            {
                "id": row_number,
                "minlat": real(40, 41, 4),
                "maxlat": real(41, 42, 4),
                "minlon": real(28, 29, 4),
                "maxlon": real(29, 30, 4),
                "name": words(1, 2),
            },
            ("id",),
        ),
        Rows("shapes", 0.2, {"points": blob(500, 20000), "length": real(0, 90)}),
    ),
    adds="ALTER TABLE stops ADD COLUMN wheelchair INTEGER DEFAULT 0",
)

BUILDS = Application(
    "builds",
    """
    CREATE TABLE "Node"("Id" INTEGER PRIMARY KEY, "Path" TEXT NOT NULL, "Hash" BLOB, UNIQUE("Path"));
    CREATE TABLE "Edge"("From" INT NOT NULL, "To" INT NOT NULL, "Kind" INT, PRIMARY KEY("From", "To")) WITHOUT ROWID;
    CREATE INDEX "Edge_To" ON "Edge"("To");
    CREATE TABLE "Log"("Node" INT, "Started" REAL, "Output" TEXT, "Status" INT DEFAULT 0);
    CREATE TABLE "Weird -- table"("a]b" ANY, "c""d" TEXT DEFAULT 'x''y', "ä" BLOB, "check" INT CHECK("check" > 0));
    CREATE UNIQUE INDEX "Weird ""index"" name" ON "Weird -- table"("check" DESC, "c""d" COLLATE NOCASE) WHERE "check" > 5;
    CREATE TABLE kv(k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID;
    """,
    (
        Rows("Node", 2, {"Path": unique("src/lib/"), "Hash": maybe(blob(20, 21))}),
        Rows("Edge", 4, {"From": ref("Node", "Id"), "To": ref("Node", "Id"), "Kind": maybe(flag)}, ("From", "To")),
        Rows(
            "Log",
            1,
            {
                "Node": ref("Node", "Id"),
                "Started": seconds,
                "Output": either(prose(0, 9000), with_nul),
                "Status": extreme,
            },
        ),
        Rows("Weird -- table", 0.8, {"a]b": anything, 'c"d': word, "ä": blob(0, 60), "check": whole(1, 10**6)}),
        Rows("kv", 1, {"k": blob(4, 20), "v": blob(0, 3000)}, ("k",)),
    ),
)

TIMESHEET = Application(
    "timesheet",
    """
    CREATE TABLE company(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE employee(id INTEGER PRIMARY KEY, company INTEGER REFERENCES company(id), name TEXT NOT NULL, mail TEXT UNIQUE, salary NUMERIC);
    CREATE TABLE entry(id INTEGER PRIMARY KEY, employee INTEGER NOT NULL REFERENCES employee(id) ON DELETE CASCADE, day TEXT NOT NULL,
      hours REAL NOT NULL CHECK(hours > 0), task TEXT, billed INTEGER NOT NULL DEFAULT 0);
    CREATE INDEX entry_day ON entry(day, employee);
    CREATE INDEX entry_open ON entry(employee) WHERE billed = 0;
    CREATE TABLE settings(id INTEGER PRIMARY KEY CHECK(id = 1), json TEXT);
    INSERT INTO settings VALUES (1, '{"theme": "dark"}');
    """,
    (
        Rows("company", 0.05, {"name": unique("Co ")}),
        Rows(
            "employee",
            0.3,
            {
                "company": ref("company"),
                "name": person,
                "mail": email,
                "salary": either(real(1e3, 9e3), whole(1000, 9000)),
            },
        ),
        Rows(
            "entry",
            6,
            {
                "employee": ref("employee"),
                "day": stamp,
                "hours": real(0.25, 9),
                "task": maybe(words(2, 10)),
                "billed": flag,
            },
        ),
    ),
    later="ALTER TABLE entry ADD COLUMN rate REAL DEFAULT 75.5; ALTER TABLE employee ADD COLUMN left_on TEXT",
    adds="ALTER TABLE company ADD COLUMN vat TEXT DEFAULT 'none'",
)

UNSEEN: tuple[Application, ...] = (RENTAL, MESSENGER, CLINIC, SENSORS, LIBRARY, ROUTES, BUILDS, TIMESHEET)
