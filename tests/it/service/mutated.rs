//! Freshly mutated files of many containers and codecs: the service answers each, lives on, and does not grow.
//!
//! `make soak-mutate` does this with more files and another seed each time (`SIGHTGLASS_MUTATED_FILES`,
//! `SIGHTGLASS_MUTATED_SEED`).

use std::{
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::harness::{PATIENCE, Server, bytes, temp, wait_for};
use crate::media_hard::make;

/// What is mutated: a file's name, which says its container, and ffmpeg's options.
const KINDS: &[(&str, &str)] = &[
    ("h264.mp4", "-c:v libx264 -bf 2"),
    ("h264.ts", "-c:v libx264 -bf 2"),
    ("vp8.webm", "-c:v libvpx -b:v 1M"),
    ("mpeg4.avi", "-c:v mpeg4 -q:v 3 -bf 2"),
    ("fragments.mp4", "-c:v libx264 -movflags +frag_keyframe+empty_moov"),
    ("mjpeg.avi", "-c:v mjpeg -q:v 3"),
    ("h264.mkv", "-c:v libx264"),
    ("mpeg2.mpg", "-c:v mpeg2video -q:v 3 -bf 2"),
    ("h264.flv", "-c:v libx264"),
    ("vp9.webm", "-c:v libvpx-vp9 -cpu-used 8 -b:v 1M"),
    ("h265.mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=none"),
    ("theora.ogv", "-c:v libtheora -q:v 8"),
    ("raw.h264", "-c:v libx264"),
    ("prores.mov", "-c:v prores_ks"),
    ("sound.mp4", "-f lavfi -i sine=d=1 -map 0:v -map 1:a -c:v libx264 -c:a aac"),
    ("vp8.ivf", "-c:v libvpx -b:v 1M"),
    ("h263.3gp", "-vf scale=352:288 -c:v h263 -q:v 3"),
    ("mjpeg.mov", "-c:v mjpeg -q:v 3"),
    ("mpeg2.ts", "-c:v mpeg2video -q:v 3"),
    ("mpeg4.mkv", "-c:v mpeg4 -q:v 3"),
    ("raw.avi", "-c:v rawvideo -pix_fmt yuv420p"),
    ("mpeg4.mp4", "-c:v mpeg4 -q:v 3"),
    ("vp9.mp4", "-c:v libvpx-vp9 -cpu-used 8 -b:v 1M"),
    ("h264.m2ts", "-c:v libx264"),
    ("sorenson.flv", "-c:v flv -q:v 3"),
    ("mpeg1.mpg", "-c:v mpeg1video -q:v 3"),
    ("h264.mov", "-c:v libx264 -timecode 01:00:00:00"),
    ("h265.ts", "-c:v libx265 -preset ultrafast -x265-params log-level=none"),
    ("raw.hevc", "-c:v libx265 -preset ultrafast -x265-params log-level=none"),
    ("av1.mkv", "-c:v libaom-av1 -cpu-used 8 -usage realtime"),
    ("dropped.mxf", "-c:v mpeg2video -q:v 3"),
    ("dropped.wmv", "-c:v wmv2 -q:v 3"),
];
const FILES: u64 = 20;
const SEED: u64 = 0x5167_4874;
/// Files that are uploaded at once.
const AT_ONCE: usize = 4;
/// How much memory and how many descriptors the service may have more than before.
const MORE_MEMORY: u64 = 700 << 20;
const MORE_DESCRIPTORS: usize = 100;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// SplitMix64: the same numbers for the same seed in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Random bytes, integers at their extremes, and pieces that are moved, repeated or taken out.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    // Headers steer a parser more than samples do.
    let reach = if random.below(2) == 0 { bytes.len().min(2000) } else { bytes.len() };
    match random.below(5) {
        0 | 1 => {
            for _ in 0..random.one_of(&[1, 5, 20, 100]) {
                let at = random.below(reach);
                bytes[at] = random.next() as u8;
            }
        }
        2 => {
            for _ in 0..random.one_of(&[1, 2, 8]) {
                let value: u64 = random.one_of(&[0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, u64::MAX]);
                let size = random.one_of(&[1, 2, 4, 8]);
                let at = random.below(reach.saturating_sub(size));
                let value = if random.below(2) == 0 { value.to_be_bytes() } else { value.to_le_bytes() };
                let value = if random.below(2) == 0 { &value[8 - size..] } else { &value[..size] };
                bytes[at..at + size].copy_from_slice(value);
            }
        }
        3 => {
            let length = random.one_of(&[4, 16, 188, 512, 4096]).min(bytes.len() / 2);
            let from = random.below(bytes.len() - length);
            let piece = bytes[from..from + length].to_vec();
            if random.below(2) == 0 {
                bytes.drain(from..from + length);
            }
            if random.below(3) > 0 {
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
        }
        _ => {
            let keep = 1 + random.below(bytes.len());
            bytes.truncate(keep);
            bytes.extend((0..random.one_of(&[0, 1, 7, 100])).map(|_| random.next() as u8));
        }
    }
}

fn descriptors(server: &Server) -> usize {
    std::fs::read_dir(Path::new("/proc").join(server.pid().to_string()).join("fd")).unwrap().count()
}

#[test]
fn the_service_survives_mutated_files() {
    let files = number("SIGHTGLASS_MUTATED_FILES").unwrap_or(FILES);
    let seed = number("SIGHTGLASS_MUTATED_SEED").unwrap_or(SEED);
    let originals: Vec<OnceLock<Vec<u8>>> = KINDS.iter().map(|_| OnceLock::new()).collect();
    let data = temp();
    // A changed size would decode pictures of 8K otherwise, which only takes long.
    let server = Server::with(data.path(), &["--max-pixels", "1000000"]);
    // What the first video brings with it, such as the engine's buffers, is no growth.
    let first = server.upload(super::harness::fixture("numbered-odd.mp4"));
    server.done(&first);
    let (memory, open) = (server.memory(), descriptors(&server));

    let next = AtomicU64::new(0);
    let taken = AtomicU64::new(0);
    let work = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= files {
                return;
            }
            let kind = n as usize % KINDS.len();
            let (name, options) = KINDS[kind];
            let mut file =
                originals[kind].get_or_init(|| make(name, &format!("{options} -frames:v 30"), |p| bytes(p))).clone();
            let mut random = Random(seed ^ n.wrapping_mul(0x2545_f491_4f6c_dd1d));
            for _ in 0..=random.below(3) {
                mutate(&mut file, &mut random);
            }
            let what = format!("file {n} of seed {seed} ({name})");
            // Whatever went before, there is room for this one within some time: busy is no end.
            let answer = wait_for(&what, || {
                Some(server.send_video(&file, "")).filter(|answer| ![429, 503].contains(&answer.status))
            });
            match answer.status {
                201 => {
                    taken.fetch_add(1, Ordering::Relaxed);
                    let id = answer.json()["id"].as_str().unwrap().to_owned();
                    let video = server.ended(&id);
                    println!("{what}: {} {} frames, {}", video["state"], video["frames_done"], video["warning"]);
                    server.ask("DELETE", &format!("/api/videos/{id}")).must(204);
                }
                status @ (415 | 422) => println!("{what}: {status} {}", answer.json()["detail"]),
                status => panic!("{what}: {status} {}", answer.text()),
            }
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));

    server.get("/healthz").must(200);
    assert!(!server.log().contains("panicked"), "{}", server.log());
    let id = server.upload(super::harness::fixture("numbered-odd.mp4"));
    assert_eq!(server.done(&id)["frames_done"], 60, "the server lives on");
    wait_for("the descriptors of what has ended", || (descriptors(&server) <= open + MORE_DESCRIPTORS).then_some(()));
    let grown = server.memory().saturating_sub(memory);
    assert!(grown <= MORE_MEMORY, "{} MiB more than before", grown >> 20);
    println!("{files} files, {} taken, {} MiB more, within {PATIENCE:?} each", taken.into_inner(), grown >> 20);
}
