//! Builds a shared library for the package to link with.

use std::{env, fs, process::Command};

fn main() {
    let out = env::var("OUT_DIR").unwrap();
    let source = format!("{out}/vanishing.rs");
    fs::write(&source, "#[no_mangle] pub extern \"C\" fn vanish() {}").unwrap();
    let status = Command::new(env::var("RUSTC").unwrap())
        .args(["--crate-type=cdylib", "-o"])
        .args([&format!("{out}/libvanishing.so"), &source])
        .status();
    assert!(status.unwrap().success());
    println!("cargo::rustc-link-search=native={out}");
    println!("cargo::rustc-link-lib=dylib=vanishing");
    println!("cargo::rerun-if-changed=build.rs");
}
