//! Stories of actors in virtual time: hours of their life in milliseconds.

mod cases;
mod credentials;
mod dialect;
mod disabled;
mod doubt;
mod errands;
mod events;
mod fakes;
mod fold;
mod grants;
mod history;
mod leaving;
mod lifecycle;
mod logs;
mod moves;
mod operations;
mod pool;
mod processing;
mod provider;
mod quiet;
mod races;
mod reseal;
mod rotation;
mod seen;
mod takeover;
mod turn;
