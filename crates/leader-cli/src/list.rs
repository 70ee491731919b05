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
