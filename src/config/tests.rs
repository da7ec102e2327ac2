//! Whole files through the whole room.

use super::*;

fn quiet() -> Environment {
    Environment::default()
}

#[test]
fn quickstart_is_fine() {
    let loaded = load(&Sources::paths(["config/quickstart.yaml"]), &quiet());
    assert!(loaded.settings.is_some(), "{}", loaded.diagnostics);
}
