//! HTTP/2 by prior knowledge: many calls on one connection. Dropping a [`Stream`] resets only its stream.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::call::whole;
use super::{Answer, Call, Stream};
use crate::wait;

pub(crate) struct H2Client {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
    _task: JoinSet<()>,
}

impl H2Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address)
            .await
            .expect("connect to the server");
        let handshake =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket));
        let (sender, driver) = wait::bounded("h2 handshake", handshake)
            .await
            .expect("h2 handshake");
        let mut task = JoinSet::new();
        task.spawn(async move { drop(driver.await) });
        Self {
            sender,
            authority: address.to_string(),
            _task: task,
        }
    }

    pub(crate) async fn send(&self, call: Call) -> Answer {
        whole(self.open(call).await).await
    }

    pub(crate) async fn stream(&self, call: Call) -> Stream {
        Stream::new(self.open(call).await, None)
    }

    async fn open(&self, call: Call) -> Response<Incoming> {
        let mut sender = self.sender.clone();
        wait::bounded("room for a stream", sender.ready())
            .await
            .expect("an open connection");
        let request = call.into_request(Some(&self.authority));
        wait::bounded("answer on h2", sender.send_request(request))
            .await
            .expect("an answer on h2")
    }
}
