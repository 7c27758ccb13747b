"""Applications of the corpus that run on servers: frameworks, shops, messages, metrics."""

from __future__ import annotations

from tests.makers.corpus_application import Application, Rows
from tests.makers.corpus_values import (
    blob,
    choice,
    digest,
    document,
    either,
    email,
    epoch,
    extreme,
    flag,
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
    word,
    words,
)

DJANGO = Application(
    "django",
    """
    CREATE TABLE "django_migrations" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "app" varchar(255) NOT NULL,
      "name" varchar(255) NOT NULL, "applied" datetime NOT NULL);
    CREATE TABLE "django_content_type" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
      "app_label" varchar(100) NOT NULL, "model" varchar(100) NOT NULL);
    CREATE TABLE "auth_group" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(150) NOT NULL UNIQUE);
    CREATE TABLE "auth_permission" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
      "content_type_id" integer NOT NULL REFERENCES "django_content_type" ("id") DEFERRABLE INITIALLY DEFERRED,
      "codename" varchar(100) NOT NULL, "name" varchar(255) NOT NULL);
    CREATE TABLE "auth_user" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "password" varchar(128) NOT NULL,
      "last_login" datetime NULL, "is_superuser" bool NOT NULL, "username" varchar(150) NOT NULL UNIQUE,
      "last_name" varchar(150) NOT NULL, "email" varchar(254) NOT NULL, "is_staff" bool NOT NULL,
      "is_active" bool NOT NULL, "date_joined" datetime NOT NULL, "first_name" varchar(150) NOT NULL);
    CREATE TABLE "auth_user_groups" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
      "user_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED,
      "group_id" integer NOT NULL REFERENCES "auth_group" ("id") DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL,
      "expire_date" datetime NOT NULL);
    CREATE TABLE "django_admin_log" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "object_id" text NULL,
      "object_repr" varchar(200) NOT NULL, "action_flag" smallint unsigned NOT NULL CHECK ("action_flag" >= 0),
      "change_message" text NOT NULL,
      "content_type_id" integer NULL REFERENCES "django_content_type" ("id") DEFERRABLE INITIALLY DEFERRED,
      "user_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED,
      "action_time" datetime NOT NULL);
    CREATE TABLE "blog_post" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "slug" varchar(50) NOT NULL,
      "title" varchar(200) NOT NULL, "body" text NOT NULL, "meta" text NOT NULL CHECK (JSON_VALID("meta")),
      "price" decimal NOT NULL, "author_id" bigint NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED);
    CREATE UNIQUE INDEX "auth_user_groups_uniq" ON "auth_user_groups" ("user_id", "group_id");
    CREATE UNIQUE INDEX "django_content_type_uniq" ON "django_content_type" ("app_label", "model");
    CREATE INDEX "django_session_expire_date" ON "django_session" ("expire_date");
    CREATE INDEX "django_admin_log_user" ON "django_admin_log" ("user_id");
    CREATE INDEX "blog_post_slug" ON "blog_post" ("slug");
    CREATE INDEX "auth_user_groups_group" ON "auth_user_groups" ("group_id");
    CREATE TABLE "blog_draft" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "body" text NOT NULL);
    """,
    (
        Rows("django_migrations", 0.1, {"app": word, "name": words(1, 3), "applied": stamp}),
        Rows("django_content_type", 0.1, {"app_label": word, "model": unique("model")}),
        Rows("auth_group", 0.05, {"name": unique("group")}),
        Rows(
            "auth_permission",
            0.3,
            {"content_type_id": ref("django_content_type"), "codename": unique("can_"), "name": words(2, 4)},
        ),
        Rows(
            "auth_user",
            1,
            {
                "password": hexes(80),
                "last_login": maybe(stamp),
                "is_superuser": flag,
                "username": unique("user"),
                "last_name": person,
                "email": email,
                "is_staff": flag,
                "is_active": flag,
                "date_joined": stamp,
                "first_name": word,
            },
        ),
        Rows("auth_user_groups", 1, {"user_id": ref("auth_user"), "group_id": ref("auth_group")}),
        Rows("django_session", 1.5, {"session_key": hexes(32), "session_data": prose(100, 900), "expire_date": stamp}),
        Rows(
            "django_admin_log",
            2,
            {
                "object_id": maybe(word),
                "object_repr": words(1, 5),
                "action_flag": whole(1, 3),
                "change_message": document,
                "content_type_id": maybe(ref("django_content_type")),
                "user_id": ref("auth_user"),
                "action_time": stamp,
            },
        ),
        Rows(
            "blog_post",
            0.7,
            {
                "slug": word,
                "title": words(2, 8),
                "body": prose(200, 9000),
                "meta": document,
                "price": real(0, 100),
                "author_id": ref("auth_user"),
            },
        ),
        Rows("blog_draft", 0, {"body": word}),
    ),
    adds='ALTER TABLE "blog_post" ADD COLUMN "views" integer NOT NULL DEFAULT 0',
)

STORE = Application(
    "store",
    """
    CREATE TABLE Customers(CustomerID TEXT PRIMARY KEY, CompanyName TEXT NOT NULL, ContactName TEXT, City TEXT,
      Country TEXT DEFAULT 'Türkiye', Phone TEXT);
    CREATE TABLE Categories(CategoryID INTEGER PRIMARY KEY, CategoryName TEXT NOT NULL COLLATE NOCASE, Picture BLOB);
    CREATE TABLE Products(ProductID INTEGER PRIMARY KEY, ProductName TEXT NOT NULL,
      CategoryID INT REFERENCES Categories(CategoryID) ON DELETE SET NULL, UnitPrice NUMERIC DEFAULT 0 CHECK(UnitPrice >= 0),
      UnitsInStock INTEGER DEFAULT 0, Discontinued TEXT NOT NULL DEFAULT '0');
    CREATE TABLE Orders(OrderID INTEGER PRIMARY KEY AUTOINCREMENT,
      CustomerID TEXT REFERENCES Customers(CustomerID) ON DELETE CASCADE, OrderDate DATETIME, Freight REAL DEFAULT 0,
      ShipName TEXT);
    CREATE TABLE "Order Details"(OrderID INTEGER NOT NULL REFERENCES Orders(OrderID) ON DELETE CASCADE,
      ProductID INTEGER NOT NULL REFERENCES Products(ProductID), UnitPrice NUMERIC NOT NULL, Quantity INTEGER NOT NULL
      DEFAULT 1, Discount REAL NOT NULL DEFAULT 0, PRIMARY KEY(OrderID, ProductID), CHECK(Quantity > 0));
    CREATE INDEX "Category Name" ON Categories(CategoryName);
    CREATE INDEX OrdersByDate ON Orders(OrderDate DESC, CustomerID);
    CREATE INDEX ExpensiveProducts ON Products(UnitPrice) WHERE UnitPrice > 50;
    CREATE INDEX CustomerUpper ON Customers(upper(CompanyName), City);
    CREATE TABLE Stock_Log(At TEXT, ProductID INT, Was INT, Now INT);
    CREATE VIEW "Order Subtotals" AS SELECT OrderID, sum(UnitPrice * Quantity * (1 - Discount)) AS Subtotal
      FROM "Order Details" GROUP BY OrderID;
    CREATE VIEW Invoices AS SELECT o.OrderID, c.CompanyName, s.Subtotal FROM Orders o JOIN Customers c USING (CustomerID)
      JOIN "Order Subtotals" s USING (OrderID);
    CREATE TRIGGER stock_changed AFTER UPDATE OF UnitsInStock ON Products WHEN new.UnitsInStock <> old.UnitsInStock BEGIN
      INSERT INTO Stock_Log VALUES ('now;', new.ProductID, old.UnitsInStock, new.UnitsInStock); END;
    CREATE TRIGGER ordered AFTER INSERT ON "Order Details" BEGIN
      UPDATE Products SET UnitsInStock = UnitsInStock - new.Quantity WHERE ProductID = new.ProductID; END;
    CREATE TRIGGER invoice_made INSTEAD OF INSERT ON Invoices BEGIN SELECT raise(ABORT, 'no'); END;
    """,
    (
        Rows(
            "Customers",
            0.7,
            {"CustomerID": unique("C"), "CompanyName": words(1, 3), "ContactName": person, "City": maybe(word)},
            ("CustomerID",),
        ),
        Rows("Categories", 0.05, {"CategoryName": words(1, 2), "Picture": blob(500, 9000)}),
        Rows(
            "Products",
            0.4,
            {
                "ProductName": words(1, 3),
                "CategoryID": maybe(ref("Categories", "CategoryID"), 0.1),
                "UnitPrice": real(0, 120),
                "UnitsInStock": whole(0, 200),
                "Discontinued": choice("0", "1"),
            },
        ),
        Rows(
            "Orders",
            1.5,
            {
                "CustomerID": ref("Customers", "CustomerID"),
                "OrderDate": stamp,
                "Freight": real(0, 30),
                "ShipName": maybe(person),
            },
        ),
        Rows(
            "Order Details",
            4,
            {
                "OrderID": ref("Orders", "OrderID"),
                "ProductID": ref("Products", "ProductID"),
                "UnitPrice": real(0, 120),
                "Quantity": whole(1, 20),
                "Discount": choice(0.0, 0.1, 0.25),
            },
            ("OrderID", "ProductID"),
        ),
        Rows("Stock_Log", 0, {"At": stamp}),
    ),
    adds="ALTER TABLE Orders ADD COLUMN Courier TEXT",
)

CHAT = Application(
    "chat",
    """
    CREATE TABLE peers(id TEXT NOT NULL PRIMARY KEY, name TEXT, last_seen INTEGER) WITHOUT ROWID;
    CREATE TABLE messages(chat TEXT NOT NULL, seq INTEGER NOT NULL, sender TEXT NOT NULL, body TEXT, edited INT DEFAULT 0,
      attachment BLOB, PRIMARY KEY(chat, seq)) WITHOUT ROWID;
    CREATE INDEX messages_by_sender ON messages(sender, seq);
    CREATE TABLE reactions(emoji TEXT, chat TEXT, seq INT, who TEXT, at INT, PRIMARY KEY(chat, seq, who DESC, emoji))
      WITHOUT ROWID;
    CREATE TABLE read_marks(chat TEXT PRIMARY KEY COLLATE NOCASE, seq INT) WITHOUT ROWID;
    CREATE TABLE settings(key TEXT PRIMARY KEY, value);
    """,
    (
        Rows("peers", 0.3, {"id": uuid, "name": maybe(person), "last_seen": epoch}, ("id",)),
        Rows(
            "messages",
            4,
            {
                "chat": choice("general", "привет", "random", "😀 only", "ops"),
                "seq": row_number,
                "sender": ref("peers"),
                "body": either(words(1, 12), prose(5, 700)),
                "edited": flag,
                "attachment": maybe(blob(100, 6000), 0.92),
            },
            ("chat", "seq"),
        ),
        Rows(
            "reactions",
            1.5,
            {
                "emoji": choice("👍", "😀", "❤️", "👩‍👩‍👧"),
                "chat": choice("general", "ops"),
                "seq": whole(1, 900),
                "who": ref("peers"),
                "at": epoch,
            },
            ("emoji", "chat", "seq", "who"),
        ),
        Rows("read_marks", 0.1, {"chat": unique("Chat"), "seq": whole(1, 900)}, ("chat",)),
        Rows("settings", 0.1, {"key": unique("k"), "value": either(flag, word, real(0, 1))}, ("key",)),
    ),
    later="ALTER TABLE messages ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0",
    adds="ALTER TABLE peers ADD COLUMN avatar BLOB",
)

METRICS = Application(
    "metrics",
    """
    CREATE TABLE metrics_meta(metadata_id INTEGER PRIMARY KEY, statistic_id TEXT, source TEXT, unit TEXT, has_sum BOOLEAN);
    CREATE UNIQUE INDEX ix_meta_id ON metrics_meta(statistic_id);
    CREATE TABLE points(id INTEGER PRIMARY KEY, metadata_id INTEGER REFERENCES metrics_meta(metadata_id) ON DELETE CASCADE,
      start_ts FLOAT, mean FLOAT, state FLOAT, sum FLOAT);
    CREATE UNIQUE INDEX ix_points ON points(metadata_id, start_ts);
    CREATE INDEX ix_points_ts ON points(start_ts);
    CREATE TABLE raw(ts INTEGER, sensor SMALLINT, v);
    CREATE TABLE runs(run_id INTEGER PRIMARY KEY, start TEXT NOT NULL, "end" TEXT, closed_incorrect BOOLEAN NOT NULL DEFAULT 0);
    """,
    (
        Rows(
            "metrics_meta",
            0.03,
            {
                "statistic_id": unique("sensor."),
                "source": word,
                "unit": maybe(choice("°C", "kWh", "%")),
                "has_sum": flag,
            },
        ),
        Rows(
            "points",
            12,
            {
                "metadata_id": ref("metrics_meta", "metadata_id"),
                "start_ts": seconds,
                "mean": maybe(real(-40, 900, 3)),
                "state": maybe(real(0, 9999)),
                "sum": maybe(real(0, 1e6)),
            },
        ),
        Rows("raw", 18, {"ts": epoch, "sensor": whole(0, 40), "v": either(whole(0, 100), real(0, 100))}),
        Rows("runs", 0.2, {"start": stamp, "end": maybe(stamp), "closed_incorrect": flag}),
    ),
    pragmas=("ANALYZE", "PRAGMA user_version = 43"),
)

KEY_VALUE = Application(
    "key-value",
    """
    CREATE TABLE ItemTable (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB);
    CREATE TABLE cache(rowid INTEGER PRIMARY KEY, key BLOB, raw INTEGER, store_time REAL, expire_time REAL,
      access_count INTEGER DEFAULT 0, tag BLOB, size INTEGER DEFAULT 0, mode INTEGER DEFAULT 0, filename TEXT, value BLOB);
    CREATE UNIQUE INDEX Cache_key_rowid ON cache(key, raw);
    CREATE INDEX Cache_expire ON cache(expire_time) WHERE expire_time IS NOT NULL;
    CREATE TABLE Settings(key TEXT NOT NULL UNIQUE, value);
    CREATE TRIGGER Settings_count_insert AFTER INSERT ON cache FOR EACH ROW BEGIN
      UPDATE Settings SET value = value + 1 WHERE key = 'count'; END;
    CREATE TRIGGER Settings_count_delete AFTER DELETE ON cache FOR EACH ROW BEGIN
      UPDATE Settings SET value = value - 1 WHERE key = 'count'; END;
    INSERT INTO Settings VALUES ('count', 0), ('size_limit', 1073741824), ('statistics', 0);
    """,
    (
        Rows(
            "ItemTable", 1.5, {"key": unique("workbench."), "value": either(document, blob(10, 12000), flag)}, ("key",)
        ),
        Rows(
            "cache",
            1.5,
            {
                "key": digest,
                "raw": flag,
                "store_time": seconds,
                "expire_time": maybe(seconds),
                "access_count": whole(0, 90),
                "tag": maybe(digest, 0.8),
                "size": whole(0, 9999),
                "mode": whole(1, 4),
                "value": either(document, blob(0, 4000), extreme),
            },
            ("key",),
        ),
        Rows("Settings", 0.05, {"key": unique("s"), "value": either(extreme, word)}, ("key",)),
    ),
    pragmas=("PRAGMA application_id = 252006674",),
)

QUEUE = Application(
    "queue",
    """
    CREATE TABLE jobs(id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL DEFAULT 'default', payload TEXT NOT NULL,
      priority INTEGER NOT NULL DEFAULT 0, run_at INTEGER, attempts INTEGER NOT NULL DEFAULT 0, error TEXT,
      state TEXT NOT NULL CHECK(state IN ('ready', 'running', 'done', 'failed')));
    CREATE INDEX jobs_ready ON jobs(queue, priority DESC, id) WHERE state = 'ready';
    CREATE INDEX jobs_run_at ON jobs(run_at);
    CREATE TABLE locks(name TEXT PRIMARY KEY, holder TEXT, until INTEGER);
    CREATE TABLE results(job INTEGER PRIMARY KEY REFERENCES jobs(id) ON DELETE CASCADE, output BLOB, at REAL);
    """,
    (
        Rows(
            "jobs",
            3,
            {
                "queue": choice("default", "mail", "images"),
                "payload": document,
                "priority": whole(-5, 5),
                "run_at": epoch,
                "attempts": whole(0, 4),
                "error": maybe(prose(20, 2000), 0.85),
                "state": choice("ready", "running", "done", "done", "failed"),
            },
        ),
        Rows("locks", 0.05, {"name": unique("lock"), "holder": hexes(16), "until": epoch}, ("name",)),
        Rows("results", 2, {"job": ref("jobs"), "output": maybe(blob(0, 1500)), "at": seconds}, ("job",)),
    ),
    adds="ALTER TABLE jobs ADD COLUMN worker TEXT DEFAULT 'none'",
)

WIKI = Application(
    "wiki",
    """
    CREATE TABLE page(page_id INTEGER PRIMARY KEY, title TEXT NOT NULL UNIQUE COLLATE NOCASE, latest INT, touched TEXT);
    CREATE TABLE revision(rev_id INTEGER PRIMARY KEY, page_id INT NOT NULL REFERENCES page, author TEXT, comment TEXT,
      at TEXT NOT NULL, sha1 TEXT NOT NULL, body TEXT);
    CREATE INDEX revision_page ON revision(page_id, at);
    CREATE TABLE links(from_page INT NOT NULL, to_title TEXT NOT NULL, UNIQUE(from_page, to_title));
    CREATE VIRTUAL TABLE search USING fts4(title, body, tokenize=unicode61, notindexed=title);
    CREATE TABLE files(name TEXT PRIMARY KEY, mime TEXT, size INT AS (length(content)) VIRTUAL, content BLOB NOT NULL);
    """,
    (
        Rows("page", 0.5, {"title": unique("Page "), "latest": whole(1, 900), "touched": stamp}),
        Rows(
            "revision",
            1.2,
            {
                "page_id": ref("page", "page_id"),
                "author": person,
                "comment": maybe(words(1, 8)),
                "at": stamp,
                "sha1": hexes(40),
                "body": prose(300, 20000),
            },
        ),
        Rows("links", 2, {"from_page": ref("page", "page_id"), "to_title": unique("Page ")}),
        Rows("search", 0.5, {"title": words(1, 4), "body": prose(50, 800)}),
        Rows(
            "files",
            0.08,
            {"name": unique("file"), "mime": choice("image/png", "text/plain"), "content": blob(10, 30000)},
        ),
    ),
    units=200,
)

LEDGER = Application(
    "ledger",
    """
    CREATE TABLE accounts(guid TEXT(32) PRIMARY KEY NOT NULL, name TEXT(2048) NOT NULL, account_type TEXT(2048) NOT NULL,
      parent_guid TEXT(32), hidden INTEGER);
    CREATE TABLE transactions(guid TEXT(32) PRIMARY KEY NOT NULL, num TEXT NOT NULL, post_date TEXT(19), description TEXT);
    CREATE TABLE splits(guid TEXT(32) PRIMARY KEY NOT NULL, tx_guid TEXT(32) NOT NULL, account_guid TEXT(32) NOT NULL,
      memo TEXT(2048) NOT NULL, value_num BIGINT NOT NULL, value_denom BIGINT NOT NULL,
      amount REAL GENERATED ALWAYS AS (value_num * 1.0 / value_denom) VIRTUAL);
    CREATE INDEX splits_tx_guid_index ON splits(tx_guid);
    CREATE INDEX splits_account_guid_index ON splits(account_guid);
    CREATE INDEX tx_post_date_index ON transactions(post_date);
    CREATE TABLE slots(id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, obj_guid TEXT(32) NOT NULL, name TEXT(4096) NOT NULL,
      slot_type INTEGER NOT NULL, int64_val BIGINT, string_val TEXT, double_val REAL, guid_val TEXT);
    CREATE TABLE versions(table_name TEXT(50) PRIMARY KEY NOT NULL, table_version INTEGER NOT NULL);
    CREATE TABLE gnclock(Hostname TEXT(255), PID INT);
    CREATE TABLE employees(guid TEXT(32) PRIMARY KEY NOT NULL, username TEXT NOT NULL);
    """,
    (
        Rows(
            "accounts",
            0.2,
            {
                "guid": hexes(32),
                "name": words(1, 3),
                "account_type": word,
                "parent_guid": maybe(hexes(32)),
                "hidden": flag,
            },
            ("guid",),
        ),
        Rows(
            "transactions",
            1,
            {"guid": hexes(32), "num": word, "post_date": stamp, "description": words(1, 6)},
            ("guid",),
        ),
        Rows(
            "splits",
            2.2,
            {
                "guid": hexes(32),
                "tx_guid": ref("transactions", "guid"),
                "account_guid": ref("accounts", "guid"),
                "memo": choice("", "memo"),
                "value_num": whole(-(10**7), 10**7),
                "value_denom": choice(100, 1000, 1),
            },
            ("guid",),
        ),
        Rows(
            "slots",
            1,
            {
                "obj_guid": hexes(32),
                "name": word,
                "slot_type": whole(1, 9),
                "int64_val": maybe(extreme, 0.5),
                "string_val": maybe(words(0, 5)),
                "double_val": maybe(real(0, 5)),
                "guid_val": maybe(hexes(32), 0.9),
            },
        ),
        Rows("versions", 0.06, {"table_name": unique("t"), "table_version": whole(1, 9)}, ("table_name",)),
        Rows("gnclock", 0, {"PID": flag}),
        Rows("employees", 0, {"guid": hexes(32)}),
    ),
)

EVENTS = Application(
    "events",
    """
    CREATE TABLE event(event_id TEXT, room TEXT NOT NULL, stream INTEGER PRIMARY KEY, json TEXT NOT NULL, origin_ts BIGINT,
      UNIQUE(event_id));
    CREATE INDEX event_room ON event(room, stream);
    CREATE TABLE edges(event_id TEXT NOT NULL, prev TEXT NOT NULL, UNIQUE(event_id, prev)) ;
    CREATE TABLE state(room TEXT, kind TEXT, key TEXT, event_id TEXT, PRIMARY KEY(room, kind, key)) WITHOUT ROWID;
    CREATE TABLE bans(at DATETIME DEFAULT CURRENT_TIMESTAMP, ip TEXT, jail TEXT, timeofban INTEGER NOT NULL, data JSON);
    CREATE INDEX bans_jail_ip ON bans(jail, ip);
    """,
    (
        Rows(
            "event",
            2,
            {"event_id": unique("$"), "room": choice("!a:x", "!b:x", "!ç:x"), "json": document, "origin_ts": micros},
        ),
        Rows("edges", 2, {"event_id": ref("event", "event_id"), "prev": ref("event", "event_id")}),
        Rows(
            "state",
            1,
            {"room": choice("!a:x", "!b:x"), "kind": word, "key": uuid, "event_id": ref("event", "event_id")},
            ("room", "kind", "key"),
        ),
        Rows(
            "bans", 2, {"at": stamp, "ip": url, "jail": choice("sshd", "nginx"), "timeofban": epoch, "data": document}
        ),
    ),
    pragmas=("ANALYZE",),
)

WEB = (DJANGO, STORE, CHAT, METRICS, KEY_VALUE, QUEUE, WIKI, LEDGER, EVENTS)
