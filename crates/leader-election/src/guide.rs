//! Pages to read: the words, which store to elect on, how to add one, and how to test your leader's task. There is no code here.

#[doc = include_str!("guide/glossary.md")]
pub mod glossary {}

#[doc = include_str!("guide/choosing_a_store.md")]
pub mod choosing_a_store {}

#[doc = include_str!("guide/adding_a_store.md")]
pub mod adding_a_store {}

#[doc = include_str!("guide/testing.md")]
pub mod testing {}
