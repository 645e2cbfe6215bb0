//! A table for the terminal: sections of labels and values.

use std::collections::BTreeMap;
use std::fmt;

/// The lines of a table.
#[derive(Debug, Default)]
pub struct Table(Vec<Line>);

#[derive(Debug)]
enum Line {
    Head(String),
    Row(String, String),
}

impl Table {
    /// Begins a section.
    pub fn head(&mut self, title: &str) {
        self.0.push(Line::Head(title.to_owned()));
    }

    /// A row of the section.
    pub fn row(&mut self, label: &str, value: impl fmt::Display) {
        self.0.push(Line::Row(label.to_owned(), value.to_string()));
    }

    /// A row that is part of the last whole one.
    pub fn part(&mut self, label: &str, value: impl fmt::Display) {
        self.row(&format!("  {label}"), value);
    }

    /// Several parts.
    pub fn parts(&mut self, counts: &BTreeMap<String, u64>) {
        for (label, count) in counts {
            self.part(label, count);
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = |line: &Line| match line {
            Line::Row(label, _) => label.chars().count(),
            Line::Head(_) => 0,
        };
        let width = self.0.iter().map(length).max().unwrap_or(0);
        for line in &self.0 {
            match line {
                Line::Head(title) => writeln!(f, "{title}")?,
                Line::Row(label, value) => writeln!(f, "  {label:width$}  {value:>10}")?,
            }
        }
        Ok(())
    }
}
