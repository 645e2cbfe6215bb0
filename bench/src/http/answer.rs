//! Reads an answer out of the bytes received so far.

use std::io::{self, ErrorKind};

/// An answer of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The `Location` header.
    pub location: Option<String>,
    /// The seconds of the `Retry-After` header.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: Vec<u8>,
}

/// What the bytes received so far hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// Not all of the answer.
    Partial,
    /// The answer, and whether the connection takes another request.
    Whole { answer: Answer, keep: bool },
}

/// Where the body ends.
enum Extent {
    Length(usize),
    Chunked,
}

/// Parses the bytes received since the request was sent.
pub(super) fn parse(bytes: &[u8]) -> io::Result<Parsed> {
    let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(Parsed::Partial) };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| malformed())?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok())
        .ok_or_else(malformed)?;
    let mut answer = Answer { status, location: None, retry_after: None, body: Vec::new() };
    let (mut extent, mut keep) = (Extent::Length(0), true);
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(malformed)?;
        let value = value.trim();
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        if is("content-length") {
            extent = Extent::Length(value.parse().map_err(|_| malformed())?);
        } else if is("transfer-encoding") {
            extent = Extent::Chunked;
        } else if is("connection") {
            keep = !value.eq_ignore_ascii_case("close");
        } else if is("location") {
            answer.location = Some(value.to_owned());
        } else if is("retry-after") {
            answer.retry_after = value.parse().ok();
        }
    }
    let has_body = !matches!(status, 100..=199 | 204 | 304);
    let rest = &bytes[end + 4..];
    let body = match extent {
        _ if !has_body => Some(Vec::new()),
        Extent::Length(length) => rest.get(..length).map(<[u8]>::to_vec),
        Extent::Chunked => join_chunks(rest)?,
    };
    Ok(match body {
        Some(body) => Parsed::Whole { answer: Answer { body, ..answer }, keep },
        None => Parsed::Partial,
    })
}

/// The body of a chunked answer, `None` while chunks are missing. Trailers are not expected.
fn join_chunks(mut rest: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let Some(end) = find(rest, b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&rest[..end]).map_err(|_| malformed())?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| malformed())?;
        let Some(chunk) = rest.get(end + 2..end + 2 + size + 2) else { return Ok(None) };
        if size == 0 {
            return Ok(Some(body));
        }
        body.extend_from_slice(&chunk[..size]);
        rest = &rest[end + 2 + size + 2..];
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn malformed() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the answer is no HTTP/1.1")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every prefix of an answer is partial; all of it is this.
    fn whole(text: &str) -> (Answer, bool) {
        for end in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..end]).unwrap(), Parsed::Partial, "{end}");
        }
        match parse(text.as_bytes()).unwrap() {
            Parsed::Whole { answer, keep } => (answer, keep),
            Parsed::Partial => panic!("partial: {text}"),
        }
    }

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let (answer, keep) = whole(
            "HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\nLocation: /v1/orders/ord_1\r\n\
             Retry-After: 1\r\nContent-Length: 13\r\n\r\n{\"id\":\"ord_1\"",
        );
        assert!(keep);
        assert_eq!((answer.status, answer.retry_after), (202, Some(1)));
        assert_eq!(answer.location.as_deref(), Some("/v1/orders/ord_1"));
        assert_eq!(answer.body, b"{\"id\":\"ord_1\"");
    }

    #[test]
    fn chunks_are_joined() {
        let text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nmill\r\nA;x=1\r\n, or mill.\r\n0\r\n\r\n";
        assert_eq!(whole(text).0.body, b"mill, or mill.");
    }

    #[test]
    fn an_answer_may_have_no_body_or_be_the_last() {
        let (answer, keep) =
            whole("HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\nconnection: close\r\n\r\n");
        assert_eq!((answer.status, answer.body.len(), keep), (304, 0, false));
        assert!(whole("HTTP/1.1 204 No Content\r\n\r\n").1);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for text in [
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 abc\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
