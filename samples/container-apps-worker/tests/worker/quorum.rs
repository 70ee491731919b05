//! The same worker at a majority of three stores, one of which hangs.

use nix::sys::signal::Signal;
use testbed::azurite::{Azurite, AzuriteOptions};

use crate::rig::{Environment, azurite, eventually, runtime};

#[test]
fn with_one_of_three_stores_hanging_a_leader_hands_over_and_the_work_goes_on() {
    let members = [(); 3].map(|()| runtime().spawn(Azurite::start(AzuriteOptions::default())));
    let members = members.map(|member| runtime().block_on(member).expect("it starts"));
    let urls: Vec<String> = members.iter().map(|member| member.container_url("leases")).collect();
    let environment = Environment::on(azurite()).with("LEADER_STORE_URL", format!("quorum:{}", urls.join(",")));
    let leader = environment.clone().replica("first");
    leader.wait_for("leading");
    let standby = environment.replica("second");
    eventually("the standby sees the leader", || standby.status()["leader"]["holder"] == "first");
    eventually("it is ready", || standby.get("/readyz").0 == 200);

    members[0].pause();
    leader.signal(Signal::SIGTERM);
    let (_, elected) = standby.wait_for("elected");
    standby.wait_for("leading");
    let (end, log, _) = leader.ended();
    assert!(end.success(), "{end}");
    let ended = log.iter().find(|line| line["event"] == "ended").expect("its end is told");
    assert!(elected["fencing_token"].as_u64() > ended["fencing_token"].as_u64(), "tokens rise");
    eventually("the work goes on", || standby.status()["checkpoint"]["holder"] == "second");
    assert_eq!(standby.get("/healthz").0, 200);
}
