//! Files made on the spot, by ffmpeg from the numbered ones, that once went wrong or easily might.

use std::{ffi::OsStr, fs, path::Path};

use sightglass::{
    error::Kind,
    media::{FileSource, Limits, init},
};

use crate::media::{Clip, LIMITS, assert_times, decode, ffprobe_times, fixture, number, run};

/// Frames that ffprobe decodes.
pub fn ffprobe_frames(path: &Path) -> usize {
    let arguments = ["-v", "quiet", "-count_frames", "-select_streams", "v:0", "-show_entries"];
    let arguments = arguments.into_iter().chain(["stream=nb_read_frames", "-of", "default=nk=1:nw=1"]);
    let output = run("ffprobe", arguments.map(OsStr::new).chain([path.as_os_str()]));
    String::from_utf8(output).unwrap().lines().next().unwrap().parse().unwrap()
}

/// Makes `out` from the plain numbered video, with ffmpeg's `options`, and looks at it.
pub fn make<T>(out: &str, options: &str, look: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(out);
    let plain = fixture("numbered.mp4");
    let before = ["-v", "error", "-nostdin", "-i"].map(OsStr::new).into_iter().chain([plain.as_os_str()]);
    run("ffmpeg", before.chain(options.split(' ').map(OsStr::new)).chain([path.as_os_str()]));
    look(&path)
}

fn whole(out: &str, options: &str) -> Clip {
    make(out, options, |path| {
        let clip = decode(path, &LIMITS, |_| {}).unwrap_or_else(|error| panic!("{out}: {}", error.full()));
        assert_eq!(clip.numbers(), (0..90).collect::<Vec<_>>(), "{out} by {options}");
        assert_eq!(clip.warning, None, "{out} by {options}");
        let mut wanted = ffprobe_times(path);
        if ![".avi", ".h264"].iter().any(|end| out.ends_with(end)) {
            let start = if out.ends_with(".ts") || out.ends_with(".mpg") { wanted[0] } else { 0.0 };
            wanted.iter_mut().for_each(|time| *time -= start);
            assert_times(&clip.times(), &wanted, out);
        }
        if out.ends_with(".h264") {
            // A raw stream has no times, and FFmpeg reads it at 25 frames a second whatever it hints at.
            let counted: Vec<f64> = (0..90).map(|n| f64::from(n) / 25.0).collect();
            assert_times(&clip.times(), &counted, out);
        }
        clip
    })
}

#[test]
fn codecs_and_containers() {
    for (out, options) in [
        ("vp8.webm", "-c:v libvpx -b:v 1M"),
        ("vp9.webm", "-c:v libvpx-vp9 -cpu-used 8 -b:v 1M"),
        ("copy.mkv", "-c copy"),
        ("copy.mov", "-c copy -timecode 01:00:00:00"),
        ("copy.flv", "-c copy"),
        ("mpeg2.ts", "-c:v mpeg2video -q:v 3 -bf 2"),
        ("mpeg4.avi", "-c:v mpeg4 -q:v 3 -bf 2"),
        ("h264.avi", "-c:v libx264 -bf 0"),
        ("mjpeg.avi", "-c:v mjpeg -q:v 3"),
        ("mjpeg.mov", "-c:v mjpeg -q:v 3"),
        ("prores.mov", "-c:v prores_ks"),
        ("raw.avi", "-c:v rawvideo -pix_fmt yuv420p"),
        ("theora.ogv", "-c:v libtheora -q:v 8"),
        ("sorenson.flv", "-c:v flv -q:v 3"),
        ("raw.h264", "-c copy"),
        ("open.mp4", "-c:v libx264 -x264opts open-gop=1:keyint=20:bframes=3"),
        ("long.mp4", "-c:v libx264 -g 9999 -bf 8"),
        ("negative.mp4", "-c copy -movflags +negative_cts_offsets"),
    ] {
        whole(out, options);
    }
}

#[test]
fn chroma_and_depth() {
    for (out, options) in [
        ("422.mp4", "-c:v libx264 -pix_fmt yuv422p"),
        ("444.mp4", "-c:v libx264 -pix_fmt yuv444p"),
        ("422p10.mp4", "-c:v libx264 -pix_fmt yuv422p10le"),
        ("rgb.mp4", "-c:v libx264rgb -pix_fmt rgb24"),
        ("grey.mp4", "-c:v libx264 -pix_fmt gray"),
        ("420p12.mkv", "-c:v libx265 -x265-params log-level=none -pix_fmt yuv420p12le"),
        ("444p12.mkv", "-c:v libx265 -x265-params log-level=none -pix_fmt yuv444p12le"),
    ] {
        whole(out, options);
    }
}

/// gst-libav 1.22 ended the process on this one.
#[test]
fn twelve_bit_grey_is_refused_in_words() {
    make("grey12.mp4", "-c:v libx265 -x265-params log-level=none -pix_fmt gray12le", |path| {
        init().unwrap();
        let error = FileSource::open("grey", path, &LIMITS).err().expect("no such format in GStreamer");
        assert_eq!(error.kind, Kind::Unprocessable);
        assert!(error.detail.contains("12-bit grey") && error.detail.contains("Convert it"), "{}", error.detail);
    });
}

/// Matroska's times are its own: neither a late start nor sound that starts earlier moves them.
#[test]
fn late_starts_in_matroska() {
    assert_eq!(whole("late.mkv", "-c copy -output_ts_offset 5").seen[0].time, 5.0);
    make("sound.mkv", "-f lavfi -i sine=d=3 -map 1 -map 0 -c:v copy -c:a libopus", |path| {
        let clip = decode(path, &LIMITS, |_| {}).unwrap();
        assert_times(&clip.times(), &ffprobe_times(path), "sound.mkv");
    });
}

#[test]
fn turned_upside_down() {
    make("turned.mov", "-c copy -metadata:s:v rotate=180", |path| {
        let (mut frames, mut turned) = (0, 0);
        decode(path, &LIMITS, |frame| {
            frames += 1;
            // The number is in the other corner now, last bit first and upside down.
            let sample = |x: usize| crate::media::sample(frame, 0, 319 - x, 231);
            turned += u64::from(crate::media::read(|x, _| sample(x)) == frame.tag.frame);
        })
        .unwrap();
        assert_eq!((frames, turned), (90, 90));
    });
}

/// Sound, a second video, subtitles or a cover beside the video: the first real video is taken.
#[test]
fn other_tracks_are_left_alone() {
    let cover = format!("-i {} -map 1 -map 0 -c copy -disposition:v:0 attached_pic", fixture("scene.jpg").display());
    let second = "-f lavfi -i testsrc=d=3:s=640x480 -map 0 -map 1 -c:v:0 copy -c:v:1 libx264";
    for (out, options) in [
        ("sound.mp4", "-f lavfi -i sine=d=3 -map 1 -map 0 -c:v copy -c:a aac"),
        ("longer-sound.mp4", "-f lavfi -i sine=d=8 -map 1 -map 0 -c:v copy -c:a aac"),
        ("second.mp4", second),
        ("second.mkv", second),
        ("cover.mp4", &cover),
    ] {
        let frames = whole(out, options).info.frames;
        assert!(frames.is_some_and(|frames| (89..=92).contains(&frames)), "{out}: {frames:?} estimated");
    }
}

#[test]
fn one_frame() {
    for (out, options) in [
        ("one.mp4", "-frames:v 1 -c:v libx264"),
        ("one.avi", "-frames:v 1 -c:v mpeg4"),
        ("one.ts", "-frames:v 1 -c:v libx264"),
        ("one.webm", "-frames:v 1 -c:v libvpx"),
    ] {
        let clip = make(out, options, |path| decode(path, &LIMITS, |_| {})).unwrap();
        assert_eq!((clip.numbers(), clip.times(), clip.warning), (vec![0], vec![0.0], None), "{out}");
    }
}

#[test]
fn tiny_pictures() {
    for (out, options, width, height) in [
        ("2.mp4", "-vf scale=2:2 -c:v libx264 -pix_fmt yuv420p", 2, 2),
        ("3.webm", "-vf scale=3:5 -c:v libvpx-vp9 -cpu-used 8", 3, 5),
        ("1.mkv", "-vf scale=1:1 -c:v libvpx -b:v 1M", 1, 1),
    ] {
        let clip = make(out, options, |path| decode(path, &LIMITS, |_| {})).unwrap();
        assert_eq!((clip.seen.len(), clip.info.size.width, clip.info.size.height), (90, width, height), "{out}");
    }
}

#[test]
fn slow_and_fast_rates() {
    for (rate, step) in [("240", 1.0 / 240.0), ("1", 1.0), ("1/10", 10.0), ("30000/1001", 1001.0 / 30_000.0)] {
        let options = format!("-vf settb=AVTB,setpts=N/({rate})/TB -r {rate} -c:v libx264 -frames:v 20");
        let clip = make("rate.mp4", &options, |path| decode(path, &LIMITS, |_| {})).unwrap();
        let wanted: Vec<_> = (0..20).map(|n| f64::from(n) * step).collect();
        assert_times(&clip.times(), &wanted, rate);
    }
}

/// Flipped bits: frames, a warning or words, but never a crash, a hang or an error of the server's own.
#[test]
fn flipped_bits() {
    let folder = tempfile::tempdir().unwrap();
    // Xorshift: the same flips in each run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let names = ["numbered.mp4", "numbered.avi", "numbered-hevc.mp4", "numbered-resize.ts", "numbered-fragmented.mp4"];
    for round in 0..30 {
        let name = names[round % names.len()];
        let mut bytes = fs::read(fixture(name)).unwrap();
        // Some in the headers only, some all over.
        let reach = if round % 2 == 0 { bytes.len() } else { 3000 };
        for _ in 0..[1, 10, 100][round % 3] {
            let at = random(reach);
            bytes[at] ^= 1 << random(8);
        }
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        // A flipped bit of the size would decode pictures of 8K otherwise, which takes long.
        let limits = Limits { max_pixels: 1 << 20, ..LIMITS };
        if let Err(error) = decode(&path, &limits, |frame| assert!(number(frame) < 1 << 16)) {
            let told = matches!(error.kind, Kind::NotMedia | Kind::Unprocessable);
            assert!(told, "round {round}, {name}: {}", error.full());
        }
    }
}
