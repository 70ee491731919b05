//! The rooms of the core: what uses what, one way down.
//!
//! The picture in `ARCHITECTURE.md` lists the modules of `crates/leader-election/src` from top to bottom. A room uses rooms on lower
//! lines, and none on its own line or above; so there is no circle. `-- --nocapture` prints who uses whom.

mod uses;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// From top to bottom.
fn picture(text: &str) -> Vec<Vec<String>> {
    let (_, picture) = text.split_once("```rooms\n").expect("ARCHITECTURE.md has a picture of the rooms");
    let (picture, _) = picture.split_once("```").expect("it ends");
    picture.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// What is wrong with a graph, by the picture.
fn faults(lines: &[Vec<String>], graph: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let line = |room: &String| lines.iter().position(|line| line.contains(room));
    let mut faults = Vec::new();
    for (room, uses) in graph {
        let Some(own) = line(room) else {
            faults.push(format!("{room} is not in the picture"));
            continue;
        };
        for used in uses.iter().filter(|used| line(used).is_some_and(|theirs| theirs <= own)) {
            faults.push(format!("{room} uses {used}, which is not below it"));
        }
    }
    let gone = lines.iter().flatten().filter(|room| !graph.contains_key(*room));
    faults.extend(gone.map(|room| format!("{room} is in the picture alone")));
    faults
}

#[test]
fn every_room_of_the_core_uses_only_rooms_below_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let graph = uses::graph(&root.join("crates/leader-election/src"));
    for (room, uses) in &graph {
        println!("{room:>16} -> {}", uses.join(" "));
    }
    let lines = picture(&fs::read_to_string(root.join("ARCHITECTURE.md")).expect("it can be read"));
    assert_eq!(faults(&lines, &graph), [""; 0]);
}

#[test]
fn the_azure_face_has_no_wall_between_the_roles_of_a_service() {
    let graph = uses::graph(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for (service, other) in [("blob", "cosmos"), ("cosmos", "blob")] {
        assert!(!graph[service].iter().any(|used| used == other), "{service} uses {other}");
    }
}

#[test]
fn a_use_that_points_up_a_room_without_a_place_and_one_that_is_gone_are_found() {
    let lines = [["host"], ["port"], ["gone"]].map(|line| line.map(str::to_owned).to_vec());
    let graph = [("host", vec!["port"]), ("port", vec!["host"]), ("new", vec![])];
    let graph = graph.map(|(room, uses)| (room.to_owned(), uses.into_iter().map(str::to_owned).collect())).into();
    assert_eq!(
        faults(&lines, &graph),
        ["new is not in the picture", "port uses host, which is not below it", "gone is in the picture alone"]
    );
}
