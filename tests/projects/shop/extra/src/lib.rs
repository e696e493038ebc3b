#[test]
fn extra_works() {}

#[cfg(feature = "parcels")]
#[test]
fn sends_parcels() {}
