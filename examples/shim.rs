use sightglass::media::*;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    time::{Duration, Instant},
};
fn env(k: &str) -> Option<String> {
    std::env::var(k).ok()
}
fn main() {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    init().unwrap();
    let l = TcpListener::bind(format!("127.0.0.1:{}", env("PORT").unwrap_or("8099".into()))).unwrap();
    for s in l.incoming() {
        let Ok(s) = s else { continue };
        std::thread::spawn(move || {
            let mut r = BufReader::new(s.try_clone().unwrap());
            let mut line = String::new();
            r.read_line(&mut line).unwrap();
            let mut len = 0;
            loop {
                let mut h = String::new();
                r.read_line(&mut h).unwrap();
                if h.trim().is_empty() {
                    break;
                }
                let h = h.to_lowercase();
                if let Some(v) = h.strip_prefix("content-length:") {
                    len = v.trim().parse().unwrap()
                }
            }
            let mut body = vec![0; len];
            r.read_exact(&mut body).unwrap();
            let mut w = s;
            if line.starts_with("GET") {
                let page = "<html><body>hi</body></html>";
                write!(w, "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}", page.len()).unwrap();
                return;
            }
            let offer = String::from_utf8_lossy(&body).into_owned();
            let name = line.split_whitespace().nth(1).unwrap().replace('/', "_");
            std::fs::write(format!("/tmp/shim/offer{name}.sdp"), &offer).unwrap();
            let options = WebRtcOptions {
                ice_servers: env("ICE").into_iter().map(|s| s.parse().unwrap()).collect(),
                udp_ports: None,
                public_ip: env("PUBLIC").map(|s| s.parse().unwrap()),
                max_pixels: 4096 * 4096,
                silence: Duration::from_secs(5),
            };
            let t = Instant::now();
            let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::<String>::new()));
            let h2 = heard.clone();
            let r =
                WebRtcSource::answer("s", &offer, &options, Box::new(move |m| h2.lock().unwrap().push(m.to_owned())));
            let (mut src, answer) = match r {
                Ok(x) => x,
                Err(e) => {
                    println!("{name} ERROR {}", e.full());
                    let e = e.full();
                    write!(w, "HTTP/1.1 422 X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{e}", e.len()).unwrap();
                    return;
                }
            };
            println!("{name} answered in {:?}", t.elapsed());
            std::fs::write(format!("/tmp/shim/answer{name}.sdp"), &answer).unwrap();
            write!(w, "HTTP/1.1 201 OK\r\ncontent-type: application/sdp\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}", answer.len()).unwrap();
            drop(w);
            let (mut n, mut skipped, mut size) = (0u64, 0, None);
            let ch = src.channel();
            let mut lat = Vec::new();
            let mut sec = Instant::now();
            let mut in_sec = 0;
            let mut times = vec![];
            let mut gap = Instant::now();
            let mut maxgap = Duration::ZERO;
            loop {
                match src.next(Duration::from_millis(200)) {
                    Ok(Some(Arrival::Picture(f))) => {
                        if n == 0 {
                            println!(
                                "{name} first picture {:?} after offer {} {:?}",
                                t.elapsed(),
                                f.frame.size,
                                src.codec()
                            );
                        } else {
                            maxgap = maxgap.max(gap.elapsed());
                        }
                        gap = Instant::now();
                        if size != Some(f.frame.size) {
                            println!("{name} size {} at {:?}", f.frame.size, t.elapsed());
                            size = Some(f.frame.size)
                        }
                        n += 1;
                        skipped += f.skipped;
                        lat.push(f.arrived.elapsed());
                        in_sec += 1;
                        let luma = if let sightglass::frame::Pixels::I420 { planes, .. } = &f.frame.pixels {
                            planes[0].row(f.frame.size.height as usize / 2, 1)[0]
                        } else {
                            0
                        };
                        ch.send(&format!("{luma}"));
                    }
                    Ok(Some(Arrival::End)) => {
                        println!("{name} END after {:?}", t.elapsed());
                        break;
                    }
                    Ok(None) => {}
                    Ok(x) => println!("{x:?}"),
                    Err(e) => {
                        println!("{name} ERR {} after {:?}", e.full(), t.elapsed());
                        break;
                    }
                }
                if sec.elapsed() > Duration::from_secs(1) {
                    times.push(in_sec);
                    in_sec = 0;
                    sec = Instant::now();
                }
            }
            lat.sort();
            println!(
                "{name} {n} pictures, {skipped} skipped, codec {:?}, latency median {:?} max {:?}, per s {times:?}, max gap {maxgap:?}, heard {:?}",
                src.codec(),
                lat.get(lat.len() / 2),
                lat.last(),
                heard.lock().unwrap()
            );
            let d = Instant::now();
            drop(src);
            println!("{name} dropped in {:?}", d.elapsed());
        });
    }
}
