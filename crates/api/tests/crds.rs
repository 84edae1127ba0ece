//! `deploy/crds/` is what the Rust types say.
//!
//! `UPDATE=1 cargo test -p brevet-api` rewrites it.

use std::path::Path;

const HEADER: &str = "# Generated from crates/api; `UPDATE=1 cargo test -p brevet-api` rewrites it.\n";

#[test]
fn the_shipped_definitions_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds");
    for (file, definition) in brevet_api::crds::all().unwrap() {
        let made = format!("{HEADER}{}", serde_saphyr::to_string(&definition).unwrap());
        let path = folder.join(file);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let shipped = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(shipped == made, "{} is stale: run `UPDATE=1 cargo test -p brevet-api`", path.display());
    }
}
