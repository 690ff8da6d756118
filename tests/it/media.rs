//! Every numbered video decodes to all of its frames, in order, upright, at its own times. Also what the
//! other `media_*` files share.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use sightglass::{
    error::Result,
    frame::{Frame, Pixels, Range, Size},
    media::{self, FileSource, Limits, MediaInfo},
};

/// As the service's defaults, with room for the tests' own clips.
pub const LIMITS: Limits =
    Limits { max_pixels: 3840 * 2160 * 4, max_duration: 6.0 * 3600.0, stall: Duration::from_secs(30) };
/// Blocks of the frame number and their width and height in pixels (fixtures/README.md).
pub const BITS: usize = 16;
pub const BLOCK: usize = 16;

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A frame as a test sees it.
#[derive(Debug)]
pub struct Seen {
    pub number: u64,
    pub time: f64,
    pub size: Size,
}

/// A whole file.
#[derive(Debug)]
pub struct Clip {
    pub info: MediaInfo,
    pub seen: Vec<Seen>,
    pub warning: Option<String>,
}

impl Clip {
    pub fn numbers(&self) -> Vec<u64> {
        self.seen.iter().map(|seen| seen.number).collect()
    }

    pub fn times(&self) -> Vec<f64> {
        self.seen.iter().map(|seen| seen.time).collect()
    }
}

/// Decodes a file to its end, looking at each frame.
pub fn decode(path: &Path, limits: &Limits, mut look: impl FnMut(&Frame)) -> Result<Clip> {
    media::init()?;
    let mut source = FileSource::open("clip", path, limits)?;
    let mut seen = Vec::new();
    while let Some(frame) = source.next_frame()? {
        assert_eq!(frame.tag.frame, seen.len() as u64, "frames are counted from 0");
        assert_eq!(&*frame.tag.source, "clip");
        look(&frame);
        seen.push(Seen { number: number(&frame), time: frame.tag.time, size: frame.size });
    }
    assert!(source.next_frame()?.is_none(), "the end stays the end");
    Ok(Clip { info: source.info().clone(), seen, warning: source.warning() })
}

/// One sample of plane `plane`, at a pixel of that plane.
pub fn sample(frame: &Frame, plane: usize, x: usize, y: usize) -> u8 {
    let Pixels::I420 { planes, .. } = &frame.pixels else { panic!("decoded frames are I420") };
    planes[plane].row(y, x + 1)[x]
}

/// The frame number drawn in the top-left corner; 0 where the picture is too small to hold one.
pub fn number(frame: &Frame) -> u64 {
    let (width, height) = (frame.size.width as usize, frame.size.height as usize);
    if height < BLOCK || width < BITS * BLOCK {
        return 0;
    }
    // Non-square pixels were made square: the blocks of a 427 pixels wide frame were drawn on 320.
    let wide = if (width, height) == (427, 240) { 427.0 / 320.0 } else { 1.0 };
    read(|x, y| sample(frame, 0, ((x as f64 + 0.5) * wide) as usize, y))
}

/// Reads the number out of luma samples.
pub fn read(luma: impl Fn(usize, usize) -> u8) -> u64 {
    (0..BITS).fold(0, |number, bit| {
        let block = (4..12).flat_map(|y| (4..12).map(move |x| (BLOCK * bit + x, y)));
        let sum: u32 = block.map(|(x, y)| u32::from(luma(x, y))).sum();
        number << 1 | u64::from(sum / 64 > 128)
    })
}

/// Runs a program and gives what it wrote to stdout.
pub fn run<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Times of the first video track's frames as ffprobe prints them.
pub fn ffprobe_times(path: &Path) -> Vec<f64> {
    let entries = ["-v", "quiet", "-select_streams", "v:0", "-show_entries", "frame=pts_time", "-of", "csv=p=0"];
    let output = run("ffprobe", entries.map(OsStr::new).into_iter().chain([path.as_os_str()]));
    let text = String::from_utf8(output).unwrap();
    let fields = text.lines().map(|line| line.split(',').next().unwrap_or("").trim());
    fields.filter(|field| !field.is_empty()).map(|field| field.parse().unwrap_or(f64::NAN)).collect()
}

/// The times are those of ffprobe, each to a millisecond.
pub fn assert_times(got: &[f64], wanted: &[f64], what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}: number of frames");
    for (n, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        assert!((got - wanted).abs() < 1e-3, "{what}: frame {n} at {got} s, not at {wanted} s");
    }
    assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "{what}: times rise");
}

/// Decodes a fixture and holds it against its row in fixtures/README.md.
fn numbered(name: &str, frames: u64, first: u64, size: (u32, u32)) -> Clip {
    let path = fixture(name);
    let clip = decode(&path, &LIMITS, |frame| {
        // The circle's middle: yellow where its number says, in chroma too, so no plane is shifted or
        // sheared.
        let across = |x: u64| (x as f64 * if size == (427, 240) { 427.0 / 320.0 } else { 1.0 }) as usize;
        let (x, y) = (across(40 + 2 * number(frame)), 90);
        if (x as u32) < frame.size.width {
            let (cb, cr) = (sample(frame, 1, x / 2, y / 2), sample(frame, 2, x / 2, y / 2));
            assert!(cb < 80 && (135..185).contains(&cr), "{name}: {cb} {cr} at frame {}", frame.tag.frame);
        }
    })
    .unwrap_or_else(|error| panic!("{name}: {}", error.full()));
    assert_eq!(clip.numbers(), (first..first + frames).collect::<Vec<_>>(), "{name}");
    assert_eq!((clip.info.size.width, clip.info.size.height), size, "{name}");
    let mut wanted = ffprobe_times(&path);
    if name.ends_with(".ts") {
        // Broadcast clocks start anywhere: times count from the first frame.
        let start = wanted[0];
        wanted.iter_mut().for_each(|time| *time -= start);
    }
    assert_times(&clip.times(), &wanted, name);
    assert_eq!(clip.warning, None, "{name}");
    clip
}

fn one_size(clip: &Clip) {
    assert!(clip.seen.iter().all(|seen| seen.size == clip.info.size));
}

#[test]
fn plain() {
    let clip = numbered("numbered.mp4", 90, 0, (320, 240));
    one_size(&clip);
    let info = &clip.info;
    assert_eq!(info.rate.map(|rate| (rate.num, rate.den)), Some((30, 1)));
    assert_eq!((info.duration, info.frames, info.mime), (Some(3.0), Some(90), "video/mp4"));
    assert_eq!(info.container.as_deref(), Some("MP4"));
    assert!(info.codec.as_deref().is_some_and(|codec| codec.contains("H.264")), "{info:?}");
}

#[test]
fn variable_frame_rate() {
    let clip = numbered("numbered-vfr.mp4", 60, 0, (320, 240));
    for (n, time) in clip.times().into_iter().enumerate() {
        let wanted = (32 * n + 6 * ((2 * n) % 5)) as f64 / 600.0;
        assert!((time - wanted).abs() < 2e-6, "frame {n} at {time} s, not at {wanted} s");
    }
    let frames = clip.info.frames.unwrap();
    assert!((40..=80).contains(&frames), "estimated {frames} frames of 60");
}

#[test]
fn rotated() {
    one_size(&numbered("numbered-rotated.mp4", 60, 0, (288, 384)));
}

#[test]
fn hevc() {
    one_size(&numbered("numbered-hevc.mp4", 90, 0, (320, 240)));
}

#[test]
fn avi() {
    let clip = numbered("numbered.avi", 90, 0, (320, 240));
    assert_eq!(clip.info.mime, "video/x-msvideo");
}

#[test]
fn edit_list() {
    assert_eq!(numbered("numbered-editlist.mp4", 60, 20, (320, 240)).seen[0].time, 0.0);
}

#[test]
fn gap_at_the_start() {
    assert_eq!(numbered("numbered-gap.mp4", 60, 0, (320, 240)).seen[0].time, 0.5);
}

#[test]
fn odd_size() {
    one_size(&numbered("numbered-odd.mp4", 60, 0, (319, 239)));
}

#[test]
fn pixel_aspect_ratio() {
    one_size(&numbered("numbered-par.mp4", 60, 0, (427, 240)));
}

#[test]
fn ten_bits() {
    one_size(&numbered("numbered-10bit.mp4", 60, 0, (320, 240)));
}

#[test]
fn ranges_are_told_and_levels_untouched() {
    numbered("numbered-fullrange.mp4", 60, 0, (320, 240));
    for (name, range, black, white) in
        [("numbered-fullrange.mp4", Range::Full, 0, 255), ("numbered.mp4", Range::Limited, 16, 235)]
    {
        decode(&fixture(name), &LIMITS, |frame| {
            let Pixels::I420 { colour, .. } = &frame.pixels else { panic!("{name}: decoded frames are I420") };
            assert_eq!(colour.range, range, "{name}");
            // The first block is black always, the last one is white in odd frames.
            assert!(sample(frame, 0, 8, 8).abs_diff(black) < 6, "{name}: black is {}", sample(frame, 0, 8, 8));
            if number(frame) % 2 == 1 {
                assert!(sample(frame, 0, 248, 8).abs_diff(white) < 6, "{name}: white is {}", sample(frame, 0, 248, 8));
            }
        })
        .unwrap();
    }
}

#[test]
fn size_changes_in_mid_stream() {
    let clip = numbered("numbered-resize.ts", 90, 0, (320, 240));
    for (n, seen) in clip.seen.iter().enumerate() {
        let wanted = if n < 45 { Size::new(320, 240) } else { Size::new(400, 300) };
        assert_eq!(seen.size, wanted, "frame {n}");
    }
}

#[test]
fn fragmented() {
    one_size(&numbered("numbered-fragmented.mp4", 90, 0, (320, 240)));
}

/// A fixture that is not in any table above would be decoded by nobody.
/// The drawn scenes that the browser's tests and `evaluate_shapes.py` use: a longer and larger clip.
#[test]
fn drawn_shapes() {
    let clip = decode(&fixture("shapes.mp4"), &LIMITS, |_| ()).unwrap();
    assert_eq!((clip.seen.len(), clip.info.size.width, clip.info.size.height), (300, 854, 480));
    assert_times(&clip.times(), &ffprobe_times(&fixture("shapes.mp4")), "shapes.mp4");
}

#[test]
fn every_video_fixture_has_a_test() {
    let sources = [include_str!("media.rs"), include_str!("media_bad.rs"), include_str!("media_hard.rs")].concat();
    for entry in std::fs::read_dir(fixture("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if [".mp4", ".avi", ".ts", ".mkv", ".webm", ".mov"].iter().any(|end| name.ends_with(end)) {
            assert!(sources.contains(&format!("\"{name}\"")), "{name} has no test: add it here or to media_bad.rs");
        }
    }
}
