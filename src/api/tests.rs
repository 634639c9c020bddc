//! Stories over real sockets: the real server, decoder and index; connections only record.

mod accounts;
mod again;
mod backups;
mod bad_input;
mod bulk;
mod connections;
mod counted;
mod counting;
mod filters;
mod follow;
mod greedy;
mod hooks;
mod hostile;
mod ingress;
mod isolation;
mod keep_alive;
mod openapi;
mod patience;
mod person;
mod provider;
mod quotas;
mod resources;
mod secrets;
mod signin;
mod stage;
mod wire;
