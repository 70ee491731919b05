//! What must hold of the deployment for an election to be safe, and for nobody to get in by a key.

mod cosmos;
mod redis;
mod service_bus;
mod storage;
mod taken_away;
mod workers;

use super::bicep::Bicep;

pub use taken_away::TAKEN_AWAY;

/// One sentence for each thing that does not hold.
pub fn violations(files: &[Bicep]) -> Vec<String> {
    let mut found = Found(Vec::new());
    for check in [storage::check, cosmos::check, redis::check, service_bus::check, workers::check] {
        check(files, &mut found);
    }
    found.0
}

struct Found(Vec<String>);

impl Found {
    fn check(&mut self, holds: bool, sentence: &str) {
        if !holds {
            self.0.push(sentence.to_owned());
        }
    }
}

fn file<'a>(files: &'a [Bicep], path: &str) -> &'a Bicep {
    files.iter().find(|file| file.path == path).unwrap()
}

/// The values of a property in all resources of a type.
fn all<'a>(files: &'a [Bicep], kind: &str, property: &str) -> Vec<&'a str> {
    let of_file = |file: &'a Bicep| {
        let resources = file.resources(kind);
        resources.into_iter().flat_map(|resource| file.values(resource, property)).collect::<Vec<_>>()
    };
    files.iter().flat_map(of_file).collect()
}

/// The values of a property in the role assignments of a file, in order.
fn assigned<'a>(file: &'a Bicep, property: &str) -> Vec<&'a str> {
    let assignments = file.resources("Microsoft.Authorization/roleAssignments");
    assignments.into_iter().flat_map(|assignment| file.values(assignment, property)).collect()
}

/// The number in a parameter's `@minValue`, `@maxLength` and the like.
fn limit(file: &Bicep, parameter: &str, decorator: &str) -> Option<u64> {
    let declaration = file.parameter(parameter);
    declaration.split(&format!("@{decorator}(")).nth(1)?.split(')').next()?.parse().ok()
}
