//! The rows on a server that the test starts, stops and ends.

use testservers::kube::{ADMIN, Kube, NOBODY, READS};
use tokio::task::JoinHandle;

use crate::common::{Server, leases};
use crate::rows::{self, Control};

struct Own {
    kube: Kube,
    admin: Server,
    hanging: Vec<JoinHandle<()>>,
}

impl Control for Own {
    fn stop_etcd(&mut self, stopped: bool) {
        if stopped { self.kube.etcd().freeze() } else { self.kube.etcd().thaw() }
    }

    /// An administrator is never refused, and counts all the same.
    fn overload(&mut self) {
        self.stop_etcd(true);
        for _ in 0..READS {
            let admin = self.admin.clone();
            let reads = async move {
                drop(admin.send(reqwest::Method::GET, &format!("{}/none", leases("default")), None).await)
            };
            self.hanging.push(tokio::spawn(reads));
        }
        std::thread::sleep(std::time::Duration::from_secs(1));
    }

    fn relieve(&mut self) {
        self.stop_etcd(false);
        self.hanging.clear();
    }

    fn end(&mut self) {
        self.kube.end();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd, and KUBE_APISERVER, the path of a kube-apiserver"]
async fn a_server_of_our_own_answers_as_the_listing_has_it() {
    let kube = Kube::start();
    let authorities = Some(kube.authority().into_bytes());
    let admin = Server { url: kube.url(), authorities, token: ADMIN.to_owned() };
    admin.ready().await;
    let mut own = Own { kube, admin: admin.clone(), hanging: Vec::new() };
    let listing = rows::run(&admin, &admin.as_user(NOBODY), Some(&mut own)).await;
    super::judge(&listing);
}
