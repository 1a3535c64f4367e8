//! A picture in several sizes (simulcast, RFC 8853): what a page sends of it, and what each receiver gets.
//!
//! [`Encodings`] knows what arrives of a publisher's picture and what of it anybody has a use for; [`Choice`] decides, for
//! one receiver, which layer of each picture it gets; [`Selection`] holds a slot to that, packet by packet. None of them
//! knows a socket, a clock or a peer.

mod choice;
mod encodings;
mod selection;

use std::ops::{Index, IndexMut};

use bedside_visit::Layer;

pub(crate) use choice::{Choice, Chosen, Picture, Space};
pub(crate) use encodings::{Encodings, Rate};
pub(crate) use selection::{Admission, Selection};

/// Something of each layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PerLayer<T>([T; 3]);

impl<T> PerLayer<T> {
    /// Made of what each layer gives.
    pub(crate) fn of(make: impl FnMut(Layer) -> T) -> Self {
        Self(Layer::ALL.map(make))
    }
}

impl PerLayer<bool> {
    /// The layers for which it is true, the smallest first.
    pub(crate) fn set(self) -> impl DoubleEndedIterator<Item = Layer> {
        Layer::ALL.into_iter().filter(move |layer| self[*layer])
    }
}

impl<T> Index<Layer> for PerLayer<T> {
    type Output = T;

    fn index(&self, layer: Layer) -> &T {
        &self.0[layer as usize]
    }
}

impl<T> IndexMut<Layer> for PerLayer<T> {
    fn index_mut(&mut self, layer: Layer) -> &mut T {
        &mut self.0[layer as usize]
    }
}
