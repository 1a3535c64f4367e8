//! STUB until the media shell lands (the shell's author replaces this file).
#![allow(missing_docs, clippy::all)]
use bedside_visit::{UserId, VisitId};
#[derive(Clone)]
pub struct Media;
pub struct MediaServer;
#[derive(Debug, thiserror::Error)]
#[error("stub")]
pub struct MediaError;
#[derive(Debug)]
pub struct MediaJoin {
    pub room: VisitId,
    pub user: UserId,
    pub page_peer: u32,
    pub others: Vec<UserId>,
    pub offer: String,
    pub admitted: bool,
    pub microphone: bool,
    pub camera: bool,
}
pub struct MediaAnswer {
    pub sdp: String,
    pub tracks: Vec<(String, UserId)>,
}
#[derive(Debug, Clone, Copy)]
pub enum MediaRefusal {
    BadOffer,
    Busy,
}
#[derive(Debug)]
pub struct MediaEvent {
    pub room: VisitId,
    pub user: UserId,
    pub page_peer: u32,
    pub kind: MediaEventKind,
}
#[derive(Debug)]
pub enum MediaEventKind {
    Up,
    Lost,
    Gone { replaced: bool },
}
impl MediaServer {
    pub fn start(
        _: &crate::config::MediaConfig,
    ) -> Result<(Media, tokio::sync::mpsc::Receiver<MediaEvent>), MediaError> {
        let (_, r) = tokio::sync::mpsc::channel(1);
        Ok((Media, r))
    }
}
impl Media {
    pub async fn connect(&self, _: MediaJoin) -> Result<MediaAnswer, MediaRefusal> {
        Err(MediaRefusal::Busy)
    }
    pub fn admit(&self, _: VisitId, _: UserId, _: bool) {}
    pub fn publish(&self, _: VisitId, _: UserId, _: bool, _: bool) {}
    pub fn drop_user(&self, _: VisitId, _: UserId) {}
    pub fn shutdown(&self) {}
}
