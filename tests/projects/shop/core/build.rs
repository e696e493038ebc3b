use std::{env, fs, path::Path};

fn main() {
    let out = env::var("OUT_DIR").unwrap();
    fs::write(Path::new(&out).join("price-list.txt"), "bread 3\n").unwrap();
    println!("cargo::rustc-env=BUILT_BY=the build script");
    println!("cargo::rerun-if-changed=build.rs");
}
