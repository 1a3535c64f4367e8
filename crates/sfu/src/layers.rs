//! Simulcast (RFC 8853): the layers a page sends, and those each receiver gets.
//!
//! [`Encodings`] tracks which layers of a publisher's video arrive and which are used; [`Choice`] decides for one
//! receiver which layer of each video it gets; [`Selection`] applies that to a slot packet by packet. None of them
//! depends on sockets, clocks or peers.

mod choice;
mod encodings;
mod selection;

use std::ops::{Index, IndexMut};

use bedside_visit::Layer;

pub(crate) use choice::{Choice, Chosen, Picture, Space};
pub(crate) use encodings::{Encodings, Rate};
pub(crate) use selection::{Admission, Selection};

/// One value per layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PerLayer<T>([T; 3]);

impl<T> PerLayer<T> {
    /// Creates it from a function of the layer.
    pub(crate) fn of(make: impl FnMut(Layer) -> T) -> Self {
        Self(Layer::ALL.map(make))
    }
}

impl PerLayer<bool> {
    /// Returns the layers whose value is true, smallest first.
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
