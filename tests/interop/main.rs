//! Hookherd against real third-party things: GitHub's own payload examples signed by
//! its own library, its own `OpenAPI` description, and an emulator of GitHub. See README.md beside
//! this file for what each of them proves. Needs `tests/interop/setup.sh` to have run.

mod alertmanager;
mod client;
mod clients;
mod corpus;
mod daemon;
mod emulate;
mod hands;
mod ingress;
mod issues;
mod mail;
mod mutate;
mod openapi;
mod payloads;
mod prism;
mod receiver;
mod standard;
mod story;
mod stub;
mod tools;
