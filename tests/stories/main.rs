//! The stories, in one binary.

mod pipeline;
