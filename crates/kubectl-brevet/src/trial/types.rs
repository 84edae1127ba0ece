//! The resource types that every cluster serves, for want of one to ask.
//!
//! Promises: only types of Kubernetes itself, by group; `true` is in namespaces. Others are told in a
//! PolicyTest, or by the manifest of their CustomResourceDefinition.

use brevet_core::request::{TypeScope, Types};

/// Group, whether in namespaces, resources.
const BUILT_IN: &[(&str, bool, &str)] = &[
    (
        "",
        true,
        "bindings configmaps endpoints events limitranges persistentvolumeclaims pods podtemplates \
         replicationcontrollers resourcequotas secrets serviceaccounts services",
    ),
    ("", false, "componentstatuses namespaces nodes persistentvolumes"),
    (
        "admissionregistration.k8s.io",
        false,
        "mutatingadmissionpolicies mutatingadmissionpolicybindings mutatingwebhookconfigurations \
         validatingadmissionpolicies validatingadmissionpolicybindings validatingwebhookconfigurations",
    ),
    ("apiextensions.k8s.io", false, "customresourcedefinitions"),
    ("apiregistration.k8s.io", false, "apiservices"),
    ("apps", true, "controllerrevisions daemonsets deployments replicasets statefulsets"),
    ("authentication.k8s.io", false, "selfsubjectreviews tokenreviews"),
    ("authorization.k8s.io", true, "localsubjectaccessreviews"),
    ("authorization.k8s.io", false, "selfsubjectaccessreviews selfsubjectrulesreviews subjectaccessreviews"),
    ("autoscaling", true, "horizontalpodautoscalers"),
    ("batch", true, "cronjobs jobs"),
    ("certificates.k8s.io", false, "certificatesigningrequests clustertrustbundles"),
    ("coordination.k8s.io", true, "leases"),
    ("discovery.k8s.io", true, "endpointslices"),
    ("events.k8s.io", true, "events"),
    ("flowcontrol.apiserver.k8s.io", false, "flowschemas prioritylevelconfigurations"),
    ("metrics.k8s.io", true, "pods"),
    ("metrics.k8s.io", false, "nodes"),
    ("networking.k8s.io", true, "ingresses networkpolicies"),
    ("networking.k8s.io", false, "ingressclasses ipaddresses servicecidrs"),
    ("node.k8s.io", false, "runtimeclasses"),
    ("policy", true, "poddisruptionbudgets"),
    ("rbac.authorization.k8s.io", true, "rolebindings roles"),
    ("rbac.authorization.k8s.io", false, "clusterrolebindings clusterroles"),
    ("resource.k8s.io", true, "resourceclaims resourceclaimtemplates"),
    ("resource.k8s.io", false, "deviceclasses resourceslices"),
    ("scheduling.k8s.io", false, "priorityclasses"),
    ("storage.k8s.io", true, "csistoragecapacities"),
    ("storage.k8s.io", false, "csidrivers csinodes storageclasses volumeattachments volumeattributesclasses"),
];

/// The types of Kubernetes itself.
pub(super) fn built_in() -> Types {
    let mut types = Types::default();
    for (group, is_namespaced, resources) in BUILT_IN {
        let scope = if *is_namespaced { TypeScope::Namespaced } else { TypeScope::Cluster };
        resources.split_whitespace().for_each(|resource| types.insert(group, resource, scope));
    }
    types
}
