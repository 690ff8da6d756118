//! Files as people have them: from browsers, phones and careless copies.

use std::{fs, path::Path};

use sightglass::{
    error::Kind,
    media::{FilePictures, FileSource, init},
};

use crate::{
    media::{LIMITS, assert_times, decode, ffprobe_times, fixture, run},
    media_hard::make,
    shared::shared,
};

/// Frames, the last one's time and the duration of the files that users reported.
const REPORTED: &[(&str, usize, f64, f64)] = &[
    ("chrome156_webcam_default_vp8.webm", 48, 2.441, 2.5),
    ("chrome156_opaque_canvas_vp9.webm", 74, 2.441, 2.5),
    ("chrome156_h264_wrong_duration.webm", 77, 2.966, 3.0),
    ("iphone6s_two_trailing_bytes.mov", 14, 0.4333, 0.4667),
    ("iphone_two_trailing_bytes_half_the_frames_lost.mov", 120, 3.9683, 4.0017),
    ("faststart_one_trailing_zero_false_warning.mp4", 18, 2.1575, 2.1908),
    ("moov_last_four_trailing_zeros_hangs_sometimes.mp4", 18, 2.1575, 2.1908),
    ("pcr_every_2s_wrong_times.ts", 180, 5.9667, 6.0),
];
const REFUSED: &[(&str, &str)] = &[
    ("small_262_bytes_waits_15s.mp4", "no video track could be found"),
    ("small_header_only_waits_15s.avi", "no video track could be found"),
    ("cbcs_encrypted_wrong_words.mp4", "encrypted"),
    ("cheers_1440x960.heic", "still picture"),
];

/// Frame times, the end of the last one, and the warning.
fn whole(path: &Path) -> (Vec<f64>, f64, Option<String>) {
    init().unwrap();
    let mut source = FileSource::open("real", path, &LIMITS).unwrap_or_else(|e| panic!("{path:?}: {}", e.full()));
    let mut times = Vec::new();
    while let Some(frame) = source.next_frame().unwrap() {
        times.push(frame.tag.time);
    }
    (times, source.end(), source.warning())
}

#[test]
fn reported_files_give_what_they_hold() {
    let Some(shared) = shared() else { return };
    for (name, frames, last, duration) in REPORTED {
        let (times, end, warning) = whole(&shared.join("media/reported").join(name));
        assert_eq!((times.len(), warning), (*frames, None), "{name}");
        assert!((times[times.len() - 1] - last).abs() < 0.001, "{name}: last frame at {}", times[times.len() - 1]);
        assert!((end - duration).abs() < 0.05, "{name} ends at {end}");
    }
    for (name, words) in REFUSED {
        init().unwrap();
        let error = FileSource::open("bad", &shared.join("media/reported").join(name), &LIMITS).err().expect(name);
        assert!(error.kind == Kind::Unprocessable && error.detail.contains(words), "{name}: {}", error.full());
    }
}

/// What a careless upload, a copy or a camera leaves behind the last box is no missing end.
#[test]
fn bytes_behind_the_last_box_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let sound = "-f lavfi -i sine=d=2 -map 0:v -map 1:a -c:v copy -c:a aac";
    for (out, options) in [
        ("first.mp4", "-c copy -movflags +faststart"),
        ("last.mp4", "-c copy"),
        // Sound that ends first once ended the video.
        ("sound.mov", sound),
        ("fragments.mp4", "-c copy -movflags +frag_keyframe+empty_moov+default_base_moof"),
    ] {
        let whole = make(out, options, |path| fs::read(path).unwrap());
        let form = b"\r\n--------------------------5fa7c1d2e3b4a596--\r\n";
        let zeros = [0; 9];
        let mut tails: Vec<&[u8]> = (1..=9).map(|n| &zeros[..n]).collect();
        tails.extend([&b"\r\n"[..], b"\n", form, b"\0\0\x10\0free\0", b"\xff\xff\xff\xff\xff"]);
        for tail in tails {
            let path = folder.path().join(out);
            fs::write(&path, [&whole, tail].concat()).unwrap();
            let clip = decode(&path, &LIMITS, |_| {}).unwrap_or_else(|e| panic!("{out} {tail:?}: {}", e.full()));
            assert_eq!(clip.numbers(), (0..90).collect::<Vec<_>>(), "{out} {tail:?}");
            assert_eq!(clip.warning, None, "{out} {tail:?}");
        }
    }
}

/// An index that is cut off is none.
#[test]
fn a_cut_index_is_a_missing_one() {
    let folder = tempfile::tempdir().unwrap();
    let whole = make("last.mp4", "-c copy", |path| fs::read(path).unwrap());
    let path = folder.path().join("cut.mp4");
    fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    init().unwrap();
    let error = FileSource::open("cut", &path, &LIMITS).err().expect("no index");
    assert!(error.detail.contains("no index (moov atom)"), "{}", error.detail);
}

#[test]
fn sparse_clocks_of_a_transport_stream() {
    for period in [100, 500, 1000, 1500, 3000] {
        for codec in ["-c:v libx264 -g 30 -bf 2", "-c:v libx264 -g 30 -bf 0", "-c:v mpeg2video -q:v 3 -bf 2"] {
            let options = format!("{codec} -b:v 200k -f mpegts -pcr_period {period}");
            make("sparse.ts", &options, |path| {
                let what = format!("{codec}, a clock every {period} ms");
                let clip = decode(path, &LIMITS, |_| {}).unwrap_or_else(|error| panic!("{what}: {}", error.full()));
                assert_eq!(clip.numbers(), (0..90).collect::<Vec<_>>(), "{what}");
                let mut wanted = ffprobe_times(path);
                let first = wanted[0];
                wanted.iter_mut().for_each(|time| *time -= first);
                assert_times(&clip.times(), &wanted, &what);
                // The pictures for a browser that cannot decode it have the same times.
                let mut pictures = FilePictures::open(path, &LIMITS, 2.0, 320).unwrap();
                let picture = pictures.next_picture().unwrap().expect("a picture at 2 s");
                assert!((picture.time - 2.0).abs() < 0.001, "{what}: {} s", picture.time);
            });
        }
    }
}

/// Streams that were joined go on: leaving their clocks out of account would lose all but the first.
#[test]
fn joined_transport_streams_keep_all_frames() {
    let stream = make("one.ts", "-c copy -f mpegts", |path| fs::read(path).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.ts");
    fs::write(&path, [&stream[..], &stream].concat()).unwrap();
    let clip = decode(&path, &LIMITS, |_| {}).unwrap();
    // The decoder may give up a picture at the seam.
    assert!((178..=180).contains(&clip.seen.len()), "{} frames", clip.seen.len());
    assert!(clip.seen.windows(2).all(|pair| pair[0].time < pair[1].time), "times rise");
}

/// Where nothing in the file says how long it is, the last frame does.
#[test]
fn the_last_frame_tells_the_duration() {
    for (out, options, duration) in [
        ("a.webm", "-c:v libvpx -b:v 1M -live 1", 3.0),
        ("a.ivf", "-c:v libvpx -b:v 1M", 3.0),
        ("a.ts", "-c copy", 3.0),
        ("a.m2ts", "-c copy", 3.0),
        ("a.mpg", "-c:v mpeg2video -q:v 3", 3.0),
        // Counted at 25 a second.
        ("a.h264", "-c copy", 3.6),
        ("a.mp4", "-c copy", 3.0),
        // FLV has no edit list: the first frame comes two frames late.
        ("a.flv", "-c copy", 3.067),
    ] {
        make(out, options, |path| {
            let (times, end, _) = whole(path);
            assert_eq!(times.len(), 90, "{out}");
            assert!((end - duration).abs() < 0.04, "{out} ends at {end}");
        });
    }
    // What a browser records live states none: a guess from the first cluster is none either.
    let live = make("live.webm", "-c:v libvpx -b:v 1M -live 1 -f webm", |path| {
        init().unwrap();
        FileSource::open("live", path, &LIMITS).unwrap().info().clone()
    });
    assert_eq!((live.duration, live.frames), (None, None));
}

/// Every scheme of common encryption, and the one before it.
#[test]
fn encrypted_files_are_called_encrypted() {
    let plain = fs::read(fixture("encrypted.mp4")).unwrap();
    let at = plain.windows(8).position(|eight| eight == b"schm\0\0\0\0").unwrap() + 8;
    let folder = tempfile::tempdir().unwrap();
    for scheme in [b"cenc", b"cens", b"cbc1", b"cbcs", b"piff"] {
        let mut bytes = plain.clone();
        bytes[at..at + 4].copy_from_slice(scheme);
        let path = folder.path().join("encrypted.mp4");
        fs::write(&path, bytes).unwrap();
        init().unwrap();
        let error = FileSource::open("encrypted", &path, &LIMITS).err().expect("nothing can be seen of it");
        assert!(error.detail.contains("encrypted (DRM)"), "{scheme:?}: {}", error.full());
    }
    // A lone fragment without its index, of PIFF.
    let id = [0xa2, 0x39, 0x4f, 0x52, 0x5a, 0x9b, 0x4f, 0x14, 0xa2, 0x44, 0x6c, 0x42, 0x7c, 0x64, 0x8d, 0xf4];
    let wrap = |kind: &[u8], body: &[u8]| [&(8 + body.len() as u32).to_be_bytes(), kind, body].concat();
    let encryption = wrap(b"uuid", &[&id[..], &[0; 8]].concat());
    let fragment = wrap(b"moof", &wrap(b"traf", &encryption));
    let path = folder.path().join("fragment.mp4");
    fs::write(&path, [wrap(b"ftyp", b"piff\0\0\0\x01piffiso2"), fragment, wrap(b"mdat", &[7; 3000])].concat()).unwrap();
    let error = FileSource::open("fragment", &path, &LIMITS).err().expect("nothing can be seen of it");
    assert!(error.detail.contains("encrypted (DRM)"), "{}", error.full());
}

/// Phones' still pictures share their form with MP4.
#[test]
fn still_pictures_in_boxes_are_called_so() {
    let folder = tempfile::tempdir().unwrap();
    let wrap = |kind: &[u8], body: &[u8]| [&(8 + body.len() as u32).to_be_bytes(), kind, body].concat();
    for brand in [b"heic", b"heix", b"mif1", b"avif", b"msf1"] {
        let bytes = [wrap(b"ftyp", &[&brand[..], &[0; 4], b"mif1miaf"].concat()), wrap(b"meta", &[0; 200])].concat();
        let path = folder.path().join("still.mp4");
        fs::write(&path, [&bytes[..], &wrap(b"mdat", &[9; 2000])].concat()).unwrap();
        init().unwrap();
        let error = FileSource::open("still", &path, &LIMITS).err().expect("no video");
        assert_eq!(error.kind, Kind::Unprocessable);
        assert!(error.detail.contains("still picture") && error.detail.contains("image page"), "{}", error.detail);
    }
    let encoders = run("ffmpeg", ["-v", "quiet", "-muxers"]);
    if String::from_utf8_lossy(&encoders).contains(" avif ") {
        make("a.avif", "-frames:v 1 -c:v libaom-av1 -cpu-used 8 -still-picture 1", |path| {
            let error = FileSource::open("still", path, &LIMITS).err().expect("no video");
            assert!(error.detail.contains("still picture"), "{}", error.detail);
        });
    }
}
