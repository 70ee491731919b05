//! Connections, and the AMQP sessions on them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use fe2o3_amqp::acceptor::{
    ConnectionAcceptor, ListenerConnectionHandle, ListenerSessionHandle, SaslAnonymousMechanism, SessionAcceptor,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::entrance::{self, Decided};
use crate::nodes::Replies;
use crate::token::Rights;
use crate::world::{ConnectionId, World};

/// What the links of one connection share.
pub(crate) struct Client {
    pub(crate) id: ConnectionId,
    pub(crate) world: Arc<World>,
    pub(crate) replies: Replies,
    rights: Mutex<BTreeMap<String, Rights>>,
}

impl Client {
    pub(crate) fn grant(&self, rights: Rights) {
        self.rights.lock().expect("not poisoned").insert(rights.queue.clone(), rights);
    }

    pub(crate) fn may(&self, queue: &str, what: impl Fn(&Rights) -> bool) -> bool {
        let rights = self.rights.lock().expect("not poisoned");
        rights.get(queue).is_some_and(|rights| what(rights) && rights.until > SystemTime::now())
    }
}

pub(crate) async fn accept(listener: TcpListener, world: Arc<World>) {
    static LAST: AtomicU64 = AtomicU64::new(0);
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let id = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let client =
            Arc::new(Client { id, world: Arc::clone(&world), replies: Replies::default(), rights: Mutex::default() });
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            serve(stream, &client).await;
            // The connection is gone, and all that hung on it is free.
            client.world.free_connection(client.id);
        });
    }
}

async fn serve(stream: TcpStream, client: &Arc<Client>) {
    match &client.world.settings.tls {
        None => talk(stream, client).await,
        Some(tls) => {
            if let Ok(stream) = TlsAcceptor::from(Arc::clone(tls)).accept(stream).await {
                talk(stream, client).await;
            }
        }
    }
}

async fn talk<S>(stream: S, client: &Arc<Client>)
where
    S: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin + 'static,
{
    let acceptor =
        ConnectionAcceptor::builder().container_id("testbroker").sasl_acceptor(SaslAnonymousMechanism {}).build();
    let Ok(mut connection) = acceptor.accept(stream).await else { return };
    while let Some(incoming) = ListenerConnectionHandle::next_incoming_session(&mut connection).await {
        let Ok(session) = SessionAcceptor::new().accept_incoming_session(incoming, &mut connection).await else {
            continue;
        };
        tokio::spawn(attend(session, Arc::clone(client)));
    }
}

/// Serves the attaches of one AMQP session. One that waits for a session of the queue keeps no other waiting.
async fn attend(mut session: ListenerSessionHandle, client: Arc<Client>) {
    let (decide, mut decided) = mpsc::unbounded_channel::<Decided>();
    loop {
        tokio::select! {
            attach = session.next_incoming_attach() => match attach {
                Some(attach) => entrance::consider(attach, &client, &decide),
                None => return,
            },
            Some(decided) = decided.recv() => entrance::admit(decided, &mut session, &client).await,
        }
    }
}
