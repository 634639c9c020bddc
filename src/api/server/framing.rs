//! Where a request ends: so that what a client sends ahead stays in its own buffers.
//!
//! actix decodes all requests that it is given, however many, and answers them into one buffer,
//! however little of it is read. So it is given one at a time: see [`super::socket`].

/// What may be handed over of what a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// A head, up to its end.
    Head(HeadEnd),
    /// A body of so many further bytes.
    Length(u64),
    /// A body in chunks.
    Chunked(Chunks),
    /// Nothing, until the answer is given.
    Hold,
}

impl Framing {
    /// The beginning of a request.
    pub(super) const START: Self = Self::Head(HeadEnd::Lead);

    /// How many of these bytes may be handed over now. They count as handed over.
    pub(super) fn admit(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Hold => 0,
            Self::Head(end) => match end.find(bytes) {
                Some(length) => {
                    *self = Self::Hold;
                    length
                }
                None => bytes.len(),
            },
            Self::Length(left) => {
                let admitted = usize::try_from(*left).map_or(bytes.len(), |l| l.min(bytes.len()));
                *left -= admitted as u64;
                if *left == 0 {
                    *self = Self::Hold;
                }
                admitted
            }
            Self::Chunked(chunks) => match chunks.find_end(bytes) {
                Some(length) => {
                    *self = Self::Hold;
                    length
                }
                None => bytes.len(),
            },
        }
    }
}

/// How much of a head's end was seen: an empty line, ended by a newline with or without a
/// carriage return, as the parser takes both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadEnd {
    /// Before the first line: empty lines there say nothing, as the parser has it.
    Lead,
    /// Within a line.
    Line,
    /// At the begin of a line.
    Begin,
    /// A carriage return at the begin of a line.
    Return,
}

impl HeadEnd {
    /// How long the head is, with its end, if that is among these bytes.
    fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            *self = match (*self, byte) {
                (Self::Lead, b'\r' | b'\n') => Self::Lead,
                (Self::Begin | Self::Return, b'\n') => return Some(at + 1),
                (Self::Begin, b'\r') => Self::Return,
                (Self::Line, b'\n') => Self::Begin,
                (Self::Lead | Self::Line | Self::Begin | Self::Return, _) => Self::Line,
            };
        }
        None
    }
}

/// Where in a body in chunks one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    /// In the line with a chunk's size: what was read of it, unless an extension has begun.
    Size { size: u64, is_over: bool },
    /// In a chunk with so many bytes left.
    Data(u64),
    /// In the line end behind a chunk.
    AfterData,
    /// In the lines behind the last chunk.
    Trailer(HeadEnd),
}

impl Chunks {
    /// The beginning of a body.
    pub(super) const START: Self = Self::Size {
        size: 0,
        is_over: false,
    };

    /// How many of these bytes belong to the body, if its end is among them. A body that is not
    /// well framed has no end here: the parser refuses it and hangs up.
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if let Self::Data(left) = self {
                let here = (bytes.len() - at) as u64;
                let step = here.min(*left);
                *left -= step;
                at += usize::try_from(step).expect("no more than there are bytes");
                if *left == 0 {
                    *self = Self::AfterData;
                }
                continue;
            }
            at += 1;
            *self = match *self {
                Self::Size { size, .. } if *byte == b'\n' => match size {
                    0 => Self::Trailer(HeadEnd::Begin),
                    size => Self::Data(size),
                },
                Self::Size { size, is_over } => match char::from(*byte).to_digit(16) {
                    Some(digit) if !is_over => Self::Size {
                        size: size.saturating_mul(16).saturating_add(u64::from(digit)),
                        is_over,
                    },
                    Some(_) | None => Self::Size {
                        size,
                        is_over: true,
                    },
                },
                Self::AfterData if *byte == b'\n' => Self::START,
                Self::AfterData => Self::AfterData,
                Self::Trailer(mut end) => {
                    if end.find(&bytes[at - 1..at]).is_some() {
                        return Some(at);
                    }
                    Self::Trailer(end)
                }
                Self::Data(left) => Self::Data(left),
            };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How much of a text is admitted when it comes in pieces of this size.
    fn admitted(mut framing: Framing, text: &[u8], piece: usize) -> (usize, Framing) {
        let mut sum = 0;
        for piece in text.chunks(piece) {
            let admitted = framing.admit(piece);
            sum += admitted;
            if admitted < piece.len() {
                break;
            }
        }
        (sum, framing)
    }

    #[test]
    fn a_head_ends_with_its_empty_line() {
        for (head, rest) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET /"),
            ("GET / HTTP/1.1\nHost: x\n\n", "\n\n"),
            ("GET / HTTP/1.1\r\nHost: x\n\r\n", ""),
            ("GET / HTTP/1.1\r\n\r\n", "\r\n"),
            ("\r\n\r\n\n\r\nGET / HTTP/1.1\r\n\r\n", "\r\n"),
        ] {
            for piece in 1..40 {
                let text = format!("{head}{rest}");
                let seen = admitted(Framing::START, text.as_bytes(), piece);
                assert_eq!(seen, (head.len(), Framing::Hold), "{head:?} by {piece}");
            }
        }
        let (seen, framing) = admitted(Framing::START, b"GET / HTTP/1.1\r\nHost: x\r\n", 3);
        assert_eq!((seen, framing), (25, Framing::Head(HeadEnd::Begin)));
    }

    #[test]
    fn a_body_ends_where_it_says() {
        assert_eq!(admitted(Framing::Length(5), b"12345GET", 2).0, 5);
        for body in [
            "0\r\n\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
            "a;name=3\r\n0123456789\r\nB\r\n\n\r\n\n\r\n\n\r\n\n\r\r\n0;x\r\nT: x\r\n\r\n",
        ] {
            for piece in 1..30 {
                let text = format!("{body}0\r\n\r\nGET / HTTP/1.1\r\n\r\n");
                let seen = admitted(Framing::Chunked(Chunks::START), text.as_bytes(), piece);
                assert_eq!(seen, (body.len(), Framing::Hold), "{body:?} by {piece}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_chunks_are_found_whole_however_they_are_cut(
            sizes in proptest::collection::vec(1_usize..300, 0..6),
            piece in 1_usize..500,
            noise in any::<u8>(),
        ) {
            let mut body = Vec::new();
            for size in sizes {
                body.extend(format!("{size:x}\r\n").into_bytes());
                body.extend(std::iter::repeat_n(noise, size));
                body.extend(b"\r\n");
            }
            body.extend(b"0\r\n\r\n");
            let length = body.len();
            body.extend(b"GET / HTTP/1.1\r\n\r\n");
            let (seen, _) = admitted(Framing::Chunked(Chunks::START), &body, piece);
            prop_assert_eq!(seen, length);
        }
    }
}
