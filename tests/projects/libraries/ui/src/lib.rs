pub struct Price(pub u32);
