-- What a shop knows of its customers beside their purchases: columns of named tables, and rows of
-- codes with the time from which (included) and until which (excluded) they held.
CREATE TABLE attribute_column (
    position INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    definition TEXT NOT NULL
) STRICT;
CREATE TABLE attribute (
    customer_id TEXT NOT NULL,
    source TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER NOT NULL,
    codes BLOB NOT NULL,
    PRIMARY KEY (customer_id, source, valid_from)
) STRICT, WITHOUT ROWID;
