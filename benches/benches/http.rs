//! What plain HTTP costs through the recording proxy, beside nginx as a reverse proxy.
//!
//! Eight connections are kept alive and ask at once. Rounds are 9, or what `QIX_BENCH_ROUNDS` says. Without nginx on `PATH` nothing can be
//! compared, which is said loudly.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Instant,
};

use qix_benches::{
    child,
    measure::{self, median, row, spread},
    rival::Rival,
};
use qix_proxy::Proxy;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const CONNECTIONS: usize = 8;

fn main() -> io::Result<()> {
    if child::is_child() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(child::run(serve))?;
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(compare())
}

async fn serve(role: &str, args: Vec<String>) -> io::Result<()> {
    match (role, &*args) {
        ("origin", []) => origin().await,
        ("record", [url, file]) => {
            let upstream = url.parse().map_err(io::Error::other)?;
            let config = Proxy::builder(file).upstream(upstream).listen(([127, 0, 0, 1], 0));
            let proxy = config.bind().await.map_err(io::Error::other)?;
            child::announce(proxy.local_addr());
            proxy.run(std::future::pending()).await;
            Ok(())
        }
        _ => Err(io::Error::other("no such role")),
    }
}

/// Serves scripts of as many bytes as the path says.
async fn origin() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    child::announce(listener.local_addr()?);
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let (mut request, mut answer) = (Vec::new(), (0, Vec::new()));
            loop {
                request.clear();
                while !request.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut request).await? == 0 {
                        return io::Result::Ok(());
                    }
                }
                let text = String::from_utf8_lossy(&request);
                let size = text.split(['/', ' ']).nth(2).and_then(|size| size.parse().ok()).unwrap_or(0);
                if answer.0 != size {
                    answer = (size, script(size));
                }
                stream.write_all(&answer.1).await?;
            }
        });
    }
}

fn script(size: usize) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/javascript; charset=utf-8\r\nETag: \"{size}\"\r\n\
         Cache-Control: private, max-age=3600\r\nContent-Length: {size}\r\n\r\n"
    )
    .into_bytes();
    let end = answer.len() + size;
    for number in 0.. {
        // Shaped like what bundlers make of a mashup.
        let line = format!(
            "{number}:(e,t,n)=>{{\"use strict\";Object.defineProperty(t,\"__esModule\",{{value:!0}});const r=n({number}),o=r.map((e=>e.id)).filter(Boolean);\
             t.default=class extends r.Component{{render(){{return this.props.layout.qHyperCube.qDataPages[0].qMatrix.map((e=>o(e[0].qText,e[1].qNum)))}}}}}},\n"
        );
        answer.extend_from_slice(line.as_bytes());
        if answer.len() >= end {
            break;
        }
    }
    answer.truncate(end);
    answer
}

/// Asks for bodies of `size` bytes over all connections, and returns the seconds that took.
async fn ask(address: SocketAddr, size: usize, requests: usize) -> io::Result<f64> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        clients.push(stream);
    }
    let start = Instant::now();
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|stream| tokio::spawn(ask_one(stream, address, size, requests / CONNECTIONS)))
        .collect();
    for task in tasks {
        task.await.map_err(io::Error::other)??;
    }
    Ok(start.elapsed().as_secs_f64())
}

async fn ask_one(mut stream: TcpStream, address: SocketAddr, size: usize, requests: usize) -> io::Result<()> {
    let request = format!(
        "GET /{size} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n\
         Accept-Language: en\r\nReferer: http://{address}/mashup.html\r\n\r\n"
    );
    let mut answer = Vec::with_capacity(64 << 10);
    for _ in 0..requests {
        stream.write_all(request.as_bytes()).await?;
        answer.clear();
        let head = loop {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(end) = answer.windows(4).position(|end| end == b"\r\n\r\n") {
                break end + 4;
            }
        };
        if !answer.starts_with(b"HTTP/1.1 200") {
            return Err(io::Error::other(String::from_utf8_lossy(&answer[..head]).into_owned()));
        }
        let mut come = answer.len() - head;
        while come < size {
            answer.clear();
            match stream.read_buf(&mut answer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => come += more,
            }
        }
    }
    Ok(())
}

async fn compare() -> io::Result<()> {
    measure::line(
        "plain HTTP through the recording proxy, × nginx: medians of same-round ratios, lowest..highest\n",
    );
    let folder = tempfile::tempdir()?;
    let origin = child::Server::start("origin", &[])?;
    let url = format!("ws://{}", origin.address);
    let file = folder.path().join("http.qixrec");
    let ours = child::Server::start("record", &[&url, &file.to_string_lossy()])?;
    let Some(nginx) = Rival::Nginx.start(origin.address, folder.path()).await? else { return Ok(()) };
    let rounds = std::env::var("QIX_BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(9);
    for (name, size, requests) in [("10 KB", 10_000, 16_000), ("1 MB", 1_000_000, 800)] {
        let (mut ratios, mut cpu, mut rates) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..=rounds {
            let mut seconds = [0.0; 2];
            let mut spent = [0.0; 2];
            for turn in 0..2 {
                let index = (turn + round) % 2;
                let server = [&ours, &nginx][index];
                let before = server.cpu().unwrap_or(f64::NAN);
                seconds[index] = ask(server.address, size, requests).await?;
                spent[index] = server.cpu().unwrap_or(f64::NAN) - before;
            }
            // The first round warms everything up.
            if round > 0 {
                ratios.push(seconds[1] / seconds[0]);
                cpu.push(spent[0] / spent[1]);
                rates.push(requests as f64 / seconds[0]);
            }
        }
        let ratio = median(ratios.clone());
        let budget = format!("at least 0.70  [{}]", spread(&ratios));
        row(&format!("{name} bodies: requests/s, × nginx"), ratio, &budget, ratio >= 0.7);
        measure::line(&format!("{:<66} {:>7.2}", "  CPU, × nginx", median(cpu)));
        measure::line(&format!("{:<66} {:>7.0}", "  requests/s", median(rates)));
    }
    Ok(())
}
