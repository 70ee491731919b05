//! One version for all members that are documents.

use std::sync::Arc;

use crate::error::Result;
use crate::port::Version;

/// What was seen of the records of those members that expire nothing by themselves, and the composite version by which others see
/// whether they stand still.
///
/// It has a slot for each member: the version that the member last answered with. A member that does not answer keeps its slot, or each lost
/// answer would begin the watch anew. The composite is another one when a slot that somebody holds, or held, has changed; and it is none
/// that there ever was. A member that is heard for the first time changes nothing, but its record counts as watched only from the
/// next composite on.
///
/// Two of these know nothing of each other: a version of one is none to another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Watch {
    /// Unlike that of any other watch.
    name: Arc<str>,
    slots: Vec<Option<Slot>>,
    /// How often a composite was asked for.
    told: u64,
    /// When it last became another one, in those terms.
    changed: u64,
    stale: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Slot {
    version: Version,
    held: bool,
    /// The first composite that has told of this version.
    since: u64,
}

impl Watch {
    /// Nothing was seen yet of so many members. `name` must be unlike that of any other watch.
    #[must_use]
    pub fn new(name: &str, members: usize) -> Self {
        Self { name: name.into(), slots: vec![None; members], told: 0, changed: 0, stale: true }
    }

    /// Notes what a member has answered; `None` from one that expires its lease itself.
    pub fn note(&mut self, member: usize, version: Option<&Version>, held: bool) {
        let Some(slot) = self.slots.get_mut(member) else { return };
        if slot.as_ref().map(|slot| &slot.version) == version {
            return;
        }
        let was_held = slot.as_ref().is_some_and(|slot| slot.held);
        // Who takes a free member and gives it back has told nothing of the leader.
        self.stale |= slot.is_some() && (was_held || held);
        *slot = version.map(|version| Slot { version: version.clone(), held, since: self.told + 1 });
    }

    /// The composite version of what was noted by now; `None` while no member that answered is a document.
    ///
    /// # Errors
    /// None that can come to pass: its text is short.
    pub fn compose(&mut self) -> Result<Option<Version>> {
        if self.slots.iter().all(Option::is_none) {
            return Ok(None);
        }
        self.told += 1;
        if std::mem::take(&mut self.stale) {
            self.changed = self.told;
        }
        Version::new(format!("{}-{}", self.name, self.changed)).map(Some)
    }

    /// Whether the caller has seen all that was noted stand still since it was told this composite.
    #[must_use]
    pub fn stands_still(&self, lapsed: Option<&Version>) -> bool {
        let shown = format!("{}-{}", self.name, self.changed);
        !self.stale && lapsed.is_some_and(|lapsed| lapsed.as_str() == shown)
    }

    /// The version of a member that somebody holds and that was a part of the present composite since this was first told.
    #[must_use]
    pub fn watched(&self, member: usize) -> Option<&Version> {
        let slot = self.slots.get(member)?.as_ref()?;
        (slot.held && slot.since <= self.changed).then_some(&slot.version)
    }

    /// Begins the watch anew: what was heard since it began is a part of the next composite.
    pub fn begin_anew(&mut self) {
        self.stale = true;
    }

    /// Whether there is a member that is held, and that the present composite does not cover.
    #[must_use]
    pub fn has_newcomers(&self) -> bool {
        self.slots.iter().flatten().any(|slot| slot.held && slot.since > self.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::new(text).expect("valid")
    }

    fn composite(watch: &mut Watch) -> Version {
        watch.compose().expect("short").expect("a member is a document")
    }

    #[test]
    fn it_changes_with_each_write_of_a_holder_and_with_nothing_else() {
        let mut watch = Watch::new("w", 3);
        assert_eq!(watch.compose().expect("short"), None, "no member is a document");
        watch.note(0, Some(&version("1")), true);
        let first = composite(&mut watch);
        assert_eq!(composite(&mut watch), first);
        watch.note(1, None, true);
        watch.note(0, Some(&version("1")), true);
        assert_eq!(composite(&mut watch), first, "a lease member has no slot, and the other one stands still");
        for (text, held) in [("2", true), ("3", false), ("4", true)] {
            watch.note(0, Some(&version(text)), held);
            let next = composite(&mut watch);
            assert_ne!(next, first, "{text}");
            assert!(!watch.stands_still(Some(&first)) && watch.stands_still(Some(&next)), "{text}");
        }
        let before = composite(&mut watch);
        watch.note(2, Some(&version("7")), false);
        watch.note(2, Some(&version("8")), false);
        assert_eq!(composite(&mut watch), before, "taken by a candidate that was refused elsewhere, and given back");
    }

    #[test]
    fn a_member_that_is_heard_later_was_not_watched_until_the_watch_begins_anew() {
        let mut watch = Watch::new("w", 3);
        watch.note(0, Some(&version("1")), true);
        let first = composite(&mut watch);
        watch.note(2, Some(&version("9")), true);
        assert!(watch.stands_still(Some(&first)), "the member that was watched does");
        assert_eq!((watch.watched(0), watch.watched(2)), (Some(&version("1")), None));
        assert!(watch.has_newcomers());
        watch.begin_anew();
        assert!(!watch.stands_still(Some(&first)));
        let second = composite(&mut watch);
        assert_ne!(second, first);
        assert_eq!(watch.watched(2), Some(&version("9")));
    }

    #[test]
    fn the_version_of_another_watch_is_none() {
        let (mut one, mut other) = (Watch::new("one", 1), Watch::new("other", 1));
        for watch in [&mut one, &mut other] {
            watch.note(0, Some(&version("1")), true);
        }
        let told = composite(&mut one);
        composite(&mut other);
        assert!(one.stands_still(Some(&told)) && !other.stands_still(Some(&told)));
        assert!(!one.stands_still(None));
    }
}
