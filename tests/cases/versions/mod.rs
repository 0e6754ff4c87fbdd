//! What differs from version to version of the API.

mod changelog;
mod requests;
mod streams;
