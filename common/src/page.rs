//! Lists are read in pages: a cursor says where the last page ended and of which list it was. Rows that
//! come or go between two pages are neither shown twice nor make others be skipped.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

/// The most rows of one page.
const MAX_LIMIT: u32 = 100;
const DEFAULT_LIMIT: u32 = 20;
const MARK: usize = 8;
/// Longer than any cursor of ours.
const LONGEST: usize = 4_096;

/// The cursor belongs to another list, or is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor does not belong to this list; start again without it")]
pub struct BadCursor;

/// How many rows were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u32);

/// The limit is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a page has 1 to 100 rows")]
pub struct BadLimit;

impl Limit {
    /// 20 unless given; 1 to 100.
    pub fn try_new(asked: Option<u32>) -> Result<Self, BadLimit> {
        match asked.unwrap_or(DEFAULT_LIMIT) {
            limit @ 1..=MAX_LIMIT => Ok(Self(limit)),
            _ => Err(BadLimit),
        }
    }

    /// How many rows to read: one more than is shown, which tells whether there are further ones.
    pub fn read(self) -> u32 {
        self.0 + 1
    }
}

/// The rows of one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// At most as many as were asked for.
    pub rows: Vec<T>,
    /// Whether there are further ones.
    pub more: bool,
}

impl<T> Page<T> {
    /// Cuts what was read with [`Limit::read`] to what is shown.
    pub fn cut(mut rows: Vec<T>, limit: Limit) -> Self {
        let shown = limit.0 as usize;
        let more = rows.len() > shown;
        rows.truncate(shown);
        Self { rows, more }
    }

    /// The cursor of the next page, when there is one: `place` says where a row stands in the list.
    pub fn next<K: Serialize>(
        &self,
        list: &impl Serialize,
        place: impl Fn(&T) -> K,
    ) -> Option<String> {
        let end = self.rows.last().filter(|_| self.more)?;
        Some(write_cursor(list, &place(end)))
    }
}

/// A cursor: where a page of `list` (its name, filters and order) ended.
fn write_cursor(list: &impl Serialize, place: &impl Serialize) -> String {
    let mut bytes = mark(list).to_vec();
    bytes.extend(serde_json::to_vec(place).expect("a place is strings and integers"));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Where the page ended, if the cursor was written for this list.
pub fn read_cursor<K: DeserializeOwned>(
    list: &impl Serialize,
    cursor: &str,
) -> Result<K, BadCursor> {
    if cursor.len() > LONGEST {
        return Err(BadCursor);
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| BadCursor)?;
    let (marked, place) = bytes.split_at_checked(MARK).ok_or(BadCursor)?;
    if marked != mark(list) {
        return Err(BadCursor);
    }
    serde_json::from_slice(place).map_err(|_| BadCursor)
}

fn mark(list: &impl Serialize) -> [u8; MARK] {
    let list = serde_json::to_vec(list).expect("a filter is strings and integers");
    let hash = Sha256::digest(list);
    let mut mark = [0; MARK];
    mark.copy_from_slice(&hash[..MARK]);
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_by_its_own_list_only() {
        let cursor = write_cursor(&("products", "mug"), &(7, "x"));
        assert_eq!(read_cursor(&("products", "mug"), &cursor), Ok((7, "x".to_owned())));
        assert_eq!(read_cursor::<(i32, String)>(&("products", "cup"), &cursor), Err(BadCursor));
        assert_eq!(read_cursor::<i32>(&("products", "mug"), &cursor), Err(BadCursor));
        for bad in ["", "x", "%%%", "AAAA", &"A".repeat(5_000), &format!("{cursor}=")] {
            assert_eq!(read_cursor::<(i32, String)>(&("products", "mug"), bad), Err(BadCursor));
        }
    }

    #[test]
    fn a_cursor_may_be_as_long_as_said_and_no_longer() {
        // The mark, two quotes and this many letters are three bytes for each four of the text.
        let longest = LONGEST / 4 * 3 - MARK - 2;
        let cursor = |length| write_cursor(&"list", &"x".repeat(length));
        assert_eq!(cursor(longest).len(), LONGEST);
        assert_eq!(read_cursor(&"list", &cursor(longest)), Ok("x".repeat(longest)));
        assert_eq!(read_cursor::<String>(&"list", &cursor(longest + 1)), Err(BadCursor));
    }

    #[test]
    fn one_row_more_than_shown_tells_that_there_are_further_ones() {
        let limit = Limit::try_new(Some(2)).unwrap();
        let page = Page::cut(vec![1, 2, 3], limit);
        assert_eq!((page.rows.as_slice(), page.more), (&[1, 2][..], true));
        let cursor = page.next(&"list", |row| *row).unwrap();
        assert_eq!(read_cursor(&"list", &cursor), Ok(2));
        let last = Page::cut(vec![1, 2], limit);
        assert!(!last.more && last.next(&"list", |row| *row).is_none());
        assert_eq!(Limit::try_new(Some(0)), Err(BadLimit));
        assert_eq!(Limit::try_new(Some(101)), Err(BadLimit));
        assert_eq!(Limit::try_new(None).unwrap().read(), 21);
    }
}
