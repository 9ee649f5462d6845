//! The parts that requests of devices have besides: bodies that are no JSON, limits by device, and a next capture.

use std::mem::take;

use lambda_http::Body;
use lambda_http::http::header;

use super::{Call, ErrorForm, declares_json};
use crate::admission::{self, Admitted};
use crate::app::App;
use crate::error::Error;
use crate::identity::Principal;
use crate::limits::device::Device;
use crate::plan::Meter;

/// A body, by what it is declared as.
#[derive(Debug)]
pub enum Media {
    /// JSON, for [`parse`](super::parse).
    Json(Body),
    /// The bytes of a file.
    File(Body),
}

impl Call {
    /// Makes every error that says when to try again say so for the next capture too.
    pub const fn pace_captures(&mut self) {
        self.errors = ErrorForm::PacedProblem;
    }

    /// Takes the body, which is declared as JSON or as one of these types of images.
    ///
    /// # Errors
    /// [`Error::UnsupportedImageType`]. That there is no body is told to those with a credential.
    pub fn take_media(&mut self, types: &[&str]) -> Result<Media, Error> {
        if self.body.is_empty() || declares_json(&self.headers) {
            return Ok(Media::Json(take(&mut self.body)));
        }
        let mut declared = self.headers.get_all(header::CONTENT_TYPE).iter();
        let (Some(value), None) = (declared.next(), declared.next()) else {
            return Err(Error::UnsupportedImageType);
        };
        let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        if types.iter().any(|known| essence.trim().eq_ignore_ascii_case(known)) {
            Ok(Media::File(take(&mut self.body)))
        } else {
            Err(Error::UnsupportedImageType)
        }
    }

    /// Admits a request of one of a user's devices; the standings of its limits go into the headers of every answer.
    ///
    /// # Errors
    /// As [`admission::enter_device`].
    pub async fn enter_device(
        &mut self,
        app: &App,
        principal: &Principal,
        units: (Meter, u64),
        device: Device<'_>,
    ) -> Result<Admitted, Error> {
        let counted = take(&mut self.uncounted);
        let entered = admission::enter_device(app, self.origin(counted), principal, units, device).await;
        let admitted = entered.map_err(|rejection| self.note_rejection(rejection))?;
        self.note_passage(&admitted.standings, admitted.degraded);
        Ok(admitted)
    }
}
