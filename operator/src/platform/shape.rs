//! How deep a JSON text is and how many values it holds, found without keeping any of them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Refuses a text that is no JSON, is deeper than `depth` or holds more than `items` values.
pub fn check(text: &[u8], depth: usize, items: usize) -> serde_json::Result<()> {
    let mut left = items;
    let mut reader = serde_json::Deserializer::from_slice(text);
    Shape {
        depth,
        left: &mut left,
    }
    .deserialize(&mut reader)?;
    reader.end()
}

/// One value, and what it may still hold.
struct Shape<'a> {
    depth: usize,
    left: &'a mut usize,
}

impl Shape<'_> {
    /// Counts a value.
    fn count<E: Error>(&mut self) -> Result<(), E> {
        *self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| E::custom("too many values"))?;
        Ok(())
    }

    /// What the values inside may hold.
    fn inside<E: Error>(&mut self) -> Result<Shape<'_>, E> {
        let depth = self
            .depth
            .checked_sub(1)
            .ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Shape {
            depth,
            left: self.left,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Shape<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, value: D) -> Result<(), D::Error> {
        self.count()?;
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
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

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        let depth = inside.depth;
        while seq
            .next_element_seed(Shape {
                depth,
                left: &mut *inside.left,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        let depth = inside.depth;
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(Shape {
                depth,
                left: &mut *inside.left,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(text: &str, depth: usize, items: usize) -> bool {
        check(text.as_bytes(), depth, items).is_ok()
    }

    #[test]
    fn depth_and_items_are_counted() {
        let text = r#"{"a": [1, -2, 3.5, "é\n", null, true, {}]}"#;
        assert!(passes(text, 3, 9));
        assert!(!passes(text, 2, 9));
        assert!(!passes(text, 3, 8));
        assert!(passes("0", 0, 1));
        assert!(!passes("0", 0, 0));
        for broken in ["", "[1", "[1] 2", "{1: 2}", "nul"] {
            assert!(!passes(broken, 9, 99), "{broken}");
        }
    }
}
