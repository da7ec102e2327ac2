//! The pages and the API as a browser or a program meets them: real gate, real store, no sockets.

mod api;
mod codes;
mod enrolling;
mod forms;
mod journeys;
mod trusted;
mod world;
