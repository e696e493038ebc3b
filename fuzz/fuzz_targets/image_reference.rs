//! Any text as the name of an image.

#![no_main]

use libfuzzer_sys::fuzz_target;
use maelstrom::spec::ImageReference;

fuzz_target!(|text: &str| {
    let Ok(reference) = text.parse::<ImageReference>() else {
        return;
    };
    assert_eq!(reference.to_string().parse().as_ref(), Ok(&reference));
});
