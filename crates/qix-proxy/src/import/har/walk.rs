//! Goes over the JSON of a HAR without building any of it.

use std::{fmt, io::Read};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::gather::Gather;

/// Tells `gather` of all there is in a HAR, in the order of the file, in memory for one value at a time.
///
/// # Errors
///
/// Where the file ends early or is damaged; what came before it was told.
pub(super) fn walk(reader: impl Read, gather: &mut Gather<'_>) -> Result<(), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_reader(reader);
    Walk { place: Place::Top, gather }.deserialize(&mut json)
}

/// Where in the file a value is.
#[derive(Clone, Copy, Debug)]
enum Place {
    Top,
    Log,
    Pages,
    Entries,
    Entry,
    Messages,
}

struct Walk<'g, 'a> {
    place: Place,
    gather: &'g mut Gather<'a>,
}

impl<'a> Walk<'_, 'a> {
    fn at(&mut self, place: Place) -> Walk<'_, 'a> {
        Walk { place, gather: &mut *self.gather }
    }

    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match (self.place, name) {
            (Place::Top, "log") => map.next_value_seed(self.at(Place::Log)),
            // Some tools leave the outer object out.
            (Place::Top | Place::Log, "entries") => {
                self.gather.has_entries = true;
                map.next_value_seed(self.at(Place::Entries))
            }
            (Place::Top | Place::Log, "pages") => map.next_value_seed(self.at(Place::Pages)),
            (Place::Entry, "_webSocketMessages" | "webSocketMessages") => {
                self.gather.begin_messages();
                map.next_value_seed(self.at(Place::Messages))
            }
            (Place::Entry, name) if self.gather.wants(name) => {
                let value = map.next_value::<Box<RawValue>>()?;
                self.gather.member(name, value);
                Ok(())
            }
            _ => map.next_value::<IgnoredAny>().map(drop),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a HAR")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        if let Place::Entry = self.place {
            self.gather.begin();
        }
        while let Some(name) = map.next_key::<String>()? {
            self.member(&name, &mut map)?;
        }
        if let Place::Entry = self.place {
            self.gather.finish(true).map_err(|error| A::Error::custom(self.gather.fail(error)))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        loop {
            let told = match self.place {
                Place::Entries => match items.next_element_seed(self.at(Place::Entry))? {
                    Some(()) => Ok(()),
                    None => return Ok(()),
                },
                Place::Messages => match items.next_element::<Box<RawValue>>()? {
                    Some(message) => self.gather.message(message.get().as_bytes()),
                    None => return Ok(()),
                },
                Place::Pages => match items.next_element::<Box<RawValue>>()? {
                    Some(page) => {
                        self.gather.page(page.get().as_bytes());
                        Ok(())
                    }
                    None => return Ok(()),
                },
                Place::Top | Place::Log | Place::Entry => match items.next_element::<IgnoredAny>()? {
                    Some(_) => Ok(()),
                    None => return Ok(()),
                },
            };
            told.map_err(|error| A::Error::custom(self.gather.fail(error)))?;
        }
    }

    // Whatever else stands where an object or an array should: there is nothing in it.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}
