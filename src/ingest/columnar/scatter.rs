//! Values side by side by their places, as they come.

/// The bytes of each place, to which values are appended as different from the one before.
#[derive(Debug)]
pub(super) struct Scatter<T> {
    first: T,
    places: Vec<Place<T>>,
}

#[derive(Clone, Debug)]
struct Place<T> {
    previous: T,
    bytes: Vec<u8>,
}

impl<T: Copy> Scatter<T> {
    /// So many empty places; the first value of each is written beside `first`.
    pub(super) fn new(count: usize, first: T) -> Self {
        Self { first, places: vec![Place { previous: first, bytes: Vec::new() }; count] }
    }

    /// Has `write` append `value`, beside the one before it in its place.
    #[inline]
    pub(super) fn push(
        &mut self,
        place: usize,
        value: &T,
        write: impl FnOnce(&T, &T, &mut Vec<u8>),
    ) {
        if let Some(place) = self.places.get_mut(place) {
            write(&place.previous, value, &mut place.bytes);
            place.previous = *value;
        }
    }

    /// Empties all places.
    pub(super) fn clear(&mut self) {
        for place in &mut self.places {
            place.previous = self.first;
            place.bytes.clear();
        }
    }

    /// Takes the bytes of all places, one after the other, and where each begins and the last ends.
    pub(super) fn take(&mut self) -> (Vec<u8>, Vec<u32>) {
        let mut bytes = Vec::with_capacity(self.places.iter().map(|place| place.bytes.len()).sum());
        let mut bounds = Vec::with_capacity(self.places.len() + 1);
        for place in &self.places {
            bounds.push(bytes.len() as u32);
            bytes.extend_from_slice(&place.bytes);
        }
        bounds.push(bytes.len() as u32);
        self.clear();
        (bytes, bounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_side_by_side_by_place() {
        let write = |before: &u8, value: &u8, bytes: &mut Vec<u8>| bytes.extend([*before, *value]);
        let mut scatter = Scatter::new(5, 0);
        scatter.push(1, &99, write);
        scatter.clear();
        for (place, value) in [(2, 10), (0, 11), (2, 12), (0, 13), (3, 14)] {
            scatter.push(place, &value, write);
        }
        let (bytes, bounds) = scatter.take();
        assert_eq!(bounds, [0, 4, 4, 8, 10, 10]);
        assert_eq!(bytes, [0, 11, 11, 13, 0, 10, 10, 12, 0, 14]);
        assert_eq!(scatter.take(), (vec![], vec![0; 6]));
    }
}
