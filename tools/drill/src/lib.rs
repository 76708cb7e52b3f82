//! The drill: breaks everything around ropeline, and checks that every promise still holds.
//!
//! [`world`] is what stands on the ground: private stores, gateways as processes, and a [`proxy`] in front
//! of every store for each gateway. [`shop`] is the outside: the operator's and the shoppers' calls.
//! [`cases`] are the directed ones; [`run`] breaks all of it at random while a crowd shops, and checks what came of it.

pub mod cases;
pub mod echo;
pub mod gateway;
pub mod hostile;
pub mod look;
pub mod mistakes;
pub mod proxy;
pub mod recovery;
pub mod run;
pub mod shop;
pub mod world;
