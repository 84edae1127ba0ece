//! dev

fn main() {}
