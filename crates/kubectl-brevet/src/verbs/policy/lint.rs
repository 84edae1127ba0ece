//! `policy lint`: what is wrong with policies, or likely not meant.

use std::collections::BTreeMap;

use brevet_api::border;
use brevet_core::policy::{Remark, Severity, lint};
use kube::ResourceExt as _;
use serde::Serialize;

use super::{Code, NO, show};
use crate::cli::LintArgs;
use crate::plain::plain;
use crate::problem::Problem;
use crate::trial::material::Material;
use crate::trial::setting::Setting;
use crate::verbs::DONE;

/// A remark for programs.
#[derive(Serialize)]
struct Told {
    severity: &'static str,
    file: String,
    policy: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    rule: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    field: String,
    message: String,
}

pub(super) fn run(args: &LintArgs) -> anyhow::Result<Code> {
    let material = Material::read(&args.files)?;
    if material.policies.is_empty() {
        return Err(Problem::failed("there is nothing to look at: no file holds an AccessPolicy").into());
    }
    let setting = Setting::new(&material)?;
    let mut remarks = unreadable(&material, &setting)?;
    remarks.extend(lint(&setting.policies, &setting.risks()));
    remarks.sort_by_key(|one| std::cmp::Reverse(one.severity));
    let files: BTreeMap<String, &str> =
        material.policies.iter().map(|(source, policy)| (policy.name_any(), source.as_str())).collect();
    let told: Vec<Told> = remarks
        .iter()
        .map(|one| Told {
            severity: one.severity.as_str(),
            file: files.get(&one.policy).copied().unwrap_or_default().to_owned(),
            policy: one.policy.clone(),
            rule: one.rule.clone(),
            field: one.field.clone(),
            message: one.message.clone(),
        })
        .collect();
    let count = |severity| remarks.iter().filter(|one| one.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    show(args.output.format(), &told, || {
        let mut lines: Vec<String> = remarks.iter().map(|one| plain(&one.to_string())).collect();
        lines.push(format!("{} policies: {errors} errors, {warnings} warnings", material.policies.len()));
        lines.join("\n")
    })?;
    let is_fine = errors == 0 && (warnings == 0 || !args.strict);
    Ok(if is_fine { DONE } else { NO })
}

/// What cannot be read in the policies: durations, zones, conditions.
fn unreadable(material: &Material, setting: &Setting) -> Result<Vec<Remark>, Problem> {
    let mut remarks = Vec::new();
    for (source, object) in &material.policies {
        let fault = |when: &str| setting.library.fault(when).map(|fault| fault.to_string());
        let faults = border::policy_faults(object, fault).map_err(|refusal| {
            Problem::failed(format!("cannot read policy `{}`", object.name_any())).why(format!("{source}: {refusal}"))
        })?;
        remarks.extend(faults.into_iter().map(|message| Remark {
            severity: Severity::Error,
            policy: object.name_any(),
            rule: String::new(),
            field: String::new(),
            message,
        }));
    }
    Ok(remarks)
}
