//! Length-prefixed JSON, read piecewise.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// No message is longer; an environment can be large, but not this large.
pub const MAX_LENGTH: usize = 8 << 20;

/// One message as bytes.
pub fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - 4;
    if length > MAX_LENGTH {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes")));
    }
    let length = u32::try_from(length).map_err(io::Error::other)?;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// Takes the first whole message off the front of `bytes`, if there is one.
pub fn decode<T: DeserializeOwned>(bytes: &mut Vec<u8>) -> io::Result<Option<T>> {
    let Some(header) = bytes.first_chunk::<4>() else { return Ok(None) };
    let length = length(*header)?;
    if bytes.len() < 4 + length {
        return Ok(None);
    }
    let message = serde_json::from_slice(&bytes[4..4 + length]);
    bytes.drain(..4 + length);
    Ok(Some(message?))
}

/// The length of what follows a header.
pub fn length(header: [u8; 4]) -> io::Result<usize> {
    let length = usize::try_from(u32::from_be_bytes(header)).map_err(io::Error::other)?;
    if length > MAX_LENGTH {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes")));
    }
    Ok(length)
}
