//! What the test binaries share: starting the real thing on free ports.
