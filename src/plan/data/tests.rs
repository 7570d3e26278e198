//! Tests of plans that are data.
