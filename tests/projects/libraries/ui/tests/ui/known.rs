fn main() {
    let _: ui::Price = 1;
}
