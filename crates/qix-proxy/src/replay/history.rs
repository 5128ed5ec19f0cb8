//! Which object a recorded handle named, and when.

use qix_protocol::Handle;

use super::texts::Place;

/// What the handles of one recorded connection named, in the course of time.
#[derive(Debug, Default)]
pub(super) struct History(Vec<Event>);

/// From `from` on, the handle names an object, or none.
#[derive(Debug)]
struct Event {
    handle: i32,
    object: u32,
    from: Place,
}

/// No object.
const CLOSED: u32 = u32::MAX;

impl History {
    /// Notes that the message at `at` says that the handle names an object, by its number.
    pub(super) fn opened(&mut self, handle: Handle, object: u32, at: Place) {
        self.0.push(Event { handle: handle.get(), object, from: at });
    }

    /// Notes that after the message at `at`, the handle names nothing.
    pub(super) fn closed(&mut self, handle: Handle, at: Place) {
        self.0.push(Event { handle: handle.get(), object: CLOSED, from: at.next() });
    }

    /// Puts all in order, once it is there.
    pub(super) fn seal(&mut self) {
        self.0.sort_by_key(|event| (event.handle, event.from));
        self.0.shrink_to_fit();
    }

    /// Returns the number of the object that the handle names in the message at `at`.
    pub(super) fn object(&self, handle: Handle, at: Place) -> Option<u32> {
        let behind = self.0.partition_point(|event| (event.handle, event.from) <= (handle.get(), at));
        let event = self.0[..behind].last().filter(|event| event.handle == handle.get())?;
        Some(event.object).filter(|object| *object != CLOSED)
    }

    /// Returns the number of the object that the handle came to name after the message at `at`.
    pub(super) fn next_object(&self, handle: Handle, at: Place) -> Option<u32> {
        let behind = self.0.partition_point(|event| (event.handle, event.from) <= (handle.get(), at));
        let event = self.0.get(behind).filter(|event| event.handle == handle.get())?;
        Some(event.object).filter(|object| *object != CLOSED)
    }

    /// Returns the bytes of memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Event>() * self.0.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handle_names_what_was_opened_last_until_after_the_message_that_closes_it() {
        let mut history = History::default();
        let (one, place) = (Handle::new(1), |at| Place::new(0, at));
        history.opened(one, 7, place(10));
        history.opened(Handle::new(2), 9, place(10));
        history.closed(one, place(20));
        history.opened(one, 8, place(30));
        history.seal();
        let named: Vec<_> = [9, 10, 20, 21, 29, 30, 99].map(|at| history.object(one, place(at))).into();
        assert_eq!(named, [None, Some(7), Some(7), None, None, Some(8), Some(8)]);
        assert_eq!(history.object(Handle::new(3), place(99)), None);
        let next: Vec<_> = [9, 10, 21, 30].map(|at| history.next_object(one, place(at))).into();
        assert_eq!(next, [Some(7), None, Some(8), None]);
    }
}
