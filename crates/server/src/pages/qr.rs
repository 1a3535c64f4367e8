//! QR codes as inline images.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qrcode::QrCode;
use qrcode::render::svg;

use crate::http::error::Error;

/// Returns a QR code of the text as a `data:` URL.
pub(in crate::pages) fn qr_picture(text: &str) -> Result<String, Error> {
    let code = QrCode::new(text.as_bytes()).map_err(|_| Error::Internal)?;
    let drawn = code.render::<svg::Color<'_>>().min_dimensions(220, 220).build();
    Ok(format!("data:image/svg+xml;base64,{}", STANDARD.encode(drawn)))
}
