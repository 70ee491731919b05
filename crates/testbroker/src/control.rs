//! Orders to a broker that is a process of its own: lines over TCP, each answered by `ok`.
//!
//! `detach`: tears all links off. `forget`: frees all sessions and tells nobody. `lock MILLISECONDS`. `message QUEUE SESSION TEXT`.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::World;

/// Serves orders on this port for ever.
pub fn serve(port: u16, world: &Arc<World>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
    for stream in listener.incoming().flatten() {
        let world = Arc::clone(world);
        std::thread::spawn(move || obey(stream, &world));
    }
}

fn obey(mut stream: TcpStream, world: &World) -> Option<()> {
    let orders = BufReader::new(stream.try_clone().ok()?);
    for order in orders.lines() {
        let order = order.ok()?;
        let words: Vec<&str> = order.splitn(4, ' ').collect();
        let answer = match words[..] {
            ["detach"] => {
                world.detach_all();
                "ok"
            }
            ["forget"] => {
                world.forget_all();
                "ok"
            }
            ["lock", ms] => {
                world.set_lock(Duration::from_millis(ms.parse().ok()?));
                "ok"
            }
            ["message", queue, session, text] => {
                world.put_message(queue, session, text);
                "ok"
            }
            _ => "no such order",
        };
        writeln!(stream, "{answer}").ok()?;
    }
    Some(())
}
