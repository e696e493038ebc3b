pub fn age() -> u32 {
    1
}

#[test]
fn rain_is_old() {
    println!("rain is {} years old", age());
    assert!(age() > 0);
}

#[test]
fn rain_is_in_the_weather() {
    let weather = std::fs::read_to_string("../weather.txt").unwrap();
    assert_eq!(weather, "rain\n");
}
