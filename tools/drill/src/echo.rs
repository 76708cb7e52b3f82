//! A server that echoes, for conformance suites: everything else about its sockets is the gateway's own, the
//! accept loop, the bounds, the pace and how a socket is closed.

use axum::Router;
use axum::extract::Extension;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use ropeline::web::server::serve;
use ropeline::web::server::slots::Slot;
use ropeline::web::server::socket;
use ropeline::web::server::socket::{Heard, Socket};
use tokio_util::sync::CancellationToken;

/// Suites run a few cases at a time.
const MOST_CONNECTIONS: usize = 256;
/// Suites send up to 16 MiB in one message.
const LIFTED: usize = 64 * 1024 * 1024;

#[derive(clap::Args)]
pub struct Args {
    /// Where to listen; the address taken is printed
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: std::net::SocketAddr,

    /// Without the bounds on sizes and pace, which suites overstep
    #[arg(long)]
    lifted: bool,
}

/// # Errors
/// When the address cannot be taken.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let listener = serve::listen(args.listen)?;
    println!("{}", listener.local_addr()?);
    let route = if args.lifted { get(lifted) } else { get(bounded) };
    let routes = Router::new().route("/", route);
    let stop = CancellationToken::new();
    Ok(serve::serve_routes(listener, routes, MOST_CONNECTIONS, stop).await?)
}

async fn bounded(Extension(slot): Extension<Slot>, upgrade: WebSocketUpgrade) -> Response {
    socket::bounded(upgrade, Some(&slot)).on_upgrade(|socket| async move {
        echo(Socket::new(socket)).await;
        drop(slot);
    })
}

async fn lifted(upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .max_message_size(LIFTED)
        .max_frame_size(LIFTED)
        .on_upgrade(|socket| echo(Socket::without_pace(socket)))
}

async fn echo(mut socket: Socket) {
    loop {
        let answer = match socket.hear().await {
            Heard::Text(text) => Message::Text(text),
            Heard::Binary(bytes) => Message::Binary(bytes),
            Heard::Control => continue,
            Heard::Bye => return socket.farewell().await,
            Heard::Gone => return,
            Heard::Wrong(code, why) => return socket.close(code, why).await,
        };
        if socket.send(answer).await.is_err() {
            return;
        }
    }
}
