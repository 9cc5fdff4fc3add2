//! The journal on a disk that fails: random traffic, crashes and damage, on a virtual clock.

mod bad_input;
mod clean_end;
mod crashes;
mod damage;
mod faulty;
mod feed;
mod handle;
mod owner;
mod spare;
mod tail;
