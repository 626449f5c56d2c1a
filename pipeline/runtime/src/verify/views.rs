//! Which tables of views in SQL can be compared, and why others cannot.

use flightline_dataflows::changelog::ViewChanges;

/// Tables of views that cannot be compared: the table, a colon, and why.
pub(super) async fn left_out(
    client: &tokio_postgres::Client,
    views: &[ViewChanges],
) -> Result<Vec<String>, tokio_postgres::Error> {
    let there = "SELECT to_regclass('flightline.view_state') IS NOT NULL";
    if !client.query_one(there, &[]).await?.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let read = "\
SELECT schema_name, table_name, fingerprint, state, message FROM flightline.view_state
ORDER BY schema_name, table_name";
    let rows = client.query(read, &[]).await?;
    let why = |row: &tokio_postgres::Row| {
        let (schema, table): (String, String) = (row.get(0), row.get(1));
        let (fingerprint, state): (i64, String) = (row.get(2), row.get(3));
        let named = views
            .iter()
            .find(|changes| changes.view.schema == schema && changes.view.table == table);
        let why = match named {
            None => "its file is not among the views given".to_owned(),
            Some(changes) if changes.view.fingerprint as i64 != fingerprint => {
                "it was made from another version of its file; the next start makes it anew"
                    .to_owned()
            }
            Some(_) if state == "failed" => {
                let message: Option<String> = row.get(4);
                format!("the view has stopped: {}", message.unwrap_or_default())
            }
            Some(_) if state != "live" => "it has not all its rows yet".to_owned(),
            Some(changes) => match &changes.failed {
                None => return None,
                Some(failure) => format!("the view has no rows here: {failure}"),
            },
        };
        Some(format!("{schema}.{table}: {why}"))
    };
    Ok(rows.iter().filter_map(why).collect())
}

/// The others, with how many rows they have.
pub(super) fn compared(views: &[ViewChanges], left_out: &[String]) -> Vec<(String, u64)> {
    let all = views.iter().map(|changes| {
        let path = format!("{}.{}", changes.view.schema, changes.view.table);
        (path, changes.rows.len() as u64)
    });
    let is_compared = |path: &str| {
        let mut left_out = left_out.iter();
        !left_out.any(|line| line.strip_prefix(path).is_some_and(|l| l.starts_with(": ")))
    };
    all.filter(|(path, _)| is_compared(path)).collect()
}
