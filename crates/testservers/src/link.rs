//! The network between a client and a server: bytes of TCP, whatever they mean.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// Which way of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Both,
    ToServer,
    ToClient,
}

/// A way to a server. What is sent while it is [cut](Self::cut) waits, as in the buffers of a network that comes back, and arrives
/// when the way is [mended](Self::mend), however late; new connections are accepted. Ends when dropped.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    way: Arc<Way>,
}

#[derive(Debug)]
struct Way {
    target: Mutex<SocketAddr>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    to_server_cut: bool,
    to_client_cut: bool,
    delay: Duration,
    ended: bool,
    /// What becomes of connections: the number of the last one that was reset.
    resets: u64,
    streams: Vec<TcpStream>,
}

impl Link {
    /// A way to the server at `target`.
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        let address = listener.local_addr().expect("bound");
        let way = Arc::new(Way { target: Mutex::new(target), state: Mutex::default(), changed: Condvar::new() });
        let accepting = Arc::clone(&way);
        thread::spawn(move || accepting.accept(&listener));
        Self { address, way }
    }

    /// Where the server is reached by this way.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// New connections lead to another server.
    pub fn lead_to(&self, target: SocketAddr) {
        *self.way.target.lock().expect("not poisoned") = target;
    }

    /// From now on nothing gets through that way.
    pub fn cut(&self, direction: Direction) {
        self.way.change(|state| {
            state.to_server_cut |= direction != Direction::ToClient;
            state.to_client_cut |= direction != Direction::ToServer;
        });
    }

    /// All that waited arrives.
    pub fn mend(&self) {
        self.way.change(|state| {
            state.to_server_cut = false;
            state.to_client_cut = false;
        });
    }

    /// Whatever is sent, each way, takes so much longer.
    pub fn delay(&self, delay: Duration) {
        self.way.change(|state| state.delay = delay);
    }

    /// Ends all connections, as a restarted network device does. What waited in them is lost.
    pub fn reset(&self) {
        self.way.change(|state| {
            state.resets += 1;
            for stream in state.streams.drain(..) {
                // Fails only when it has ended already.
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reset();
        self.way.change(|state| state.ended = true);
        // Wakes the one who accepts.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

impl Way {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.state().ended {
                return;
            }
            let Ok(client) = client else { continue };
            let way = Arc::clone(&self);
            thread::spawn(move || way.connect(client));
        }
    }

    /// While the way there is cut no connection reaches the server, and the client is not told.
    fn connect(self: Arc<Self>, client: TcpStream) {
        let Some(resets) = self.passable(Direction::ToServer, None) else { return };
        let target = *self.target.lock().expect("not poisoned");
        let Ok(server) = TcpStream::connect_timeout(&target, Duration::from_secs(5)) else { return };
        let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else { return };
        for stream in [&client, &server] {
            // As the servers and clients that are tested set it themselves.
            let _ = stream.set_nodelay(true);
        }
        {
            let mut state = self.state();
            if state.resets != resets {
                return;
            }
            state.streams.extend([client.try_clone(), server.try_clone()].into_iter().flatten());
        }
        let back = Arc::clone(&self);
        thread::spawn(move || back.carry(server_too, client_too, Direction::ToClient, resets));
        self.carry(client, server, Direction::ToServer, resets);
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream, direction: Direction, resets: u64) {
        let mut buffer = [0; 16 * 1024];
        loop {
            let read = from.read(&mut buffer).unwrap_or_default();
            let delay = self.state().delay;
            if !delay.is_zero() {
                thread::sleep(delay);
            }
            // The end of a stream is news too, and waits like all others.
            if self.passable(direction, Some(resets)).is_none() {
                break;
            }
            if read == 0 || to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
        let _ = from.shutdown(Shutdown::Read);
    }

    /// Waits until what goes this way gets through; `None` for a connection that was reset meanwhile, or at the end.
    fn passable(&self, direction: Direction, resets: Option<u64>) -> Option<u64> {
        let mut state = self.state();
        let resets = resets.unwrap_or(state.resets);
        loop {
            let cut = if direction == Direction::ToServer { state.to_server_cut } else { state.to_client_cut };
            if state.ended || state.resets != resets {
                return None;
            }
            if !cut {
                return Some(resets);
            }
            state = self.changed.wait(state).expect("not poisoned");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it is sent.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        let address = listener.local_addr().expect("bound");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let (mut from, mut to) = (stream.try_clone().expect("a stream"), stream);
                    std::io::copy(&mut from, &mut to)
                });
            }
        });
        address
    }

    fn client(link: &Link) -> TcpStream {
        let client = TcpStream::connect(link.address()).expect("accepted");
        client.set_read_timeout(Some(Duration::from_millis(300))).expect("set");
        client
    }

    fn answer(client: &mut TcpStream) -> Option<u8> {
        let mut byte = [0];
        client.read_exact(&mut byte).is_ok().then_some(byte[0])
    }

    #[test]
    fn what_is_sent_while_a_way_is_cut_arrives_when_it_is_mended() {
        for direction in [Direction::Both, Direction::ToServer, Direction::ToClient] {
            let link = Link::start(echo());
            let mut client = client(&link);
            client.write_all(&[1]).expect("sent");
            assert_eq!(answer(&mut client), Some(1));
            link.cut(direction);
            client.write_all(&[2]).expect("a black hole takes it");
            assert_eq!(answer(&mut client), None, "{direction:?}");
            link.mend();
            client.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
            assert_eq!(answer(&mut client), Some(2), "{direction:?}");
        }
    }

    #[test]
    fn a_new_connection_into_a_cut_way_is_accepted_and_answered_late() {
        let link = Link::start(echo());
        link.cut(Direction::ToServer);
        let mut client = client(&link);
        client.write_all(&[3]).expect("taken");
        assert_eq!(answer(&mut client), None);
        link.mend();
        client.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
        assert_eq!(answer(&mut client), Some(3));
    }

    #[test]
    fn a_reset_ends_connections_and_new_ones_get_through() {
        let link = Link::start(echo());
        let mut old = client(&link);
        old.write_all(&[4]).expect("sent");
        assert_eq!(answer(&mut old), Some(4));
        link.reset();
        old.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
        assert_eq!(answer(&mut old), None);
        let mut new = client(&link);
        new.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
        new.write_all(&[5]).expect("sent");
        assert_eq!(answer(&mut new), Some(5));
    }
}
