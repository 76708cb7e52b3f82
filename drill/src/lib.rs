//! The drill: breaks everything around ropeline, and checks that every promise still holds.
//!
//! [`world`] is what stands on the ground: private stores, gateways as processes, and a [`proxy`] in front
//! of every store for each gateway. [`shop`] is the outside: the operator's and the shoppers' calls.
//! [`cases`] are the directed ones.

pub mod cases;
pub mod gateway;
pub mod proxy;
pub mod shop;
pub mod world;
