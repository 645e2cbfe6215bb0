//! What a batch writes into a column is declared in its statement as the column is in the table. What does not
//! fit the declaration becomes null without a word, and another collation walks no index.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::db::scratch::with_database;

/// A column's type, the character set and the collation: as in `varchar(16) ascii ascii_bin`.
type Declared = String;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// Each statement that reads a batch: the text between the quotes, on one line.
fn statements() -> Vec<String> {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let code: Vec<String> =
        files.iter().map(|file| fs::read_to_string(file).unwrap().replace("\\\n", " ")).collect();
    let texts = code.iter().flat_map(|code| code.split('"'));
    texts
        .filter(|text| text.contains("json_table(?, '$[*]' columns ("))
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

/// What stands between `start` and the bracket that closes it, and what comes after.
fn bracket<'a>(text: &'a str, start: &str) -> Option<(&'a str, &'a str)> {
    let inside = &text[text.find(start)? + start.len()..];
    let mut depth = 1;
    let end = inside.find(|sign| {
        depth += match sign {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    })?;
    Some((&inside[..end], &inside[end..]))
}

/// The parts between the commas that stand in no bracket.
fn parts(list: &str) -> Vec<&str> {
    let mut depth = 0;
    let outside = |sign: char| {
        depth += match sign {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0 && sign == ','
    };
    list.split(outside).map(str::trim).collect()
}

/// By name: what the batch's columns are declared as.
fn declared<'a>(statement: &'a str) -> HashMap<&'a str, Declared> {
    let (columns, _) = bracket(statement, "columns (").unwrap();
    let read = |column: &'a str| {
        let (name, rest) = column.split_once(' ')?;
        // One that only counts the rows has no path.
        let (kind, _) = rest.split_once(" path ")?;
        Some((name, kind.replace("character set ", "").replace("collate ", "")))
    };
    parts(columns).into_iter().filter_map(read).collect()
}

/// The table's columns that the statement writes straight from the batch, and the batch's names for them.
fn written(statement: &str) -> Vec<(&str, &str, &str)> {
    if let Some(rest) = statement.strip_prefix("insert into ") {
        let table = rest.split(' ').next().unwrap();
        let (columns, after) = bracket(rest, "(").unwrap();
        let values = after.split_once("select ").unwrap().1.split(" from json_table(").next();
        let pairs = parts(columns).into_iter().zip(parts(values.unwrap()));
        return pairs
            .filter_map(|(column, value)| Some((table, column, value.strip_prefix("j.")?)))
            .collect();
    }
    let Some((_, rest)) = statement.split_once("straight_join ") else { return Vec::new() };
    let table = rest.split(' ').next().unwrap();
    let Some((_, changes)) = rest.split_once(" set ") else { return Vec::new() };
    let changes = changes.split(" where ").next().unwrap_or(changes);
    parts(changes)
        .into_iter()
        .filter_map(|change| {
            let (column, value) = change.split_once(" = ")?;
            let value = bracket(value, "coalesce(").map_or(value, |(values, _)| parts(values)[0]);
            Some((table, column.strip_prefix("t.")?, value.strip_prefix("j.")?))
        })
        .collect()
}

#[tokio::test]
async fn batches_are_declared_as_the_tables_that_they_are_written_to() {
    with_database(async |db| {
        let rows: Vec<(String, String, String, i64, String, String)> = sqlx::query_as(
            "select cast(table_name as char), cast(column_name as char), cast(data_type as char), \
               cast(coalesce(character_maximum_length, 0) as signed), \
               cast(coalesce(character_set_name, '') as char), cast(coalesce(collation_name, '') as char) \
             from information_schema.columns \
             where table_schema = database()",
        )
        .fetch_all(db.pool())
        .await
        .unwrap();
        let tables: HashMap<(String, String), Declared> = rows
            .into_iter()
            .map(|(table, column, kind, length, charset, collation)| {
                let sized = matches!(&*kind, "varchar" | "char");
                let kind = if sized { format!("{kind}({length})") } else { kind };
                ((table, column), format!("{kind} {charset} {collation}").trim().to_owned())
            })
            .collect();
        let mut compared = 0;
        for statement in statements() {
            let declared = declared(&statement);
            for (table, column, name) in written(&statement) {
                let stored = &tables[&(table.to_owned(), column.trim_matches('`').to_owned())];
                // A time travels as text, which the database reads.
                if !stored.starts_with("datetime") {
                    assert_eq!(&declared[name], stored, "{table}.{column} in: {statement}");
                    compared += 1;
                }
            }
        }
        assert!(compared >= 35, "only {compared} columns were found");
    })
    .await;
}
