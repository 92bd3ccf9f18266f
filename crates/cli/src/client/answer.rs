//! Answers: whole, or piece by piece.

use std::marker::PhantomData;

use api::error::ErrorBody;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Response, StatusCode};
use serde::de::DeserializeOwned;

use super::ClientError;

/// An answer whose body has not been read.
#[derive(Debug)]
pub struct Answer(Response<Incoming>);

impl Answer {
    pub(super) const fn new(response: Response<Incoming>) -> Self {
        Self(response)
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// The media type; empty when there is none.
    #[must_use]
    pub fn media_type(&self) -> &str {
        self.0.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A header, if it is there and a text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name)?.to_str().ok()
    }

    /// The whole body.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn bytes(self) -> Result<Bytes, ClientError> {
        Ok(self.0.into_body().collect().await.map_err(ClientError::Lost)?.to_bytes())
    }

    /// The whole body as a document.
    ///
    /// # Errors
    /// The connection is lost, or the body is not such a document.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.bytes().await?).map_err(ClientError::Answer)
    }

    /// The next piece of the body.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.0.body_mut().frame().await {
            if let Ok(data) = frame.map_err(ClientError::Lost)?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// The body as one document for each line.
    #[must_use]
    pub fn lines<T: DeserializeOwned>(self) -> Lines<T> {
        Lines { answer: self, buffer: BytesMut::new(), document: PhantomData }
    }

    /// The body of an answer that is an error.
    pub(super) async fn refusal(self) -> ClientError {
        let status = self.status();
        let body = match self.bytes().await {
            Ok(body) => body,
            Err(error) => return error,
        };
        let message = match serde_json::from_slice::<ErrorBody>(&body) {
            Ok(ErrorBody { message }) if !message.is_empty() => message,
            _ if body.is_empty() => status.to_string(),
            _ => String::from_utf8_lossy(&body).trim().to_owned(),
        };
        ClientError::Refused { status, message }
    }
}

/// An answer of documents that come one after the other, each on a line.
#[derive(Debug)]
pub struct Lines<T> {
    answer: Answer,
    buffer: BytesMut,
    document: PhantomData<T>,
}

impl<T: DeserializeOwned> Lines<T> {
    /// The next document; `None` at the end.
    ///
    /// # Errors
    /// The connection is lost, or a line is not such a document.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            let end = self.buffer.iter().position(|byte| *byte == b'\n');
            let line = match end {
                Some(end) => self.buffer.split_to(end + 1),
                None => match self.answer.piece().await? {
                    Some(piece) => {
                        self.buffer.extend_from_slice(&piece);
                        continue;
                    }
                    None if self.buffer.is_empty() => return Ok(None),
                    None => self.buffer.split(),
                },
            };
            if !line.trim_ascii().is_empty() {
                return serde_json::from_slice(&line).map(Some).map_err(ClientError::Answer);
            }
        }
    }
}
