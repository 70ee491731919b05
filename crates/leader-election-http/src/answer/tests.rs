//! Each way in which a request gets no answer, or one that is too long, from sockets of this machine.

#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use testservers::{Authority, free_port};

use super::*;
use crate::{Settings, Trust, client};

/// Longer than any answer of this machine takes, and short enough to wait for.
const PATIENCE: Duration = Duration::from_millis(700);

/// A server that does this with each connection, after it has read something from it.
fn serve(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}

fn serve_text(text: &'static str) -> SocketAddr {
    serve(move |mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(text.as_bytes());
    })
}

/// A server over TLS that says "ok"; with `asks`, to whoever shows a certificate of its authority.
fn serve_tls(authority: &Authority, asks: bool) -> SocketAddr {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let own = authority.certificate("server");
    let chain = vec![CertificateDer::from_pem_slice(own.pem.as_bytes()).expect("PEM")];
    let key = PrivateKeyDer::from_pem_slice(own.key_pem.as_bytes()).expect("PEM");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM")).expect("an authority");
    let builder = match asks {
        true => ServerConfig::builder()
            .with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier")),
        false => ServerConfig::builder().with_no_client_auth(),
    };
    let config = Arc::new(builder.with_single_cert(chain, key).expect("a certificate"));
    serve(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
        let mut stream = StreamOwned::new(connection, stream);
        if stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            let _ = stream.flush();
        } else {
            // What is closed with something unread takes the alert back that was sent.
            let _ = stream.sock.shutdown(std::net::Shutdown::Write);
            let _ = std::io::copy(&mut stream.sock, &mut std::io::sink());
        }
    })
}

async fn ask(scheme: &str, to: impl std::fmt::Display, trust: Trust, most: usize) -> Result<Answer> {
    let settings =
        Settings { plain: scheme == "http", proxy: false, timeout: Some(PATIENCE), trust, ..Settings::default() };
    let request = client(&settings)?.post(format!("{scheme}://{to}/?sig=SECRET")).bearer_auth("SECRET").body("SECRET");
    answer(request, most, "the server").await
}

async fn refusal(scheme: &str, to: impl std::fmt::Display, trust: Trust) -> Error {
    let error = ask(scheme, to, trust, 100).await.expect_err("no answer");
    assert!(!format!("{error} {error:?}").contains("SECRET"), "{error:?}");
    assert!(error.to_string().starts_with("the server "), "{error}");
    error
}

#[tokio::test]
async fn an_answer_comes_whole_whatever_its_status() {
    let address = serve_text("HTTP/1.1 418 Teapot\r\nX-Kind: green\r\nContent-Length: 5\r\n\r\nhello");
    let answer = ask("http", address, Trust::default(), 5).await.expect("an answer");
    assert_eq!((answer.status, answer.body.as_slice()), (418, &b"hello"[..]));
    assert_eq!((answer.header("x-kind"), answer.header("x-none"), answer.is_success()), (Some("green"), None, false));
    assert!(!format!("{answer:?}").contains("hello"));
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused_as_it_comes() {
    let with_length = serve_text("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!");
    let in_chunks =
        serve_text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n3\r\nlo!\r\n0\r\n\r\n");
    let endless = serve(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 1024]).is_ok() {}
    });
    for address in [with_length, in_chunks, endless] {
        let error = ask("http", address, Trust::default(), 5).await.expect_err("too long");
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains("more than 5 bytes"), "{error}");
    }
    for address in [with_length, in_chunks] {
        assert_eq!(ask("http", address, Trust::default(), 6).await.expect("it fits").body, b"hello!");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_or_half_of_it_is_a_timeout() {
    let silent = serve(|stream| {
        std::thread::sleep(PATIENCE * 20);
        drop(stream);
    });
    let stalling = serve(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
        std::thread::sleep(PATIENCE * 20);
    });
    for address in [silent, stalling] {
        assert_eq!(refusal("http", address, Trust::default()).await.kind(), ErrorKind::Timeout);
    }
}

#[tokio::test]
async fn no_server_and_one_that_hangs_up_are_unreachable_with_the_systems_words() {
    let error = refusal("http", format!("127.0.0.1:{}", free_port()), Trust::default()).await;
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().to_lowercase().contains("refused"), "{error}");

    let hangs_up = serve_text("");
    let ends_midway = serve_text("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
    let no_http = serve_text("-ERR unknown command\r\n");
    for address in [hangs_up, ends_midway, no_http] {
        assert_eq!(refusal("http", address, Trust::default()).await.kind(), ErrorKind::Unreachable);
    }
}

#[tokio::test]
async fn certificates_that_do_not_fit_are_for_a_human() {
    let (authority, another) = (Authority::new(), Authority::new());
    let trusting = |authority: &Authority| Trust { authorities: Some(authority.pem().into_bytes()), identity: None };
    let with = |certificate: testservers::authority::Certificate| Trust {
        identity: Some(format!("{}\n{}", certificate.pem, certificate.key_pem).into_bytes()),
        ..trusting(&authority)
    };
    let address = serve_tls(&authority, false);
    assert_eq!(ask("https", address, trusting(&authority), 2).await.expect("trusted").body, b"ok");
    let another_name = format!("127.0.0.2:{}", address.port());
    for (to, trust) in [(address.to_string(), trusting(&another)), (address.to_string(), Trust::default())] {
        let error = refusal("https", to, trust).await;
        assert_eq!(error.kind(), ErrorKind::InvalidSetting, "{error:?}");
    }
    // Nothing listens there where loopback has one address alone.
    if TcpStream::connect(&another_name).is_ok() {
        assert_eq!(refusal("https", another_name, trusting(&authority)).await.kind(), ErrorKind::InvalidSetting);
    }

    let address = serve_tls(&authority, true);
    let shown = with(authority.certificate("client"));
    assert_eq!(ask("https", address, shown, 2).await.expect("let in").body, b"ok");
    for trust in [trusting(&authority), with(another.certificate("client"))] {
        let error = refusal("https", address, trust).await;
        assert_eq!(error.kind(), ErrorKind::InvalidSetting, "{error:?}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_unreachable_by_tls() {
    let address = serve_text("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let error = refusal("https", address, Trust::default()).await;
    assert_eq!(error.kind(), ErrorKind::Unreachable, "a proxy or a load balancer may say so in passing");
}
