//! Files that are made to harm: formats with weak demuxers, pictures that take minutes to decode, errors that come early.

use std::{fs, path::Path};

use sightglass::{
    error::Kind,
    media::{FilePictures, FileSource, init, stuck_pipelines},
};

use crate::{
    media::{LIMITS, fixture, run},
    media_hard::make,
    shared::shared,
};

fn refusal(path: &Path) -> (Kind, String) {
    init().unwrap();
    let error = FileSource::open("hostile", path, &LIMITS).err().unwrap_or_else(|| panic!("{path:?} was opened"));
    (error.kind, error.detail)
}

/// Rarely sent formats are refused by their name before any demuxer sees them.
#[test]
fn formats_outside_the_list_are_refused_by_name() {
    for (out, options, name) in [
        ("a.mxf", "-c:v mpeg2video -q:v 3", "MXF"),
        ("a.wmv", "-c:v wmv2 -q:v 3", "WMV"),
        ("a.dv", "-vf scale=720:576 -r 25 -pix_fmt yuv420p -c:v dvvideo", "DV"),
        ("a.y4m", "-pix_fmt yuv420p", "Y4M"),
        ("a.nut", "-c copy", "NUT"),
        ("a.gxf", "-vf scale=720:576 -r 25 -c:v mpeg2video -q:v 3", "GXF"),
        ("a.swf", "-c:v flv -q:v 3", "SWF"),
        // A known container with a decoder that is not in the list.
        ("ffv1.mkv", "-c:v ffv1", "ffv"),
        ("png.mov", "-c:v png", "png"),
        ("dv.avi", "-vf scale=720:576 -r 25 -pix_fmt yuv420p -c:v dvvideo", "dv"),
        ("msmpeg4.avi", "-c:v msmpeg4 -q:v 3", "msmpeg"),
        ("huff.avi", "-c:v huffyuv -pix_fmt yuv422p", "huffyuv"),
    ] {
        make(out, options, |path| {
            let (kind, detail) = refusal(path);
            println!("{out}: {detail}");
            assert_eq!(kind, Kind::Unprocessable, "{out}: {detail}");
            let named = detail.to_lowercase().contains(&name.to_lowercase());
            assert!(named && detail.contains("convert it") && detail.contains("H.264"), "{out}: {detail}");
            let other = FilePictures::open(path, &LIMITS, 0.0, 640).err().expect("pictures are refused too");
            assert_eq!(other.detail, detail, "{out}");
        });
    }
    let folder = tempfile::tempdir().unwrap();
    for (head, name) in [
        (&b"NSVsxxxxxxxxVP31"[..], "NSV"),
        (b"AV\x01\x00\x55\x00\x10\x00", "PVA"),
        (b"RIFF\x00\x10\x00\x004XMVLIST", "4XM"),
        (b".RMF\x00\x00\x00\x12\x00\x01", "RealMedia"),
    ] {
        let path = folder.path().join("a.mp4");
        fs::write(&path, [head, &[0; 4000]].concat()).unwrap();
        let (kind, detail) = refusal(&path);
        assert!(kind == Kind::Unprocessable && detail.contains(name), "{name}: {detail}");
    }
}

/// It ended the process by a fault of mxfdemux.
#[test]
fn the_mxf_that_crashed_is_refused() {
    let Some(shared) = shared() else { return };
    let (kind, detail) = refusal(&shared.join("media/hostile/crash.mxf"));
    assert!(kind == Kind::Unprocessable && detail.contains("MXF"), "{detail}");
}

/// An AVI of motion JPEG whose pictures repeat their scan so often.
pub fn scans_avi(repeats: usize) -> Vec<u8> {
    let jpeg = fs::read(fixture("scene.jpg")).unwrap();
    let start = jpeg.windows(2).rposition(|two| two == [0xff, 0xda]).unwrap();
    let (head, scan) = (&jpeg[..start], &jpeg[start..jpeg.len() - 2]);
    let picture = [head, &scan.repeat(repeats), &[0xff, 0xd9]].concat();
    let chunk = |kind: &[u8], data: &[u8]| {
        let mut bytes = [kind, &(data.len() as u32).to_le_bytes(), data].concat();
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    };
    let list = |kind: &[u8], data: &[u8]| chunk(b"LIST", &[kind, data].concat());
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let (width, height) = (640, 480);
    let main = words(&[40_000, 10_000_000, 0, 0x10, 3, 0, 1, picture.len() as u32, width, height, 0, 0, 0, 0]);
    let size = (width | height << 16).to_le_bytes();
    let mut stream = b"vidsMJPG".to_vec();
    stream.extend(words(&[0, 0, 0, 1, 25, 0, 3, picture.len() as u32, u32::MAX, 0, 0]));
    stream.extend(size);
    let format = [
        words(&[40, width, height]),
        [1, 0, 24, 0].to_vec(),
        b"MJPG".to_vec(),
        words(&[width * height * 3, 0, 0, 0, 0]),
    ]
    .concat();
    let header = [chunk(b"avih", &main), list(b"strl", &[chunk(b"strh", &stream), chunk(b"strf", &format)].concat())];
    let (mut movie, mut index, mut at) = (Vec::new(), Vec::new(), 4_u32);
    for _ in 0..3 {
        let bytes = chunk(b"00dc", &picture);
        index.extend(b"00dc");
        index.extend(words(&[0x10, at, picture.len() as u32]));
        at += bytes.len() as u32;
        movie.extend(bytes);
    }
    let body = [b"AVI ".to_vec(), list(b"hdrl", &header.concat()), list(b"movi", &movie), chunk(b"idx1", &index)];
    chunk(b"RIFF", &body.concat())
}

/// Each scan costs a pass over all pixels, and nothing can interrupt the decoder.
#[test]
fn pictures_of_many_scans_are_refused_within_videos_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scans.avi");
    fs::write(&path, scans_avi(1)).unwrap();
    init().unwrap();
    let mut source = FileSource::open("one", &path, &LIMITS).expect("one scan is a plain picture");
    let mut frames = 0;
    while source.next_frame().unwrap().is_some() {
        frames += 1;
    }
    assert_eq!(frames, 3);
    fs::write(&path, scans_avi(100)).unwrap();
    let (kind, detail) = refusal(&path);
    assert!(kind == Kind::Unprocessable && detail.contains("so many scans"), "{detail}");
    let whole = folder.path().join("whole.avi");
    // The first pictures are plain ones: it is found in mid-stream.
    fs::write(&whole, scans_avi(1)).unwrap();
    let plain = fs::read(&whole).unwrap();
    let late = late_scans(&plain);
    fs::write(&path, late).unwrap();
    let mut source = FileSource::open("late", &path, &LIMITS).unwrap();
    let error = loop {
        match source.next_frame() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("ended without words"),
            Err(error) => break error,
        }
    };
    assert!(error.detail.contains("so many scans"), "{}", error.detail);
    assert_eq!(stuck_pipelines(), 0);
}

/// The AVI with markers of scans written over the coded samples of its last picture.
fn late_scans(avi: &[u8]) -> Vec<u8> {
    let mut bytes = avi.to_vec();
    let last = bytes.windows(2).rposition(|two| two == [0xff, 0xda]).unwrap();
    for n in 1..=100 {
        let at = last + 100 + 16 * n;
        bytes[at..at + 2].copy_from_slice(&[0xff, 0xda]);
    }
    bytes
}

/// An MP4 with a head and nothing in it: its demuxer fails while decodebin still tries it.
pub fn hollow_mp4() -> Vec<u8> {
    let mut movie = vec![0; 108];
    movie[..8].copy_from_slice(b"\0\0\0\x6cmvhd");
    movie[20..24].copy_from_slice(&1000_u32.to_be_bytes());
    let mut bytes = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41\0\0\0\x08free\0\0\0\x08mdat".to_vec();
    bytes.extend((8 + movie.len() as u32).to_be_bytes());
    bytes.extend(b"moov");
    bytes.extend(movie);
    bytes
}

/// decodebin drops such an error now and then, and the server then waited for its limit and used other words.
#[test]
fn an_error_that_comes_early_is_seen_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hollow.mp4");
    fs::write(&path, hollow_mp4()).unwrap();
    for _ in 0..50 {
        let (kind, detail) = refusal(&path);
        assert!(kind == Kind::Unprocessable && detail.contains("no video track could be found"), "{detail}");
    }
}

/// Recordings of browsers say that they have alpha where they have none; real alpha is left out.
#[test]
fn alpha_of_vp8_and_vp9_is_left_out() {
    let marked = "-metadata:s:v:0 alpha_mode=1";
    for (out, options) in [
        ("marked-vp8.webm", format!("-c:v libvpx -b:v 1M {marked}")),
        ("marked-vp9.webm", format!("-c:v libvpx-vp9 -cpu-used 8 -b:v 1M {marked}")),
        ("alpha-vp8.webm", "-vf format=yuva420p -c:v libvpx -auto-alt-ref 0 -b:v 1M".to_owned()),
        ("alpha-vp9.webm", "-vf format=yuva420p -c:v libvpx-vp9 -cpu-used 8 -auto-alt-ref 0 -b:v 1M".to_owned()),
    ] {
        make(out, &format!("{options} -frames:v 30"), |path| {
            let tags = ["-v", "error", "-show_entries", "stream_tags=alpha_mode", "-of", "csv=p=0"];
            let tags = run("ffprobe", tags.map(Path::new).into_iter().chain([path]));
            assert_eq!(String::from_utf8_lossy(&tags).trim(), "1", "{out}: or this tests nothing");
            let clip = crate::media::decode(path, &LIMITS, |_| {}).unwrap_or_else(|e| panic!("{out}: {}", e.full()));
            assert_eq!(clip.numbers(), (0..30).collect::<Vec<_>>(), "{out}");
        });
    }
}
