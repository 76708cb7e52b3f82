//! The drill: breaks everything around ropeline, and checks that every promise still holds.

pub mod recovery;
