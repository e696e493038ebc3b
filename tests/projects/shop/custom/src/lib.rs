//! A library without tests.
