//! Netlink messages: the header, acknowledgements, the kernel's words about an error.

use std::fmt;
use std::io;

use super::Error;
use super::attribute::Attributes;

/// The size of `struct nlmsghdr`.
pub const HEADER: usize = 16;

/// `NLM_F_REQUEST`: a message for the kernel.
pub const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
/// `NLM_F_ACK`: an acknowledgement is wanted even if all went well.
pub const ACKNOWLEDGE: u16 = libc::NLM_F_ACK as u16;
/// `NLM_F_DUMP`: the whole table is wanted.
pub const DUMP: u16 = libc::NLM_F_DUMP as u16;
/// `NLM_F_CREATE`: make the object if it is not there.
pub const CREATE: u16 = libc::NLM_F_CREATE as u16;
/// `NLM_F_EXCL`: refuse if it is there.
pub const EXCLUSIVE: u16 = libc::NLM_F_EXCL as u16;
/// `NLM_F_REPLACE`: change it if it is there.
pub const REPLACE: u16 = libc::NLM_F_REPLACE as u16;
/// `NLM_F_APPEND`: put it behind those that are there.
pub const APPEND: u16 = libc::NLM_F_APPEND as u16;
/// `NLM_F_DUMP_INTR`: the table changed while it was listed.
pub const DUMP_INTERRUPTED: u16 = libc::NLM_F_DUMP_INTR as u16;

/// `NLMSG_ERROR`: an acknowledgement or a refusal.
const ERROR: u16 = libc::NLMSG_ERROR as u16;
/// `NLMSG_DONE`: the end of a dump.
const DONE: u16 = libc::NLMSG_DONE as u16;
/// `NLM_F_CAPPED`: the refused request is not repeated in the answer (linux/netlink.h).
const CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: attributes with the kernel's words follow (linux/netlink.h).
const WORDS: u16 = 0x200;
/// `NLMSGERR_ATTR_MSG`: what is wrong, in words (linux/netlink.h).
const WORDS_TEXT: u16 = 1;
/// `NLMSGERR_ATTR_OFFS`: where in the request, in bytes (linux/netlink.h).
const WORDS_OFFSET: u16 = 2;

/// A request: its type, its flags beyond `NLM_F_REQUEST`, and all that follows the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The message type (`RTM_…`, or subsystem and message of netfilter).
    pub kind: u16,
    /// Flags such as [`CREATE`]; the socket adds what its way of asking needs.
    pub flags: u16,
    /// The protocol's own header and the attributes.
    pub payload: Vec<u8>,
}

/// One message of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The message type.
    pub kind: u16,
    /// The protocol's own header and the attributes.
    pub payload: Vec<u8>,
}

/// The kernel's "no": the error number, and its explanation if it gave one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    errno: i32,
    text: Option<String>,
    offset: Option<u32>,
}

impl Refusal {
    /// A refusal without explanation.
    pub fn from_errno(errno: i32) -> Self {
        Self { errno, text: None, offset: None }
    }

    /// The error number, positive, as in errno(3).
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// The kind of the error number.
    pub fn kind(&self) -> io::ErrorKind {
        io::Error::from_raw_os_error(self.errno).kind()
    }

    /// The kernel's explanation (its extended acknowledgement).
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Where in the request the offending attribute starts, in bytes from the message's header.
    pub fn offset(&self) -> Option<u32> {
        self.offset
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", io::Error::from_raw_os_error(self.errno))?;
        if let Some(text) = &self.text {
            write!(f, ": {text}")?;
        }
        match self.offset {
            Some(offset) => write!(f, " (at byte {offset} of the request)"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// A received message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The message type.
    pub kind: u16,
    /// The header's flags.
    pub flags: u16,
    /// The number of the request it answers; zero for notifications.
    pub sequence: u32,
    /// All that follows the header.
    pub payload: &'a [u8],
}

impl Message<'_> {
    /// An owned copy of type and payload.
    pub fn to_reply(&self) -> Reply {
        Reply { kind: self.kind, payload: self.payload.to_vec() }
    }

    /// What it says if it is an acknowledgement, a refusal, or the end of a
    /// dump; `None` for all other messages.
    pub fn acknowledgement(&self) -> Result<Option<Result<(), Refusal>>, Error> {
        if self.kind != ERROR && self.kind != DONE {
            return Ok(None);
        }
        let code = match (self.payload.first_chunk::<4>(), self.kind) {
            (Some(code), _) => i32::from_ne_bytes(*code),
            (None, DONE) => 0,
            (None, _) => return Err(Error::Malformed { fact: "an acknowledgement without a code" }),
        };
        if code >= 0 {
            return Ok(Some(Ok(())));
        }
        let mut refusal = Refusal::from_errno(-code);
        if self.flags & WORDS != 0 {
            self.words(&mut refusal);
        }
        Ok(Some(Err(refusal)))
    }

    /// Adds the kernel's explanation. Broken attributes are no reason to lose the error number.
    fn words(&self, refusal: &mut Refusal) {
        let repeated = match (self.kind, self.flags & CAPPED) {
            (ERROR, 0) => self.payload.get(4..8).map_or(0, |length| align(word(length) as usize)),
            (ERROR, _) => HEADER,
            _ => 0,
        };
        let attributes = self.payload.get(4 + repeated..).unwrap_or_default();
        for attribute in Attributes::new(attributes) {
            match attribute.kind {
                WORDS_TEXT => refusal.text = attribute.text().map(str::to_owned),
                WORDS_OFFSET => refusal.offset = attribute.u32(),
                _ => {}
            }
        }
    }
}

/// The messages of one datagram. The first broken one is an error and the last item.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Result<Message<'_>, Error>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let message = first_message(rest);
        rest = match &message {
            Ok(message) => rest.get(align(HEADER + message.payload.len())..).unwrap_or_default(),
            Err(_) => &[],
        };
        Some(message)
    })
}

fn first_message(bytes: &[u8]) -> Result<Message<'_>, Error> {
    let header: &[u8; HEADER] =
        bytes.first_chunk().ok_or(Error::Malformed { fact: "a message without a whole header" })?;
    let length = word(&header[0..4]) as usize;
    let payload = bytes
        .get(HEADER..length)
        .ok_or(Error::Malformed { fact: "a message that is longer than its datagram" })?;
    Ok(Message {
        kind: u16::from_ne_bytes([header[4], header[5]]),
        flags: u16::from_ne_bytes([header[6], header[7]]),
        sequence: word(&header[8..12]),
        payload,
    })
}

/// Appends a request as a message with header and padding.
pub fn append(bytes: &mut Vec<u8>, request: &Request, flags: u16, sequence: u32) {
    let length = u32::try_from(HEADER + request.payload.len()).expect("a request is shorter than 4 GiB");
    bytes.extend_from_slice(&length.to_ne_bytes());
    bytes.extend_from_slice(&request.kind.to_ne_bytes());
    bytes.extend_from_slice(&(request.flags | flags).to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&0u32.to_ne_bytes());
    bytes.extend_from_slice(&request.payload);
    bytes.resize(align(bytes.len()), 0);
}

/// The next multiple of four, on which messages and attributes start.
pub(super) fn align(length: usize) -> usize {
    length.saturating_add(3) & !3
}

fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}
