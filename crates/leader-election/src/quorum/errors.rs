//! What is said when no majority has answered.

use std::sync::Arc;

use super::member::Member;
use super::tally::majority_of;
use crate::error::{Error, ErrorKind};

/// The failures of one call.
#[derive(Debug, Default)]
pub(super) struct Failures(Vec<(usize, Error)>);

impl Failures {
    pub(super) fn note(&mut self, member: usize, error: Error) {
        self.0.retain(|(failed, _)| *failed != member);
        self.0.push((member, error));
    }

    /// The one error for all. A human must act where so many members say so that no majority is left without them.
    pub(super) fn error(&self, members: &[Arc<Member>]) -> Error {
        let majority = majority_of(members.len());
        let for_a_human: Vec<_> = self.0.iter().filter(|(_, error)| !error.is_transient()).collect();
        let kind = match for_a_human.first() {
            Some((_, first)) if for_a_human.len() > members.len() - majority => first.kind(),
            _ => ErrorKind::Unavailable,
        };
        let told = |(member, error): &(usize, Error)| {
            let name = members.get(*member).map_or("?", |member| member.name.as_str());
            format!("; {name}: {error}")
        };
        let failures: String = self.0.iter().map(told).collect();
        let message =
            format!("fewer than {majority} of the {} members of the quorum have answered{failures}", members.len());
        let wait = self.0.iter().filter_map(|(_, error)| error.retry_after()).max();
        let error = Error::new(kind, message).with_retry_after(wait);
        match for_a_human.first().or(self.0.first().as_ref()) {
            Some((_, source)) => error.with_source(source.clone()),
            None => error,
        }
    }
}
