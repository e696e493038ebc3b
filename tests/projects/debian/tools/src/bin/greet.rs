fn main() {
    println!("hello from {}", std::env::current_exe().unwrap().display());
}
