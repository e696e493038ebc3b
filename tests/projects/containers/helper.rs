fn main() {
    println!("helped");
}
