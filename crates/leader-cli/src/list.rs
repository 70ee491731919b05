//! `leader list`: the elections of a store, and who leads each.

use std::sync::Arc;
use std::time::Duration;

use azure_leader_election::kit::redact::printable;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::arguments::List;
use crate::exit::{Failure, INTERNAL, NO};
use crate::observe::Sight;
use crate::status::see;
use crate::store::{Place, Purpose};

/// How many elections are looked at at the same time.
const AT_ONCE: usize = 16;
/// The names of most are shorter; a longer one does not move the column for all.
const WIDEST: usize = 40;

pub async fn list(arguments: List, json: bool) -> Result<u8, Failure> {
    let List { place, wait, timeout } = arguments;
    let place = Place::read(&place, Purpose::Look)?;
    let names = place.elections(timeout).await?;
    if names.is_empty() {
        if !json {
            println!("there is no election in {place} yet");
        }
        return Ok(NO);
    }
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default().min(WIDEST);
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let looks: Vec<_> = names
        .into_iter()
        .map(|name| {
            let (place, turns) = (place.clone(), Arc::clone(&turns));
            let looked = tokio::spawn({
                let name = name.clone();
                async move {
                    let _turn = turns.acquire_owned().await;
                    look(&place, &name, wait, timeout).await
                }
            });
            (name, looked)
        })
        .collect();
    let mut code = 0;
    for (name, looked) in looks {
        let looked = looked.await.unwrap_or_else(|_| Err(Failure::new(INTERNAL, "looking at it has panicked")));
        if let (Err(failure), 0) = (&looked, code) {
            code = failure.code();
        }
        println!("{}", line(&place, &name, looked, json, width));
    }
    Ok(code)
}

async fn look(place: &Place, name: &str, wait: Duration, timeout: Duration) -> Result<Sight, Failure> {
    see(&place.election(name)?, wait, timeout).await
}

/// Names come from the store, where anybody may have written them.
fn line(place: &Place, name: &str, looked: Result<Sight, Failure>, as_json: bool, width: usize) -> String {
    if as_json {
        let (election, store) = (json!(name), json!(place.to_string()));
        let mut object = match looked {
            Ok(sight) => sight.json(),
            Err(failure) => failure.json(),
        };
        (object["election"], object["store"]) = (election, store);
        return object.to_string();
    }
    let said = match looked {
        Ok(sight) => sight.sentence(),
        Err(failure) => format!("could not be looked at: {failure}"),
    };
    format!("{:<width$}  {said}", printable(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Credential, Where};
    use crate::exit::RECORD;
    use crate::observe::State;

    #[test]
    fn an_election_that_cannot_be_looked_at_has_a_line_that_says_why_and_no_name_controls_the_terminal() {
        let place = Where { store: "file:/var/lib/leases".to_owned(), credential: Credential::DeveloperTools };
        let place = Place::read(&place, Purpose::Look).unwrap_or_else(|failure| panic!("{failure}"));
        let failed = || Err(Failure::new(RECORD, "the record cannot be read"));
        let said = line(&place, "a\u{1b}[2Jb", failed(), false, 8);
        assert_eq!(said, "a[2Jb     could not be looked at: the record cannot be read");
        let object: serde_json::Value =
            serde_json::from_str(&line(&place, "nightly", failed(), true, 8)).expect("JSON");
        assert_eq!(object["election"], "nightly");
        assert_eq!(object["store"], "file:/var/lib/leases");
        assert_eq!((object["exit_code"].as_u64(), object["state"].as_str()), (Some(u64::from(RECORD)), None));
        let unknown = || Ok(Sight { state: State::Unknown, leader: None });
        assert_eq!(line(&place, "nightly", unknown(), false, 8), "nightly   nobody has ever led");
    }
}
