//! The stages of the hooks.d schemas.

use hook_model::Phase;

use crate::definition::Stage;
use crate::members::Members;
use crate::problem::Report;

/// Reads the stages of a file from the one of the members `names` that is there. prestart is createRuntime, as in podman
/// since 2024.
pub fn read(file: &Members<'_>, names: &[&'static str], report: &mut Report) -> Option<Vec<Stage>> {
    let Some(name) = file.one_of(names, report) else {
        report.error(file.place("stages").into(), "is missing");
        return None;
    };
    let list = file.strings(name, report)?;
    if list.is_empty() {
        report.warning(file.place(name).into(), "is empty, so the hook never runs");
    }
    let mut stages: Vec<Stage> = Vec::with_capacity(list.len());
    for (name, place) in list {
        let stage = match Stage::from_name(name) {
            Some(Stage::Phase(Phase::Prestart)) => Stage::Phase(Phase::CreateRuntime),
            Some(stage) => stage,
            None => {
                report.error(place.into(), format!("unknown stage {name:?}"));
                continue;
            }
        };
        if stages.contains(&stage) {
            let again = format!("is {} once more, so the hook runs twice", stage.name());
            report.warning(place.into(), again);
        }
        stages.push(stage);
    }
    Some(stages)
}
