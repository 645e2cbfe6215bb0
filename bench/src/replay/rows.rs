//! Reads the files: one row of an invoice a line, as the shop's books have it, nothing judged yet.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use chrono::NaiveDateTime;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

/// One row of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The invoice's number; it begins with `C` for a cancellation or return.
    pub invoice: String,
    /// The stock code, whose case matters.
    pub code: String,
    /// What the books call it, which may be nothing.
    pub description: String,
    /// Units; negative for what came back.
    pub quantity: i64,
    /// When the invoice was written.
    pub at: NaiveDateTime,
    /// The price of one unit as it is written.
    pub price: String,
    /// The customer's number, where the books have one.
    pub customer: Option<String>,
    /// Where the customer lives.
    pub country: String,
}

/// The rows of all files in the order in which they are written, and how many could not be read.
#[derive(Debug, Default)]
pub struct Rows {
    /// The readable rows.
    pub rows: Vec<Row>,
    /// Lines that are no row: too few columns, no number or date where one belongs.
    pub unreadable: u64,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "InvoiceNo")]
    invoice: String,
    #[serde(rename = "StockCode")]
    code: String,
    #[serde(rename = "Description")]
    description: String,
    #[serde(rename = "Quantity")]
    quantity: i64,
    #[serde(rename = "InvoiceDate")]
    at: String,
    #[serde(rename = "UnitPrice")]
    price: String,
    #[serde(rename = "CustomerID")]
    customer: String,
    #[serde(rename = "Country")]
    country: String,
}

impl Rows {
    /// Reads files, gzipped when their name ends in `.gz`.
    pub fn open(paths: &[PathBuf]) -> Result<Self> {
        let mut all = Self::default();
        for path in paths {
            let name = || format!("cannot read {}", path.display());
            let file = BufReader::new(File::open(path).with_context(name)?);
            if is_gzipped(path) {
                all.read(MultiGzDecoder::new(file)).with_context(name)?;
            } else {
                all.read(file).with_context(name)?;
            }
        }
        Ok(all)
    }

    /// Adds the rows of one file. Fails only when it is no such file at all.
    pub fn read(&mut self, source: impl Read) -> Result<()> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(source);
        let columns = reader.headers().context("it has no header line")?.clone();
        if !columns.iter().any(|column| column == "InvoiceNo") {
            bail!("its first line is not the header of an Online Retail file");
        }
        for record in reader.byte_records() {
            let record = record.context("it is damaged")?;
            let record = csv::StringRecord::from_byte_record_lossy(record);
            match record.deserialize(Some(&columns)).ok().and_then(row) {
                Some(row) => self.rows.push(row),
                None => self.unreadable += 1,
            }
        }
        Ok(())
    }
}

fn is_gzipped(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"))
}

fn row(record: Record) -> Option<Row> {
    // The number travels as the Idempotency-Key.
    let is_key = |text: &str| (1..=200).contains(&text.len()) && text.bytes().all(is_visible);
    if !is_key(&record.invoice) {
        return None;
    }
    let customer = record.customer.trim();
    // The books were once a spreadsheet, which made 17850.0 of 17850.
    let customer = customer.strip_suffix(".0").unwrap_or(customer);
    Some(Row {
        at: NaiveDateTime::parse_from_str(&record.at, "%Y-%m-%d %H:%M:%S").ok()?,
        invoice: record.invoice,
        code: record.code,
        description: record.description.trim().to_owned(),
        quantity: record.quantity,
        price: record.price,
        customer: (!customer.is_empty()).then(|| customer.to_owned()),
        country: record.country,
    })
}

/// Whether the byte is a visible ASCII character.
pub(crate) fn is_visible(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const FILE: &str = "\
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
100001,20001a,\"MUG, BLUE \",6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom
C100002,20001a,,-6,2010-12-01 09:00:00,2.55,,EIRE
100003,20001a,MUG,many,2010-12-01 09:00:00,2.55,,EIRE
100004,20001a,MUG,1,yesterday,2.55,,EIRE
100005,20001a
";

    #[test]
    fn rows_are_read_as_written_and_what_is_no_row_is_counted() {
        let mut rows = Rows::default();
        rows.read(FILE.as_bytes()).unwrap();
        assert_eq!(rows.unreadable, 3);
        let [first, second] = rows.rows.as_slice() else { panic!("{:?}", rows.rows) };
        assert_eq!(first.description, "MUG, BLUE");
        assert_eq!(first.customer.as_deref(), Some("17850"));
        assert_eq!((first.quantity, first.price.as_str()), (6, "2.55"));
        assert_eq!(second.customer, None);
        assert_eq!((second.quantity, second.country.as_str()), (-6, "EIRE"));
    }

    #[test]
    fn a_gzipped_file_reads_like_a_plain_one_and_another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv.gz");
        let mut gzip = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
        gzip.write_all(FILE.as_bytes()).unwrap();
        gzip.finish().unwrap();
        assert_eq!(Rows::open(&[path]).unwrap().rows.len(), 2);

        let other = folder.path().join("other.csv");
        std::fs::write(&other, "a,b\n1,2\n").unwrap();
        let error = format!("{:#}", Rows::open(&[other]).unwrap_err());
        assert!(error.contains("not the header"), "{error}");
    }
}
