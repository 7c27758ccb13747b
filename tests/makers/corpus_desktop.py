"""Applications of the corpus that run on desks and telephones: browsers, mail, music, maps, version control."""

from __future__ import annotations

from tests.makers.corpus_application import Application, Rows
from tests.makers.corpus_values import (
    blob,
    choice,
    digest,
    either,
    email,
    epoch,
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
    stamp,
    unique,
    url,
    uuid,
    whole,
    word,
    words,
)

BROWSER = Application(
    "browser",
    """
    CREATE TABLE moz_origins(id INTEGER PRIMARY KEY, prefix TEXT NOT NULL, host TEXT NOT NULL, frecency INTEGER NOT NULL,
      UNIQUE (prefix, host));
    CREATE TABLE moz_places(id INTEGER PRIMARY KEY, url LONGVARCHAR, title LONGVARCHAR, rev_host LONGVARCHAR,
      visit_count INTEGER DEFAULT 0, hidden INTEGER DEFAULT 0 NOT NULL, typed INTEGER DEFAULT 0 NOT NULL,
      frecency INTEGER DEFAULT -1 NOT NULL, last_visit_date INTEGER, guid TEXT, foreign_count INTEGER DEFAULT 0 NOT NULL,
      url_hash INTEGER DEFAULT 0 NOT NULL, description TEXT, preview_image_url TEXT,
      origin_id INTEGER REFERENCES moz_origins(id));
    CREATE TABLE moz_historyvisits(id INTEGER PRIMARY KEY, from_visit INTEGER, place_id INTEGER, visit_date INTEGER,
      visit_type INTEGER, session INTEGER);
    CREATE TABLE moz_bookmarks(id INTEGER PRIMARY KEY, type INTEGER, fk INTEGER DEFAULT NULL, parent INTEGER,
      position INTEGER, title LONGVARCHAR, keyword_id INTEGER, folder_type TEXT, dateAdded INTEGER, lastModified INTEGER,
      guid TEXT);
    CREATE TABLE moz_inputhistory(place_id INTEGER NOT NULL, input LONGVARCHAR NOT NULL, use_count INTEGER,
      PRIMARY KEY (place_id, input));
    CREATE TABLE moz_cookies(id INTEGER PRIMARY KEY, originAttributes TEXT NOT NULL DEFAULT '', name TEXT, value TEXT,
      host TEXT, path TEXT, expiry INTEGER, isSecure INTEGER, CONSTRAINT moz_uniqueid UNIQUE (name, host, path, originAttributes));
    CREATE TABLE moz_keywords(id INTEGER PRIMARY KEY AUTOINCREMENT, keyword TEXT UNIQUE, place_id INTEGER);
    CREATE INDEX moz_places_hashindex ON moz_places(url_hash);
    CREATE INDEX moz_places_hostindex ON moz_places(rev_host);
    CREATE UNIQUE INDEX moz_places_guid_uniqueindex ON moz_places(guid);
    CREATE INDEX moz_historyvisits_placedateindex ON moz_historyvisits(place_id, visit_date);
    CREATE INDEX moz_historyvisits_dateindex ON moz_historyvisits(visit_date);
    CREATE INDEX moz_bookmarks_itemindex ON moz_bookmarks(fk, type);
    CREATE UNIQUE INDEX moz_bookmarks_guid ON moz_bookmarks(guid);
    """,
    (
        Rows(
            "moz_origins",
            0.2,
            {"prefix": choice("https://", "http://"), "host": unique("host"), "frecency": whole(0, 99)},
        ),
        Rows(
            "moz_places",
            1.5,
            {
                "url": url,
                "title": maybe(words(1, 9)),
                "rev_host": word,
                "visit_count": whole(0, 50),
                "hidden": flag,
                "frecency": whole(-1, 5000),
                "last_visit_date": maybe(micros),
                "guid": uuid,
                "url_hash": whole(0, 2**47),
                "description": maybe(prose(40, 600), 0.6),
                "origin_id": ref("moz_origins"),
            },
        ),
        Rows(
            "moz_historyvisits",
            4,
            {
                "from_visit": whole(0, 999),
                "place_id": ref("moz_places"),
                "visit_date": micros,
                "visit_type": whole(1, 8),
                "session": whole(0, 0),
            },
        ),
        Rows(
            "moz_bookmarks",
            0.5,
            {
                "type": whole(1, 3),
                "fk": maybe(ref("moz_places")),
                "parent": whole(1, 20),
                "position": whole(0, 60),
                "title": maybe(words(1, 5)),
                "dateAdded": micros,
                "lastModified": micros,
                "guid": uuid,
            },
        ),
        Rows(
            "moz_inputhistory",
            0.3,
            {"place_id": ref("moz_places"), "input": word, "use_count": whole(1, 9)},
            ("place_id", "input"),
        ),
        Rows(
            "moz_cookies",
            0.8,
            {
                "name": unique("c"),
                "value": either(hexes(32), prose(10, 400)),
                "host": word,
                "path": choice("/"),
                "expiry": epoch,
                "isSecure": flag,
            },
        ),
        Rows("moz_keywords", 0, {"keyword": word}),
    ),
    pragmas=("ANALYZE", "PRAGMA user_version = 74"),
    adds="ALTER TABLE moz_places ADD COLUMN recalc_frecency INTEGER NOT NULL DEFAULT 0",
)

WORKING_COPY = Application(
    "working-copy",
    """
    CREATE TABLE REPOSITORY (id INTEGER PRIMARY KEY AUTOINCREMENT, root TEXT UNIQUE NOT NULL, uuid TEXT NOT NULL);
    CREATE INDEX I_UUID ON REPOSITORY (uuid);
    CREATE TABLE WCROOT (id INTEGER PRIMARY KEY AUTOINCREMENT, local_abspath TEXT UNIQUE);
    CREATE TABLE PRISTINE (checksum TEXT NOT NULL PRIMARY KEY, compression INTEGER, size INTEGER NOT NULL,
      refcount INTEGER NOT NULL, md5_checksum TEXT NOT NULL);
    CREATE TABLE NODES (wc_id INTEGER NOT NULL REFERENCES WCROOT (id), local_relpath TEXT NOT NULL, op_depth INTEGER NOT NULL,
      parent_relpath TEXT, repos_id INTEGER REFERENCES REPOSITORY (id), repos_path TEXT, revision INTEGER,
      presence TEXT NOT NULL, moved_here INTEGER, kind TEXT NOT NULL, properties BLOB, depth TEXT,
      checksum TEXT REFERENCES PRISTINE (checksum), changed_revision INTEGER, changed_date INTEGER, changed_author TEXT,
      translated_size INTEGER, last_mod_time INTEGER, PRIMARY KEY (wc_id, local_relpath, op_depth));
    CREATE INDEX I_NODES_PARENT ON NODES (wc_id, parent_relpath, local_relpath, op_depth);
    CREATE TABLE ACTUAL_NODE (wc_id INTEGER NOT NULL REFERENCES WCROOT (id), local_relpath TEXT NOT NULL, properties BLOB,
      changelist TEXT, PRIMARY KEY (wc_id, local_relpath));
    CREATE TABLE LOCK (repos_id INTEGER NOT NULL, repos_relpath TEXT NOT NULL, lock_token TEXT NOT NULL,
      PRIMARY KEY (repos_id, repos_relpath));
    CREATE VIEW NODES_CURRENT AS SELECT * FROM nodes AS n WHERE op_depth = (SELECT MAX(op_depth) FROM nodes AS n2
      WHERE n2.wc_id = n.wc_id AND n2.local_relpath = n.local_relpath);
    CREATE TRIGGER nodes_insert_trigger AFTER INSERT ON nodes WHEN NEW.checksum IS NOT NULL BEGIN
      UPDATE pristine SET refcount = refcount + 1 WHERE checksum = NEW.checksum; END;
    CREATE TRIGGER nodes_delete_trigger AFTER DELETE ON nodes WHEN OLD.checksum IS NOT NULL BEGIN
      UPDATE pristine SET refcount = refcount - 1 WHERE checksum = OLD.checksum; END;
    """,
    (
        Rows("REPOSITORY", 0.005, {"root": url, "uuid": uuid}),
        Rows("WCROOT", 0.005, {"local_abspath": maybe(url, 0.9)}),
        Rows(
            "PRISTINE",
            1,
            {"checksum": hexes(40), "size": whole(0, 10**6), "refcount": whole(0, 0), "md5_checksum": hexes(32)},
            ("checksum",),
        ),
        Rows(
            "NODES",
            3,
            {
                "wc_id": ref("WCROOT"),
                "local_relpath": unique("trunk/src/"),
                "op_depth": choice(0, 0, 0, 2),
                "parent_relpath": choice("trunk/src", "trunk", "branches/1.x"),
                "repos_id": ref("REPOSITORY"),
                "repos_path": url,
                "revision": whole(1, 90000),
                "presence": choice("normal"),
                "kind": choice("file", "dir"),
                "properties": maybe(blob(2, 200), 0.5),
                "checksum": maybe(ref("PRISTINE", "checksum"), 0.2),
                "changed_revision": whole(1, 90000),
                "changed_date": micros,
                "changed_author": word,
                "translated_size": whole(0, 10**6),
                "last_mod_time": micros,
            },
            ("wc_id", "local_relpath", "op_depth"),
        ),
        Rows(
            "ACTUAL_NODE",
            0.1,
            {"wc_id": ref("WCROOT"), "local_relpath": unique("trunk/"), "properties": blob(5, 90)},
            ("wc_id", "local_relpath"),
        ),
        Rows("LOCK", 0, {"repos_id": flag}),
    ),
    pragmas=("PRAGMA user_version = 31", "ANALYZE"),
)

ARTIFACTS = Application(
    "artifacts",
    """
    CREATE TABLE blob(rid INTEGER PRIMARY KEY, rcvid INTEGER, size INTEGER, uuid TEXT UNIQUE NOT NULL, content BLOB,
      CHECK( length(uuid)>=40 AND rid>0 ));
    CREATE TABLE delta(rid INTEGER PRIMARY KEY, srcid INTEGER NOT NULL REFERENCES blob);
    CREATE INDEX delta_i1 ON delta(srcid);
    CREATE TABLE rcvfrom(rcvid INTEGER PRIMARY KEY, uid INTEGER, mtime DATETIME, nonce TEXT UNIQUE, ipaddr TEXT);
    CREATE TABLE user(uid INTEGER PRIMARY KEY, login TEXT UNIQUE, pw TEXT, cap TEXT, mtime DATE, photo BLOB, jx TEXT DEFAULT '{}');
    CREATE TABLE config(name TEXT PRIMARY KEY NOT NULL, value CLOB, mtime DATE, CHECK( typeof(name)='text' )) WITHOUT ROWID;
    CREATE TABLE event(type TEXT, mtime DATETIME, objid INTEGER PRIMARY KEY, tagid INTEGER, comment TEXT);
    CREATE INDEX event_i1 ON event(mtime);
    CREATE TABLE private(rid INTEGER PRIMARY KEY);
    """,
    (
        Rows(
            "blob", 1, {"rcvid": whole(1, 20), "size": whole(1, 10**6), "uuid": hexes(40), "content": blob(200, 24000)}
        ),
        Rows("delta", 0.6, {"rid": ref("blob", "rid"), "srcid": ref("blob", "rid")}, ("rid",)),
        Rows(
            "rcvfrom",
            0.2,
            {"uid": whole(1, 3), "mtime": real(2.4e6, 2.5e6, 5), "nonce": hexes(40), "ipaddr": maybe(word)},
        ),
        Rows(
            "user",
            0.03,
            {"login": unique("dev"), "pw": hexes(40), "cap": word, "mtime": epoch, "photo": maybe(blob(9, 900))},
        ),
        Rows(
            "config", 0.3, {"name": unique("conf-"), "value": either(prose(1, 3000), flag), "mtime": epoch}, ("name",)
        ),
        Rows(
            "event",
            1,
            {
                "type": choice("ci", "w", "t"),
                "mtime": real(2.4e6, 2.5e6, 6),
                "tagid": maybe(flag),
                "comment": prose(10, 400),
            },
        ),
        Rows("private", 0, {"rid": flag}),
    ),
    units=120,
    pragmas=("PRAGMA application_id = 252006673",),
)

MAPS = Application(
    "maps",
    """
    CREATE TABLE gpkg_spatial_ref_sys(srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY, organization TEXT NOT NULL,
      definition TEXT NOT NULL, description TEXT);
    CREATE TABLE gpkg_contents(table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
      last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')), min_x DOUBLE, max_x DOUBLE, srs_id INTEGER,
      CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
    CREATE TABLE "places" ("fid" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "geom" POINT, "name" TEXT(80),
      "population" MEDIUMINT, "elevation" REAL);
    CREATE TABLE tiles(id INTEGER PRIMARY KEY AUTOINCREMENT, zoom_level INTEGER NOT NULL, tile_column INTEGER NOT NULL,
      tile_row INTEGER NOT NULL, tile_data BLOB NOT NULL, UNIQUE (zoom_level, tile_column, tile_row));
    CREATE VIRTUAL TABLE "rtree_places_geom" USING rtree(id, minx, maxx, miny, maxy);
    CREATE TABLE boxes_source(id INTEGER PRIMARY KEY, w INT, h INT);
    CREATE TRIGGER "rtree_places_geom_delete" AFTER DELETE ON "places" WHEN old."geom" NOT NULL BEGIN
      DELETE FROM "rtree_places_geom" WHERE id = OLD."fid"; END;
    CREATE TRIGGER "rtree_places_geom_insert" AFTER INSERT ON "places" WHEN new.geom NOT NULL BEGIN
      INSERT OR REPLACE INTO "rtree_places_geom" VALUES (NEW."fid", length(NEW.name), length(NEW.name) + 1, NEW.elevation,
      NEW.elevation + 1); END;
    CREATE VIRTUAL TABLE boxes USING rtree_i32(id, x0, x1, y0, y1, +label TEXT, +colour);
    """,
    (
        Rows(
            "gpkg_spatial_ref_sys",
            0.02,
            {"srs_name": words(2, 3), "organization": choice("EPSG"), "definition": prose(300, 900)},
        ),
        Rows(
            "gpkg_contents",
            0.01,
            {
                "table_name": unique("layer"),
                "data_type": choice("features"),
                "identifier": unique("i"),
                "last_change": stamp,
                "srs_id": ref("gpkg_spatial_ref_sys", "srs_id"),
            },
            ("table_name",),
        ),
        Rows(
            "places",
            2,
            {
                "geom": geometry,
                "name": words(1, 3),
                "population": maybe(whole(1, 10**7)),
                "elevation": real(-100, 4000),
            },
        ),
        Rows(
            "tiles",
            0.3,
            {
                "zoom_level": whole(0, 9),
                "tile_column": whole(0, 500),
                "tile_row": whole(0, 500),
                "tile_data": blob(600, 9000),
            },
        ),
        Rows("boxes_source", 0.1, {"w": whole(1, 9), "h": whole(1, 9)}),
        Rows(
            "boxes",
            0.7,
            {
                "id": row_number,
                "x0": whole(0, 500),
                "x1": whole(501, 999),
                "y0": whole(0, 50),
                "y1": whole(51, 99),
                "label": maybe(words(1, 3)),
                "colour": either(flag, word),
            },
            ("id",),
        ),
    ),
    pragmas=("PRAGMA application_id = 1196444487", "PRAGMA user_version = 10300"),
)

FEEDS = Application(
    "feeds",
    """
    CREATE TABLE feed(id INTEGER PRIMARY KEY, title TEXT NOT NULL, feedurl TEXT NOT NULL UNIQUE, lastchange INTEGER NOT NULL
      DEFAULT 0, error TEXT);
    CREATE TABLE item(id INTEGER PRIMARY KEY, feed_id INTEGER NOT NULL REFERENCES feed(id) ON DELETE CASCADE, guid TEXT,
      title TEXT NOT NULL, author TEXT, url TEXT, content TEXT, unread INTEGER NOT NULL DEFAULT 1, pub INTEGER,
      UNIQUE(guid, feed_id) ON CONFLICT IGNORE);
    CREATE INDEX item_unread ON item(feed_id, pub) WHERE unread = 1;
    CREATE VIRTUAL TABLE item_search USING fts5(title, content, content='item', content_rowid='id', tokenize='porter unicode61');
    CREATE TRIGGER item_ai AFTER INSERT ON item BEGIN
      INSERT INTO item_search(rowid, title, content) VALUES (new.id, new.title, new.content); END;
    CREATE TRIGGER item_ad AFTER DELETE ON item BEGIN
      INSERT INTO item_search(item_search, rowid, title, content) VALUES ('delete', old.id, old.title, old.content); END;
    CREATE TRIGGER item_au AFTER UPDATE ON item BEGIN
      INSERT INTO item_search(item_search, rowid, title, content) VALUES ('delete', old.id, old.title, old.content);
      INSERT INTO item_search(rowid, title, content) VALUES (new.id, new.title, new.content); END;
    CREATE VIRTUAL TABLE notes USING fts5(subject, body, tag UNINDEXED, prefix='2 3');
    CREATE VIRTUAL TABLE seen USING fts5(words, content='', columnsize=1);
    CREATE TABLE enclosure(item_id INT REFERENCES item(id) ON DELETE CASCADE, url TEXT, type TEXT, length INT);
    """,
    (
        Rows(
            "feed", 0.1, {"title": words(1, 4), "feedurl": url, "lastchange": epoch, "error": maybe(words(2, 4), 0.9)}
        ),
        Rows(
            "item",
            2,
            {
                "feed_id": ref("feed"),
                "guid": uuid,
                "title": words(2, 9),
                "author": maybe(person),
                "url": url,
                "content": prose(100, 5000),
                "unread": flag,
                "pub": epoch,
            },
        ),
        Rows("notes", 0.4, {"subject": words(1, 4), "body": prose(30, 900), "tag": word}),
        Rows(
            "enclosure",
            0.5,
            {"item_id": ref("item"), "url": url, "type": choice("audio/mpeg"), "length": whole(1, 10**8)},
        ),
    ),
    units=200,
    finish=lambda db, rng: (
        [
            db.execute("INSERT INTO seen(rowid, words) VALUES (?, ?)", (n, f"word{rng.randrange(50)} other{n}"))
            for n in range(1, 120)
        ]
        and None
    ),
)

MAIL = Application(
    "mail",
    """
    CREATE TABLE folders(id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER REFERENCES folders(id), name TEXT NOT NULL,
      uidvalidity INTEGER);
    CREATE TABLE messages(id INTEGER PRIMARY KEY AUTOINCREMENT, folder INTEGER NOT NULL REFERENCES folders(id), uid INTEGER,
      subject TEXT COLLATE NOCASE, sender TEXT COLLATE NOCASE, recipients TEXT, received INTEGER, flags INTEGER DEFAULT 0,
      headers TEXT, body BLOB, size INTEGER GENERATED ALWAYS AS (length(body)) STORED);
    CREATE UNIQUE INDEX messages_uid ON messages(folder, uid);
    CREATE INDEX messages_sender ON messages(sender COLLATE NOCASE, received DESC);
    CREATE INDEX messages_thread ON messages(lower(subject));
    CREATE TABLE attachments(message INTEGER NOT NULL REFERENCES messages(id) ON DELETE CASCADE, name TEXT, part INTEGER,
      data BLOB, PRIMARY KEY(message, part));
    CREATE VIRTUAL TABLE fulltext USING fts3(subject, body);
    CREATE TABLE contacts(id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE COLLATE NOCASE, name TEXT);
    """,
    (
        Rows("folders", 0.05, {"name": words(1, 2), "uidvalidity": epoch}),
        Rows(
            "messages",
            1.2,
            {
                "folder": ref("folders"),
                "uid": row_number,
                "subject": words(1, 8),
                "sender": email,
                "recipients": email,
                "received": epoch,
                "flags": whole(0, 63),
                "headers": prose(200, 1500),
                "body": either(prose(50, 12000), blob(100, 9000)),
            },
        ),
        Rows(
            "attachments",
            0.15,
            {"message": ref("messages"), "name": maybe(word), "part": whole(1, 3), "data": blob(500, 40000)},
            ("message", "part"),
        ),
        Rows("fulltext", 0.5, {"subject": words(1, 6), "body": prose(20, 600)}),
        Rows("contacts", 0.6, {"address": email, "name": person}),
    ),
    units=160,
)

MUSIC = Application(
    "music",
    """
    CREATE TABLE [Artist]([ArtistId] INTEGER NOT NULL, [Name] NVARCHAR(120), CONSTRAINT [PK_Artist] PRIMARY KEY ([ArtistId]));
    CREATE TABLE [Album]([AlbumId] INTEGER NOT NULL, [Title] NVARCHAR(160) NOT NULL, [ArtistId] INTEGER NOT NULL,
      CONSTRAINT [PK_Album] PRIMARY KEY ([AlbumId]),
      FOREIGN KEY ([ArtistId]) REFERENCES [Artist] ([ArtistId]) ON DELETE NO ACTION ON UPDATE NO ACTION);
    CREATE TABLE [Track]([TrackId] INTEGER NOT NULL, [Name] NVARCHAR(200) NOT NULL, [AlbumId] INTEGER, [Composer] NVARCHAR(220),
      [Milliseconds] INTEGER NOT NULL, [Bytes] INTEGER, [UnitPrice] NUMERIC(10,2) NOT NULL,
      CONSTRAINT [PK_Track] PRIMARY KEY ([TrackId]), FOREIGN KEY ([AlbumId]) REFERENCES [Album] ([AlbumId]));
    CREATE TABLE [Playlist]([PlaylistId] INTEGER NOT NULL PRIMARY KEY, [Name] NVARCHAR(120));
    CREATE TABLE [PlaylistTrack]([PlaylistId] INTEGER NOT NULL, [TrackId] INTEGER NOT NULL,
      CONSTRAINT [PK_PlaylistTrack] PRIMARY KEY ([PlaylistId], [TrackId]),
      FOREIGN KEY ([PlaylistId]) REFERENCES [Playlist] ([PlaylistId]) ON DELETE CASCADE,
      FOREIGN KEY ([TrackId]) REFERENCES [Track] ([TrackId]) ON DELETE CASCADE);
    CREATE UNIQUE INDEX [IPK_PlaylistTrack] ON [PlaylistTrack]([PlaylistId], [TrackId]);
    CREATE INDEX [IFK_AlbumArtistId] ON [Album] ([ArtistId]);
    CREATE INDEX [IFK_TrackAlbumId] ON [Track] ([AlbumId]);
    CREATE TABLE film_text(film_id SMALLINT NOT NULL PRIMARY KEY, title VARCHAR(255) NOT NULL, description BLOB);
    CREATE TRIGGER track_ad AFTER DELETE ON [Track] BEGIN DELETE FROM film_text WHERE film_id = old.TrackId; END;
    """,
    (
        Rows("Artist", 0.6, {"Name": maybe(words(1, 3), 0.02)}),
        Rows("Album", 1, {"Title": words(1, 5), "ArtistId": ref("Artist", "ArtistId")}),
        Rows(
            "Track",
            5,
            {
                "Name": words(1, 6),
                "AlbumId": ref("Album", "AlbumId"),
                "Composer": maybe(person),
                "Milliseconds": whole(10**4, 10**6),
                "Bytes": maybe(whole(10**5, 10**8)),
                "UnitPrice": choice(0.99, 1.99, 1),
            },
        ),
        Rows("Playlist", 0.06, {"Name": word}),
        Rows(
            "PlaylistTrack",
            5,
            {"PlaylistId": ref("Playlist", "PlaylistId"), "TrackId": ref("Track", "TrackId")},
            ("PlaylistId", "TrackId"),
        ),
        Rows(
            "film_text", 1, {"film_id": row_number, "title": words(1, 3), "description": prose(60, 500)}, ("film_id",)
        ),
    ),
    adds="ALTER TABLE Album ADD COLUMN Year INTEGER",
)

PHOTOS = Application(
    "photos",
    """
    CREATE TABLE media(_id INTEGER PRIMARY KEY AUTOINCREMENT, _data TEXT UNIQUE COLLATE NOCASE, _size INTEGER, mime_type TEXT,
      date_added INTEGER, width INTEGER, height INTEGER, latitude REAL, longitude REAL, bucket TEXT, hash BLOB);
    CREATE INDEX media_bucket ON media(bucket, date_added DESC);
    CREATE TABLE thumbs(media_id INTEGER PRIMARY KEY REFERENCES media(_id) ON DELETE CASCADE, jpeg BLOB NOT NULL);
    CREATE TABLE faces(id INTEGER PRIMARY KEY, media_id INTEGER NOT NULL, x REAL, y REAL, w REAL, h REAL, vector BLOB);
    CREATE TABLE android_metadata(locale TEXT);
    INSERT INTO android_metadata VALUES ('tr_TR');
    """,
    (
        Rows(
            "media",
            1.5,
            {
                "_data": unique("/storage/emulated/0/DCIM/"),
                "_size": whole(10**4, 10**7),
                "mime_type": choice("image/jpeg"),
                "date_added": epoch,
                "width": whole(100, 9000),
                "height": whole(100, 9000),
                "latitude": maybe(real(-90, 90, 6)),
                "longitude": maybe(real(-180, 180, 6)),
                "bucket": word,
                "hash": maybe(digest),
            },
        ),
        Rows("thumbs", 0.4, {"media_id": ref("media", "_id"), "jpeg": blob(2000, 22000)}, ("media_id",)),
        Rows(
            "faces",
            0.7,
            {
                "media_id": ref("media", "_id"),
                "x": real(0, 1, 4),
                "y": real(0, 1, 4),
                "w": real(0, 1, 4),
                "h": real(0, 1, 4),
                "vector": blob(512, 513),
            },
        ),
    ),
    units=150,
    later="ALTER TABLE media ADD COLUMN is_favorite INTEGER DEFAULT 0; ALTER TABLE media ADD COLUMN caption TEXT DEFAULT 'none'",
)

NOTES = Application(
    "notes",
    """
    CREATE TABLE notebooks(id TEXT PRIMARY KEY, title TEXT NOT NULL DEFAULT '', created_time INT NOT NULL);
    CREATE TABLE notes(id TEXT PRIMARY KEY, parent_id TEXT NOT NULL DEFAULT '', title TEXT NOT NULL DEFAULT '', body TEXT NOT NULL
      DEFAULT '', created_time INT NOT NULL, is_todo INT NOT NULL DEFAULT 0, latitude NUMERIC NOT NULL DEFAULT 0, source TEXT);
    CREATE INDEX notes_title ON notes(title);
    CREATE INDEX notes_updated ON notes(created_time);
    CREATE TABLE notes_normalized(id TEXT NOT NULL, title TEXT NOT NULL DEFAULT '', body TEXT NOT NULL DEFAULT '');
    CREATE INDEX notes_normalized_id ON notes_normalized(id);
    CREATE VIRTUAL TABLE notes_fts USING fts4(content="notes_normalized", id, title, body);
    CREATE TRIGGER notes_fts_before_delete BEFORE DELETE ON notes_normalized BEGIN
      DELETE FROM notes_fts WHERE docid=old.rowid; END;
    CREATE TRIGGER notes_fts_before_update BEFORE UPDATE ON notes_normalized BEGIN
      DELETE FROM notes_fts WHERE docid=old.rowid; END;
    CREATE TRIGGER notes_after_update AFTER UPDATE ON notes_normalized BEGIN
      INSERT INTO notes_fts(docid, id, title, body) SELECT rowid, id, title, body FROM notes_normalized WHERE new.rowid = rowid; END;
    CREATE TRIGGER notes_after_insert AFTER INSERT ON notes_normalized BEGIN
      INSERT INTO notes_fts(docid, id, title, body) SELECT rowid, id, title, body FROM notes_normalized WHERE new.rowid = rowid; END;
    CREATE TABLE note_tags(note_id TEXT NOT NULL, tag TEXT NOT NULL);
    CREATE INDEX note_tags_both ON note_tags(note_id, tag);
    """,
    (
        Rows("notebooks", 0.05, {"id": hexes(32), "title": words(1, 2), "created_time": micros}, ("id",)),
        Rows(
            "notes",
            1,
            {
                "id": hexes(32),
                "parent_id": ref("notebooks"),
                "title": words(1, 6),
                "body": prose(20, 8000),
                "created_time": micros,
                "is_todo": flag,
                "latitude": real(-90, 90, 4),
                "source": maybe(word),
            },
            ("id",),
        ),
        Rows("notes_normalized", 1, {"id": ref("notes"), "title": words(1, 6), "body": prose(20, 1500)}),
        Rows("note_tags", 1.5, {"note_id": ref("notes"), "tag": word}),
    ),
    units=220,
)

DESKTOP = (BROWSER, WORKING_COPY, ARTIFACTS, MAPS, FEEDS, MAIL, MUSIC, PHOTOS, NOTES)
