//! The status page, for people.

#[cfg(test)]
mod contrast;

use maud::{DOCTYPE, Markup, html};

use crate::state::Checkpoint;
use crate::view::{EventView, LeaderView, View, WorkerView};

pub const CSS: &str = include_str!("page/page.css");
pub const JS: &str = include_str!("page/page.js");
/// A dot, so that the browser asks for no icon.
const ICON: &str = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'>\
                    <circle cx='4' cy='4' r='3' fill='%23147a3d'/></svg>";

pub fn render(view: &View) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (headline(view)) " · " (view.election) }
                link rel="icon" href=(ICON);
                link rel="stylesheet" href="page.css";
                script src="page.js" defer {}
            }
            body {
                header {
                    p.over { "Leader election" }
                    h1 { (view.election) }
                }
                main #now {
                    (leader(view))
                    (worker(&view.worker))
                    (work(view.checkpoint.as_ref()))
                    (events(&view.events))
                    p.asof { "As of " (time(&view.at)) " UTC, told by " span.name { (view.worker.holder) } "." }
                }
                footer {
                    button #refreshing type="button" hidden { "Stop refreshing" }
                    p #trouble role="status" {}
                    nav aria-label="For programs" {
                        a href="status.json" { "status.json" }
                        a href="healthz" { "healthz" }
                        a href="readyz" { "readyz" }
                    }
                }
            }
        }
    }
}

fn headline(view: &View) -> String {
    match &view.leader {
        Some(leader) if leader.this_worker && view.worker.role == "draining" => "This worker hands over".to_owned(),
        Some(leader) if leader.this_worker => "This worker leads".to_owned(),
        Some(LeaderView { holder, last_seen_seconds_ago: Some(seconds), .. }) => {
            format!("{holder} led when last seen, {seconds} s ago")
        }
        Some(leader) => format!("{} leads", leader.holder),
        None => "No leader is known".to_owned(),
    }
}

fn leader(view: &View) -> Markup {
    let state = match &view.leader {
        Some(leader) if leader.this_worker => "leading",
        // The store is silent: who leads now is not known.
        Some(leader) if leader.last_seen_seconds_ago.is_some() => "vacant",
        Some(_) => "standby",
        None => "vacant",
    };
    html! {
        section.card.lead data-state=(state) aria-labelledby="leader" {
            h2 #leader { (headline(view)) }
            @match &view.leader {
                Some(leader) => (term(leader, &view.worker)),
                None => p { "This worker has seen none yet, or the last one is gone and the next one is being elected." },
            }
        }
    }
}

fn term(leader: &LeaderView, worker: &WorkerView) -> Markup {
    html! {
        dl {
            (fact("Leader", html! { span.name { (leader.holder) } }))
            (fact("Term (fencing token)", html! { span.number { (leader.fencing_token) } }))
            @if let Some(at) = &leader.elected_at { (fact("Elected", html! { (time(at)) " UTC" })) }
            (fact("Valid for", html! {
                @match leader.valid_for_ms {
                    Some(ms) => {
                        (format!("{:.1} s without another renewal ", seconds(ms)))
                        progress max=(worker.lease_seconds * 1000) value=(ms) aria-label="Validity, as part of the lease" {}
                    }
                    None => "only the leader itself knows",
                }
            }))
        }
        @if !leader.this_worker {
            p.hint { "As the store's record said when this worker last looked." }
        }
    }
}

fn worker(worker: &WorkerView) -> Markup {
    html! {
        section.card aria-labelledby="worker" {
            h2 #worker { "This worker" }
            dl {
                (fact("Name", html! { span.name { (worker.holder) } }))
                @if let Some(revision) = &worker.revision {
                    (fact("Revision", html! { span.name { (revision) } }))
                }
                (fact("Role", html! { (worker.role) }))
                (fact("Ready", html! { @if worker.ready { "yes" } @else { "no" } }))
                (fact("Health", html! {
                    @match &worker.unhealthy {
                        Some(ailment) => span.bad { (ailment) },
                        None => "well",
                    }
                }))
                (fact("Lease", html! { (worker.lease_seconds) " s on " span.name { (worker.store) } }))
            }
        }
    }
}

fn work(checkpoint: Option<&Checkpoint>) -> Markup {
    html! {
        @if let Some(checkpoint) = checkpoint {
            section.card aria-labelledby="work" {
                h2 #work { "Work" }
                p { "This worker last did step " strong.number { (checkpoint.steps) } ", at " (time(&checkpoint.written_at))
                    " UTC, in term " span.number { (checkpoint.fencing_token) } "." }
            }
        }
    }
}

fn events(events: &[EventView]) -> Markup {
    html! {
        section.card aria-labelledby="events" {
            h2 #events { "Last events" }
            @if events.is_empty() { p { "None yet." } }
            @else {
                table {
                    caption { "Seen by this worker since it started, the latest first; times in UTC." }
                    thead { tr { th scope="col" { "Time" } th scope="col" { "Event" } } }
                    tbody { @for event in events { (row(event)) } }
                }
            }
        }
    }
}

fn row(event: &EventView) -> Markup {
    html! {
        tr data-weight=(event.weight) {
            td { (time(&event.at)) }
            td {
                (event.what)
                @if event.times > 1 { " (" (event.times) " times)" }
                @if let Some(detail) = &event.detail { span.detail { (detail) } }
                @if let Some(token) = event.fencing_token { span.detail { "Term " span.number { (token) } } }
            }
        }
    }
}

fn fact(name: &str, value: Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// `2026-11-21T06:00:07Z`, as people write it.
fn time(rfc3339: &str) -> Markup {
    html! { time datetime=(rfc3339) { (rfc3339.trim_end_matches('Z').replace('T', " ")) } }
}

#[allow(clippy::cast_precision_loss)]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View {
            election: "nightly".to_owned(),
            at: "2026-11-21T06:00:07Z".to_owned(),
            leader: None,
            worker: WorkerView {
                holder: "worker-1".to_owned(),
                revision: None,
                role: "standby",
                ready: true,
                unhealthy: None,
                store: "https://acct.blob.core.windows.net/leases".to_owned(),
                lease_seconds: 15,
            },
            checkpoint: None,
            events: Vec::new(),
        }
    }

    fn led_by(holder: &str, this_worker: bool) -> View {
        let leader = LeaderView {
            holder: holder.to_owned(),
            fencing_token: 7,
            this_worker,
            elected_at: Some("2026-11-21T05:00:00Z".to_owned()),
            valid_for_ms: this_worker.then_some(9_300),
            last_seen_seconds_ago: None,
        };
        View { leader: Some(leader), ..view() }
    }

    #[test]
    fn the_headline_says_who_leads() {
        assert_eq!(headline(&view()), "No leader is known");
        assert_eq!(headline(&led_by("worker-2", false)), "worker-2 leads");
        assert_eq!(headline(&led_by("worker-1", true)), "This worker leads");
    }

    #[test]
    fn a_leader_that_was_seen_before_the_store_fell_silent_is_not_said_to_lead() {
        let mut view = led_by("worker-2", false);
        if let Some(leader) = &mut view.leader {
            leader.last_seen_seconds_ago = Some(20);
        }
        assert_eq!(headline(&view), "worker-2 led when last seen, 20 s ago");
        let page = render(&view).into_string();
        assert!(page.contains("<title>worker-2 led when last seen, 20 s ago"), "{page}");
        assert!(!page.contains("worker-2 leads"), "{page}");
    }

    #[test]
    fn the_leader_tells_its_term_and_how_long_it_is_valid() {
        let page = render(&led_by("worker-1", true)).into_string();
        for part in ["Term (fencing token)", ">7<", "9.3 s", "2026-11-21 05:00:00"] {
            assert!(page.contains(part), "no {part:?} in {page}");
        }
    }

    #[test]
    fn a_name_from_the_store_is_shown_as_text_and_not_run() {
        let page = render(&led_by("<script>alert(1)</script>", false)).into_string();
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; leads"), "{page}");
        assert!(!page.contains("<script>alert"), "{page}");
    }
}
