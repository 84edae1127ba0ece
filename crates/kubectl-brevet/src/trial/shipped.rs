//! The tasks that ship with Brevet, so that a policy can be tried without them at hand.

/// Every file of the catalogue, by name.
pub(super) const CATALOGUE: &[(&str, &str)] = &[
    ("cordon-node.yaml", include_str!("../../../../deploy/catalogue/cordon-node.yaml")),
    ("debug-pod.yaml", include_str!("../../../../deploy/catalogue/debug-pod.yaml")),
    ("deploy.yaml", include_str!("../../../../deploy/catalogue/deploy.yaml")),
    ("drain-node.yaml", include_str!("../../../../deploy/catalogue/drain-node.yaml")),
    ("inspect-node.yaml", include_str!("../../../../deploy/catalogue/inspect-node.yaml")),
    ("port-forward.yaml", include_str!("../../../../deploy/catalogue/port-forward.yaml")),
    ("restart-workload.yaml", include_str!("../../../../deploy/catalogue/restart-workload.yaml")),
    ("roll-back.yaml", include_str!("../../../../deploy/catalogue/roll-back.yaml")),
    ("run-job.yaml", include_str!("../../../../deploy/catalogue/run-job.yaml")),
    ("scale-workload.yaml", include_str!("../../../../deploy/catalogue/scale-workload.yaml")),
    ("view-config.yaml", include_str!("../../../../deploy/catalogue/view-config.yaml")),
    ("view-logs.yaml", include_str!("../../../../deploy/catalogue/view-logs.yaml")),
    ("view-secrets.yaml", include_str!("../../../../deploy/catalogue/view-secrets.yaml")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_whole() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/catalogue");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        files.sort();
        assert_eq!(CATALOGUE.iter().map(|(name, _)| *name).collect::<Vec<_>>(), files);
    }
}
