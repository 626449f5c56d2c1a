-- Tables of views that are defined in files, and how they stand.

CREATE TABLE flightline.view_state (
    schema_name text COLLATE "C" NOT NULL,
    table_name  text COLLATE "C" NOT NULL,
    view        text NOT NULL,
    fingerprint bigint NOT NULL,
    state       text NOT NULL,
    message     text,
    PRIMARY KEY (schema_name, table_name)
);
COMMENT ON TABLE flightline.view_state IS 'Tables of views that are defined in files, and how they stand.';
COMMENT ON COLUMN flightline.view_state.schema_name IS 'Schema of the table.';
COMMENT ON COLUMN flightline.view_state.table_name IS 'Name of the table.';
COMMENT ON COLUMN flightline.view_state.view IS 'Name of the view.';
COMMENT ON COLUMN flightline.view_state.fingerprint IS 'Of its plan and columns: when it differs from the file, the table is made anew.';
COMMENT ON COLUMN flightline.view_state.state IS 'filling: not all rows are there yet; live: up to sink_progress; failed: it has stopped, and the table is as it was then.';
COMMENT ON COLUMN flightline.view_state.message IS 'Why it has stopped.';
