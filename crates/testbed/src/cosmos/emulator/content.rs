//! What the account holds, changed behind the store's back: no fault, no signature and no count applies here.

use std::sync::Arc;
use std::sync::mpsc;

use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_core::http::{Method, Request, Url};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::Emulator;

impl Emulator {
    /// A container with the partition key `/id`, and its database; what is there already stays as it is.
    pub fn create_container(&self, database: &str, container: &str) {
        self.create_partitioned(database, container, &["/id"]);
    }

    /// Likewise, with another partition key; several paths make a hierarchical one.
    pub fn create_partitioned(&self, database: &str, container: &str, paths: &[&str]) {
        let created = self.order(Method::Post, &["dbs"], &[], Some(&json!({ "id": database })));
        assert!(matches!(created.0, 201 | 409), "no database: {created:?}");
        let partition_key =
            json!({ "paths": paths, "kind": if paths.len() > 1 { "MultiHash" } else { "Hash" }, "version": 2 });
        let container = json!({ "id": container, "partitionKey": partition_key });
        let created = self.order(Method::Post, &["dbs", database, "colls"], &[], Some(&container));
        assert!(matches!(created.0, 201 | 409), "no container: {created:?}");
    }

    pub fn delete_container(&self, database: &str, container: &str) {
        let deleted = self.order(Method::Delete, &["dbs", database, "colls", container], &[], None);
        assert_eq!(deleted.0, 204, "not deleted: {deleted:?}");
    }

    /// The document with its system properties (`_etag`, `_ts`), as the region that takes the writes has it.
    pub fn document(&self, database: &str, container: &str, id: &str) -> Option<Value> {
        self.document_at(self.account.write_region(), database, container, id)
    }

    /// The same, in a container that is not partitioned by id.
    pub fn document_of(&self, partition: &str, database: &str, container: &str, id: &str) -> Option<Value> {
        self.read_at(self.account.write_region(), partition, &["dbs", database, "colls", container, "docs", id])
    }

    /// The same, as this region has it; panics while it cannot be reached.
    pub fn document_in(&self, region: &str, database: &str, container: &str, id: &str) -> Option<Value> {
        self.document_at(self.account.region(region), database, container, id)
    }

    /// Creates or replaces a document, whatever it holds, as long as it has a string `id`.
    pub fn put_document(&self, database: &str, container: &str, document: &Value) {
        let id = document["id"].as_str().expect("a document has an id");
        self.put_document_of(id, database, container, document);
    }

    /// Likewise, in a container that is not partitioned by id.
    pub fn put_document_of(&self, partition: &str, database: &str, container: &str, document: &Value) {
        let headers =
            [("x-ms-documentdb-partitionkey", key(partition)), ("x-ms-documentdb-is-upsert", "True".to_owned())];
        let put = self.order(Method::Post, &["dbs", database, "colls", container, "docs"], &headers, Some(document));
        assert!(matches!(put.0, 200 | 201), "not written: {put:?}");
    }

    pub fn delete_document(&self, database: &str, container: &str, id: &str) {
        let headers = [("x-ms-documentdb-partitionkey", key(id))];
        let deleted = self.order(Method::Delete, &["dbs", database, "colls", container, "docs", id], &headers, None);
        assert_eq!(deleted.0, 204, "not deleted: {deleted:?}");
    }

    fn document_at(&self, region: Url, database: &str, container: &str, id: &str) -> Option<Value> {
        self.read_at(region, id, &["dbs", database, "colls", container, "docs", id])
    }

    fn read_at(&self, region: Url, partition: &str, path: &[&str]) -> Option<Value> {
        let headers = [("x-ms-documentdb-partitionkey", key(partition))];
        let (status, document) = self.order_at(region, Method::Get, path, &headers, None);
        assert!(matches!(status, 200 | 404), "not read: {status} {document}");
        (status == 200).then_some(document)
    }

    fn order(&self, method: Method, path: &[&str], headers: &[Header], body: Option<&Value>) -> (u16, Value) {
        self.order_at(self.account.write_region(), method, path, headers, body)
    }

    /// The answer's status and body.
    fn order_at(
        &self,
        mut url: Url,
        method: Method,
        path: &[&str],
        headers: &[Header],
        body: Option<&Value>,
    ) -> (u16, Value) {
        url.path_segments_mut().expect("an http URL").extend(path);
        let mut request = Request::new(url, method);
        for (name, value) in headers {
            request.insert_header(HeaderName::from_static(name), HeaderValue::from(value.clone()));
        }
        if let Some(body) = body {
            request.set_body(body.to_string());
        }

        let (account, (sender, receiver)) = (Arc::clone(&self.account), mpsc::channel());
        // On the emulator's threads, because the caller's runtime may be gone before a delayed replication is done;
        // waited for by a blocked thread, because paused time goes on while a task waits.
        self.runtime().spawn(async move {
            let response = account.execute(&request).await.expect("the region answers");
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.expect("a body in memory").to_bytes();
            let _ = sender.send((status, serde_json::from_slice(&body).unwrap_or_default()));
        });
        receiver.recv().expect("the emulator answers")
    }
}

type Header = (&'static str, String);

/// A partition key, as the header has it.
fn key(partition: &str) -> String {
    json!([partition]).to_string()
}
